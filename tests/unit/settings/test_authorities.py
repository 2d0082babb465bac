"""The table of authorities: that it is sound, that codes are compared as people mean them, and that a bad row is named."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.settings.authorities import COLUMNS, KINDS, Authority, extended, listed, parse
from gateway.settings.home import Home
from gateway.settings.read import examine
from tests.fakes.two_ledgers import two_ledgers

TABLE = listed()
FIRST, TODAY = date(2009, 1, 1), date(2026, 11, 28)
CODES = sorted({code for row in TABLE.rows for code in (row.ons, row.billing) if code is not None})
UNLISTED = ("DWP", "9999", "E99999999", "4220-TEST")
codes = st.sampled_from([*CODES, *UNLISTED])
days = st.dates(date(2008, 1, 1), date(2030, 1, 1))

HEAD = "\t".join(COLUMNS)
BEFORE = "E07000901\t9801\tOldborough\t\t2027-03-31\tE06000901"
AFTER = "E06000901\t9803\tNew Borough\t2027-04-01\t\t"


def lines(*rows: str) -> str:
    return "\n".join([HEAD, *rows, ""])


# -- the table itself


def test_every_ons_code_stands_once() -> None:
    assert len({row.ons for row in TABLE.rows}) == len(TABLE.rows)


@pytest.mark.parametrize(
    ("day", "count"), [(FIRST, 408), (date(2009, 4, 1), 380), (date(2018, 7, 1), 380), (TODAY, 350)]
)
def test_there_are_as_many_authorities_on_a_day_as_were_published(day: date, count: int) -> None:
    """408 before the reorganisation of 2009 and 380 after it are the numbers of authorities that paid Housing Benefit."""
    assert sum(row.in_force(day) for row in TABLE.rows) == count


@pytest.mark.parametrize(
    ("day", "english"),
    [
        (FIRST, 354),
        (date(2009, 4, 1), 326),
        (date(2019, 3, 31), 326),
        (date(2019, 4, 1), 317),
        (date(2020, 4, 1), 314),
        (date(2021, 4, 1), 309),
        (date(2023, 4, 1), 296),
    ],
)
def test_every_billing_authority_is_there_nation_by_nation_and_every_old_code_leads_to_one(
    day: date, english: int
) -> None:
    """The English numbers are those of the billing authorities after each year's structural changes orders."""
    there = [row for row in TABLE.rows if row.in_force(day)]
    assert Counter(row.ons[0] for row in there) == {"E": english, "W": 22, "S": 32}
    codes = {row.ons for row in there}
    old = [row for row in TABLE.rows if row.until is not None and row.until < day]
    assert {after.ons for row in old if (after := TABLE.successor(row.ons, day))} <= codes
    assert all(TABLE.successor(row.ons, day) for row in old)


def test_successors_are_listed_and_begin_on_the_day_after() -> None:
    rows = {row.ons: row for row in TABLE.rows}
    for row in TABLE.rows:
        if row.successor is not None:
            assert row.until is not None
            assert rows[row.successor].since == row.until + timedelta(days=1), row


@given(st.sampled_from(TABLE.rows), days)
def test_whoever_stands_for_a_code_is_in_force_and_has_no_successor(row: Authority, day: date) -> None:
    last = TABLE.successor(row.ons, day) or row
    if row.since is None or row.since <= day:
        assert last.in_force(day)
    assert TABLE.successor(last.ons, day) is None


def test_four_digits_are_shared_only_by_codes_that_follow_each_other() -> None:
    shared: dict[str, list[Authority]] = {}
    for row in TABLE.rows:
        if row.billing is not None:
            shared.setdefault(row.billing, []).append(row)
    for rows in shared.values():
        last = {row.successor for row in rows} - {row.ons for row in rows}
        assert len(last) == 1, rows
        assert len({row.name for row in rows}) == 1, rows


def test_four_digits_are_missing_for_three_authorities_alone() -> None:
    assert {row.name for row in TABLE.rows if row.billing is None} == {
        "East Suffolk",
        "North Northamptonshire",
        "West Northamptonshire",
    }


def test_every_kind_occurs() -> None:
    assert {row.ons[:3] for row in TABLE.rows} == set(KINDS)


# -- comparing


