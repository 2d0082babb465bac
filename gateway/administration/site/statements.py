"""The signed daily statements of this site, for a person: the one of a day, made where there is none yet.

Raises NotPermitted where this user may not sign for the site, UsageWrong for a day that has not ended, NotFound for one that no
statement is of, and what the engine, the ledger and the disk raise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from gateway.administration.access import permitted
from gateway.administration.requests.actors import stage_context
from gateway.assembly.stores import open_pgp
from gateway.domain.statement import evidence_name, read
from gateway.errors import NotFound
from gateway.ledger.queries import statements
from gateway.ledger.queries.statements import Noted
from gateway.logs import Logger
from gateway.settings.model import Settings
from gateway.stages.context import StageContext
from gateway.stages.statements import make, yesterday


@dataclass(frozen=True)
class StatementView:
    """A statement: its day, what it says, its text as signed, the SHA-256 of that, where it is kept, and whether it was made now."""

    day: str
    content: Mapping[str, Any]
    signed: str
    sha256: str
    path: Path
    made: bool


def statement(settings: Settings, log: Logger, day: date | None) -> StatementView:
    """The statement of a day, None for yesterday."""
    with stage_context(settings, log) as context:
        wanted = day or yesterday(context)
        found, fresh = _find(context, wanted), False
        if found is None:
            engine = open_pgp(settings)
            try:
                with permitted():
                    fresh = make(context, engine, wanted)
            finally:
                engine.close()
            found = _find(context, wanted)
        if found is None or found.text is None:
            raise NotFound(
                f"No statement is of {wanted}: nothing had happened by then, or a later one covers it. "
                "`gateway audit statement` without --day makes yesterday's."
            )
    path = settings.home.statements / settings.site.code / evidence_name(found.day, found.sha256)
    content = read(found.text.encode("ascii")).model_dump()
    return StatementView(found.day, content, found.text, found.sha256, path, fresh)


def _find(context: StageContext, day: date) -> Noted | None:
    with context.ledger.read() as connection:
        return next((each for each in statements.made(connection) if each.day == day.isoformat()), None)
