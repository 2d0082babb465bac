"""Ids sort by their time, and nothing but an id is taken for one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.identity import RANDOM_BYTES, from_text, is_id, new_id, to_text

moments = st.floats(0, 2**47 / 1000)
entropy = st.binary(min_size=RANDOM_BYTES, max_size=RANDOM_BYTES)


@given(moments, entropy)
def test_new_id_is_an_id(moment: float, random: bytes) -> None:
    assert is_id(new_id(moment, random))


@given(moments, moments, entropy, entropy)
def test_later_id_sorts_behind(first: float, second: float, a: bytes, b: bytes) -> None:
    if int(first * 1000) < int(second * 1000):
        assert new_id(first, a) < new_id(second, b)


@given(moments, entropy, entropy)
def test_ids_of_one_moment_differ_where_their_noise_does(moment: float, a: bytes, b: bytes) -> None:
    # Of 80 bits 74 are used: the version and the variant take the places of the others.
    used = (1 << 80) - 1 ^ (0x3F << 62)
    same = int.from_bytes(a) & used == int.from_bytes(b) & used
    assert (new_id(moment, a) == new_id(moment, b)) == same


@pytest.mark.parametrize(
    "text",
    [
        "",
        "019ab5f0-1c2d-7abc-8def-0123456789AB",
        "019ab5f0-1c2d-4abc-8def-0123456789ab",
        "019ab5f0-1c2d-7abc-cdef-0123456789ab",
        "019ab5f01c2d7abc8def0123456789ab",
        "019ab5f0-1c2d-7abc-8def-0123456789ab\n",
        " 019ab5f0-1c2d-7abc-8def-0123456789ab",
        "../../../../../../../../../etc/hostname",
        "٠19ab5f0-1c2d-7abc-8def-0123456789ab",
    ],
)
def test_anything_else_is_no_id(text: str) -> None:
    assert not is_id(text)


@given(st.floats(0, 4_000_000_000))
def test_time_as_text_is_read_back_to_the_millisecond(moment: float) -> None:
    assert abs(from_text(to_text(moment)) - moment) < 0.0011


def test_time_as_text_is_rfc_3339_in_utc() -> None:
    assert to_text(0.0) == "1970-01-01T00:00:00.000Z"
    assert from_text("1970-01-01T01:00:00+01:00") == 0.0


def test_time_without_an_offset_is_refused() -> None:
    with pytest.raises(ValueError, match="offset"):
        from_text("2026-11-21T10:00:00")


@pytest.mark.parametrize(
    "text", ["9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "1969-12-31T23:59:59Z", "9999-01-01T00:00:00Z"]
)
def test_a_time_that_could_not_be_written_again_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="1970"):
        from_text(text)
