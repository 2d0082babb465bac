"""Putting a site together: the only part that names concrete engines. It takes what it needs from the settings."""
