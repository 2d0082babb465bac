"""Bytes on this machine's disks: durable writes, digests, and walks that follow no link."""
