"""Work that was done by hand while business continuity was invoked: whether the gateway carried it as well. Pure; raises nothing."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from gateway.domain.states import State


class Carried(StrEnum):
    """What the gateway has to do with something that was done by hand."""

    BOTH = "both"
    """It was carried as well, or is on its way: it may be done twice."""
    WAITING = "waiting"
    """It was not carried yet: a person can still take it out."""
    HAND = "hand"
    """It was done by hand alone: nothing of the gateway's is about it, or what there was came back."""


_WAITING: Final = frozenset({State.ADMITTED, State.VALIDATED, State.HELD})
_ENDED: Final = frozenset({State.REJECTED, State.QUARANTINED, State.EXPIRED})


def carried(state: State) -> Carried:
    """What a transfer in this state means. One that is packed is on its way: only its receipt says what became of it."""
    if state in _ENDED:
        return Carried.HAND
    return Carried.WAITING if state in _WAITING else Carried.BOTH
