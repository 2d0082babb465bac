"""The roles by name: whoever starts them or speaks of them does not wait for what they work with (`crew`)."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

HALTED: Final = 100
"""Added to a Halt's exit status by a supervised role, so that its supervisor can tell a Halt from a mere crash."""


class Role(StrEnum):
    """The three roles: inspect reads what people and partners wrote, vault holds the keys, link talks to the network."""

    INSPECT = "inspect"
    VAULT = "vault"
    LINK = "link"
