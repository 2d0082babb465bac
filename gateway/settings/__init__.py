"""The site's configuration: strict TOML, every fault reported at once with file and line."""
