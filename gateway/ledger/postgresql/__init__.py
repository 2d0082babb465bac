"""What is PostgreSQL's own of the ledger; nothing here is imported where the ledger is SQLite's. docs/adr/0084 has the reasons."""
