"""The ledger's questions, asked of sites that have worked."""

from __future__ import annotations

import json

from gateway.domain.states import Direction, State
from gateway.ledger.queries import consignments, duplicates, identities, overview, receipts, waiting
from gateway.ledger.store import read_head
from gateway.ledger.units import Consignment, Transfer, required
from tests.fakes.two_ledgers import Pair
from tests.unit.ledger.conftest import BothBooks


def test_transfers_come_newest_first_and_every_word_narrows_them(books: BothBooks) -> None:
    with books.dwp.ledger.read() as connection:
        everything = overview.transfers(connection)
        assert [row.key for row in everything] == sorted((row.key for row in everything), reverse=True)
        assert {row.name for row in overview.transfers(connection, state="receipted")} == {"a.xml", "b.xml", "c.xml"}
        assert {row.name for row in overview.transfers(connection, direction="in")} == {"hbE09000030.csv"}
        assert [row.name for row in overview.transfers(connection, flow="extract")] == ["hbE09000030.csv"]
        assert overview.transfers(connection, partner="W06000024") == []
        assert overview.transfers(connection, since=2e9) == []
        assert len(overview.transfers(connection, limit=2)) == 2
        assert overview.count_transfers(connection) == len(everything)
        assert overview.count_transfers(connection, state="receipted") == 3


def test_counts_are_those_of_the_rows(books: BothBooks) -> None:
    with books.dwp.ledger.read() as connection:
        counts = overview.counts(connection)
    assert counts["transfer", "out", "receipted"] == 3
    assert counts["transfer", "out", "rejected"] == 1
    assert counts["transfer", "out", "held"] == 1
    assert counts["transfer", "in", "delivered"] == 1
    assert counts["consignment", "out", "receipted"] == 2


def test_prefix_finds_what_it_begins_and_takes_no_pattern(books: BothBooks) -> None:
    with books.dwp.ledger.read() as connection:
        row = overview.transfers(connection)[0]
        assert [found.id for found in identities.matching(connection, Transfer, row.id)] == [row.id]
        assert len(identities.matching(connection, Transfer, row.id[:4])) == 5
        assert identities.matching(connection, Transfer, "%") == []


def test_what_waits_for_a_person_is_found(books: BothBooks) -> None:
    with books.dwp.ledger.read() as connection:
        (held,) = overview.held(connection, Transfer)
        oldest = overview.oldest_waiting(connection)
    assert held.code == "suspected-duplicate"
    assert oldest is not None
    assert oldest.id == held.id


def test_receipts_about_a_consignment_are_found_by_its_id(books: BothBooks) -> None:
    with books.dwp.ledger.read() as connection:
        row = overview.transfers(connection, state="receipted")[0]
        (receipt,) = receipts.receipts_about(connection, row.partner, required(row.consignment))
        assert receipt.state == State.ACCEPTED
        assert receipts.accepted_receipt(connection, row.partner, required(row.consignment)) == receipt.body
        carried = consignments.carried(connection, Direction.OUT, row.partner, required(row.consignment))
        assert row.id in {item.id for item in carried}
        assert (
            identities.one(connection, Consignment, Direction.OUT, row.partner, required(row.consignment)) is not None
        )


def test_rows_by_ids_come_in_the_order_they_were_made(books: BothBooks) -> None:
    with books.dwp.ledger.read() as connection:
        ids = [row.id for row in overview.transfers(connection, direction="out")]
        rows = identities.by_ids(connection, Direction.OUT, ids * 200)
    assert {row.id for row in rows} == set(ids)


def test_nothing_is_due_where_all_is_done_and_something_once_it_is_submitted(pair: Pair) -> None:
    with pair.dwp.ledger.read() as connection:
        assert waiting.due_now(connection, pair.dwp.now) == 0
    pair.dwp.submit("a.xml", b"claim")
    with pair.dwp.ledger.read() as connection:
        assert waiting.due_now(connection, pair.dwp.now) == 1
    pair.work()
    with pair.dwp.ledger.read() as connection:
        assert waiting.due_now(connection, pair.dwp.now) == 0
        assert read_head(connection).sequence > 0


def test_same_bytes_to_the_same_partner_are_found_once_they_did_not_come_back(books: BothBooks) -> None:
    with books.dwp.ledger.read() as connection:
        rows = {row.name: row for row in overview.transfers(connection, direction="out")}
        every = list(rows.values())
        found = duplicates.copies(connection, every, dict.fromkeys((row.key for row in every), 0.0))
        later = duplicates.copies(
            connection, every, dict.fromkeys((row.key for row in every), rows["a.xml"].created + 0.0001)
        )
        unasked = duplicates.copies(connection, every, {})
    assert found == {rows["again.xml"].key: rows["a.xml"].id}
    assert later == unasked == {}


def test_same_message_id_in_other_bytes_is_found_whoever_asks_with_whom(pair: Pair) -> None:
    def message(text: str, message_id: str) -> bytes:
        return b"facts " + json.dumps({"message_id": message_id}).encode() + b"\n" + text.encode()

    first = pair.dwp.submit("first.xml", message("one", "m-1"))
    pair.work()
    submitted = [
        pair.dwp.submit("other.xml", message("two", "m-1")),
        pair.dwp.submit("same.xml", message("one", "m-1")),
        pair.dwp.submit("new.xml", message("three", "m-3")),
        pair.dwp.submit("twice.xml", message("four", "m-3")),
    ]
    pair.work()
    with pair.dwp.ledger.read() as connection:
        rows = {row.id: row for row in overview.transfers(connection, direction="out")}
    assert [rows[each].code for each in submitted] == [
        "message-id-used",
        "suspected-duplicate",
        None,
        "message-id-used",
    ]
    assert first in str(rows[submitted[0]].reason)
    assert first in str(rows[submitted[1]].reason)
    assert submitted[2] in str(rows[submitted[3]].reason)
