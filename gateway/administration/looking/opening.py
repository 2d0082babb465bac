"""Opening a payload: the line in the System Access Log (LAST 2) is there before anything is shown, and may draw a management check.

Needs the ledger, the domain and the settings alone. What a case is like is handed in, and forgotten once it is known whether a check is
drawn. Raises RightMissing, CheckOutstanding, UsageWrong, NotFound, and what the ledger raises.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from gateway.administration.looking.acting import SEES_ALL, Random, fraction, identity, require_right, words
from gateway.domain.checks import CaseFacts, Rates, draw
from gateway.domain.identity import is_id
from gateway.domain.people import Right
from gateway.errors import CheckOutstanding, NotFound, UsageWrong
from gateway.ledger import checks
from gateway.ledger.check_units import Check, Opening
from gateway.ledger.queries.checks import find_opening, openings, to_acknowledge
from gateway.ledger.queries.identities import find_transfer
from gateway.ledger.queries.quarantine import find_quarantined
from gateway.ledger.store import Connection, Ledger
from gateway.ledger.units import Quarantined, Transfer
from gateway.settings.checks import ChecksSettings
from gateway.settings.model import Settings

TRANSFER: Final = "transfer"
QUARANTINE: Final = "quarantine"
_SYSTEM: Final = re.compile(r"[a-z][a-z0-9-]{1,31}")
_LONGEST_CASE: Final = 100


@dataclass(frozen=True)
class Wanted:
    """What somebody wants to open. `kind` is TRANSFER or QUARANTINE, `unit` the whole id, `system` the part of the gateway that shows it.

    `case_reference` is the National Insurance number of the account, or the case's reference, as the reader of the payload told it; None
    where it tells none, and then the transfer's own reference stands in, or its id.
    """

    kind: str
    unit: str
    reason: str
    system: str = "console"
    case_reference: str | None = None


@dataclass(frozen=True)
class Opened:
    """What was recorded, and the check that it drew, if it did."""

    opening: Opening
    check: Check | None


def open_payload(
    settings: Settings,
    ledger: Ledger,
    user: str,
    wanted: Wanted,
    cases: Collection[CaseFacts],
    *,
    random: Random = os.urandom,
) -> Opened:
    """Record that somebody opens a payload, and draw a check where one is due. Only then may it be shown.

    CheckOutstanding while the person has a check to acknowledge.
    """
    reason = words(wanted.reason, "reason")
    if _SYSTEM.fullmatch(wanted.system) is None:
        raise UsageWrong("The system is a word such as console.")
    with ledger.write() as transaction:
        person = require_right(transaction.connection, user, Right.EXAMINE if wanted.kind == QUARANTINE else Right.OPEN)
        require_acknowledged(transaction.connection, user)
        found = _found(transaction.connection, wanted)
        reference = found.reference if isinstance(found, Transfer) else None
        opening = checks.record_opening(
            transaction,
            identity(transaction, random),
            user,
            kind=wanted.kind,
            unit=found.id,
            partner=found.partner,
            flow=found.flow if isinstance(found, Transfer) else None,
            system=wanted.system,
            reason=reason,
            case_reference=words(wanted.case_reference or reference or found.id, "case", _LONGEST_CASE),
        )
        today = datetime.fromtimestamp(transaction.now, UTC).date()
        criterion = draw(cases, today, fraction(random), rates_of(settings.checks))
        check = None
        if criterion is not None:
            new = identity(transaction, random)
            check = checks.draw(transaction, new, opening, person, settings.site.code, criterion)
    return Opened(opening, check)


def must_acknowledge(connection: Connection, user: str) -> Check | None:
    """The check whose banner follows somebody until it is acknowledged; None where there is none. Every page asks."""
    return to_acknowledge(connection, user)


def require_acknowledged(connection: Connection, user: str) -> None:
    """CheckOutstanding while somebody has a check to acknowledge."""
    if (check := to_acknowledge(connection, user)) is not None:
        raise CheckOutstanding(f"check {check.id} waits to be acknowledged")


def opened_by(connection: Connection, opening: str, user: str) -> Opening:
    """An opening that is somebody's own, for the pages of the payload that follow the first; NotFound for another's."""
    found = find_opening(connection, opening)
    if found.user != user:
        raise NotFound(f"there is no opening {opening[:40]!r}")
    return found


def access_log(
    connection: Connection, user: str, *, of: str | None = None, unit: str | None = None, before: int | None = None
) -> list[Opening]:
    """The System Access Log as `user` may see it, the newest first, at most 500: of one person, of one payload, or all. What is one's
    own everybody sees. `before` a key, for a further page.
    """
    if of != user:
        require_right(connection, user, *SEES_ALL)
    return openings(connection, of, unit, before)


def rates_of(settings: ChecksSettings) -> Rates:
    """The site's rates, as the domain takes them."""
    return Rates(settings.random_percent, settings.deceased_one_in)


def _found(connection: Connection, wanted: Wanted) -> Transfer | Quarantined:
    """What is opened; NotFound where it is not here."""
    if not is_id(wanted.unit):
        raise NotFound(f"nothing has the id {wanted.unit[:40]!r}")
    if wanted.kind == QUARANTINE:
        return find_quarantined(connection, wanted.unit)
    if wanted.kind != TRANSFER:
        raise UsageWrong(f"What is opened is a {TRANSFER} or in {QUARANTINE}.")
    return find_transfer(connection, wanted.unit)
