"""The interface for programs, `/api/v1`: JSON over HTTP, by tokens, with the console's policy and accounting.

`operations` is the table of what there is, by which right; `openapi` writes it down for programs, `web` answers requests by it.
"""
