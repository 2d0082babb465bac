"""A PostgreSQL server of Debian's package, for a test; the test is skipped where there is none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from gateway.demo import postgresql
from gateway.demo.postgresql import Server, ServerMissing

__all__ = ["Server", "require", "running", "server"]


def require() -> None:
    """Skip the test where there is no server."""
    try:
        postgresql.require()
    except ServerMissing as error:
        pytest.skip(f"{error.reason} {error.remedy}")


@contextmanager
def running(*, durable: bool = False) -> Iterator[Server]:
    """A server that runs, and is gone at the end. `durable`: commits wait for the disk."""
    require()
    with postgresql.running(durable=durable) as made:
        yield made


@contextmanager
def server() -> Iterator[str]:
    """The same, where its URL is enough."""
    with running() as made:
        yield made.url
