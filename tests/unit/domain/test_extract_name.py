"""What names of extracts say."""

from __future__ import annotations

import pytest

from gateway.domain.extract_name import authorities_named, form_of


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("hb9991_SHBE_555086k May 2013.csv", ("9991",)),
        ("hbE08000004_SHBE_602756g November 2026.csv", ("E08000004",)),
        ("HB4220-shbe.CSV", ("4220",)),
        ("hb4220.csv", ("4220",)),
        ("HB 4220 SHBE May 2013.csv", ("4220",)),
        ("copy of hb4220_SHBE_1a May 2013.csv", ("4220",)),
        ("SHBE_w06000024_November 2026.csv", ("W06000024",)),
        ("E09000030 for hb4220.csv", ("E09000030", "4220")),
        ("hb4220 hb4220.csv", ("4220",)),
        ("SHBE November 2026.csv", ()),
        ("SHBE_4220_November 2026.csv", ()),
        ("hb_2013 May.csv", ()),
        ("hb42201_SHBE.csv", ()),
        ("hb422_SHBE.csv", ()),
        ("shb4220.csv", ()),
        ("E0900003 x.csv", ()),
        ("E090000301.csv", ()),
        ("hb\uff14\uff12\uff12\uff10.csv", ()),
        ("", ()),
    ],
)
def test_authority_is_read_from_the_name_and_from_nothing_that_could_be_something_else(
    name: str, codes: tuple[str, ...]
) -> None:
    assert authorities_named(name) == codes


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SHBE_555086k May 2013.csv", "SHBE_602756g November 2026.csv"),
        ("shbe Nov-2026.csv", "SHBE Dec-2026.CSV"),
        ("extract 2026-10.csv", "extract 2026-11.csv"),
    ],
)
def test_months_and_serial_numbers_do_not_change_the_form(one: str, other: str) -> None:
    assert form_of(one) == form_of(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SHBE May 2013.csv", "extract May 2013.csv"),
        ("SHBE_4220_May 2013.csv", "SHBE_5900_May 2013.csv"),
        ("oldham May 2013.csv", "hackney May 2013.csv"),
        ("SHBE May 2013.csv", "SHBE May 2013.txt"),
    ],
)
def test_words_and_what_may_be_a_code_do(one: str, other: str) -> None:
    assert form_of(one) != form_of(other)
