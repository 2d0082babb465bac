"""Evidence of one transfer or consignment: what the chain proves of it, what partners signed, and a page that tells it.

Raises NotFound where the id names none, or more than one; UsageWrong where the name is taken; PayloadGone where the content is not
at this site any more; ChainBroken, NotPermitted, and what the ledger, the key store and the disk raise.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gateway.administration.access import permitted
from gateway.administration.evidence import story
from gateway.administration.evidence.container import container, refuse_taken
from gateway.administration.evidence.contents import Contents, Made, Told, filling
from gateway.administration.requests.actors import stage_context
from gateway.administration.views import story as views
from gateway.domain.decision import Decision
from gateway.domain.states import Direction, State
from gateway.errors import PayloadGone
from gateway.ledger.queries.identities import find, find_transfer
from gateway.ledger.queries.proof import confirmed, events_about, rows_about, settled
from gateway.ledger.queries.receipts import receipts_about
from gateway.ledger.store import event_before
from gateway.ledger.units import Consignment, Transfer
from gateway.logs import Logger
from gateway.settings.model import Settings
from gateway.stages.context import StageContext
from gateway.stages.kept_files import brought, in_custody, needed
from gateway.storage.digest import file_digest

_PIECE: Final = 1 << 20


def make(settings: Settings, identity: str, out: Path, now: float, payload: Path | None = None) -> Made:
    """Evidence of the one transfer or consignment whose id starts so, as a new file. `payload` is what `disclose` found."""
    with filling(settings, out) as (connection, fill):
        unit = find(connection, identity)
        rows, about = rows_about(connection, unit), events_about(connection, unit)
        last = settled(connection, rows, about[0], about[-1])
        anchor = confirmed(connection, last)
        with container(out) as target:
            contents = fill(target)
            if anchor is not None:
                last = settled(connection, rows, about[0], anchor.seen.sequence)
            else:
                last = settled(connection, rows, about[0], contents.stated(last) or last)
            first = event_before(connection, about[0]).sequence or 1
            head = contents.add_events(first, last, lambda _event: None)
            contents.add_rows(rows)
            contents.tell_adopted({row.place for row in rows})
            contents.certificates.add(unit.partner)
            parcel = unit.id if isinstance(unit, Consignment) else unit.consignment
            for receipt in [] if parcel is None else receipts_about(connection, unit.partner, parcel):
                if receipt.direction == Direction.IN and receipt.state == State.ACCEPTED:
                    contents.add_receipt(receipt)
            _add_payload(contents, unit, payload)
            return contents.conclude(
                (first, head),
                anchor,
                f"Evidence of {unit.kind} {unit.id}",
                lambda proof: story.of_unit(settings, views.story(settings, connection, unit.id, now), proof),
                Told(subject=(f"{unit.kind}s", str(unit.direction), unit.partner, unit.id)),
                now,
                out,
            )


def disclose(settings: Settings, log: Logger, identity: str, out: Path, decision: Decision) -> Path:
    """Find a transfer's content, and record who gives it out and why, before anybody has it. Where it lies."""
    refuse_taken(out)
    with stage_context(settings, log) as context, permitted():
        with context.ledger.read() as connection:
            unit = find_transfer(connection, identity)
        found = next((path for path in _places(context, unit) if _holds(path, unit.sha256)), None)
        if found is None:
            raise PayloadGone(f"the content of transfer {unit.id} is not at this site any more, byte for byte")
        with context.ledger.write() as transaction:
            transaction.record(
                "transfer.disclosed",
                "transfer",
                unit.id,
                unit.partner,
                flow=unit.flow,
                **decision.detail,
            )
        return found


def _add_payload(contents: Contents, unit: Transfer | Consignment, payload: Path | None) -> None:
    if payload is None or not isinstance(unit, Transfer):
        contents.missing.append("The content of the file: only its digest is in here.")
        return
    with payload.open("rb") as content:
        pieces = iter(lambda: content.read(_PIECE), b"")
        if contents.out.add("payload/content", pieces) != unit.sha256:
            raise PayloadGone(f"the content of transfer {unit.id} changed while it was read")


def _places(context: StageContext, unit: Transfer) -> Iterator[Path]:
    """Where a transfer's content may lie at this site."""
    home, payloads = context.home, context.payloads
    if unit.direction == Direction.OUT:
        yield (needed if unit.custody else brought)(payloads, in_custody(home, unit))
        yield from (home.returned / unit.flow / unit.partner).glob("*")
    else:
        if unit.delivered_name is not None:
            yield home.inbound / unit.flow / unit.partner / unit.delivered_name
        if unit.consignment is not None and unit.position is not None:
            yield home.opened / unit.consignment / f"{unit.position:04d}"
    for path, sha256 in payloads.names(home.infected):
        if sha256 == unit.sha256:
            yield payloads.fetch(path, sha256)
    yield from home.infected.glob("*")


def _holds(path: Path, sha256: str) -> bool:
    """Whether it is a plain file of that content."""
    try:
        return path.is_file() and not path.is_symlink() and file_digest(path) == sha256
    except FileNotFoundError:
        return False
