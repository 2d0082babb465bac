"""The OpenPGP engine: GnuPG, run as bounded child processes through python-gnupg."""
