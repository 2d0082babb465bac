"""What transfers have to do with each other: passed on, answered, sent again, the same bytes. Reads only, by indexes.

A conversation is what can be reached from one transfer. From file to file its links lead on without end, but for one kind: a file
of many records may answer many others, and leads to no further ones, or a monthly extract would make all referrals one
conversation. Nothing is kept of it: rows, facts and the chain say it at each asking (ADR 0068). Loops end, since nothing is
looked at twice.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Sequence
from enum import StrEnum
from typing import Any, Final, NamedTuple

import orjson
from sqlalchemy import Connection, Select, or_, select

from gateway.domain.enquiry import ENQUIRY, FLOWS
from gateway.domain.redirect import FLOW as REDIRECT
from gateway.domain.referrals import AnsweredBy
from gateway.domain.states import State
from gateway.errors import RefusedByBackOffice
from gateway.ledger.queries.events import events_of
from gateway.ledger.queries.facts import list_of, told_of
from gateway.ledger.queries.identities import matching
from gateway.ledger.queries.referrals import ASKING
from gateway.ledger.tables import TRANSFERS
from gateway.ledger.units import Transfer

MOST: Final = 50
"""So many transfers of a conversation are told one by one."""

_FEW: Final = 50
"""So many numbers SQLite looks for; where there are more, all files of the flow are read."""

_BATCHES: Final = frozenset({"scan", AnsweredBy.EXTRACT.value})
"""Flows whose files have records of many cases."""

_CAME_BACK: Final = frozenset({State.REJECTED, State.QUARANTINED, State.EXPIRED})


class Link(StrEnum):
    """How a later transfer belongs to an earlier one."""

    PASSED_ON = "passed-on"
    ANSWER = "answer"
    AGAIN = "sent-again"
    SAME = "same-bytes"


class Member(NamedTuple):
    """A transfer of a conversation, and how it was found: by which link to which other one, and whether it is the later of the two."""

    row: Transfer
    link: Link | None = None
    other: str | None = None
    later: bool = False


class Conversation(NamedTuple):
    """The members in the order in which they came, and how many were found and left out. The one that was asked for is never left out."""

    members: tuple[Member, ...]
    more: int


class _Found(NamedTuple):
    row: Transfer
    link: Link
    later: bool


def conversation(connection: Connection, asked: Transfer) -> Conversation:
    """All that belongs together with a transfer, itself included."""
    found: dict[int, Member] = {asked.key: Member(asked)}
    waiting = deque([(asked, True)])
    while waiting and len(found) <= MOST:
        row, leads_on = waiting.popleft()
        for each in _linked(connection, row, answers=leads_on):
            if each.row.key not in found:
                found[each.row.key] = Member(each.row, each.link, row.id, each.later)
                single = each.link is not Link.ANSWER or not (_is_batch(row) or _is_batch(each.row))
                waiting.append((each.row, leads_on and single))
    others = sorted((each for key, each in found.items() if key != asked.key), key=lambda each: each.row.key)
    shown = sorted([found[asked.key], *others[: MOST - 1]], key=lambda each: each.row.key)
    return Conversation(tuple(shown), len(found) - len(shown))


def _linked(connection: Connection, row: Transfer, *, answers: bool) -> Iterator[_Found]:
    yield from _passed_on(connection, row)
    yield from _again(connection, row)
    yield from _same(connection, row)
    if row.flow in FLOWS:
        yield from _correspondence(connection, row)
    elif answers and row.flow in (*ASKING, *AnsweredBy):
        yield from _referrals(connection, row)


def _passed_on(connection: Connection, row: Transfer) -> Iterator[_Found]:
    if row.redirected_to is not None:
        yield from (_Found(each, Link.PASSED_ON, later=True) for each in _with_id(connection, row, row.redirected_to))
    if row.flow != REDIRECT:
        return
    # The chain names the transfer by which it came to this site; the document the one by which it first left.
    said = (
        orjson.loads(each.detail) for each in events_of(connection, [row.id]) if each.event == "transfer.redirected"
    )
    came = [detail.get("came_as") for detail in said] + [told_of(row.facts).get("original_transfer")]
    for identity in dict.fromkeys(each for each in came if each is not None):
        yield from (_Found(each, Link.PASSED_ON, later=False) for each in _with_id(connection, row, identity))


def _with_id(connection: Connection, row: Transfer, identity: str) -> list[Transfer]:
    return [each for each in matching(connection, Transfer, identity) if each.id == identity and each.key != row.key]


def _again(connection: Connection, row: Transfer) -> Iterator[_Found]:
    """What was sent next under the name, or with the message id, of a file that came back or was refused; and the one before."""
    about = {"direction": str(row.direction), "partner": row.partner, "flow": row.flow}
    by_message = [TRANSFERS.c[name] == value for name, value in about.items()]
    # As expressions: the index of a name has few rows, that of a direction half of all.
    by_name = [TRANSFERS.c[name].concat("") == value for name, value in about.items()]
    ways = (
        (row.name, [*by_name, TRANSFERS.c.name == row.name]),
        (row.message_id, [*by_message, TRANSFERS.c.message_id == row.message_id]),
    )
    for value, where in ways:
        if not value:
            continue
        query = select(TRANSFERS).where(*where)
        if _failed(row):
            after = query.where(TRANSFERS.c.key > row.key).order_by(TRANSFERS.c.key).limit(1)
            yield from (_Found(each, Link.AGAIN, later=True) for each in _rows(connection, after))
        before = query.where(TRANSFERS.c.key < row.key).order_by(TRANSFERS.c.key.desc()).limit(1)
        yield from (_Found(each, Link.AGAIN, later=False) for each in _rows(connection, before) if _failed(each))


def _failed(row: Transfer) -> bool:
    return row.state in _CAME_BACK or row.code == RefusedByBackOffice.code


def _same(connection: Connection, row: Transfer) -> Iterator[_Found]:
    query = select(TRANSFERS).where(
        TRANSFERS.c.partner == row.partner,
        TRANSFERS.c.sha256 == row.sha256,
        TRANSFERS.c.direction.concat("") == str(row.direction),
        TRANSFERS.c.key != row.key,
    )
    for each in _rows(connection, query.order_by(TRANSFERS.c.key)):
        yield _Found(each, Link.SAME, later=each.key > row.key)


def _correspondence(connection: Connection, row: Transfer) -> Iterator[_Found]:
    """Enquiries and replies under the same reference, between the same two sites."""
    reference = told_of(row.facts).get("reference")
    if not reference:
        return
    for each in _telling(connection, row.partner, FLOWS, [reference]):
        if each.key != row.key and told_of(each.facts).get("reference") == reference:
            # What asks goes one way and what replies the other; the same way twice it is one of them again.
            kind = Link.ANSWER if (each.flow == ENQUIRY) != (row.flow == ENQUIRY) else Link.AGAIN
            yield _Found(each, kind, later=each.key > row.key)


def _referrals(connection: Connection, row: Transfer) -> Iterator[_Found]:
    """What answers a referral or scan, or what a file answers: by the partner and the RMS numbers of their records."""
    numbers = _numbers(row)
    if not numbers:
        return
    asks = row.flow in ASKING
    for each in _telling(connection, row.partner, tuple(AnsweredBy) if asks else ASKING, sorted(numbers)):
        if each.direction != row.direction and numbers & _numbers(each):
            yield _Found(each, Link.ANSWER, later=asks)


def _is_batch(row: Transfer) -> bool:
    return row.flow in _BATCHES or len(_numbers(row)) > _FEW


def _numbers(row: Transfer) -> frozenset[str]:
    listed = list_of(told_of(row.facts), "rms")
    # An extract's list says what its R records say besides.
    return frozenset(number for each in listed if (number := each["rms"] if isinstance(each, dict) else each))


def _rows(connection: Connection, query: Select[Any]) -> list[Transfer]:
    return [Transfer._make(row) for row in connection.execute(query)]


def _telling(connection: Connection, partner: str, flows: Collection[str], words: Sequence[str]) -> list[Transfer]:
    """The transfers of these flows whose facts may have any of these words."""
    query = select(TRANSFERS).where(
        TRANSFERS.c.partner == partner, TRANSFERS.c.flow.in_(flows), TRANSFERS.c.facts.is_not(None)
    )
    if len(words) <= _FEW:
        query = query.where(or_(*(TRANSFERS.c.facts.contains(word, autoescape=True) for word in words)))
    return _rows(connection, query.order_by(TRANSFERS.c.key))
