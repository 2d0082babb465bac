"""The back office's word, from spool/outcomes to the sender's ledger: the real stages of two sites in one process."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.administration.views.story import story
from gateway.domain.states import Direction, State
from gateway.ledger.audit.files import Area, Listing, check_files
from gateway.ledger.audit.rows import check_rows
from gateway.ledger.queries import overview, receipts
from gateway.ledger.queries.events import chain
from gateway.ledger.queries.lanes import all_lanes
from gateway.ledger.tables import RECEIPTS
from gateway.ledger.units import Transfer, required
from gateway.stages.inbound.answer import Answer
from gateway.stages.inbound.collect import Collect
from gateway.stages.inbound.open import Open
from tests.fakes.two_ledgers import Bench, Pair, two_ledgers

LA = "E09000030"


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with two_ledgers(tmp_path) as made:
        yield made
        for bench in (made.dwp, made.la):
            with bench.ledger.read() as connection:
                assert list(check_rows(connection)) == []
                assert check_files(connection, _listing(bench)).faults == []


def _listing(bench: Bench) -> Listing:
    roots = {
        Area.CUSTODY: bench.home.custody,
        Area.SEALED_OUT: bench.home.sealed_out,
        Area.SEALED_IN: bench.home.sealed_in,
        Area.QUARANTINE: bench.home.quarantine,
        Area.EVIDENCE: bench.home.evidence,
    }
    return Listing(
        {
            area: {str(path.relative_to(root)): path.stat().st_size for path in root.rglob("*") if path.is_file()}
            for area, root in roots.items()
        }
    )


def row_of(bench: Bench, name: str, direction: Direction) -> Transfer:
    with bench.ledger.read() as connection:
        (row,) = [row for row in overview.transfers(connection, direction=direction) if row.name == name]
    return row


def say(bench: Bench, name: str, reason: bytes = b"", flow: str = "claim") -> Path:
    """Leave a word in the outcomes; the stage has rested meanwhile."""
    bench.now += 2
    path = bench.home.outcomes / flow / bench.other / name
    path.write_bytes(reason)
    return path


def settle(bench: Bench, pair: Pair) -> None:
    """Let what was left there be seen, and be seen again when it has settled."""
    bench.now += 2
    pair.work()
    bench.now += 10
    pair.work()


def returned(bench: Bench, flow: str = "claim") -> dict[str, str]:
    """The reasons of what came back, by the names of the files."""
    directory = bench.home.returned / flow / bench.other
    return {path.name.removesuffix(".why.txt"): path.read_text() for path in directory.glob("*.why.txt")}


def test_accepted_file_is_ingested_at_both_sites_and_its_operator_sees_it(pair: Pair) -> None:
    pair.dwp.submit("a.xml", b"claim a")
    pair.dwp.submit("b.xml", b"claim b")
    pair.work()
    word = say(pair.la, "a.xml.accepted")
    pair.work()
    assert not word.exists()
    assert row_of(pair.la, "a.xml", Direction.IN).state == State.INGESTED
    sent = row_of(pair.dwp, "a.xml", Direction.OUT)
    assert (sent.state, sent.code, sent.reason) == (State.INGESTED, None, None)
    other = row_of(pair.dwp, "b.xml", Direction.OUT)
    assert other.state == State.RECEIPTED
    levels = {}
    for row in (sent, other):
        with pair.dwp.ledger.read() as connection:
            told = story(pair.dwp.settings, connection, row.id, pair.dwp.now)
        levels[row.name] = [each.content["items"][0]["outcome"] for each in told.receipts if each.content]
    assert levels == {"a.xml": ["delivered", "ingested"], "b.xml": ["delivered"]}
    receipts = pair.dwp.home.receipts / "claim" / LA
    told = json.loads((receipts / "a.xml.receipt.json").read_text())
    assert told["level"] == "ingested"
    assert [(item["transfer"], item["outcome"]) for item in told["items"]] == [(sent.id, "ingested")]
    assert json.loads((receipts / "b.xml.receipt.json").read_text())["level"] == "delivered"
    assert sorted(path.name for path in receipts.iterdir()) == ["a.xml.receipt.json", "b.xml.receipt.json"]


def test_rejected_file_stays_delivered_and_its_reason_reaches_the_sender(pair: Pair) -> None:
    pair.dwp.submit("a.xml", b"claim a")
    pair.work()
    say(pair.la, "a.xml.rejected", "No case with NINO QQ 12 34 56 C\x07\u202e\r\n\r\nLine 4\n".encode())
    settle(pair.la, pair)
    for bench, direction, state in ((pair.la, Direction.IN, "delivered"), (pair.dwp, Direction.OUT, "receipted")):
        row = row_of(bench, "a.xml", direction)
        assert (row.state, row.code) == (state, "refused-by-back-office")
        assert row.reason == "No case with NINO [masked]\nLine 4"
        with bench.ledger.read() as connection:
            events = [event for event in chain(connection) if event.event == "transfer.refused"]
        assert [json.loads(event.detail) for event in events] == [
            {"flow": "claim", "code": "refused-by-back-office", "state": state}
        ]
    receipts = pair.dwp.home.receipts / "claim" / LA
    told = json.loads((receipts / "a.xml.receipt.json").read_text())
    assert [(item["outcome"], item["reason"]) for item in told["items"]] == [("refused", row.reason)]
    letter = (receipts / "a.xml.refused.txt").read_text()
    assert "No case with NINO [masked]" in letter
    assert row.id in letter


def test_words_said_together_travel_in_one_receipt(pair: Pair) -> None:
    for number in range(20):
        pair.dwp.submit(f"{number}.xml", b"claim %d" % number)
    pair.work()
    for number in range(20):
        say(pair.la, f"{number}.xml.accepted")
    pair.work()
    with pair.la.ledger.read() as connection:
        levels = [row.level for row in connection.execute(RECEIPTS.select().order_by(RECEIPTS.c.key))]
    assert levels == ["delivered", "ingested"]
    with pair.dwp.ledger.read() as connection:
        assert {row.state for row in overview.transfers(connection)} == {State.INGESTED}


def test_words_said_one_after_another_each_reach_the_sender_though_their_receipts_have_one_name(pair: Pair) -> None:
    names = [f"{number}.xml" for number in range(6)]
    for name in names:
        pair.dwp.submit(name, name.encode())
    pair.work()
    for name in names[:3]:
        say(pair.la, f"{name}.accepted")
        pair.work()
    for name in names[3:]:
        # The sender does not collect meanwhile: the name is taken, with a file that would have the same size.
        say(pair.la, f"{name}.accepted")
        pair.work_alone(pair.la)
    landing = pair.dwp.home.landing_in(LA)
    assert len(list(landing.glob("*.receipt.pgp"))) == 1
    for _ in range(4):
        pair.work()
        pair.la.now += 1000
    with pair.dwp.ledger.read() as connection:
        assert {row.name: row.state for row in overview.transfers(connection)} == dict.fromkeys(names, "ingested")
    with pair.la.ledger.read() as connection:
        receipts = connection.execute(RECEIPTS.select()).all()
    assert {row.state for row in receipts} == {State.SENT}
    assert len({row.sealed_size for row in receipts}) == len(receipts)
    evidence = list((pair.dwp.home.evidence / LA).iterdir())
    assert len(evidence) == len(receipts)


def test_a_name_that_is_taken_holds_nothing_else_up(pair: Pair) -> None:
    pair.dwp.submit("a.xml", b"claim a")
    pair.work()
    consignment = required(row_of(pair.la, "a.xml", Direction.IN).consignment)
    blocked = pair.dwp.home.landing_in(LA) / f"{consignment}.receipt.pgp"
    blocked.write_bytes(b"an earlier one")
    say(pair.la, "a.xml.accepted")
    pair.la.submit("hbE09000030.csv", b"extract", flow="extract")
    pair.work_alone(pair.la)
    with pair.la.ledger.read() as connection:
        assert row_of(pair.la, "hbE09000030.csv", Direction.OUT).state == State.SENT
        (waiting,) = receipts.receipts_of(connection, Direction.OUT, "DWP", consignment, State.SEALED)
        assert waiting.code == "link-name-taken"
        assert waiting.due > pair.la.now
        assert all_lanes(connection)["DWP"].failures == 0
    assert blocked.read_bytes() == b"an earlier one"
    blocked.unlink()
    pair.la.now += 1000
    pair.work()
    assert row_of(pair.dwp, "a.xml", Direction.OUT).state == State.INGESTED


def test_second_file_of_a_name_is_answered_under_the_name_that_it_got(pair: Pair) -> None:
    first = pair.dwp.submit("a.xml", b"claim a")
    pair.work()
    second = pair.dwp.submit("a.xml", b"claim b")
    pair.work()
    assert sorted(path.name for path in (pair.la.home.inbound / "claim" / "DWP").iterdir()) == [
        "a.xml",
        f"a~{second}.xml",
    ]
    say(pair.la, f"a~{second}.xml.accepted")
    pair.work()
    states = {row.id: row.state for row in _all(pair.dwp)}
    assert states == {first: "receipted", second: "ingested"}


def test_back_office_is_heard_after_the_clock_was_set_back(pair: Pair) -> None:
    pair.dwp.submit("a.xml", b"claim a")
    pair.work()
    pair.la.now -= 7 * 86_400.0
    say(pair.la, "a.xml.accepted")
    pair.work()
    assert row_of(pair.la, "a.xml", Direction.IN).state == State.INGESTED


def test_word_named_after_the_transfer_is_understood(pair: Pair) -> None:
    transfer = pair.dwp.submit("a.xml", b"claim a")
    pair.work()
    say(pair.la, f"{transfer}.accepted")
    pair.work()
    assert row_of(pair.dwp, "a.xml", Direction.OUT).state == State.INGESTED


def test_name_that_two_unanswered_files_had_is_returned_and_answers_neither(pair: Pair) -> None:
    for content in (b"claim a", b"claim b"):
        pair.dwp.submit("a.xml", content)
        pair.work()
        (pair.la.home.inbound / "claim" / "DWP" / "a.xml").unlink()
    say(pair.la, "a.xml.accepted")
    pair.work()
    assert {row.state for row in _all(pair.la)} == {"delivered"}
    assert "Name the answer after the transfer" in returned(pair.la)["a.xml.accepted"]


def test_same_word_again_is_ignored_and_the_contrary_one_is_returned(pair: Pair) -> None:
    pair.dwp.submit("a.xml", b"claim a")
    pair.work()
    for _ in range(2):
        assert not _heard(pair, "a.xml.accepted").exists()
    assert returned(pair.la) == {}
    say(pair.la, "a.xml.rejected", b"after all")
    settle(pair.la, pair)
    assert list(returned(pair.la)) == ["a.xml.rejected"]
    assert row_of(pair.dwp, "a.xml", Direction.OUT).state == State.INGESTED


def _heard(pair: Pair, name: str) -> Path:
    word = say(pair.la, name)
    pair.work()
    return word


def test_word_about_nothing_is_returned_with_the_reason(pair: Pair) -> None:
    say(pair.la, "never-came.xml.accepted")
    pair.work()
    assert "No file of that name was delivered" in returned(pair.la)["never-came.xml.accepted"]


def test_what_is_no_word_is_returned_unopened(pair: Pair, tmp_path: Path) -> None:
    pair.dwp.submit("a.xml", b"claim a")
    pair.work()
    secret = tmp_path / "secret"
    secret.write_text("outside")
    tree = pair.la.home.outcomes / "claim" / "DWP"
    (tree / "a.xml.rejected").symlink_to(secret)
    os.mkfifo(tree / "pipe.accepted")
    (tree / "folder.accepted").mkdir()
    (tree / "note.txt").write_text("hello")
    (tree / "linked.accepted").hardlink_to(secret)
    (tree / ".hidden.accepted").write_text("")
    (tree / "a.xml.accepted.part").write_text("")
    settle(pair.la, pair)
    assert set(returned(pair.la)) == {
        "a.xml.rejected",
        "pipe.accepted",
        "folder.accepted",
        "note.txt",
        "linked.accepted",
    }
    assert sorted(path.name for path in tree.iterdir()) == [".hidden.accepted", "a.xml.accepted.part"]
    assert row_of(pair.la, "a.xml", Direction.IN).is_answered is False
    assert secret.read_text() == "outside"


def test_word_that_was_heard_before_a_crash_is_not_taken_for_another_file_of_its_name(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair.dwp.submit("a.xml", b"claim a")
    pair.work()
    (answer,) = [stage for stage in pair.stages_of(pair.la) if isinstance(stage, Answer)]
    word = say(pair.la, "a.xml.accepted")
    with monkeypatch.context() as patch:
        patch.setattr(answer._tree, "remove", _crash)
        with pytest.raises(RuntimeError):
            answer.step()
    assert word.exists()
    (pair.la.home.inbound / "claim" / "DWP" / "a.xml").unlink()
    later = pair.dwp.submit("a.xml", b"claim b")
    pair.work()
    assert not word.exists()
    states = {row.id: row.state for row in _all(pair.la)}
    assert states.pop(later) == "delivered"
    assert set(states.values()) == {"ingested"}


def _crash(_spoken: object) -> None:
    raise RuntimeError


def test_word_about_a_file_of_an_unfinished_consignment_goes_when_that_is_answered(pair: Pair) -> None:
    pair.dwp.submit("a.xml", b"claim a")
    pair.dwp.submit("b.xml", b"claim b")
    pair.work_alone(pair.dwp)
    for stage in pair.stages_of(pair.la):
        if isinstance(stage, Collect | Open):
            stage.step()
    pair.la.sql("UPDATE transfers SET due = ? WHERE name = 'b.xml'", pair.la.now + 600)
    pair.work()
    assert row_of(pair.la, "a.xml", Direction.IN).state == State.DELIVERED
    say(pair.la, "a.xml.rejected", b"no")
    settle(pair.la, pair)
    assert row_of(pair.la, "a.xml", Direction.IN).code == "refused-by-back-office"
    assert row_of(pair.dwp, "a.xml", Direction.OUT).state == State.SENT
    pair.la.sql("UPDATE transfers SET due = 0 WHERE name = 'b.xml'")
    pair.work()
    assert row_of(pair.dwp, "a.xml", Direction.OUT).code == "refused-by-back-office"
    assert row_of(pair.dwp, "b.xml", Direction.OUT).state == State.RECEIPTED
    with pair.la.ledger.read() as connection:
        first = connection.execute(RECEIPTS.select().order_by(RECEIPTS.c.key)).all()[0]
    assert {(item["outcome"], item["reason"]) for item in json.loads(first.body)["items"]} == {("delivered", None)}


def test_sender_that_asks_again_gets_both_receipts_again(pair: Pair) -> None:
    pair.dwp.submit("a.xml", b"claim a")
    pair.work()
    say(pair.la, "a.xml.accepted")
    pair.work()
    consignment = required(row_of(pair.la, "a.xml", Direction.IN).consignment)
    with pair.la.ledger.write() as transaction:
        rows = receipts.receipts_of(transaction.connection, Direction.OUT, "DWP", consignment, State.SENT)
        event = transaction.record("consignment.repeated", "consignment", consignment, "DWP")
        changes = [{"key": row.key, "state": State.ISSUED, "event": event} for row in rows]
        transaction.move(RECEIPTS, Direction.OUT, State.SENT, changes)
    pair.work()
    for _ in range(4):
        pair.la.now += 1000
        pair.work()
    with pair.la.ledger.read() as connection:
        assert [row.state for row in connection.execute(RECEIPTS.select())] == ["sent", "sent"]
    with pair.dwp.ledger.read() as connection:
        assert [row.state for row in connection.execute(RECEIPTS.select())] == ["accepted"] * 4
    assert row_of(pair.dwp, "a.xml", Direction.OUT).state == State.INGESTED


def _all(bench: Bench) -> list[Transfer]:
    with bench.ledger.read() as connection:
        return overview.transfers(connection)
