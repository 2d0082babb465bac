"""The last digest that the chain committed to of each row, in 32 bytes a row.

What a commitment says that no program wrote (a key that is no number, a digest that is none) is passed over: the chain of
whoever altered it breaks, and the row lacks its commitment. Raises nothing of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateway.ledger.audit.chain import EVERY, Watch, loaded, silent
from gateway.ledger.capture import Driver, stream
from gateway.ledger.chain import EMPTY, Head
from gateway.ledger.commitment import COMMITTED, KEY, KIND, SUBJECT

_SIZE: Final = 32
_PAGE: Final = 4096
"""Keys of one stretch of memory: those that a ledger has forgotten long ago take none."""
_NONE: Final = bytes(_SIZE)
_NUMBERED: Final = frozenset(table for table, key in KEY.items() if key == "key")
_QUERY: Final = (
    "SELECT sequence, detail FROM events NOT INDEXED WHERE subject = ? AND kind = ? AND event = ? AND sequence > ?"
    " ORDER BY sequence"
)
"""Over all events in their order: an index of subjects may leave out some."""


class LastCommitments:
    """Digests by table and key. A row that the chain says is gone has none."""

    def __init__(self) -> None:
        self._numbered: dict[str, dict[int, bytearray]] = {table: {} for table in _NUMBERED}
        self._named: dict[str, dict[str, bytes]] = {table: {} for table in KEY if table not in _NUMBERED}

    def note(self, detail: Mapping[str, Any]) -> None:
        """Take down what one event commits to, over what was known before."""
        for table, digests in detail.items():
            if not isinstance(digests, dict) or table not in KEY:
                continue
            for key, text in digests.items():
                try:
                    digest = _NONE if text is None else bytes.fromhex(text)
                    if len(digest) == _SIZE:
                        self._set(table, key, digest)
                except (TypeError, ValueError):
                    continue

    def take(self, table: str, key: int | str) -> bytes | None:
        """The digest of a row, which is forgotten; None where there is none."""
        if table in self._named:
            return self._named[table].pop(str(key), None)
        page, start = _place(int(key))
        known = self._numbered[table].get(page)
        digest = _NONE if known is None else bytes(known[start : start + _SIZE])
        if known is None or digest == _NONE:
            return None
        known[start : start + _SIZE] = _NONE
        return digest

    def keys(self, table: str) -> Iterator[int | str]:
        """The rows of a table that a digest is known of."""
        if table in self._named:
            yield from list(self._named[table])
            return
        for page, known in self._numbered[table].items():
            if any(known):
                for slot in range(_PAGE):
                    if known[slot * _SIZE : (slot + 1) * _SIZE] != _NONE:
                        yield page * _PAGE + slot

    def _set(self, table: str, key: str, digest: bytes) -> None:
        if table in self._named:
            self._named[table][key] = digest
            if digest == _NONE:
                del self._named[table][key]
            return
        page, start = _place(int(key))
        pages = self._numbered[table]
        if page not in pages:
            pages[page] = bytearray(_SIZE * _PAGE)
        pages[page][start : start + _SIZE] = digest


def _place(key: int) -> tuple[int, int]:
    page, slot = divmod(key, _PAGE)
    return page, slot * _SIZE


def last_commitments(connection: Driver, after: Head = EMPTY, watch: Watch = silent) -> LastCommitments:
    """What the chain commits to, from the event after `after` on."""
    found = LastCommitments()
    rows = stream(connection, _QUERY, (SUBJECT, KIND, COMMITTED, after.sequence))
    for number, (_, detail) in enumerate(rows, 1):
        if number % EVERY == 0:
            watch("commitments", number)
        found.note(loaded(detail))
    return found
