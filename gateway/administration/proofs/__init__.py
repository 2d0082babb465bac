"""What auditors ask of the vault in the console: verifying the site, and evidence to take away; in a process of its own."""
