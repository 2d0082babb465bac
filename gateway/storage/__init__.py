"""Bytes on this machine's disks: durable writes, the Linux calls behind them, and walks that follow no link."""
