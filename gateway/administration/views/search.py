"""What somebody looks for: by a word, or by the very bytes of a file. Raises OSError where the file cannot be read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson

from gateway.administration.views.records import moment
from gateway.administration.views.words import with_code, within
from gateway.domain.identity import to_text
from gateway.domain.redirect import FLOW
from gateway.domain.states import Direction, State
from gateway.ledger.queries import search
from gateway.ledger.queries.identities import matching
from gateway.ledger.queries.receipts import receipts_about
from gateway.ledger.store import Connection
from gateway.ledger.units import Consignment, Quarantined, Receipt, Transfer
from gateway.storage.digest import file_digest

_OF_AN_ID: Final = re.compile(r"[0-9a-f]{4}[0-9a-f-]{0,32}")
_OF_A_DIGEST: Final = re.compile(r"[0-9a-f]{8,64}")

_SAID: Final[Mapping[tuple[Direction, State], str]] = {
    (Direction.OUT, State.ADMITTED): "taken into custody, not checked yet",
    (Direction.OUT, State.VALIDATED): "checked, and waits to be packed",
    (Direction.OUT, State.PACKED): "packed, not sealed yet",
    (Direction.OUT, State.SEALED): "sealed, not sent yet",
    (Direction.OUT, State.SENT): "sent, and there is no receipt yet",
    (Direction.OUT, State.RECEIPTED): "the partner has it",
    (Direction.OUT, State.INGESTED): "the partner has it, and its back office has taken it over",
    (Direction.OUT, State.REJECTED): "not accepted: it came back",
    (Direction.OUT, State.QUARANTINED): "locked away by the partner's gateway",
    (Direction.OUT, State.HELD): "held, for a person to decide",
    (Direction.OUT, State.EXPIRED): "given up: no receipt came in time",
    (Direction.IN, State.OPENED): "decrypted, not delivered yet",
    (Direction.IN, State.DELIVERED): "delivered to spool/inbound",
    (Direction.IN, State.INGESTED): "delivered, and taken over by our back office",
    (Direction.IN, State.REJECTED): "not accepted here: the sender was told",
    (Direction.IN, State.QUARANTINED): "locked away here",
    (Direction.IN, State.HELD): "held here, for a person to decide",
}


_UNCONFIRMED: Final = "sent to a partner without a gateway: nobody confirms that it arrived"


@dataclass(frozen=True)
class Hit:
    """One thing that was found. `by` is what matched: id, name, reference, content (its bytes), original (the bytes that it
    passes on), sealed (the bytes as they travel). `said` is what became of it, in sentences. Times are RFC 3339, UTC.
    """

    kind: str
    id: str
    by: str
    direction: str | None
    partner: str
    flow: str | None
    name: str | None
    state: str
    created: str | None
    said: tuple[str, ...]


@dataclass(frozen=True)
class Found:
    """What was found, the newest last, and whether there is more."""

    hits: tuple[Hit, ...]
    more: bool


@dataclass(frozen=True)
class FoundFile:
    """A file's digest and size in bytes, and everything that the ledger has of these very bytes."""

    path: str
    sha256: str
    size: int
    hits: tuple[Hit, ...]


def find(connection: Connection, text: str, most: int | None) -> Found:
    """What has an id or a digest that begins so, or a name or a reference with the text in it; at most so many."""
    word = text.strip()
    wanted = None if most is None else most + 1
    hits = [*_by_id(connection, word.lower(), wanted)]
    if _OF_A_DIGEST.fullmatch(word.lower()):
        hits += _by_digest(connection, word.lower(), wanted)
    hits += (_transfer(row, _named_by(row, word)) for row in search.named(connection, word, wanted))
    hits += (
        _transfer(row, "original" if row.flow == FLOW else "reference") for row in search.telling_of(connection, word)
    )
    unique = {(hit.kind, hit.id, hit.partner, hit.direction): hit for hit in reversed(hits)}
    found = sorted(unique.values(), key=lambda hit: hit.created or "")
    more = most is not None and len(found) > most
    return Found(tuple(found[-most:] if most is not None else found), more)


def find_file(connection: Connection, path: Path) -> FoundFile:
    """What became of the bytes that a file has."""
    size, digest = path.stat().st_size, file_digest(path)
    hits = sorted(_by_digest(connection, digest, None), key=lambda hit: hit.created or "")
    return FoundFile(str(path), digest, size, tuple(hits))


