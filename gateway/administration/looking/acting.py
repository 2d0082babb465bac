"""Who acts, asked of the ledger in the transaction of the act, and the words that people write. Raises RightMissing and UsageWrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from gateway.domain.identity import RANDOM_BYTES, new_id
from gateway.domain.people import Person, Right, may
from gateway.errors import RightMissing, UsageWrong
from gateway.ledger.queries.people import find_person
from gateway.ledger.store import Connection, Transaction

Random = Callable[[int], bytes]
"""So many random bytes."""

SEES_ALL: Final = (Right.CHECK, Right.INCIDENT, Right.AUDIT)
"""Rights of which one lets somebody see others' openings and checks."""
LONGEST: Final = 2000
SHORTEST: Final = 3
_FRACTION_BITS: Final = 53


def is_permitted(connection: Connection, user: str, *rights: Right) -> bool:
    """Whether somebody may do one of these now."""
    person = find_person(connection, user)
    return person is not None and any(may(person, right) for right in rights)


def require_right(connection: Connection, user: str, *rights: Right) -> Person:
    """The person, who may do one of these now; RightMissing else, whoever it is and whether there is such a person or not."""
    person = find_person(connection, user)
    if person is None or not is_permitted(connection, user, *rights):
        raise RightMissing(f"{user[:40]!r} may not {' or '.join(rights)}")
    return person


def words(text: str, what: str, longest: int = LONGEST) -> str:
    """What somebody wrote, on one line; UsageWrong where it is none. It is personal: it may name people."""
    line = " ".join(text.split())
    if not SHORTEST <= len(line) <= longest or not line.isprintable():
        raise UsageWrong(f"The {what} has {SHORTEST} to {longest} printable characters.")
    return line


def identity(transaction: Transaction, random: Random) -> str:
    """A new id, of this transaction's moment."""
    return new_id(transaction.now, random(RANDOM_BYTES))


def fraction(random: Random) -> float:
    """A number that is even in 0 to 1, below 1."""
    return (int.from_bytes(random(8)) >> (64 - _FRACTION_BITS)) / (1 << _FRACTION_BITS)
