"""Why a payload is not shown."""

from __future__ import annotations


class Unshowable(ValueError):
    """`args[0]` is the reason, without anything that the payload says."""
