"""Counts of log-ins as JSON: what was written is read, and nothing else is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.logins import MAX_BYTES, Count, Login, Result, hour_of, parse, render

KEY = "SHA256:" + "a+/0" * 10 + "bcd"
LOGINS = st.builds(
    Login,
    st.sampled_from(Result),
    st.none() | st.sampled_from(["DWP", "E09000030"]),
    st.none() | st.just(KEY),
)
COUNTS = st.builds(
    Count,
    st.floats(0, 4e9).map(hour_of),
    st.dictionaries(LOGINS, st.integers(1, 10**12), max_size=20),
)


@given(COUNTS)
def test_what_was_written_is_read(count: Count) -> None:
    assert parse(render(count)) == count


def entry(**changed: Any) -> dict[str, Any]:
    return {"result": "wrong-key", "partner": None, "fingerprint": None, "count": 3} | changed


def whole(*entries: Any, **changed: Any) -> bytes:
    return json.dumps({"version": 1, "hour": "2026-11-28T04:00:00.000Z", "logins": list(entries)} | changed).encode()


def test_the_forms_below_are_refused_for_what_is_changed_in_them() -> None:
    assert parse(whole(entry())).logins == {Login(Result.WRONG_KEY): 3}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"\xff",
        b"[" * 10_000,
        whole(version=2),
        whole(hour=None),
        whole(hour="today"),
        whole(hour="2026-11-28T04:30:00.000Z"),
        whole(hour="9999-12-31T23:00:00.000Z"),
        whole(logins={}),
        whole(more=1),
        whole("text"),
        whole(entry(), entry()),
        whole(entry(count=0)),
        whole(entry(count=-1)),
        whole(entry(count=1.5)),
        whole(entry(count=True)),
        whole(entry(count=10**16)),
        whole(entry(result="logged-in")),
        whole(entry(result=None)),
        whole(entry(partner="../DWP")),
        whole(entry(partner="DWP\n")),
        whole(entry(partner=["DWP"])),
        whole(entry(fingerprint="QQ123456A")),
        whole(entry(more="text")),
        whole(entry()) + b" " * MAX_BYTES,
    ],
    ids=lambda data: data[:60],
)
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - json's own among them
        parse(data)
