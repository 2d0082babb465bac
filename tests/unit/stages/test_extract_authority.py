"""An extract counts for the authority that its name says: at its sender, at its receiver, and in the calendar."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.calendar import Month, account, day_of
from gateway.domain.decision import Decision
from gateway.domain.requests import Act
from gateway.ledger.queries import extracts, overview
from gateway.ledger.units import Transfer
from gateway.stages.outbound import validate
from gateway.stages.request_answers import decide
from tests.fakes.two_ledgers import Bench, Pair, two_ledgers

LA, DIGITS, OTHER = "E09000030", "5900", "E08000004"
WHY = Decision("tester", "asked the benefits officer")


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with two_ledgers(tmp_path) as made:
        for bench in (made.dwp, made.la):
            bench.now = datetime(2026, 11, 15, 12, tzinfo=UTC).timestamp()
        yield made


def submit(pair: Pair, name: str) -> str:
    identity = pair.la.submit(name, b'facts {"records": "400"}\n' + name.encode(), "extract")
    pair.work()
    return identity


def rows_of(bench: Bench, name: str) -> list[Transfer]:
    with bench.ledger.read() as connection:
        return [row for row in overview.transfers(connection) if row.name == name]


def state(bench: Bench, name: str) -> tuple[str, str | None]:
    (row,) = rows_of(bench, name)
    return row.state, row.code


def calendar(pair: Pair) -> Any:
    with pair.dwp.ledger.read() as connection:
        came = list(extracts.delivered(connection, [LA], pair.dwp.context.is_same_authority))
    month = Month(2026, 11)
    (entry,) = account({LA: month}, came, since=month, until=month, today=day_of(pair.dwp.now), days=7)
    return entry


@pytest.mark.parametrize("code", [LA, DIGITS, LA.lower()])
def test_either_code_of_the_sender_in_the_name_is_right_at_both_ends(pair: Pair, code: str) -> None:
    name = f"hb{code}_SHBE_1a November 2026.csv"
    submit(pair, name)
    assert (state(pair.la, name), state(pair.dwp, name)) == (("receipted", None), ("delivered", None))


@pytest.mark.parametrize("code", [OTHER, "4220", "9991", f"{LA}_SHBE for hb4220", f"4220 {LA}"])
def test_a_name_that_says_another_authority_is_returned_by_the_sender_s_own_gateway(pair: Pair, code: str) -> None:
    name = f"hb{code}_SHBE_1a November 2026.csv"
    submit(pair, name)
    (row,) = rows_of(pair.la, name)
    assert (row.state, row.code, row.consignment) == ("rejected", "extract-authority", None)
    assert rows_of(pair.dwp, name) == []
    letter = pair.la.home.returned / "extract" / "DWP" / f"{name}.why.txt"
    assert "extract of" in letter.read_text()


def test_what_a_sender_s_gateway_let_go_is_refused_by_the_receiver_and_the_good_one_still_counts(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = submit(pair, f"hb{LA}_SHBE_1a November 2026.csv")
    forged = f"hb{OTHER}_SHBE_2a November 2026.csv"
    with monkeypatch.context() as patch:
        patch.setattr(validate, "check_authorities", lambda _context, _row, report, **_authorities: report)
        submit(pair, forged)
    assert state(pair.dwp, forged) == state(pair.la, forged) == ("rejected", "extract-authority")
    entry = calendar(pair)
    assert (entry.counts.transfer, entry.replaced, entry.resubmitted) == (good, (), False)


def test_a_right_resubmission_counts_and_the_one_before_stays_visible(pair: Pair) -> None:
    first = submit(pair, f"hb{LA}_SHBE_1a November 2026.csv")
    submit(pair, f"hb{OTHER}_SHBE_2a November 2026.csv")
    second = submit(pair, f"hb{DIGITS}_SHBE_3a November 2026.csv")
    entry = calendar(pair)
    assert (entry.counts.transfer, [each.transfer for each in entry.replaced]) == (second, [first])


def test_one_that_was_taken_before_names_were_looked_at_counts_for_nobody_and_is_told(pair: Pair) -> None:
    good = submit(pair, f"hb{LA}_SHBE_1a November 2026.csv")
    old = submit(pair, f"hb{LA}_SHBE_2a November 2026.csv")
    name = f"hb{OTHER}_SHBE_2a November 2026.csv"
    assert pair.dwp.sql("UPDATE transfers SET name = ? WHERE id = ?", name, old) == 1
    entry = calendar(pair)
    assert (entry.counts.transfer, entry.replaced) == (good, ())
    assert [each.transfer for each in entry.others] == [old]


def test_a_month_that_only_another_authority_s_extract_came_for_is_not_received(pair: Pair) -> None:
    old = submit(pair, f"hb{LA}_SHBE_2a November 2026.csv")
    name = f"hb{OTHER}_SHBE_2a November 2026.csv"
    pair.dwp.sql("UPDATE transfers SET name = ? WHERE id = ?", name, old)
    entry = calendar(pair)
    assert (entry.standing, entry.counts) == ("due", None)


def test_a_name_that_says_no_authority_is_held_once_and_released_for_its_form(pair: Pair) -> None:
    first = "SHBE_555086k November 2026.csv"
    identity = submit(pair, first)
    (row,) = rows_of(pair.la, first)
    assert (row.state, row.code, row.resume) == ("held", "extract-authority-unsaid", "validated")
    decide(pair.la.context, Act.RELEASE, identity, WHY)
    pair.work()
    assert (state(pair.la, first)[0], state(pair.dwp, first)[0]) == ("receipted", "delivered")
    later = "SHBE_602756g December 2026.csv"
    submit(pair, later)
    assert state(pair.la, later)[0] == "receipted"
    other = "Oldham December 2026.csv"
    submit(pair, other)
    assert state(pair.la, other) == ("held", "extract-authority-unsaid")


def test_one_that_was_given_back_releases_no_others(pair: Pair) -> None:
    identity = submit(pair, "SHBE_1a November 2026.csv")
    decide(pair.la.context, Act.RETURN, identity, WHY)
    pair.work()
    submit(pair, "SHBE_2a November 2026.csv")
    assert state(pair.la, "SHBE_2a November 2026.csv") == ("held", "extract-authority-unsaid")


def test_a_release_for_another_reason_is_none_for_the_form(pair: Pair) -> None:
    identity = submit(pair, "SHBE_1a November 2026.csv")
    decide(pair.la.context, Act.RELEASE, identity, WHY)
    pair.work()
    # Only its code says why it was held.
    pair.la.sql(
        "UPDATE events SET detail = replace(detail, 'extract-authority-unsaid', 'extract-volume') WHERE event = 'transfer.held'"
    )
    submit(pair, "SHBE_2a November 2026.csv")
    assert state(pair.la, "SHBE_2a November 2026.csv") == ("held", "extract-authority-unsaid")


def test_a_person_is_told_of_every_doubt_at_once(pair: Pair) -> None:
    content = b'facts {"records": "400"}\nthe same'
    for name in (f"hb{LA} November 2026.csv", "November 2026.csv"):
        pair.la.submit(name, content, "extract")
        pair.work()
    (row,) = rows_of(pair.la, "November 2026.csv")
    assert (row.state, row.code) == ("held", "extract-authority-unsaid")
    assert "same bytes" in (row.reason or "")
