"""Transfers for programs: the list, one's story, and its receipts. What is not the token's business is not there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field
from starlette.responses import Response

from gateway.administration.requests.outcomes import seen
from gateway.administration.views.conversation import ConversationView
from gateway.administration.views.legal_holds import LegalHoldView
from gateway.administration.views.records import ConsignmentView, EventView, ReceiptView, TransferView, transfer
from gateway.administration.views.story import TransferStory, story
from gateway.console.programs.calls import Call, Fields, answered
from gateway.domain.people import Right, may
from gateway.domain.states import Direction, State
from gateway.errors import NotFound
from gateway.ledger.queries.overview import Meant
from gateway.ledger.queries.transfer_pages import Order, Place, page

_Word = Annotated[str, Field(min_length=1, max_length=100)]


class TransfersQuery(Fields):
    """Which transfers; `since` and `before` are about when they were submitted, or came."""

    direction: Direction | None = None
    partner: _Word | None = None
    flow: _Word | None = None
    state: State | None = None
    since: AwareDatetime | None = None
    before: AwareDatetime | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    after: Annotated[str, Field(pattern=r"^[0-9]{1,18}$", description="The `next` of the page before.")] | None = None


@dataclass(frozen=True)
class TransferList:
    """Transfers, the newest first. `next` is where another page begins, null at the end of the list; a page may be empty and have one, where many
    were looked through and few are meant.
    """

    transfers: tuple[TransferView, ...]
    next: str | None


@dataclass(frozen=True)
class ToldTransfer(TransferView):
    """A transfer with its story, as `gateway show --json` has it. `conversation` is there where all of it is the token's business."""

    kind: Literal["transfer"]
    what_to_do: str | None
    original: dict[str, str] | None
    carried_by: ConsignmentView | None
    receipts: tuple[ReceiptView, ...]
    events: tuple[EventView, ...]
    waits: str | None
    erased: str | None
    legal_holds: tuple[LegalHoldView, ...]
    conversation: ConversationView | None


@dataclass(frozen=True)
class ReceiptList:
    """What was signed about a transfer: the receipts of its consignment, as far as they speak of it."""

    transfer: str
    receipts: tuple[ReceiptView, ...]


def listed(call: Call) -> Response:
    """A page of the list."""
    query: TransfersQuery = call.query
    meant = Meant(
        direction=query.direction,
        partner=query.partner,
        flow=query.flow,
        state=query.state,
        since=_seconds(query.since),
        before=_seconds(query.before),
    )
    place = None if query.after is None else Place(int(query.after))
    with call.site.reading() as connection:
        found = page(connection, Order(), query.limit, after=place, meant=meant, scope=call.scope)
    following = None if found.after is None else str(found.after.key)
    return answered(TransferList(tuple(map(transfer, found.rows)), following))


def one(call: Call) -> Response:
    """One transfer's story."""
    told = _story(call)
    rest = {name: value for name, value in vars(told).items() if name not in ("transfer", "conversation")}
    together = told.conversation if _is_seen(call, told.conversation) else None
    return answered(ToldTransfer(**vars(told.transfer), kind="transfer", **rest, conversation=together))


def receipts(call: Call) -> Response:
    """One transfer's receipts."""
    told = _story(call)
    return answered(ReceiptList(told.transfer.id, told.receipts))


def _story(call: Call) -> TransferStory:
    with call.site.reading() as connection:
        row = seen(connection, call.token, call.path["id"], Right.LOOK)
        found = story(call.site.settings, connection, row.id, call.site.now)
    if not isinstance(found, TransferStory):
        raise NotFound("there is no such transfer")
    return found


def _is_seen(call: Call, together: ConversationView | None) -> bool:
    if together is None or together.more:
        return False
    return all(may(call.token, Right.LOOK, each.flow, each.partner) for each in together.members)


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()
