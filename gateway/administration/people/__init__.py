"""Who may use the console: adding them, changing what they may do, and ending it."""
