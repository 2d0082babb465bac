"""What a person asks of a site: each request opens the ledger, lets the policy in `stages` decide, and wakes the roles."""
