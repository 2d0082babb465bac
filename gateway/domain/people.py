"""People who use the console: their roles, what each role may do, and which roles must not meet in one person.

`may` is the one policy: pages, the interface for programs and the roles that carry a request out ask it, each by the person as the
ledger has it at that moment. What is not in RIGHTS is denied. That nobody decides a check of an own access is no matter of roles: a
checking officer may be an operator, and each check is compared with whose access it is. docs/operators/people.md has the source of
each rule in the guide of the field. Pure; raises RolesApart, TrainingMissing and UsageWrong for what no person may be.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from itertools import combinations
from types import MappingProxyType
from typing import Final

from gateway.errors import RolesApart, TrainingMissing, UsageWrong


class PersonRole(StrEnum):
    """What somebody is at a site."""

    OPERATOR = "operator"
    SUPERVISOR = "supervisor"
    CHECKING_OFFICER = "checking-officer"
    SECURE_PRINT = "secure-print"
    AUDITOR = "auditor"
    ADMINISTRATOR = "administrator"


class PersonState(StrEnum):
    """Whether somebody's rights count. Whoever has left stays a row, and the user id is never given again."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    LEFT = "left"


class Right(StrEnum):
    """What can be permitted, one word each."""

    OVERVIEW = "overview"
    """Whether all is well: counts and states, no names."""
    REPORT = "report"
    """Fill in a form: an incident seen, a system fault, a data query."""
    LOOK = "look"
    """Lists and stories, with the names of files."""
    OPEN = "open"
    """A payload, with a reason."""
    SEND = "send"
    HOLD = "hold"
    """Hold, retry, return."""
    RELEASE = "release"
    """Ask for a release from quarantine, or be the second who decides one."""
    DISCARD = "discard"
    EXAMINE = "examine"
    """What is in quarantine, with a reason."""
    ANSWER = "answer"
    """As the back office: accept, reject, pass on."""
    EVIDENCE = "evidence"
    AUDIT = "audit"
    CHECK = "check"
    """Decide management checks, of others' accesses."""
    PRINT = "print"
    """The daily report of checks."""
    INCIDENT = "incident"
    """Open, work on and close incidents."""
    PEOPLE = "people"
    PARTNERS = "partners"
    CONFIGURATION = "configuration"
    """Look at it: it is changed in its files."""
    CONTINUITY = "continuity"
    RETENTION = "retention"


_ALL: Final = frozenset({Right.OVERVIEW, Right.REPORT})
_OPERATOR: Final = _ALL | {Right.LOOK, Right.OPEN, Right.SEND, Right.HOLD, Right.ANSWER}

RIGHTS: Final[Mapping[PersonRole, frozenset[Right]]] = MappingProxyType(
    {
        PersonRole.OPERATOR: _OPERATOR,
        PersonRole.SUPERVISOR: _OPERATOR
        | {
            Right.RELEASE,
            Right.DISCARD,
            Right.EXAMINE,
            Right.EVIDENCE,
            Right.INCIDENT,
            Right.CONTINUITY,
            Right.RETENTION,
        },
        PersonRole.CHECKING_OFFICER: _ALL | {Right.LOOK, Right.OPEN, Right.CHECK, Right.INCIDENT},
        PersonRole.SECURE_PRINT: frozenset({Right.PRINT}),
        PersonRole.AUDITOR: _ALL | {Right.LOOK, Right.EVIDENCE, Right.AUDIT, Right.CONFIGURATION},
        PersonRole.ADMINISTRATOR: _ALL | {Right.PEOPLE, Right.PARTNERS, Right.CONFIGURATION},
    }
)
"""What each role may do; a person may do what one of the person's roles may."""

PROGRAMS: Final = frozenset({Right.LOOK, Right.OPEN, Right.ANSWER, Right.SEND, Right.AUDIT})
"""What a token can have: the rights that operations of the interface for programs take."""

SEEING: Final = frozenset({Right.OPEN, Right.EXAMINE, Right.PRINT})
"""Rights that show people's data: they take a confidentiality agreement and training first."""

APART: Final = frozenset(
    frozenset(pair)
    for pair in combinations(PersonRole, 2)
    if PersonRole.SECURE_PRINT in pair
    or (
        PersonRole.ADMINISTRATOR in pair
        and {PersonRole.OPERATOR, PersonRole.SUPERVISOR, PersonRole.CHECKING_OFFICER}.intersection(pair)
    )
)
"""Pairs of roles that must not meet in one person: secure print is held alone; who gives rights out decides nothing about files."""

_NO_ROLE: Final = "none"
_USER: Final = re.compile(r"[a-z][a-z0-9.-]{1,31}")
_TAKEN: Final = frozenset({"add", "command", "console", "gateway", "root"})
"""Accounts, parts of the program, and a page of the console."""
_OF_ROLES: Final = "gateway-"


