"""How long a site keeps what it has: what is over its time, getting rid of it with a certificate, and legal holds."""
