"""What the ledger is asked, one module a subject. Reads only."""
