"""What happens at a site, as the events of its chain tell it, from some moment on and on.

Nothing is said that the log lines do not say: the same keys, masked the same way. What the chain says for its own sake, the
digests of rows, is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final

from gateway.administration.views.words import describe
from gateway.domain.identity import to_text
from gateway.events import BY_NAME
from gateway.ledger.audit.chain import loaded
from gateway.ledger.chain import ChainEntry
from gateway.ledger.commitment import COMMITTED
from gateway.ledger.people import KIND as PERSON
from gateway.ledger.queries.events import flows_of, last_before, reasons_of, some_after
from gateway.ledger.store import Connection, read_head
from gateway.logs import as_logged

_CHUNK: Final = 1000
"""Events that one question asks for."""
_BACK: Final = 20_000
"""So many events are looked through for the last ones that are meant."""
_BESIDE: Final = ("count", "day", "due", "fingerprint", "hour")
"""What the sentence of an event lacks."""


@dataclass(frozen=True)
class HappeningFilter:
    """Which events are meant; None does not restrict. `families` are first parts of events' names."""

    partner: str | None = None
    flow: str | None = None
    families: frozenset[str] | None = None


@dataclass(frozen=True)
class Happening:
    """An event of the chain: `words` is a sentence without a full stop, `said` what else a log line would say of it.

    `flows` are those of the transfer, or of what the consignment carries as far as that is known. `at` is RFC 3339, UTC.
    """

    sequence: int
    at: str
    level: str
    event: str
    role: str
    words: str
    transfer: str | None
    consignment: str | None
    partner: str | None
    flows: tuple[str, ...]
    said: dict[str, Any]


def start_of(connection: Connection, wanted: HappeningFilter, since: float | None, last: int) -> int:
    """The number of the event to begin after: the last one before a moment, or that before the `last` ones that are meant."""
    if since is not None:
        return last_before(connection, to_text(since))
    found, further = from_on(connection, wanted, read_head(connection).sequence + 1, last)
    return found[-1].sequence - 1 if len(found) == last else (further or 1) - 1


def last(connection: Connection, wanted: HappeningFilter, most: int) -> list[Happening]:
    """The last events that are meant, the newest first."""
    found, _ = from_on(connection, wanted, read_head(connection).sequence + 1, most)
    return found


def from_on(
    connection: Connection, wanted: HappeningFilter, before: int, most: int
) -> tuple[list[Happening], int | None]:
    """The events that are meant before that number, the newest first, and the number before which to look on; None at the chain's start.

    At most 20,000 events are looked through: where few are meant, there may be less, or none.
    """
    found: list[Happening] = []
    upto = lowest = before - 1
    chunk = min(2 * most, _CHUNK)  # where nearly all are meant, that is enough
    while upto > max(lowest - _BACK, 0) and len(found) < most:
        start = max(upto - chunk, 0)
        found += reversed(_told(connection, some_after(connection, start, upto - start), wanted))
        upto, chunk = start, _CHUNK
    if len(found) > most:
        return found[:most], found[most - 1].sequence
    return found, upto + 1 if upto > 0 else None


def from_here(
    connection: Connection, is_meant: Callable[[Happening], bool], after: int, most: int
) -> tuple[list[Happening], int]:
    """The first events after that number that are meant, in order, at most so many; and the number after which to look on. At most 20,000 events
    are looked through.
    """
    found: list[Happening] = []
    for _ in range(_BACK // _CHUNK):
        entries = some_after(connection, after, _CHUNK)
        for each in _told(connection, entries, HappeningFilter()):
            if is_meant(each):
                found.append(each)
                if len(found) == most:
                    return found, each.sequence
        after = entries[-1].sequence if entries else after
        if len(entries) < _CHUNK:
            break
    return found, after


def follow(
    read: Callable[[], AbstractContextManager[Connection]],
    wanted: HappeningFilter,
    after: int,
    pause: Callable[[], bool],
) -> Iterator[Happening]:
    """The events after that number, and those that come; `pause` is called where there is none, and says whether to go on.

    Each question has a view of its own, so that following for days keeps nobody's ledger from being tidied.
    """
    while True:
        with read() as connection:
            entries = some_after(connection, after, _CHUNK)
            told = _told(connection, entries, wanted)
        yield from told
        after = entries[-1].sequence if entries else after
        if len(entries) < _CHUNK and not pause():
            return


def _told(connection: Connection, entries: list[ChainEntry], wanted: HappeningFilter) -> list[Happening]:
    about = [entry for entry in entries if entry.event != COMMITTED]
    if wanted.partner is not None:
        about = [entry for entry in about if entry.partner == wanted.partner]
    if wanted.families is not None:
        about = [entry for entry in about if entry.event.partition(".")[0] in wanted.families]
    flows = flows_of(connection, [entry for entry in about if '"flow":' not in entry.detail])
    reasons = reasons_of(connection, about)
    found = (_happening(entry, flows.get((entry.subject, entry.partner), set()), reasons) for entry in about)
    return [each for each in found if wanted.flow is None or wanted.flow in each.flows]


def _happening(entry: ChainEntry, flows: set[str], reasons: dict[int, str]) -> Happening:
    detail = loaded(entry.detail)
    if entry.sequence in reasons:
        detail["reason"] = reasons[entry.sequence]
    said = as_logged(detail | ({"user": entry.subject} if entry.kind == PERSON else {}))
    told = {flow} if isinstance(flow := said.get("flow"), str) else flows
    beside = ", ".join(f"{name} {said[name]}" for name in _BESIDE if name in said)
    if entry.kind == PERSON:
        beside = f"{entry.subject}, {beside}".removesuffix(", ")
    return Happening(
        sequence=entry.sequence,
        at=entry.at,
        level=BY_NAME[entry.event].level if entry.event in BY_NAME else "info",
        event=entry.event,
        role=entry.role,
        words=describe(entry.event, said) + (f" ({beside})" if beside else ""),
        transfer=entry.subject if entry.kind == "transfer" else None,
        consignment=entry.subject if entry.kind in ("consignment", "receipt") else None,
        partner=entry.partner,
        flows=tuple(sorted(told)),
        said=said,
    )
