"""OpenTelemetry traces of transfers, made of the ledger's events: docs/adr/0065-traces-from-the-ledger.md."""
