"""The bench: the gateway's whole job beside what people would do instead, on the same files, in the same run."""
