"""Custody of bytes: taking files in, keeping them durable, packing and unpacking them, publishing them whole."""
