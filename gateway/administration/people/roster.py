"""Adding, changing and listing the people who may use a site's console. The ledger is the record, and refuses by itself what must not be.

Needs the ledger, the domain and the settings alone. Every change counts (`Person.changes`), and a session or a link of before is worth
nothing from that moment: whoever changes a person needs no way to the console's own database. Raises RolesApart, TrainingMissing,
PersonUnknown, UsageWrong, NotPermitted, and what the ledger raises.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

from gateway.domain.decision import Decision
from gateway.domain.identity import to_text
from gateway.domain.people import Person, PersonRole, PersonState, require_day
from gateway.errors import PersonUnknown, UsageWrong
from gateway.ledger import people
from gateway.ledger.queries.people import find_person
from gateway.ledger.queries.people import people as everybody
from gateway.ledger.store import Connection, Ledger, Transaction
from gateway.logs import safe_text

_LONGEST: Final = 100

Change = Callable[[Transaction, str, Decision], Person]
Decided = Callable[[Ledger, Decision], Person]
"""One of the functions below, with all but these two given."""


@dataclass(frozen=True)
class PersonView:
    """Somebody as `--json` shows them: the contract of `gateway people list --json`. `roles` in the order of `PersonRole`."""

    user: str
    name: str
    unit: str
    roles: tuple[str, ...]
    agreement: str | None
    training: str | None
    state: str
    created: str
    updated: str


@dataclass(frozen=True)
class Details:
    """What is said about somebody beside roles; None leaves it as it is. Dates are ISO 8601, and have come."""

    name: str | None = None
    unit: str | None = None
    agreement: str | None = None
    training: str | None = None

    def checked(self, now: float) -> Details:
        """The same as the ledger takes it; UsageWrong where it cannot."""
        today = datetime.fromtimestamp(now, UTC).date()
        return Details(
            _line(self.name, "name"), _line(self.unit, "unit"), _day(self.agreement, today), _day(self.training, today)
        )


def add(ledger: Ledger, user: str, roles: Collection[PersonRole], details: Details, decision: Decision) -> Person:
    """A new person; a name and a unit have to be given."""
    given = details.checked(ledger.clock())
    if given.name is None or given.unit is None:
        raise UsageWrong("Give the name, and the unit in which the person works.")
    with ledger.write() as transaction:
        return people.add(transaction, user, given.name, given.unit, roles, given.agreement, given.training, decision)


def change(
    ledger: Ledger, user: str, roles: Collection[PersonRole] | None, details: Details, decision: Decision
) -> Person:
    """Other roles instead of those before, and other details; None leaves it as it is. Sessions end."""
    given = details.checked(ledger.clock())
    if roles is None and given == Details():
        raise UsageWrong("Say what changes: roles, a date, the name or the unit.")
    with ledger.write() as transaction:
        return people.change(
            transaction,
            user,
            decision,
            roles=roles,
            agreement=given.agreement,
            training=given.training,
            name=given.name,
            unit=given.unit,
        )


def suspend(ledger: Ledger, user: str, decision: Decision) -> Person:
    """End somebody's rights and sessions at once, until `resume`."""
    return _carry_out(people.suspend, ledger, user, decision)


def resume(ledger: Ledger, user: str, decision: Decision) -> Person:
    """Let somebody's rights count again. Sessions and links of before stay worth nothing."""
    return _carry_out(people.resume, ledger, user, decision)


def remove(ledger: Ledger, user: str, decision: Decision) -> Person:
    """Somebody leaves: rights and sessions end at once, the row stays, and the user id is never given again."""
    return _carry_out(people.remove, ledger, user, decision)


def find(connection: Connection, user: str) -> Person:
    """The person of that user id, whatever the state; PersonUnknown where there is none."""
    person = find_person(connection, user)
    if person is None:
        raise PersonUnknown(f"nobody has the user id {safe_text(user[:40])!r}")
    return person


def listed(connection: Connection, *, left: bool = False) -> list[Person]:
    """Everybody by user id; with `left` also those who have left."""
    return [person for person in everybody(connection) if left or person.state is not PersonState.LEFT]


def shown(person: Person) -> PersonView:
    """Somebody as people read them."""
    return PersonView(
        person.user,
        person.name,
        person.unit,
        tuple(role for role in PersonRole if role in person.roles),
        person.agreement,
        person.training,
        str(person.state),
        to_text(person.created),
        to_text(person.updated),
    )


def _carry_out(change_of: Change, ledger: Ledger, user: str, decision: Decision) -> Person:
    with ledger.write() as transaction:
        return change_of(transaction, user, decision)


def _line(text: str | None, what: str) -> str | None:
    if text is None:
        return None
    line = " ".join(text.split())
    if not 0 < len(line) <= _LONGEST or line != safe_text(line):
        raise UsageWrong(
            f"The {what} has 1 to {_LONGEST} printable characters, and nothing like a National Insurance number."
        )
    return line


def _day(text: str | None, today: date) -> str | None:
    return None if text is None else require_day(text, today)
