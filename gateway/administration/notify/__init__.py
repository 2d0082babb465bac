"""Tell people what happens: notices by e-mail and by webhook."""
