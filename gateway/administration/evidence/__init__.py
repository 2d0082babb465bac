"""What a site can show of a transfer, or of a period, to somebody who does not trust it (docs/audit.md, "Evidence bundles")."""
