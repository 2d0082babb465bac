"""What time brings about where receipts are lost, late or doubled: the real stages of two sites, and a clock that is ours."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.states import Direction, State
from gateway.ledger.queries import deadlines, overview
from gateway.ledger.units import Consignment, Transfer
from tests.fakes.two_ledgers import Bench, Pair, change, two_ledgers

HOUR = 3600.0
DAY = 24 * HOUR
LA = "E09000030"
CONTENT = b"a claim"


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with two_ledgers(tmp_path) as sites:
        yield sites


def row_of(bench: Bench, identity: str) -> Transfer:
    with bench.ledger.read() as connection:
        (row,) = [row for row in overview.transfers(connection) if row.id == identity]
    return row


def state_of(pair: Pair, identity: str) -> str:
    return str(row_of(pair.dwp, identity).state)


def events(bench: Bench, name: str) -> int:
    with bench.ledger.read() as connection:
        return int(connection.exec_driver_sql("SELECT count(*) FROM events WHERE event = ?", (name,)).scalar_one())


def pass_time(pair: Pair, seconds: float) -> None:
    for bench in (pair.dwp, pair.la):
        bench.now += seconds


def take_receipt(pair: Pair) -> tuple[Path, bytes]:
    """Let the authority answer, and take its receipt off the road."""
    pair.work_alone(pair.la)
    (path,) = pair.dwp.home.landing_in(LA).glob("*.receipt.pgp")
    content = path.read_bytes()
    path.unlink()
    return path, content


def sent(pair: Pair, name: str = "a.xml") -> str:
    identity = pair.dwp.submit(name, CONTENT)
    pair.work_alone(pair.dwp)
    assert state_of(pair, identity) == "sent"
    return identity


def returned(pair: Pair, name: str) -> Path:
    return pair.dwp.home.returned / "claim" / LA / name


def told(pair: Pair, name: str) -> Any:
    return json.loads((pair.dwp.home.receipts / "claim" / LA / f"{name}.receipt.json").read_bytes())


def test_lost_receipt_is_asked_for_by_sending_the_same_bytes_again(pair: Pair) -> None:
    identity = sent(pair)
    (sealed,) = pair.la.home.landing_in("DWP").iterdir()
    first = sealed.read_bytes()
    take_receipt(pair)
    pass_time(pair, 4 * HOUR - 60)
    pair.work_alone(pair.dwp)
    assert not sealed.exists()
    pass_time(pair, 120)
    pair.work_alone(pair.dwp)
    assert sealed.read_bytes() == first
    assert events(pair.dwp, "consignment.overdue") == 1
    pair.work()
    assert state_of(pair, identity) == "receipted"
    assert events(pair.la, "transfer.delivered") == 1
    assert events(pair.la, "consignment.repeated") == 1
    assert told(pair, "a.xml")["items"][0]["outcome"] == "delivered"


def test_intervals_between_requests_grow_to_a_day_and_end_at_the_flows_limit(pair: Pair) -> None:
    identity = sent(pair)
    arrivals: list[float] = []
    start = pair.dwp.now
    landing = pair.la.home.landing_in("DWP")
    while found := list(landing.iterdir()):
        arrivals.append(round((pair.dwp.now - start) / HOUR))
        found[0].unlink()
        with pair.dwp.ledger.read() as connection:
            due = deadlines.next_due(connection, Consignment, Direction.OUT, [State.SENT])
        assert due is not None
        pass_time(pair, due - pair.dwp.now + 31)
        pair.work_alone(pair.dwp)
    assert arrivals == [0, 4, 12, 28, 52, 76, 100, 124, 148]
    # The one that was sent last within the limit had the same time for its receipt as any.
    assert state_of(pair, identity) == "expired"
    assert pair.dwp.now - start == pytest.approx(7 * DAY + 4 * HOUR, abs=HOUR)


def test_nobody_signing_in_time_is_told_by_a_notice_beside_the_file(pair: Pair) -> None:
    identity = sent(pair)
    pass_time(pair, 8 * DAY)
    pair.work_alone(pair.dwp)
    assert state_of(pair, identity) == "expired"
    assert returned(pair, "a.xml").read_bytes() == CONTENT
    notice = returned(pair, "a.xml.undelivered.txt").read_text()
    assert notice.startswith("a.xml was not delivered in time: no receipt came.")
    assert identity in notice
    assert "Ask the partner" in notice
    assert sorted(path.name for path in returned(pair, "").iterdir()) == ["a.xml", "a.xml.undelivered.txt"]
    assert list(pair.dwp.home.custody.iterdir()) == []
    assert list((pair.dwp.home.sealed_out / LA).iterdir()) == []


def test_file_that_never_left_says_so_in_its_notice(pair: Pair) -> None:
    identity = pair.dwp.submit("a.xml", CONTENT)
    change(pair.dwp.ledger, "UPDATE transfers SET state = 'held', resume = 'admitted' WHERE id = ?", identity)
    pass_time(pair, 8 * DAY)
    pair.work_alone(pair.dwp)
    assert state_of(pair, identity) == "expired"
    assert returned(pair, "a.xml.undelivered.txt").read_text().startswith("a.xml was not sent in time.")


def test_second_file_of_a_name_does_not_stand_beside_the_letter_of_the_first(pair: Pair) -> None:
    sent(pair)
    pass_time(pair, 8 * DAY)
    pair.work_alone(pair.dwp)
    returned(pair, "a.xml").unlink()  # the operator took the file, and left the notice
    identity = pair.dwp.submit("a.xml", b"wrong, this one")
    pair.work_alone(pair.dwp)
    assert state_of(pair, identity) == "rejected"
    assert sorted(path.name for path in returned(pair, "").iterdir()) == [
        "a.xml.undelivered.txt",
        f"a~{identity}.xml",
        f"a~{identity}.xml.why.txt",
    ]


def test_receipt_after_the_notice_is_told_as_a_receipt(pair: Pair) -> None:
    identity = sent(pair)
    path, content = take_receipt(pair)
    pass_time(pair, 8 * DAY)
    pair.work_alone(pair.dwp)
    assert state_of(pair, identity) == "expired"
    path.write_bytes(content)
    pair.work_alone(pair.dwp)
    assert state_of(pair, identity) == "receipted"
    assert [item["transfer"] for item in told(pair, "a.xml")["items"]] == [identity]
    assert told(pair, "a.xml")["items"][0]["outcome"] == "delivered"
    assert returned(pair, "a.xml").read_bytes() == CONTENT


def test_refusal_after_the_notice_is_told_beside_it(pair: Pair) -> None:
    good, bad = pair.dwp.submit("good.xml", CONTENT), pair.dwp.submit("bad.xml", b"fine here")
    pair.work_alone(pair.dwp)
    (opened,) = pair.la.home.landing_in("DWP").iterdir()
    assert opened.exists()
    # The authority's rules find what DWP's did not: its transfer goes the other way from here on.
    path, content = take_receipt(pair)
    line, _, body = content.partition(b"\n")
    receipt = json.loads(body)
    for item in receipt["items"]:
        if item["transfer"] == bad:
            item |= {"outcome": "rejected", "code": "nino", "reason": "line 1: not right"}
    pass_time(pair, 8 * DAY)
    pair.work_alone(pair.dwp)
    path.write_bytes(line + b"\n" + json.dumps(receipt).encode())
    pair.work_alone(pair.dwp)
    assert (state_of(pair, good), state_of(pair, bad)) == ("receipted", "rejected")
    assert "line 1: not right" in returned(pair, "bad.xml.why.txt").read_text()
    assert returned(pair, "bad.xml").read_bytes() == b"fine here"
    assert told(pair, "good.xml")["items"][0]["outcome"] == "delivered"


def test_doubled_receipt_is_kept_and_moves_nothing(pair: Pair) -> None:
    identity = sent(pair)
    path, content = take_receipt(pair)
    for _ in range(3):
        path.write_bytes(content)
        pair.work_alone(pair.dwp)
        assert state_of(pair, identity) == "receipted"
    assert events(pair.dwp, "transfer.receipted") == 1
    assert events(pair.dwp, "receipt.accepted") == 3
    assert not returned(pair, "a.xml").exists()
