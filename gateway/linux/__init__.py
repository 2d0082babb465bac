"""Calls of the Linux kernel that Python's standard library lacks, for files and for what a process gives up."""
