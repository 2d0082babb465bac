"""The law of the gateway: states, identities, and every document that two sites exchange. No I/O, no clock, no database."""
