"""Proofs that the ledger is what it was, one module a proof."""
