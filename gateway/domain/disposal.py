"""The name of a certificate of disposal among the evidence. Pure; raises nothing."""

from __future__ import annotations


def file_name(day: str, sha256: str) -> str:
    """Below state/evidence/disposals: a digest of the signed text tells two of one day apart."""
    return f"{day}.{sha256[:16]}.asc"
