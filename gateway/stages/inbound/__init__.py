"""Stages of what this site receives: collect, open, deliver, acknowledge, answer."""
