"""Writing who may use the console. Each change is one event of the chain, with who decided; the row counts it.

Whoever changes a person calls these in a transaction: a command, the console, or a role that carries out what two people decided.
Raises RolesApart, TrainingMissing, UsageWrong and PersonUnknown before anything is written. The table's own constraints refuse the
same to whoever writes past this module, as ImpossibleMove.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from sqlalchemy import update

from gateway.domain.decision import Decision
from gateway.domain.people import Person, PersonRole, PersonState, require_roles, require_user
from gateway.errors import PersonUnknown, UsageWrong
from gateway.ledger.queries.people import ROLE_COLUMNS, find_person
from gateway.ledger.store import Transaction
from gateway.ledger.tables import PEOPLE

KIND: Final = "person"
"""What events about people are about; their subject is the user id."""


def add(
    transaction: Transaction,
    user: str,
    name: str,
    unit: str,
    roles: Collection[PersonRole],
    agreement: str | None,
    training: str | None,
    decision: Decision,
) -> Person:
    """A new person. UsageWrong where the user id was ever given."""
    require_user(user)
    require_roles(roles, agreement, training)
    if find_person(transaction.connection, user) is not None:
        raise UsageWrong(
            f"The user id {user} was given before: take another one. What its holder did stays in the chain."
        )
    row = {"user": user, "name": name, "unit": unit, "agreement": agreement, "training": training}
    transaction.insert(PEOPLE, [{**row, **_columns(roles), "state": str(PersonState.ACTIVE), "changes": 0}])
    transaction.record("person.added", KIND, user, log={"user": user}, roles=[*sorted(roles)], **decision.detail)
    return require_person(transaction, user)


def change(
    transaction: Transaction,
    user: str,
    decision: Decision,
    *,
    roles: Collection[PersonRole] | None = None,
    agreement: str | None = None,
    training: str | None = None,
    name: str | None = None,
    unit: str | None = None,
) -> Person:
    """Other roles, instead of those before; other dates, another name or unit. None leaves it as it is."""
    person = _present(transaction, user)
    wanted = person.roles if roles is None else frozenset(roles)
    given = {"agreement": agreement, "training": training, "name": name, "unit": unit}
    values = {column: value for column, value in given.items() if value is not None}
    require_roles(wanted, values.get("agreement", person.agreement), values.get("training", person.training))
    _set(transaction, person, **values, **_columns(wanted))
    told: dict[str, Any] = {"columns": sorted(values)} if values else {}
    if wanted != person.roles:
        told |= {"roles": sorted(wanted), "before": sorted(person.roles)}
    transaction.record("person.changed", KIND, user, log={"user": user}, **told, **decision.detail)
    return require_person(transaction, user)


def suspend(transaction: Transaction, user: str, decision: Decision) -> Person:
    """End somebody's rights at once, until `resume`."""
    return _move(transaction, user, PersonState.ACTIVE, PersonState.SUSPENDED, decision)


def resume(transaction: Transaction, user: str, decision: Decision) -> Person:
    """Let somebody's rights count again."""
    return _move(transaction, user, PersonState.SUSPENDED, PersonState.ACTIVE, decision)


def remove(transaction: Transaction, user: str, decision: Decision) -> Person:
    """Somebody leaves: no role is left, and the row stays for what the chain says of the user id."""
    person = _present(transaction, user)
    _set(transaction, person, state=str(PersonState.LEFT), **_columns(()))
    transaction.record(
        "person.removed", KIND, user, log={"user": user}, before=[*sorted(person.roles)], **decision.detail
    )
    return require_person(transaction, user)


def require_person(transaction: Transaction, user: str) -> Person:
    """The person of that user id, whatever the state; PersonUnknown where there is none."""
    person = find_person(transaction.connection, user)
    if person is None:
        raise PersonUnknown(f"nobody has the user id {user[:40]!r}")
    return person


def _move(
    transaction: Transaction, user: str, state: PersonState, following: PersonState, decision: Decision
) -> Person:
    person = _present(transaction, user)
    if person.state is not state:
        raise UsageWrong(f"{user} is {person.state}.")
    _set(transaction, person, state=str(following))
    event = "person.suspended" if following is PersonState.SUSPENDED else "person.resumed"
    transaction.record(event, KIND, user, log={"user": user}, **decision.detail)
    return require_person(transaction, user)


def _present(transaction: Transaction, user: str) -> Person:
    person = require_person(transaction, user)
    if person.state is PersonState.LEFT:
        raise UsageWrong(f"{user} has left: whoever comes back gets a new user id.")
    return person


def _set(transaction: Transaction, person: Person, **values: Any) -> None:
    transaction.connection.execute(
        update(PEOPLE)
        .where(PEOPLE.c.user == person.user)
        .values(changes=person.changes + 1, updated=transaction.now, **values)
    )


def _columns(roles: Collection[PersonRole]) -> dict[str, bool]:
    return {column: role in roles for role, column in ROLE_COLUMNS.items()}
