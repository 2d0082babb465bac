"""A site's metrics: the list of them, how they are read, and the role that serves them."""
