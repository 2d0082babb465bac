"""The stages of a transfer. No stage calls another: the ledger holds what is due, and what was done goes there."""
