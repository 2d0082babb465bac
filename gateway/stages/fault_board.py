"""The board of known faults at DWP's site: changing it, and sending it to every partner.

Each change is an event of the chain, and their count numbers the board's issues. An issue is a document for each partner that
the flow goes to, signed with its consignment. At other sites the board is what came last from DWP. Raises UsageWrong and
NotFound for what cannot be done to the board, and what `composition.submit` raises.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

from gateway.domain.calendar import day_of
from gateway.domain.decision import Decision
from gateway.domain.known_faults import (
    FLOW,
    MAX_FAULTS,
    NO_WORKAROUND,
    Board,
    FaultState,
    KnownFault,
    closed,
    document_name,
    id_of,
    text_of,
    write,
)
from gateway.errors import NotFound, UsageWrong
from gateway.ledger.queries import known_faults
from gateway.ledger.queries.known_faults import ADDED, CHANGED, CLOSED, KIND, SUBJECT
from gateway.ledger.store import Transaction
from gateway.settings.model import SiteKind
from gateway.stages.composition import Composed, office_of, submit
from gateway.stages.context import StageContext
from gateway.validation.sandbox.pool import Sandbox


@dataclass(frozen=True)
class Published:
    """An issue of the board that was sent: the transfers, by partner."""

    issue: int
    transfers: dict[str, str]


def add(
    context: StageContext, identity: str, what: str, since: date, workaround: str | None, decision: Decision
) -> Board:
    """Put a fault on the board, or one that was closed back on it; the board as it is then."""
    fault = KnownFault(_id(identity), _text(what), since, _text(workaround or NO_WORKAROUND))
    with context.ledger.write() as transaction:
        board = _own(context, transaction)
        if since > day_of(transaction.now):
            raise UsageWrong(f"{since} has not come yet: say since when the fault is known.")
        before = board.find(fault.id)
        if before is not None and before.state is FaultState.OPEN:
            raise UsageWrong(f"{fault.id} is on the board: `gateway faults change {fault.id}` says more about it.")
        if before is None and len(board.faults) >= MAX_FAULTS:
            raise UsageWrong(f"There are {MAX_FAULTS} faults on the board, and no room for more: close some.")
        return _record(context, transaction, ADDED, fault, decision)


def change(context: StageContext, identity: str, what: str | None, workaround: str | None, decision: Decision) -> Board:
    """Change what the board says is wrong, or what to do meanwhile."""
    with context.ledger.write() as transaction:
        before = _open(_own(context, transaction), identity)
        fault = replace(
            before,
            what=before.what if what is None else _text(what),
            workaround=before.workaround if workaround is None else _text(workaround),
        )
        if fault == before:
            raise UsageWrong("That is what the board says already: give other words with --what or --workaround.")
        return _record(context, transaction, CHANGED, fault, decision)


def close(context: StageContext, identity: str, decision: Decision) -> Board:
    """Close a fault that is mended."""
    with context.ledger.write() as transaction:
        return _record(context, transaction, CLOSED, closed(_open(_own(context, transaction), identity)), decision)


def publish(context: StageContext, readers: Sandbox, decision: Decision) -> Published:
    """Send the board as it is to every partner that the flow goes to."""
    _require_dwp(context)
    with context.ledger.read() as connection:
        board = known_faults.own_board(connection, context.clock())
    if board.issue == 0:
        raise UsageWrong("Nothing was ever put on the board: there is nothing to send.")
    partners = sorted(context.routes.outgoing.get(FLOW, frozenset()))
    now, office = datetime.fromtimestamp(context.clock(), UTC), office_of(context)
    documents = [
        Composed(
            partner,
            document_name(board.issue),
            write(board, f"FLT-{context.new_id().replace('-', '')}", office, now, partner),
        )
        for partner in partners
    ]

    def unchanged(transaction: Transaction) -> None:
        if _own(context, transaction).issue != board.issue:
            raise UsageWrong("The board was changed meanwhile: `gateway faults publish` sends it as it is now.")

    ids = submit(context, readers, FLOW, documents, decision, unchanged)
    return Published(board.issue, dict(zip(partners, ids, strict=True)))


def _own(context: StageContext, transaction: Transaction) -> Board:
    _require_dwp(context)
    return known_faults.own_board(transaction.connection, transaction.now)


def _require_dwp(context: StageContext) -> None:
    if context.settings.site.kind is not SiteKind.DWP:
        raise UsageWrong("The board is kept at DWP's site; tell a fault with `gateway enquiry send system-fault DWP`.")


def _open(board: Board, identity: str) -> KnownFault:
    found = board.find(_id(identity))
    if found is None or found.state is not FaultState.OPEN:
        raise NotFound(f"There is no open fault {identity[:20]!r} on the board: `gateway faults` lists them.")
    return found


def _record(
    context: StageContext, transaction: Transaction, event: str, fault: KnownFault, decision: Decision
) -> Board:
    transaction.record(event, KIND, SUBJECT, **decision.detail, fault=[*known_faults.as_detail(fault)])
    transaction.flush()
    return _own(context, transaction)


def _text(text: str) -> str:
    try:
        return text_of(text)
    except ValueError as error:
        raise UsageWrong(str(error)) from error


def _id(text: str) -> str:
    try:
        return id_of(text)
    except ValueError as error:
        raise UsageWrong(str(error)) from error
