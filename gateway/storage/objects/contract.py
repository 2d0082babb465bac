"""What a store of objects offers that several machines reach: whole objects by key, written once.

All that is in it is sealed before it comes here, and checked after it came back (`storage.sealing`, `storage.shared_payloads`): a store
can lose bytes, and show others than were written, and the gateway finds out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Final, Protocol

MARK: Final = "gateway-payloads"
"""The key of the object that says whose store it is. Where it is missing, the store is away, or another one."""


class Source(Protocol):
    """What an object is read from; at the end it gives b""."""

    def read(self, size: int = -1, /) -> bytes: ...


class Target(Protocol):
    """What an object is written to."""

    def write(self, data: bytes, /) -> int: ...

    def flush(self) -> None: ...


Fill = Callable[[Target], None]
"""Writes an object's bytes. It may be called again, and what it raises comes through: then nothing is written."""


class ObjectStore(Protocol):
    """Objects by keys such as `vault/custody/ID/TOKEN`: ASCII, without empty or hidden parts, and no dot in the last.

    All raise StoreUnreachable where the store does not answer, refuses, or is not the site's (it lacks its mark), and StoreFull. A store that is away
    is never taken for one that is empty. Where something else than an object lies at its place (a pipe, a directory), to open or put it raises
    StoreFileLost at once.
    """

    def place(self, key: str) -> str:
        """Where a person finds an object: its path below the store's own place."""
        ...

    def put_new(self, objects: Mapping[str, Fill]) -> None:
        """Write all objects, durably; those that are there are left as they are. An object is there whole, or not at all."""
        ...

    def open(self, key: str) -> AbstractContextManager[Source | None]:
        """An object's bytes in a `with`; None where there is no such object."""
        ...

    def remove(self, keys: Iterable[str]) -> None:
        """Remove objects, durably; those that are missing are removed already."""
        ...

    def written(self, key: str) -> float | None:
        """When an object was written, by the store's clock, in seconds since 1970; None where there is no such object."""
        ...

    def keys(self, prefix: str) -> Iterator[str]:
        """The keys below a prefix that ends at a part, such as `evidence` or "", in no order."""
        ...
