"""What is inside a consignment: a tar of manifest and payload files in one Zstandard frame."""