@pytest.mark.parametrize(
    ("one", "other", "on"),
    [
        ("4220", "E08000004", FIRST),  # two codes of Oldham
        ("E09000030", "5900", TODAY),
        ("E08000020", "E08000037", FIRST),  # Gateshead, whose boundary moved in 2013: one authority all the time
        ("4505", "E08000020", TODAY),
        ("E07000026", "E06000063", date(2023, 4, 1)),  # Allerdale became a part of Cumberland
        ("0905", "0940", TODAY),
        ("E07000026", "E07000028", TODAY),  # and Carlisle another
        ("E07000190", "E06000066", date(2023, 4, 1)),  # Taunton Deane, over Somerset West and Taunton, to Somerset
        ("E07000190", "3330", date(2019, 4, 1)),
        ("E07000157", "E06000057", date(2010, 1, 1)),  # Alnwick: Northumberland's code of later means Northumberland
        ("E99999999", "E99999999", TODAY),
        ("DWP", "DWP", TODAY),
    ],
)
def test_codes_of_one_authority_are_the_same(one: str, other: str, on: date) -> None:
    assert TABLE.same(one, other, on)


@pytest.mark.parametrize(
    ("one", "other", "on"),
    [
        ("4220", "E09000030", TODAY),
        ("4220", "4225", TODAY),
        ("E07000026", "E06000063", date(2023, 3, 31)),  # the day before
        ("E07000026", "E07000028", date(2023, 3, 31)),
        ("E07000190", "E06000066", date(2022, 1, 1)),
        ("E99999999", "E99999998", TODAY),
        ("DWP", "4220", TODAY),
        ("9999", "E08000004", TODAY),
        ("", "E08000004", TODAY),
        ("e08000004", "E08000004", TODAY),  # no code at all
    ],
)
def test_codes_of_two_authorities_are_not(one: str, other: str, on: date) -> None:
    assert not TABLE.same(one, other, on)


@given(codes, codes, codes, days)
def test_being_the_same_is_an_equivalence(one: str, two: str, three: str, on: date) -> None:
    assert TABLE.same(one, one, on)
    assert TABLE.same(one, two, on) is TABLE.same(two, one, on)
    if TABLE.same(one, two, on) and TABLE.same(two, three, on):
        assert TABLE.same(one, three, on)


@given(st.sampled_from(TABLE.rows), days, days)
def test_what_is_the_same_once_stays_the_same(row: Authority, one: date, other: date) -> None:
    first, last = sorted((one, other))
    standing = TABLE.successor(row.ons, first) or row
    assert TABLE.same(row.ons, standing.ons, first)
    assert TABLE.same(row.ons, standing.ons, last)


@given(codes, codes, days)
def test_aliases_are_the_same_on_every_day(one: str, other: str, on: date) -> None:
    if TABLE.aliases(one, other):
        assert TABLE.same(one, other, on)


@given(codes, codes)
def test_a_code_that_is_not_listed_equals_itself_alone(one: str, other: str) -> None:
    if TABLE.find(one) is None:
        assert TABLE.aliases(one, other) is (one == other)
        assert TABLE.same(one, other, TODAY) is (one == other)


def test_an_authority_and_its_successor_are_no_aliases() -> None:
    assert not TABLE.aliases("E07000026", "E06000063")
    assert TABLE.aliases("0905", "E07000026")
    assert TABLE.aliases("E08000020", "E08000037")


def test_a_code_in_force_has_no_successor() -> None:
    assert TABLE.successor("E09000030", TODAY) is None
    assert TABLE.successor("4505", TODAY) is None
    assert TABLE.successor("DWP", TODAY) is None
    found = TABLE.successor("E07000190", TODAY)
    assert found is not None
    assert found.name == "Somerset"


# -- looking up


def test_either_code_finds_the_authority() -> None:
    for code in ("4220", "E08000004"):
        found = TABLE.find(code)
        assert found is not None
        assert (found.name, found.kind) == ("Oldham", "metropolitan district")
    assert TABLE.find("E08000099") is None


def test_four_digits_find_the_code_of_today() -> None:
    found = TABLE.find("4505")
    assert found is not None
    assert found.ons == "E08000037"


def test_search_finds_parts_of_names_and_beginnings_of_codes() -> None:
    assert [row.ons for row in TABLE.search("tower ham")] == ["E09000030"]
    assert {row.name for row in TABLE.search("422")} == {"Oldham", "Rochdale"}
    assert {row.ons for row in TABLE.search("GATESHEAD")} == {"E08000020", "E08000037"}
    assert TABLE.search("") == TABLE.rows
    assert TABLE.search("nowhere at all") == ()


@pytest.mark.parametrize("text", ["E0900030", "TOWERHAMLETS", "Tower-Hamlet", "E09000O30"])
def test_what_is_misspelt_is_understood(text: str) -> None:
    assert TABLE.near(text)[0].name == "Tower Hamlets"


