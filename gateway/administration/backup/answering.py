"""Answering a partner that lost its ledger: a sealed document about the consignments between the two, and the receipts once more.

Raises NotFound and ConfigurationInvalid for a partner that cannot be answered, UsageWrong where consignments of the partner wait for
an answer here, and what the engine, the disk and the ledger raise.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.administration.evidence.container import refuse_taken
from gateway.administration.requests.actors import stage_context
from gateway.administration.site.settings import partner_of
from gateway.assembly import stores
from gateway.domain.decision import Decision
from gateway.domain.identity import to_text
from gateway.domain.manifest import CLOCK_LEEWAY, AuditHead, Item
from gateway.domain.receipt import Outcome
from gateway.domain.recovery import AnsweredConsignment, AnsweredItem, PartnerAnswer
from gateway.domain.states import Direction, State
from gateway.errors import UsageWrong
from gateway.ledger.queries import answered, consignments
from gateway.ledger.queries.lanes import all_lanes
from gateway.ledger.store import Connection, Transaction
from gateway.ledger.tables import RECEIPTS
from gateway.ledger.units import Consignment, Lane, Receipt, Transfer, required
from gateway.logs import Logger
from gateway.settings.model import Settings
from gateway.stages.signing import Signing

_OUTCOMES: Final[Mapping[State, Outcome]] = {
    State.DELIVERED: Outcome.DELIVERED,
    State.INGESTED: Outcome.DELIVERED,
    State.RECEIPTED: Outcome.DELIVERED,
    State.REJECTED: Outcome.REJECTED,
    State.QUARANTINED: Outcome.QUARANTINED,
}
_SHOWN: Final = 5


@dataclass(frozen=True)
class Answered:
    """An answer that was written: the contract of `partner answer --json`. `received` and `sent` count consignments, `receipts` those
    of ours that go to the partner again.
    """

    file: str
    partner: str
    received: int
    sent: int
    receipts: int


def answer(settings: Settings, log: Logger, partner: str, since: float, out: Path, decision: Decision) -> Answered:
    """Write the answer into the new file `out`, and let our receipts since that moment (seconds since 1970) be sent once more."""
    partner_of(settings, partner)
    refuse_taken(out)
    with stage_context(settings, log) as context:
        with context.ledger.read() as connection:
            if waiting := answered.unanswered_in(connection, partner):
                raise UsageWrong(
                    f"{len(waiting)} consignments of {partner} wait for an answer here, such as {', '.join(waiting[:_SHOWN])}: "
                    "let the gateway run, decide what is held, and answer then."
                )
            lane = all_lanes(connection).get(partner, Lane(partner))
            document = PartnerAnswer(
                sender=settings.site.code,
                recipient=partner,
                issued=to_text(context.clock()),
                since=to_text(since),
                seen=None
                if lane.seen_sequence is None
                else AuditHead(sequence=lane.seen_sequence, sha256=required(lane.seen_sha256)),
                sequence=answered.highest_sequence(connection, partner),
                received=tuple(_told(connection, Direction.IN, partner, since - CLOCK_LEEWAY)),
                sent=tuple(_told(connection, Direction.OUT, partner, since - CLOCK_LEEWAY)),
            )
            receipts = list(answered.sent_receipts(connection, partner, since - CLOCK_LEEWAY))
        engine = stores.open_pgp(settings)
        try:
            engine.seal(io.BytesIO(document.to_bytes()), partner, out.absolute(), Signing(context).signer(partner))
        finally:
            engine.close()
        with context.ledger.write() as transaction:
            transaction.record(
                "partner.answered",
                "site",
                partner,
                partner,
                count=len(document.received) + len(document.sent),
                **decision.detail,
            )
            _send_again(transaction, receipts)
    return Answered(str(out), partner, len(document.received), len(document.sent), len(receipts))


def _send_again(transaction: Transaction, rows: Sequence[Receipt]) -> None:
    """As where the partner sends a consignment again: the same text is sealed once more."""
    changes = [
        {
            "key": row.key,
            "state": State.ISSUED,
            "due": 0.0,
            "event": transaction.record("receipt.issued", "receipt", row.consignment, row.partner),
        }
        for row in rows
    ]
    transaction.move(RECEIPTS, Direction.OUT, State.SENT, changes)


def _told(connection: Connection, direction: Direction, partner: str, since: float) -> Iterator[AnsweredConsignment]:
    for row in answered.answered(connection, direction, partner, since):
        items = consignments.carried(connection, direction, partner, row.id)
        if items:
            yield _consignment(row, items)


def _consignment(row: Consignment, items: list[Transfer]) -> AnsweredConsignment:
    return AnsweredConsignment(
        consignment=row.id,
        sequence=required(row.sequence),
        sealed_sha256=required(row.sealed_sha256),
        sealed_size=required(row.sealed_size),
        expires=to_text(required(row.expires)),
        items=tuple(
            AnsweredItem(
                item=Item(
                    transfer=each.id,
                    flow=each.flow,
                    name=each.name,
                    size=each.size,
                    sha256=each.sha256,
                    schema_=each.schema,
                    reference=each.reference,
                    redirected_from=each.redirected_from,
                ),
                outcome=_OUTCOMES[each.state],
                code=None if _OUTCOMES[each.state] is Outcome.DELIVERED else each.code,
                reason=None if _OUTCOMES[each.state] is Outcome.DELIVERED else each.reason,
            )
            for each in items
        ),
    )
