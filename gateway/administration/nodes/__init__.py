"""Several machines for one site: what they share, and how another one becomes a node."""
