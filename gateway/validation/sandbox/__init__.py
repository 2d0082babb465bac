"""Processes of few rights in which files that others wrote are read."""