def _by_id(connection: Connection, word: str, most: int | None) -> Iterator[Hit]:
    if not _OF_AN_ID.fullmatch(word):
        return
    few = 1000 if most is None else most
    yield from (_transfer(row, "id") for row in matching(connection, Transfer, word, few))
    yield from (_consignment(row, "id") for row in matching(connection, Consignment, word, few))
    yield from (_quarantined(row, word) for row in search.locked_away(connection, word))


def _by_digest(connection: Connection, digest: str, most: int | None) -> Iterator[Hit]:
    for row in search.with_digest(connection, digest, most):
        yield _transfer(row, "content", _receipts(connection, row))
    for row in search.telling_of(connection, digest):
        yield _transfer(row, "original", _receipts(connection, row))
    for parcel in search.sealed_as(connection, digest):
        yield _receipt(parcel) if isinstance(parcel, Receipt) else _consignment(parcel, "sealed")
    yield from (_quarantined(row, digest) for row in search.locked_away(connection, digest))


def _named_by(row: Transfer, word: str) -> str:
    names = (row.name, row.delivered_name or "")
    return "name" if any(word.casefold() in name.casefold() for name in names) else "reference"


def _transfer(row: Transfer, by: str, receipts: Iterable[str] = ()) -> Hit:
    return Hit(
        kind=row.kind,
        id=row.id,
        by=by,
        direction=row.direction,
        partner=row.partner,
        flow=row.flow,
        name=row.name,
        state=row.state,
        created=moment(row.created),
        said=(*_became(row), *receipts),
    )


def _became(row: Transfer) -> Iterator[str]:
    """What became of a transfer, each sentence without a full stop."""
    said = _UNCONFIRMED if row.is_unconfirmed else _SAID.get((row.direction, row.state), str(row.state))
    why = with_code(within(row.reason or ""), row.code)
    yield f"{said}, since {to_text(row.updated)}{f': {why}' if why else ''}"
    if row.delivered_name is not None and row.delivered_name != row.name:
        yield f"delivered under the name {row.delivered_name}"
    if row.redirected_to is not None:
        yield f"passed on to another authority as transfer {row.redirected_to}"
    if row.redirected_from is not None:
        yield f"received from {row.redirected_from} before it was passed on"


def _receipts(connection: Connection, row: Transfer) -> Iterator[str]:
    """What the receipts about a transfer say of it, the partner's and ours."""
    if row.consignment is None:
        return
    for receipt in receipts_about(connection, row.partner, row.consignment):
        told = orjson.loads(receipt.body) if receipt.body else {"items": ()}
        for item in told["items"]:
            if item["transfer"] == row.id:
                whose = "our" if receipt.direction == Direction.OUT else f"{row.partner}'s"
                bytes_ = "these very bytes" if item["sha256"] == row.sha256 else "other bytes"
                yield f"{whose} signed receipt of {told['issued']} says of {bytes_}: {item['outcome']}"


def _consignment(row: Consignment, by: str) -> Hit:
    files = "1 file" if row.items == 1 else f"{row.items} files"
    why = with_code(within(row.reason or ""), row.code)
    return Hit(
        kind=row.kind,
        id=row.id,
        by=by,
        direction=row.direction,
        partner=row.partner,
        flow=row.flow,
        name=None,
        state=row.state,
        created=moment(row.created),
        said=(f"a consignment of {files}, {row.state}{f': {why}' if why else ''}",),
    )


def _receipt(row: Receipt) -> Hit:
    return Hit(
        kind=row.kind,
        id=row.consignment,
        by="sealed",
        direction=row.direction,
        partner=row.partner,
        flow=None,
        name=None,
        state=row.state,
        created=moment(row.created),
        said=(f"the receipt about consignment {row.consignment}, {row.state}",),
    )


def _quarantined(row: Quarantined, word: str) -> Hit:
    discarded = "" if row.discarded is None else f", discarded {to_text(row.discarded)}"
    return Hit(
        kind="quarantine",
        id=row.id,
        by="content" if row.sha256.startswith(word) else "id",
        direction=None,
        partner=row.partner,
        flow=None,
        name=None,
        state="quarantined" if row.discarded is None else "discarded",
        created=moment(row.received),
        said=(f"locked away{discarded}: {with_code(within(row.reason), row.code)}",),
    )
