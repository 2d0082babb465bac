"""What a person is shown of a site: read from the ledger and the settings alone, so that whoever looks needs no key."""
