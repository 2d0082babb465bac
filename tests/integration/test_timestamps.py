"""Time stamps by an authority on this machine, as anybody checks them, and what is no stamp."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from gateway.errors import TimestampFailed
from gateway.transport.timestamps import stamp
from tests.fakes.timestamp_authority import Authority, needs_openssl, openssl, served

pytestmark = needs_openssl

CONTENT = b"a statement\n"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.founded(tmp_path_factory.mktemp("authority") / "tsa")


def test_stamp_is_checked_with_openssl_alone(authority: Authority, tmp_path: Path) -> None:
    with served(authority.answer) as url:
        token = stamp(url, authority.root / "ca.pem", CONTENT, 10.0)
    data, stamped = tmp_path / "statement", tmp_path / "statement.tsr"
    data.write_bytes(CONTENT)
    stamped.write_bytes(token)
    verify = ("ts", "-verify", "-in", stamped, "-data", data, "-CAfile", authority.root / "ca.pem")
    openssl(*verify)
    data.write_bytes(CONTENT + b"altered")
    with pytest.raises(subprocess.CalledProcessError):
        openssl(*verify)


ANSWERS: dict[str, Callable[[Authority, bytes], bytes]] = {
    "an error": lambda _authority, _query: b"",
    "no answer": lambda _authority, _query: b"hello",
    "a long answer": lambda _authority, _query: b"x" * 100_000,
    "an answer about something else": lambda authority, _query: authority.answer(query_of(b"something else")),
    "an answer to an earlier query": lambda authority, _query: authority.answer(query_of(CONTENT)),
}


def query_of(content: bytes) -> bytes:
    return openssl("ts", "-query", "-sha256", "-cert", "-data", "/dev/stdin", feed=content)


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_answer_that_does_not_hold_is_refused(
    authority: Authority, answer: Callable[[Authority, bytes], bytes]
) -> None:
    with served(partial(answer, authority)) as url, pytest.raises(TimestampFailed):
        stamp(url, authority.root / "ca.pem", CONTENT, 10.0)


def test_answer_under_a_root_that_nobody_named_is_refused(authority: Authority, tmp_path: Path) -> None:
    other = Authority.founded(tmp_path / "other")
    with served(other.answer) as url, pytest.raises(TimestampFailed):
        stamp(url, authority.root / "ca.pem", CONTENT, 10.0)


def test_authority_that_is_away_or_says_nothing_is_given_up_in_time(authority: Authority, tmp_path: Path) -> None:
    waiting = threading.Event()
    begun = time.monotonic()
    with served(lambda _: bytes(not waiting.wait(20))) as url:
        with pytest.raises(TimestampFailed):
            stamp(url, authority.root / "ca.pem", CONTENT, 0.3)
        waiting.set()
    with pytest.raises(TimestampFailed):
        stamp("http://127.0.0.1:9/", authority.root / "ca.pem", CONTENT, 0.3)
    assert time.monotonic() - begun < 15
    (tmp_path / "roots.pem").write_text("none")
    for roots in (tmp_path / "roots.pem", tmp_path / "not-there.pem"):
        with pytest.raises(TimestampFailed, match=roots.name):
            stamp("http://127.0.0.1:9/", roots, CONTENT, 0.3)
