"""Looking is accounted for: who opened a payload and why, management checks, their daily report, incidents and forms."""
