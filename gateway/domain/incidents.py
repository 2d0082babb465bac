"""Incidents (LAST 4) and the forms that people fill in (LAST 5a, 5b, 6), as the guide of the field has them. Pure; raises UsageWrong."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from gateway.errors import UsageWrong


class IncidentKind(StrEnum):
    """What happened."""

    ACCESS = "access"
    """A payload was opened, and the papers do not support it: LAST 3."""
    DISCLOSURE = "disclosure"
    """Data reached somebody whom they were not for."""
    LOSS = "loss"
    """Data, papers or a medium cannot be found."""
    CREDENTIALS = "credentials"
    """Somebody used the log-in of another."""
    OTHER = "other"


KIND_WORDS: Final[Mapping[IncidentKind, str]] = MappingProxyType(
    {
        IncidentKind.ACCESS: "A payload was opened, and the papers do not support it",
        IncidentKind.DISCLOSURE: "Data reached somebody whom they were not for",
        IncidentKind.LOSS: "Data, papers or a medium cannot be found",
        IncidentKind.CREDENTIALS: "Somebody used the log-in of another",
        IncidentKind.OTHER: "Something else",
    }
)


class IncidentState(StrEnum):
    OPEN = "open"
    CLOSED = "closed"


class IncidentOutcome(StrEnum):
    """What the investigation found."""

    UNFOUNDED = "unfounded"
    MISTAKE = "mistake"
    MISUSE = "misuse"


class TrailEntry(NamedTuple):
    """One line of an incident's audit trail: when, in seconds since 1970, who by user id, and what was done."""

    at: float
    user: str
    text: str


class FormKind(StrEnum):
    """The forms that are no incident."""

    SYSTEM_FAULT = "system-fault"
    DATA_QUERY = "data-query"
    STAFF_CHANGE = "staff-change"


class FormField(NamedTuple):
    """A field of a form: its name, what stands before it on paper and on the page, and whether it has to be filled in."""

    name: str
    label: str
    required: bool = True


TITLES: Final[Mapping[FormKind, str]] = MappingProxyType(
    {
        FormKind.SYSTEM_FAULT: "System fault (LAST 5a)",
        FormKind.DATA_QUERY: "Data query (LAST 5b)",
        FormKind.STAFF_CHANGE: "Change of staff (LAST 6)",
    }
)

FIELDS: Final[Mapping[FormKind, tuple[FormField, ...]]] = MappingProxyType(
    {
        FormKind.SYSTEM_FAULT: (
            FormField("when", "When it was seen"),
            FormField("what", "What happened"),
            FormField("doing", "What was being done"),
            FormField("message", "What the screen said", required=False),
        ),
        FormKind.DATA_QUERY: (
            FormField("case", "Case: the National Insurance number or the claim's reference"),
            FormField("item", "Which item is in doubt"),
            FormField("shown", "What is shown"),
            FormField("expected", "What it ought to be, and by which papers"),
        ),
        FormKind.STAFF_CHANGE: (
            FormField("person", "Whose duties change: user id"),
            FormField("change", "Joins, moves or leaves"),
            FormField("day", "From which day"),
            FormField("duties", "New duties, and what the person needs for them", required=False),
        ),
    }
)
"""The fields of each form, in the order in which they are printed. The layouts of the guide's forms were never published:
these are the project's."""


def require_fields(kind: FormKind, given: Mapping[str, str]) -> dict[str, str]:
    """What was filled in, in the form's order; UsageWrong where a field is missing, or is none of the form's."""
    known = {field.name: field for field in FIELDS[kind]}
    if unknown := sorted(given.keys() - known.keys()):
        raise UsageWrong(f"{TITLES[kind]} has no field {unknown[0][:40]!r}.")
    missing = [field.label for name, field in known.items() if field.required and not given.get(name)]
    if missing:
        raise UsageWrong(f"{TITLES[kind]} lacks: {missing[0]}.")
    return {name: given[name] for name in known if given.get(name)}
