"""Where several nodes keep a site's files: one contract, a directory that all of them mount, and S3."""
