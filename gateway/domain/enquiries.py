"""Which reply answers which enquiry, and what is outstanding: the law of it.

An enquiry is known by the direction in which it went, the partner at the other end, and its reference. What the other end
sends under that reference answers it, whatever the reply says; another partner's reply does not. A reference that is used
again before it is answered is one enquiry, with the last kind and day; one that is used again after that is a new enquiry.
The order is the ledger's, never a clock's. Pure: no clock, no I/O, and nothing is raised.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date

from gateway.domain.calendar import day_of
from gateway.domain.states import Direction


@dataclass(frozen=True)
class Asking:
    """An enquiry as a transfer carried it: `direction` is OUT where this site asks, `at` seconds since 1970."""

    direction: Direction
    partner: str
    reference: str
    kind: str
    reply_by: date | None
    at: float
    transfer: str
    state: str


@dataclass(frozen=True)
class Answering:
    """A reply as a transfer carried it: `direction` is OUT where this site answers."""

    direction: Direction
    partner: str
    reference: str
    at: float
    transfer: str
    state: str


@dataclass(frozen=True)
class Enquiry:
    """One enquiry, the first reply to it, and the moment at which a person closed it without one."""

    asking: Asking
    answer: Answering | None = None
    closed: float | None = None

    @property
    def outstanding(self) -> bool:
        return self.answer is None and self.closed is None

    @property
    def sent(self) -> bool:
        """Whether this site asks; else it is asked."""
        return self.asking.direction is Direction.OUT

    def overdue(self, today: date) -> bool:
        """Whether a reply is still wanted after its last day."""
        return self.outstanding and self.asking.reply_by is not None and today > self.asking.reply_by

    def late(self) -> bool:
        """Whether the reply came after its last day."""
        due = self.asking.reply_by
        return self.answer is not None and due is not None and day_of(self.answer.at) > due


def sentence(enquiry: Enquiry) -> str:
    """What is overdue, for people."""
    asking = enquiry.asking
    if enquiry.sent:
        return f"{asking.partner} has not answered our enquiry {asking.reference}, due by {asking.reply_by}"
    return f"we have not answered the enquiry {asking.reference} of {asking.partner}, due by {asking.reply_by}"


@dataclass(frozen=True)
class Correspondence:
    """All enquiries in the order in which they were first asked, and the replies that answer none."""

    enquiries: tuple[Enquiry, ...]
    unasked: tuple[Answering, ...] = ()


def match(carried: Iterable[Asking | Answering], closed: Mapping[str, float]) -> Correspondence:
    """Match replies to enquiries, both in the order of the ledger; `closed` is by the transfer that asked first."""
    found: list[Enquiry] = []
    latest: dict[tuple[Direction, str, str], int] = {}
    unasked: list[Answering] = []
    for each in carried:
        if isinstance(each, Asking):
            key = each.direction, each.partner, each.reference
            at = latest.get(key)
            if at is not None and found[at].outstanding:
                first = found[at].asking
                found[at] = replace(found[at], asking=replace(first, kind=each.kind, reply_by=each.reply_by))
                continue
            latest[key] = len(found)
            found.append(Enquiry(each, closed=closed.get(each.transfer)))
        else:
            asked = Direction.IN if each.direction is Direction.OUT else Direction.OUT
            at = latest.get((asked, each.partner, each.reference))
            if at is None:
                unasked.append(each)
            elif found[at].answer is None:
                found[at] = replace(found[at], answer=each)
    return Correspondence(tuple(found), tuple(unasked))