def test_three_digits_lead_to_four() -> None:
    assert "0114" in {row.billing for row in TABLE.near("114")}


def test_nothing_is_near_to_nonsense() -> None:
    assert TABLE.near("QQQQQQQ") == ()


# -- a site's own rows


def test_a_sites_rows_are_added_and_replace(tmp_path: Path) -> None:
    found, faults = extended(
        lines("# the reorganisation of 2027", BEFORE, AFTER, "E08000004\t4220\tOldham (new)\t\t\t")
    )
    assert faults == ()
    assert len(found.rows) == len(TABLE.rows) + 2
    assert found.same("9801", "E06000901", date(2027, 4, 1))
    assert not found.same("9801", "E06000901", date(2027, 3, 31))
    renamed = found.find("4220")
    assert renamed is not None
    assert renamed.name == "Oldham (new)"


def test_a_listed_authority_may_end_by_a_sites_rows() -> None:
    """What the next reorganisation needs, before there is a new version of the gateway."""
    found, faults = extended(lines("E07000207\t3605\tElmbridge\t\t2027-03-31\tE06000901", AFTER))
    assert faults == ()
    assert found.same("E07000207", "9803", date(2027, 4, 1))
    assert not TABLE.same("E07000207", "9803", date(2027, 4, 1))


BROKEN = [
    ("ons\tname", 1, ""),
    (lines("E07000901\t9801\tOldborough"), 2, ""),
    (lines("e07000901\t9801\tOldborough\t\t\t"), 2, "ons"),
    (lines("N09000003\t9801\tBelfast\t\t\t"), 2, "ons"),
    (lines("E07000901\t981\tOldborough\t\t\t"), 2, "billing"),
    (lines("E07000901\t9801\t\t\t\t"), 2, "name"),
    (lines("E07000901\t9801\tOldborough\t01/04/2009\t\t"), 2, "from"),
    (lines("E07000901\t9801\tOldborough\t\t2027-02-30\tE06000901", AFTER), 2, "until"),
    (lines("E07000901\t9801\tOldborough\t\t20270331\tE06000901", AFTER), 2, "until"),
    (lines("E07000901\t9801\tOldborough\t\t2027-03-31\t"), 2, "successor"),
    (lines("E07000901\t9801\tOldborough\t\t\tE06000901", AFTER), 2, "successor"),
    (lines("E07000901\t9801\tOldborough\t2028-01-01\t2027-03-31\tE06000901", AFTER), 2, "until"),
    (lines(BEFORE, AFTER, AFTER), 4, "ons"),
    (lines(BEFORE), 2, "E07000901 successor"),
    (lines(BEFORE, AFTER.replace("2027-04-01", "2027-04-02")), 2, "E07000901 successor"),
    (lines("E07000901\t4220\tOldborough\t\t\t"), 2, "E07000901 billing"),
    (  # two that follow each other for ever
        lines(
            "E07000901\t9801\tOne\t2027-04-01\t2027-03-31\tE07000902",
            "E07000902\t9802\tTwo\t2027-04-01\t2027-03-31\tE07000901",
        ),
        2,
        "until",
    ),
]


@pytest.mark.parametrize(("text", "line", "where"), BROKEN)
def test_a_broken_table_is_named_by_line_and_column(text: str, line: int, where: str) -> None:
    _, faults = extended(text, "config/authorities.tsv")
    assert faults
    assert (line, where) in {(fault.line, fault.where) for fault in faults}
    assert all(fault.file == "config/authorities.tsv" for fault in faults)


@given(st.text(alphabet="E07\t\n#-2129x", max_size=200))
def test_any_text_is_a_table_or_has_faults(text: str) -> None:
    found, faults = parse(text, "x")
    assert faults or all(found.find(row.ons) is row for row in found.rows)
    parse(f"{HEAD}\n{text}", "x", TABLE)


def test_a_site_reads_its_own_rows_and_names_their_faults(tmp_path: Path) -> None:
    with two_ledgers(tmp_path) as pair:
        pair.la.configure()
        home = Home(pair.la.home.root)
        settings, faults = examine(home)
        assert settings is not None
        assert settings.authorities is TABLE
        home.authorities.write_text(lines(BEFORE, AFTER), "utf-8")
        settings, faults = examine(home)
        assert settings is not None
        assert settings.authorities.find("9801") is not None
        for broken in (b"\xff", (lines(BEFORE)).encode(), b"#" * (2 << 20)):
            home.authorities.write_bytes(broken)
            settings, faults = examine(home)
            assert settings is None
            assert {fault.file for fault in faults} == {"config/authorities.tsv"}
