from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.settings.resources import resource
from gateway.validation import government_types
from gateway.validation.nino_prefixes import load_prefixes

TODAY = date(2026, 11, 21)
PREFIXES = load_prefixes(resource("schemas"))
STRICT = PREFIXES.in_flow("claim", allow_test_numbers=False)
TOLERANT = PREFIXES.in_flow("claim", allow_test_numbers=True)


@pytest.mark.parametrize("text", ["AB123456C", "AA000000A", "PW999999D", "JT123456 ", "PP123456A"])
def test_issued_number_is_right(text: str) -> None:
    assert government_types.nino_fault(text, STRICT) is None


@pytest.mark.parametrize(
    "text",
    ["", "AB12345C", "AB1234567C", "ab123456c", "AB123456E", "AB123456C\n", "AB１23456C", " AB123456C", "PP999999P"],
)
def test_number_of_another_form_is_wrong(text: str) -> None:
    fault = government_types.nino_fault(text, TOLERANT)
    assert fault is not None
    assert fault.code == "nino"


@pytest.mark.parametrize("text", ["2026-02-29", "2026-13-01", "2026-00-10", "0000-01-01", "2026-11-31"])
def test_date_that_does_not_exist_is_wrong(text: str) -> None:
    assert government_types.date_check(TODAY)(text) == "not a date that exists"


@pytest.mark.parametrize(
    "text", ["", "20260221", "2026-2-1", "2026-02-21Z", "21/02/2026", "2026-02-21\n", "٢٠٢٦-٠٢-٢١"]
)
def test_date_of_another_form_is_wrong(text: str) -> None:
    assert government_types.date_check(TODAY)(text) == "not a date written as year-month-day (YYYY-MM-DD)"


@given(st.dates(min_value=date(1880, 1, 1), max_value=TODAY))
def test_every_day_since_1880_is_a_past_date(day: date) -> None:
    assert government_types.past_date_check(TODAY)(day.isoformat()) is None
    assert government_types.to_date(day.isoformat()) == day


def test_tomorrow_is_tolerated_and_the_day_after_is_not() -> None:
    assert government_types.past_date_check(TODAY)((TODAY + timedelta(days=1)).isoformat()) is None
    assert government_types.past_date_check(TODAY)((TODAY + timedelta(days=2)).isoformat()) == "a date in the future"


@pytest.mark.parametrize("text", ["1879-12-31", "1066-10-14", "2099-01-01"])
def test_implausible_date_is_wrong(text: str) -> None:
    assert government_types.date_check(TODAY)(text)


def test_nobody_is_older_than_130_years() -> None:
    assert government_types.birth_date_check(TODAY)("1890-01-01")
    assert government_types.birth_date_check(TODAY)("1900-01-01") is None


@pytest.mark.parametrize("text", ["2026-11-21T24:00:00Z", "2026-11-21T10:60:00Z", "2026-11-21T10:00:60Z"])
def test_time_of_day_that_does_not_exist_is_wrong(text: str) -> None:
    assert government_types.timestamp_check(TODAY)(text) == "not a time of day that exists"


@pytest.mark.parametrize("text", ["2026-11-21T10:00:00", "2026-11-21 10:00:00Z", "2026-11-21T10:00:00+00:00", ""])
def test_moment_without_utc_is_wrong(text: str) -> None:
    assert government_types.timestamp_check(TODAY)(text)


@given(st.integers(min_value=0, max_value=99_999_999_999))
def test_pence_survive_writing_as_pounds(pence: int) -> None:
    assert government_types.to_pence(f"{pence // 100}.{pence % 100:02d}") == pence


@pytest.mark.parametrize(
    "text", ["", "12", "12.5", "12,50", "-1.00", "+1.00", "1e3", "1.000", "1234567890.00", "£1.00", "1.00 "]
)
def test_amount_of_another_form_is_wrong(text: str) -> None:
    assert government_types.amount_fault(text)
    assert government_types.to_pence(text) is None


@pytest.mark.parametrize("text", ["M1 1AA", "OL1 4AB", "CR2 6XH", "EC1A 1BB", "W1A 0AX", "BF1 0AA"])
def test_postcode_of_each_shape_is_right(text: str) -> None:
    assert government_types.postcode_fault(text) is None


