"""What a person may ask of a site through its ledger, which role carries it out, and the states of a request. Raises nothing."""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class Act(StrEnum):
    """What can be asked; `role` is the name of the role that carries it out (`stages.itinerary.Role`)."""

    _value_: str
    role: str

    def __new__(cls, name: str, role: str) -> Self:
        act = str.__new__(cls, name)
        act._value_ = name
        act.role = role
        return act

    HOLD = "hold", "inspect"
    RELEASE = "release", "inspect"
    RETRY = "retry", "inspect"
    RETURN = "return", "inspect"
    DISCARD = "discard", "vault"
    """Removes bytes from the quarantine, where *inspect* may not write."""


class RequestState(StrEnum):
    """A request is asked, and then has one answer."""

    ASKED = "asked"
    DONE = "done"
    REFUSED = "refused"
