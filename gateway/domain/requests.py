"""What a person may ask of a site through its ledger: the right that it takes, whether it takes two people, which role carries it out; and
the states of a request. Raises nothing.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Self

from gateway.domain.people import Right


class Act(StrEnum):
    """What can be asked; `role` is the name of the role that carries it out (`stages.itinerary.Role`), `right` is what whoever asks needs,
    and `people` is how many people it takes: of two, one proposes, and another one with the same right agrees.
    """

    _value_: str
    role: str
    right: Right
    people: int

    def __new__(cls, name: str, role: str, right: Right, people: int = 1) -> Self:
        act = str.__new__(cls, name)
        act._value_ = name
        act.role = role
        act.right = right
        act.people = people
        return act

    HOLD = "hold", "inspect", Right.HOLD
    RELEASE = "release", "inspect", Right.RELEASE, 2
    RETRY = "retry", "inspect", Right.HOLD
    RETURN = "return", "inspect", Right.HOLD
    ACCEPT = "accept", "inspect", Right.ANSWER
    """The back office has taken a delivered file over."""
    REJECT = "reject", "inspect", Right.ANSWER
    """The back office cannot take a delivered file; the reason goes to its sender."""
    DISCARD = "discard", "vault", Right.DISCARD, 2
    """Removes bytes from the quarantine, where *inspect* may not write."""
    CHECK = "check", "inspect", Right.SEND
    """Reads an upload of the console as `gateway validate` would."""
    SEND = "send", "inspect", Right.SEND
    """Takes an upload in, as a dropped file is."""
    FETCH = "fetch", "inspect", Right.OPEN
    """Copies a delivered payload, for a program of the back office to take."""
    OPEN = "open", "inspect", Right.OPEN
    """Renders a payload, for one person to look at."""


class RequestState(StrEnum):
    """A request is asked, and then has one answer: done or refused. One that takes two people is proposed first, and asked only once a
    second person agrees.
    """

    PROPOSED = "proposed"
    ASKED = "asked"
    DONE = "done"
    REFUSED = "refused"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"
    LAPSED = "lapsed"


READING: Final = (Act.CHECK, Act.SEND, Act.FETCH, Act.OPEN)
"""What a stage of its own carries out: files are read or taken for it, before the transaction that answers."""

OPEN: Final = (RequestState.PROPOSED, RequestState.ASKED)
"""The states of a request that something still becomes of."""
