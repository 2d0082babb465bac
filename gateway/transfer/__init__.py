"""The law of transfers: states, moves, manifest, receipt, retry. No I/O, no clock, no database."""
