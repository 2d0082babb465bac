"""What the rows say of who looked: openings of payloads, management checks, printed reports, incidents, forms.

Like `ledger.units`: one field for each column, in the table's order, so that a row becomes one by `_make`. Times are seconds since
1970 (UTC). People are named by their user ids alone, but for `Check.name` and `Check.unit`, which are as they were when the check was drawn.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import orjson

from gateway.domain.checks import CheckState, Criterion
from gateway.domain.incidents import FormKind, IncidentKind, IncidentOutcome, IncidentState, TrailEntry


class Opening(NamedTuple):
    """Somebody opened a payload: a line of the System Access Log (LAST 2)."""

    key: int
    id: str
    user: str
    kind: str
    """`transfer` or `quarantine`."""
    unit: str
    """The id of the transfer, or of what is quarantined."""
    partner: str
    flow: str | None
    system: str
    """By which part of the gateway: `console`, `api`."""
    reason: str
    """Personal."""
    case_reference: str
    """The National Insurance number of the account, or the case's reference. Personal."""
    created: float
    updated: float
    salt: str


class Check(NamedTuple):
    """A management check of an opening. Criterion, name, unit, case and all words are personal: they are erased in time."""

    key: int
    id: str
    opening: str
    """The opening's id."""
    user: str
    """Whose access it is."""
    office: str
    """The site's code."""
    system: str
    criterion: Criterion
    name: str
    unit: str
    """Where the opener works."""
    case_reference: str
    explanation: str | None
    """What papers supported it, by the opener: LAST 1."""
    finding: str | None
    """What the checking officer found."""
    remark: str | None
    """What whoever looked at it once more says."""
    state: CheckState
    acknowledged: float | None
    explained: float | None
    decided: float | None
    decided_by: str | None
    supported: bool | None
    """Whether the evidence supports the access; where not, it is a LAST 3."""
    validated: float | None
    validated_by: str | None
    agreed: bool | None
    """Whether whoever looked at it once more agrees."""
    created: float
    updated: float
    salt: str


class Printing(NamedTuple):
    """A printed copy of a day's report of checks. The first is copy 1; the ledger takes each number once."""

    key: int
    id: str
    day: str
    copy: int
    user: str
    checks: int
    """How many are in it."""
    sha256: str
    """Of the PDF."""
    reason: str
    """Why it was printed once more; nothing for copy 1. Personal."""
    created: float
    updated: float
    salt: str


class Incident(NamedTuple):
    """An incident (LAST 4). Description, trail and conclusion are personal."""

    key: int
    id: str
    kind: IncidentKind
    check_id: str | None
    """The check that it came of."""
    user: str | None
    """Whom it is about; None where it is about nobody."""
    opened_by: str
    central: bool
    """Whether it was reported centrally: then it is kept for longer."""
    description: str
    trail: str
    """JSON: [[when, user, what was done], ...]."""
    conclusion: str | None
    state: IncidentState
    outcome: IncidentOutcome | None
    closed: float | None
    closed_by: str | None
    created: float
    updated: float
    salt: str

    @property
    def entries(self) -> list[TrailEntry]:
        """The audit trail, in order; empty once it is erased."""
        found: list[list[Any]] = orjson.loads(self.trail or "[]")
        return [TrailEntry(*entry) for entry in found]


class Form(NamedTuple):
    """A form that somebody filled in."""

    key: int
    id: str
    kind: FormKind
    user: str
    fields: str
    """JSON, by the names in `domain.incidents.FIELDS`. Personal."""
    created: float
    updated: float
    salt: str

    @property
    def filled(self) -> dict[str, str]:
        """What was filled in; empty once it is erased."""
        found: dict[str, str] = orjson.loads(self.fields or "{}")
        return found
