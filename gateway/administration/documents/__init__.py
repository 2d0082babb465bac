"""Reading documents for a person by the same readers as the gateway's, with or without a site."""
