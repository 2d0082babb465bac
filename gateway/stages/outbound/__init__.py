"""Stages of what this site sends: admit, validate, pack, seal, send, accept, conclude."""
