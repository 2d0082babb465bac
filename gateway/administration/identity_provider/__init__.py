"""Signing in by a site's identity provider (OpenID Connect): what is asked of it, what is believed of its answers, and whose they are."""
