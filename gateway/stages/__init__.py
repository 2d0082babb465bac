"""The stages, one file each. No stage calls another: what is due is in the ledger, and what was done goes there."""
