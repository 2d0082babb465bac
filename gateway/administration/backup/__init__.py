"""Copies of a whole site: taking them while it works, and putting one back."""
