"""A real clamd with a signature of the test's own, asked by its socket and over TCP."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.errors import FileInfected, ScanIncomplete, ScannerUnavailable
from tests.fakes.clamd import LIMIT, MARK, NAME, Daemon, needs_clamd, running_clamd

pytestmark = needs_clamd

ROADS = pytest.mark.parametrize("host", ["", "127.0.0.1"], ids=["socket", "tcp"])


@pytest.fixture(scope="module")
def clamd() -> Iterator[Daemon]:
    with running_clamd() as daemon:
        yield daemon


@ROADS
@pytest.mark.parametrize("content", [b"", b"<Claims/>", bytes(range(256)) * 1000])
def test_clean_file_passes(clamd: Daemon, tmp_path: Path, host: str, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    clamd.client(host=host).scan(tmp_path / "x")


@ROADS
def test_file_with_the_signature_is_infected_and_the_signature_is_named(
    clamd: Daemon, tmp_path: Path, host: str
) -> None:
    (tmp_path / "x").write_bytes(b"x" * 200_000 + MARK + b"x")
    with pytest.raises(FileInfected, match=NAME):
        clamd.client(host=host).scan(tmp_path / "x")


def test_file_that_only_we_may_read_is_scanned_by_its_open_descriptor(clamd: Daemon, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(MARK)
    (tmp_path / "x").chmod(0o600)
    with pytest.raises(FileInfected):
        clamd.client().scan(tmp_path / "x")


@ROADS
def test_file_larger_than_our_limit_is_not_shown_to_a_scanner_that_would_call_it_clean(
    clamd: Daemon, tmp_path: Path, host: str
) -> None:
    (tmp_path / "x").write_bytes(b"x" * (LIMIT + 1))
    with pytest.raises(ScanIncomplete, match=str(LIMIT)):
        clamd.client(host=host).scan(tmp_path / "x")


@ROADS
def test_file_larger_than_clamd_s_limit_is_not_clean(clamd: Daemon, tmp_path: Path, host: str) -> None:
    (tmp_path / "x").write_bytes(os.urandom(6 * LIMIT))
    with pytest.raises((ScanIncomplete, ScannerUnavailable)):
        clamd.client(host=host, max_bytes=10 * LIMIT).scan(tmp_path / "x")


def test_absent_scanner_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"x")
    for host in ("", "127.0.0.1"):
        absent = Daemon(tmp_path / "none.sock", 1).client(host=host, seconds=5)
        with pytest.raises(ScannerUnavailable):
            absent.scan(tmp_path / "x")
        with pytest.raises(ScannerUnavailable):
            absent.ping()