@pytest.mark.parametrize(
    "text", ["ZZ99 3VZ", "ZZ99 3WZ", "ZZ99 3CZ", "ZZ99 3GZ", "ZZ99 1WZ", "ZZ99 2WZ", "ZZ99 6CZ", "ZZ99 4OZ"]
)
def test_postcode_of_somebody_who_has_none_is_right(text: str) -> None:
    assert government_types.postcode_fault(text) is None


@pytest.mark.parametrize("text", ["BFPO 1", "BFPO 15", "BFPO 801", "BFPO 5439"])
def test_number_of_the_forces_post_office_is_right(text: str) -> None:
    assert government_types.postcode_fault(text) is None


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("M11AA", "postcode-space"),
        ("EC1A1BB", "postcode-space"),
        ("M1  1AA", "postcode-space"),
        ("M1 1AA ", "postcode-space"),
        (" M1 1AA", "postcode-space"),
        ("BFPO15", "postcode-space"),
        ("ZZ993VZ", "postcode-space"),
        ("m11aa", "postcode-space"),
        ("m1 1aa", "postcode-case"),
        ("Ec1A 1Bb", "postcode-case"),
        ("bfpo 15", "postcode-case"),
        ("zz99 3vz", "postcode-case"),
    ],
)
def test_postcode_written_otherwise_is_told_from_one_that_is_none(text: str, code: str) -> None:
    fault = government_types.postcode_fault(text)
    assert fault is not None
    assert (fault.code, "capitals" in fault.words) == (code, text != text.upper())


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "M1 1CA", "M1 1AV", "ABC1 1AA", "ZZ98 3VZ", "ZZ99 3VA", "BFPO 0", "BFPO 12345", "BFPO", "M 1 1AA"),
        *("SW1A1 AA", "M1\u00a01AA", "M1\t1AA", "M1 1AA\n", "M1 1ſS", "M1-1AA", "75001"),
    ],
)
def test_postcode_of_another_form_is_wrong(text: str) -> None:
    fault = government_types.postcode_fault(text)
    assert fault is not None
    assert fault.code == "postcode"


@given(
    st.from_regex(government_types.POSTCODE_PATTERN, fullmatch=True, alphabet=st.characters(codec="ascii")),
    st.sampled_from(["", " ", "  ", "   "]),
    st.sampled_from(["", " ", "  "]),
    st.booleans(),
)
def test_every_right_postcode_is_known_however_it_is_spaced_and_written(
    right: str,
    middle: str,
    around: str,
    lower: bool,  # noqa: FBT001 - drawn
) -> None:
    outward, inward = right.split(" ")
    written = f"{around}{outward}{middle}{inward}{around}"
    fault = government_types.postcode_fault(written.lower() if lower else written)
    expected = "postcode-space" if middle != " " or around else "postcode-case" if lower else None
    assert (fault.code if fault else None) == expected


@pytest.mark.parametrize("text", ["4220", "E08000004", "E09000030", "W06000024", "S12000036", "N09000003"])
def test_authority_of_either_code_system_is_right(text: str) -> None:
    assert government_types.authority_fault(text) is None


@pytest.mark.parametrize("text", ["", "422", "DWP", "K04000001", "E0800000", "e08000004"])
def test_authority_of_no_code_system_is_wrong(text: str) -> None:
    assert government_types.authority_fault(text)


@given(st.text(max_size=40))
def test_no_check_raises_and_no_fault_repeats_the_text(text: str) -> None:
    for rule in government_types.rules(today=TODAY, prefixes=TOLERANT).values():
        fault = rule.fault(text)
        assert fault is None or len(text) < 8 or text not in rule.coded(fault).words


@pytest.mark.parametrize(
    ("check", "right", "wrong"),
    [
        (government_types.uprn_fault, ["1", "999999999999"], ["0", "01", "1000000000000", "x"]),
        (government_types.count_fault, ["0", "9999999"], ["00", "-1", "10000000", "1.0", " 1"]),
        (government_types.sort_code_fault, ["001234"], ["00-12-34", "12345", ""]),
        (government_types.account_number_fault, ["12345678"], ["1234567", "123456789", "1234567a"]),
    ],
)
def test_number_of_fixed_form(check: Callable[[str], str | None], right: list[str], wrong: list[str]) -> None:
    assert not [text for text in right if check(text)]
    assert not [text for text in wrong if not check(text)]
