"""The connection statement: what a code of connection asks of a site, measured on the site, with what falls short first."""
