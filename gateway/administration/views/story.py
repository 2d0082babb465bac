"""The whole story of one transfer or consignment, and of what belongs together with it.

Raises NotFound where the id or the name names none, or more than one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

import orjson

from gateway.administration.views.conversation import ConversationView, conversation_of
from gateway.administration.views.legal_holds import LegalHoldView, legal_hold
from gateway.administration.views.records import (
    ConsignmentView,
    EventView,
    ReceiptView,
    TransferView,
    consignment,
    events,
    receipt,
    remedy,
    transfer,
)
from gateway.administration.views.waiting import Waiting
from gateway.domain.redirect import FLOW
from gateway.errors import NotFound
from gateway.ledger.queries import legal_holds
from gateway.ledger.queries.consignments import carried
from gateway.ledger.queries.conversation import conversation
from gateway.ledger.queries.events import events_of
from gateway.ledger.queries.identities import find, named_so, one
from gateway.ledger.queries.receipts import receipts_about
from gateway.ledger.queries.retention import erased_at
from gateway.ledger.store import Connection
from gateway.ledger.units import Consignment, Transfer
from gateway.settings.model import Settings

_NAMED: Final = 6
"""So many transfers of one name are looked at."""
_ORIGINAL: Final = ("original_flow", "original_transfer", "original_sha256", "held_by")


@dataclass(frozen=True)
class TransferStory:
    """A transfer, what happened to it and to the consignment that carries it, and what a person does next.

    `erased` is when its name and all else that may name people was erased, `legal_holds` are what keeps it all the same. `original` is what a redirect carries, as the validator found it: flow, first transfer, digest, and who held it last. `conversation` is told where other transfers belong to the same matter.
    """

    transfer: TransferView
    what_to_do: str | None
    original: dict[str, str] | None
    carried_by: ConsignmentView | None
    receipts: tuple[ReceiptView, ...]
    events: tuple[EventView, ...]
    waits: str | None
    erased: str | None
    legal_holds: tuple[LegalHoldView, ...]
    conversation: ConversationView | None = None


@dataclass(frozen=True)
class ConsignmentStory:
    """A consignment, what it carries, what happened to it, and what a person does next."""

    consignment: ConsignmentView
    what_to_do: str | None
    transfers: tuple[TransferView, ...]
    receipts: tuple[ReceiptView, ...]
    events: tuple[EventView, ...]
    erased: str | None
    legal_holds: tuple[LegalHoldView, ...]


def story(settings: Settings, connection: Connection, identity: str, now: float) -> TransferStory | ConsignmentStory:
    """The story of the one transfer or consignment whose id starts so, or of the transfer of that name."""
    row = _find(connection, identity)
    if isinstance(row, Transfer):
        return _transfer(connection, row, Waiting(settings, now).of_transfer(row))
    return _consignment(connection, row)


def _find(connection: Connection, word: str) -> Transfer | Consignment:
    """What is meant by the first characters of an id, or by a whole name. Of several of a name that belong together, the last."""
    try:
        return find(connection, word)
    except NotFound as error:
        rows = named_so(connection, word, _NAMED)
        if not rows:
            raise NotFound(f"{error.reason}; and no transfer has that name") from None
    together = {each.row.key for each in conversation(connection, rows[0]).members}
    if any(row.key not in together for row in rows):
        ids = ", ".join(row.id for row in rows[: _NAMED - 1])
        raise NotFound(f"more than one transfer has that name: give the id of the one that is meant ({ids})")
    return rows[0]


def _transfer(connection: Connection, row: Transfer, waits: str | None) -> TransferStory:
    subjects, carrier, receipts = {("transfer", row.id)}, None, []
    if row.consignment is not None:
        carrier = one(connection, Consignment, row.direction, row.partner, row.consignment)
        receipts = receipts_about(connection, row.partner, row.consignment)
        subjects |= {("consignment", row.consignment), ("receipt", row.consignment)}
    return TransferStory(
        transfer=transfer(row),
        what_to_do=remedy(row.code, row.state, row.direction, row.id),
        original=_original(row),
        carried_by=None if carrier is None else consignment(carrier),
        receipts=tuple(_answers(map(receipt, receipts), row.id)),
        events=_events(connection, row, subjects),
        waits=waits,
        erased=erased_at(connection, row.kind, row.id, row.partner),
        legal_holds=_holds(connection, row, row.consignment),
        conversation=conversation_of(connection, row),
    )


def _original(row: Transfer) -> dict[str, str] | None:
    told = orjson.loads(row.facts) if row.facts and row.flow == FLOW else {}
    return {name.removeprefix("original_"): told[name] for name in _ORIGINAL if name in told} or None


def _consignment(connection: Connection, row: Consignment) -> ConsignmentStory:
    items = carried(connection, row.direction, row.partner, row.id)
    receipts = receipts_about(connection, row.partner, row.id)
    return ConsignmentStory(
        consignment=consignment(row),
        what_to_do=remedy(row.code, row.state, row.direction, row.id),
        transfers=tuple(transfer(item) for item in items),
        receipts=tuple(receipt(each) for each in receipts),
        events=_events(connection, row, {("consignment", row.id), ("receipt", row.id)}),
        erased=erased_at(connection, row.kind, row.id, row.partner),
        legal_holds=_holds(connection, row, None),
    )


def _holds(connection: Connection, row: Transfer | Consignment, carrier: str | None) -> tuple[LegalHoldView, ...]:
    found = legal_holds.about(connection, row.partner, row.id, carrier)
    return tuple(legal_hold(each) for each in found)


def _answers(receipts: Iterable[ReceiptView], identity: str) -> Iterator[ReceiptView]:
    """The receipts as far as they speak of one transfer; one about others of its consignment alone is not among them."""
    for shown in receipts:
        if shown.content is None:
            yield shown
        elif items := [item for item in shown.content["items"] if item["transfer"] == identity]:
            yield replace(shown, content={**shown.content, "items": items})


def _events(
    connection: Connection, row: Transfer | Consignment, subjects: Iterable[tuple[str, str]]
) -> tuple[EventView, ...]:
    wanted = set(subjects)
    found = events_of(connection, sorted({subject for _, subject in wanted}))
    about = [each for each in found if each.partner == row.partner and (each.kind, each.subject) in wanted]
    return events(connection, about)