@dataclass(frozen=True)
class Person:
    """Somebody as the ledger has them. `agreement` and `training` are dates (ISO 8601), None where there was none. `changes` counts
    what was changed about the person: a session or a link of before the last change is worth nothing.
    """

    user: str
    name: str
    unit: str
    roles: frozenset[PersonRole]
    agreement: str | None
    training: str | None
    state: PersonState
    changes: int
    created: float
    updated: float


@dataclass(frozen=True)
class Token:
    """What a program shows instead of signing in: for `owner`, it may do what `rights` say of these flows and, unless None, these partners,
    until `ends` (seconds since 1970). The owner is a person as the ledger has them now.
    """

    name: str
    owner: Person
    rights: frozenset[Right]
    flows: frozenset[str]
    partners: frozenset[str] | None
    ends: float


def may(who: Person | Token, right: Right, flow: str | None = None, partner: str | None = None) -> bool:
    """Whether somebody, or a program by its token, may do that now. No without a role that has the right, without an active state, or where
    the right shows people's data and agreement or training is missing.

    A token may do no more than its owner; and where it is about a flow or a partner, nothing about others than its own.
    """
    if isinstance(who, Token):
        mine = (flow is None or flow in who.flows) and (
            partner is None or who.partners is None or partner in who.partners
        )
        return mine and right in who.rights and may(who.owner, right)
    person = who
    if person.state is not PersonState.ACTIVE or right not in rights_of(person.roles):
        return False
    return right not in SEEING or (person.agreement is not None and person.training is not None)


def rights_of(roles: Iterable[PersonRole]) -> frozenset[Right]:
    """What these roles may do together."""
    return frozenset[Right]().union(*(RIGHTS[role] for role in roles))


def roles_text(roles: Collection[PersonRole]) -> str:
    """Roles as one line, in the order of PersonRole: `operator checking-officer`; `none` where there are none."""
    return " ".join(role for role in PersonRole if role in roles) or _NO_ROLE


def read_roles(text: str) -> frozenset[PersonRole]:
    """The roles that `roles_text` wrote; UsageWrong for anything else."""
    try:
        return frozenset(map(PersonRole, () if text == _NO_ROLE else text.split(" ")))
    except ValueError as error:
        raise UsageWrong(f"{text[:40]!r} is no list of roles.") from error


def apart(roles: Collection[PersonRole]) -> tuple[PersonRole, PersonRole] | None:
    """Two of the roles that must not meet in one person, None where there are no such."""
    order = [role for role in PersonRole if role in roles]
    return next((pair for pair in combinations(order, 2) if frozenset(pair) in APART), None)


def sees_data(roles: Iterable[PersonRole]) -> bool:
    """Whether one of the roles shows people's data."""
    return bool(rights_of(roles) & SEEING)


def require_roles(roles: Collection[PersonRole], agreement: str | None, training: str | None) -> None:
    """RolesApart for roles that must not meet; TrainingMissing for one that shows people's data without agreement or training."""
    if (pair := apart(roles)) is not None:
        raise RolesApart(f"one person cannot be {pair[0]} and {pair[1]}")
    missing = [name for name, day in (("agreement", agreement), ("training", training)) if day is None]
    if missing and sees_data(roles):
        seeing = next(role for role in PersonRole if role in roles and sees_data([role]))
        raise TrainingMissing(f"the role {seeing} shows people's data: no date of {' and '.join(missing)} is known")


def require_user(user: str) -> str:
    """The user id of somebody new; UsageWrong for one that is none. It stays in the chain for good, so it is no name, and nothing that
    the chain calls somebody or something else: what is done at the machine is in the chain by its account.
    """
    if user in _TAKEN or user.startswith(_OF_ROLES):
        raise UsageWrong(
            f"{user} is no user id: the chain would not tell that person from an account of the machine, or from the gateway."
        )
    if _USER.fullmatch(user) is None:
        raise UsageWrong(
            "A user id has 2 to 32 characters: small letters, digits, `.` and `-`, the first a letter. It stays in the audit chain "
            "for good: take a staff number, not a name."
        )
    return user


def require_token_name(name: str) -> str:
    """The name of a token; UsageWrong for one that is none."""
    if _USER.fullmatch(name) is None:
        raise UsageWrong(
            "A token's name has 2 to 32 characters: small letters, digits, `.` and `-`, the first a letter. It stays in the audit "
            "chain for good: name the program, not a person."
        )
    return name


def require_day(text: str, today: date) -> str:
    """A date in ISO 8601 that has come; UsageWrong for anything else."""
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise UsageWrong(f"{text[:20]!r} is no date such as 2026-11-28.") from error
    if day > today:
        raise UsageWrong(f"{day} is not here yet: give the day on which it was done.")
    return day.isoformat()
