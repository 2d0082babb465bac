"""The audit finds every edit, deletion, reordering and cut, and nothing where nothing was done."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.domain.decision import Decision
from gateway.domain.requests import Act
from gateway.domain.states import State
from gateway.ledger.audit.chain import Fault, check_chain
from gateway.ledger.audit.files import Area, Findings, Listing, check_files
from gateway.ledger.audit.heads import Claimed, check_heads, heads_of
from gateway.ledger.audit.rows import check_rows, state_after
from gateway.ledger.chain import GENESIS, ChainEntry
from gateway.ledger.queries import events, heads, overview, quarantine
from gateway.ledger.queries.heads import Which
from gateway.ledger.store import Ledger, read_head
from gateway.ledger.units import Transfer
from gateway.stages.request_answers import decide
from tests.fakes.two_ledgers import Bench, Pair
from tests.unit.ledger.conftest import Books, BothBooks

WHY = Decision("tester", "because of the test")


def faults(bench: Bench | Books, *claimed: Claimed) -> list[Fault]:
    with bench.ledger.read() as connection:
        return [*check_chain(connection), *check_rows(connection), *check_heads(connection, claimed)]


def checks(bench: Bench | Books, *claimed: Claimed) -> set[str]:
    return {fault.check for fault in faults(bench, *claimed)}


def head(bench: Bench | Books) -> int:
    with bench.ledger.read() as connection:
        return read_head(connection).sequence


# -- nothing was done


def test_sites_that_worked_have_no_faults(busy: Pair) -> None:
    for bench in (busy.dwp, busy.la):
        assert faults(bench) == []
        assert look(bench) == Findings()
        assert look(bench, deep=True) == Findings()


def test_empty_ledger_has_no_faults(pair: Pair) -> None:
    assert faults(pair.dwp) == []
    assert look(pair.dwp) == Findings()


def test_every_decision_of_a_person_agrees_with_its_row(busy: Pair) -> None:
    dwp = busy.dwp
    with dwp.ledger.read() as connection:
        (held,) = overview.held(connection, Transfer)
    decide(dwp.context, Act.RELEASE, held.id, WHY)
    decide(dwp.context, Act.HOLD, held.id, WHY)
    assert faults(dwp) == []
    decide(dwp.context, Act.RETURN, held.id, WHY)
    waiting = dwp.submit("later.xml", b"later")
    decide(dwp.context, Act.RETRY, waiting, WHY)
    assert faults(dwp) == []
    busy.work()
    assert faults(dwp) == []
    assert look(dwp) == Findings()


def test_consignment_that_is_sent_again_agrees_with_its_transfers(pair: Pair) -> None:
    identity = pair.dwp.submit("a.xml", b"claim")
    for _ in range(4):
        for _, stage in pair._stages[:4]:
            stage.step()
        while pair.dwp.send.busy:
            pair.dwp.rung.wait(5)
            pair.dwp.send.step()
    decide(pair.dwp.context, Act.RETRY, identity, WHY)
    with pair.dwp.ledger.read() as connection:
        assert overview.transfers(connection)[0].state == State.SEALED
    assert faults(pair.dwp) == []
    pair.work()
    assert faults(pair.dwp) == []
    assert faults(pair.la) == []


def test_what_is_locked_away_and_discarded_is_no_fault(pair: Pair) -> None:
    landing = pair.la.home.landing_in("DWP")
    (landing / "junk.txt").write_bytes(b"junk")
    (landing / "01a200db-25a7-7293-8e54-d4bb0a1b0002.pgp").write_bytes(b"no message")
    (landing / "01a200db-25a7-7293-8e54-d4bb0a1b0003.receipt.pgp").write_bytes(b"no receipt")
    pair.work()
    with pair.la.ledger.read() as connection:
        locked = quarantine.quarantined(connection)
    assert len(locked) == 3
    assert faults(pair.la) == []
    assert look(pair.la) == Findings()
    decide(pair.la.context, Act.DISCARD, locked[0].id, WHY)
    assert faults(pair.la) == []
    assert look(pair.la) == Findings()


def test_second_file_under_a_known_id_leaves_the_first_ones_row_alone(busy: Pair) -> None:
    with busy.la.ledger.read() as connection:
        known = next(row.consignment for row in overview.transfers(connection, direction="in"))
    (busy.la.home.landing_in("DWP") / f"{known}.pgp").write_bytes(b"other bytes")
    busy.work()
    with busy.la.ledger.read() as connection:
        assert quarantine.quarantined(connection)[0].code == "replay-other-bytes"
    assert faults(busy.la) == []


# -- the chain


@pytest.mark.parametrize(
    "column", ["at", "role", "event", "kind", "subject", "partner", "detail", "previous", "sha256"]
)
def test_altered_event_is_found_in_every_column(books: BothBooks, column: str) -> None:
    altered = f"UPDATE events SET {column} = {column} || '0' WHERE sequence = 3"  # noqa: S608 - a column's name
    assert books.dwp.sql(altered) == 1
    said = "event 3 does not follow the event before it" if column == "previous" else "event 3 was altered"
    assert Fault("chain", "event 3", said) in faults(books.dwp)


def test_deleted_event_is_found(books: BothBooks) -> None:
    books.dwp.sql("DELETE FROM events WHERE sequence = 3")
    assert "event 3 is missing: event 4 follows 2" in [fault.message for fault in faults(books.dwp)]


def test_first_event_cut_off_is_found(books: BothBooks) -> None:
    books.dwp.sql("DELETE FROM events WHERE sequence = 1")
    assert "chain" in checks(books.dwp)


def test_events_that_changed_places_are_found(books: BothBooks) -> None:
    for first, second in ((4, -1), (5, 4), (-1, 5)):
        books.dwp.sql("UPDATE events SET sequence = ? WHERE sequence = ?", second, first)
    assert "chain" in checks(books.dwp)


def test_every_break_is_told_not_only_the_first(books: BothBooks) -> None:
    books.dwp.sql("UPDATE events SET detail = '{}' WHERE sequence IN (1, 5, 9)")
    with books.dwp.ledger.read() as connection:
        found = [fault.subject for fault in check_chain(connection)]
    assert {"event 1", "event 5", "event 9"} <= set(found)


def test_cut_tail_of_events_is_found_by_the_rows(books: BothBooks) -> None:
    books.dwp.sql("DELETE FROM events WHERE sequence > ?", head(books.dwp) - 3)
    assert any("behind the end of the chain" in fault.message for fault in faults(books.dwp))


def test_old_copy_of_the_ledger_is_found_by_the_heads_that_partners_hold(pair: Pair, tmp_path: Path) -> None:
    """Events and rows are cut together, as when a backup is restored: only the partner remembers more."""
    pair.dwp.submit("a.xml", b"claim a")
    pair.work()
    place = pair.dwp.snapshot(tmp_path / "old.sqlite3")
    pair.dwp.submit("b.xml", b"claim b")
    pair.work()
    with pair.la.ledger.read() as connection:
        held = [Claimed(known.sequence, known.sha256, source) for _, known, source in heads_of(connection, "DWP")]
    assert faults(pair.dwp, *held) == []
    old = Ledger(place, clock=lambda: 0.0, role="test")
    try:
        with old.read() as connection:
            assert [*check_chain(connection), *check_rows(connection), *check_heads(connection)] == []
            (fault,) = check_heads(connection, held)
    finally:
        old.close()
    assert fault.check == "head"
    assert "its tail was cut, or it is an old copy" in fault.message


def test_chain_made_anew_with_right_hashes_is_found_by_partners(books: BothBooks) -> None:
    with books.dwp.ledger.read() as connection:
        entries = list(events.chain(connection))
    books.dwp.sql("DELETE FROM events")
    previous = GENESIS
    insertion = f"INSERT INTO events VALUES ({', '.join('?' * len(ChainEntry._fields))})"  # noqa: S608 - marks
    for entry in entries:
        altered = entry._replace(previous=previous, role="nobody")
        previous = altered.digest()
        books.dwp.sql(insertion, *altered._replace(sha256=previous))
    found = faults(books.dwp)
    assert {fault.check for fault in found} == {"head"}
    assert any("a partner holds another event" in fault.message for fault in found)


def test_partner_that_shows_two_histories_is_found(books: BothBooks) -> None:
    with books.la.ledger.read() as connection:
        (first,) = {h for _, h, source in heads_of(connection, "DWP") if source.startswith("receipt")}
    books.la.sql("UPDATE consignments SET head_sequence = ? WHERE direction = 'in'", first.sequence)
    messages = [fault.message for fault in faults(books.la)]
    assert any("two different events" in message for message in messages)


# -- rows

EDITS = {
    "state": "UPDATE transfers SET state = 'receipted' WHERE state = 'held'",
    "state-back": "UPDATE transfers SET state = 'sent' WHERE state = 'receipted'",
    "event": "UPDATE transfers SET event = event - 1 WHERE state = 'receipted'",
    "event-of-another": "UPDATE transfers SET event = 1 WHERE state = 'receipted'",
    "state-and-event": "UPDATE transfers SET state = 'admitted', event = 1 WHERE key = 1",
    "size": "UPDATE transfers SET size = size + 1 WHERE key = 1",
    "sha256": "UPDATE transfers SET sha256 = 'ff' WHERE key = 1",
    "flow": "UPDATE transfers SET flow = 'laid' WHERE key = 1",
    "id": "UPDATE transfers SET id = '01a200db-25a7-7293-8e54-d4bb0a1b0002' WHERE key = 1",
    "partner": "UPDATE transfers SET partner = 'W06000024' WHERE key = 1",
    "deleted": "DELETE FROM transfers WHERE key = 1",
    "consignment-state": "UPDATE consignments SET state = 'sent' WHERE direction = 'out'",
    "consignment-digest": "UPDATE consignments SET sealed_sha256 = 'ff' WHERE direction = 'out'",
    "consignment-landed-digest": "UPDATE consignments SET sealed_sha256 = 'ff' WHERE direction = 'in'",
    "consignment-deleted": "DELETE FROM consignments WHERE direction = 'out'",
    "consignment-in-deleted": "DELETE FROM consignments WHERE direction = 'in'",
    "received-transfer-deleted": "DELETE FROM transfers WHERE direction = 'in'",
    "receipt-state": "UPDATE receipts SET state = 'landed' WHERE direction = 'in'",
    "receipt-deleted": "DELETE FROM receipts WHERE direction = 'in'",
    "receipt-out-deleted": "DELETE FROM receipts WHERE direction = 'out'",
    "published-head": "UPDATE consignments SET head_sha256 = 'ff' WHERE direction = 'out'",
    "partners-head": "UPDATE consignments SET head_sha256 = 'ff' WHERE direction = 'in'",
    "lane": "UPDATE lanes SET seen_sha256 = 'ff'",
    "receipt-body": "UPDATE receipts SET body = replace(body, '\"seen_head\"', '\"was_head\"') WHERE direction = 'in'",
    "receipt-issued-head": 'UPDATE receipts SET body = replace(body, \'"sha256": "\', \'"sha256": "0\') '
    "WHERE direction = 'out'",
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS.keys())
def test_edit_by_the_chain_is_found(books: BothBooks, edit: str) -> None:
    assert books.dwp.sql(edit) > 0
    assert faults(books.dwp)


def test_quarantine_row_that_was_removed_is_found(pair: Pair) -> None:
    (pair.la.home.landing_in("DWP") / "junk.txt").write_bytes(b"junk")
    pair.work()
    assert faults(pair.la) == []
    pair.la.sql("UPDATE quarantine SET discarded = 1")
    assert checks(pair.la) == {"row"}
    pair.la.sql("DELETE FROM quarantine")
    assert checks(pair.la) == {"row"}


@pytest.mark.parametrize(
    ("event", "detail", "state"),
    [
        ("transfer.delivered", {}, "delivered"),
        ("consignment.overdue", {}, "sealed"),
        ("work.deferred", {"state": "packed"}, "packed"),
        ("transfer.released", {"state": "validated"}, "validated"),
        ("receipt.refused", {}, "quarantined"),
        ("lane.held", {}, "held"),
        ("spool.refused", {}, "unknown"),
    ],
)
def test_event_says_which_state_it_led_to(event: str, detail: dict[str, str], state: str) -> None:
    assert state_after(event, detail) == state


# -- files

ROOTS: dict[Area, Callable[[Bench], Path]] = {
    Area.CUSTODY: lambda bench: bench.home.custody,
    Area.SEALED_OUT: lambda bench: bench.home.sealed_out,
    Area.SEALED_IN: lambda bench: bench.home.sealed_in,
    Area.QUARANTINE: lambda bench: bench.home.quarantine,
    Area.EVIDENCE: lambda bench: bench.home.evidence,
}


def look(bench: Bench, *, deep: bool = False) -> Findings:
    def digest(area: Area, name: str) -> str:
        return hashlib.sha256((ROOTS[area](bench) / name).read_bytes()).hexdigest()

    files = {
        area: {
            str(path.relative_to(root(bench))): path.stat().st_size for path in root(bench).rglob("*") if path.is_file()
        }
        for area, root in ROOTS.items()
    }
    with bench.ledger.read() as connection:
        return check_files(connection, Listing(files, digest if deep else None))


def test_lost_cut_and_altered_custody_is_found(pair: Pair) -> None:
    identity = pair.dwp.submit("a.xml", b"claim a")
    kept = pair.dwp.home.custody / identity
    kept.write_bytes(b"claim b")
    assert look(pair.dwp) == Findings()
    assert [fault.subject for fault in look(pair.dwp, deep=True).faults] == [f"transfer {identity}"]
    kept.write_bytes(b"cut")
    assert "3 bytes, not 7" in look(pair.dwp).faults[0].message
    kept.unlink()
    assert "is not there" in look(pair.dwp).faults[0].message


def test_of_what_may_not_be_looked_into_nothing_is_said_and_of_the_rest_everything(pair: Pair) -> None:
    identity = pair.dwp.submit("a.xml", b"claim a")
    (pair.dwp.home.custody / identity).unlink()
    for unseen, faults in ((frozenset({Area.INFECTED}), 1), (frozenset({Area.CUSTODY}), 0)):
        with pair.dwp.ledger.read() as connection:
            assert len(check_files(connection, Listing({}, unseen=unseen)).faults) == faults, unseen


def test_heads_are_listed_page_by_page_and_one_that_the_chain_has_not_is_told(busy: Pair) -> None:
    with busy.dwp.ledger.read() as connection:
        every, end = heads.page(connection, Which.CONFIRMED, 50)
        assert every
        assert all(each.holds and each.partner == busy.dwp.other for each in every)
        assert end is None
        one, after = heads.page(connection, Which.CONFIRMED, 1)
        assert one == every[:1]
        if len(every) > 1:
            assert heads.page(connection, Which.CONFIRMED, 1, None, after)[0] == every[1:2]
        assert heads.page(connection, Which.CONFIRMED, 50, "E99999999") == ([], None)
        assert all(each.holds for each in heads.page(connection, Which.PUBLISHED, 50)[0])
        for which in (Which.THEIRS, Which.RECEIPTS):
            assert {each.holds for each in heads.page(connection, which, 50)[0]} <= {None}
    busy.dwp.sql("UPDATE events SET sha256 = ? WHERE sequence = ?", "0" * 64, every[0].head.sequence)
    with busy.dwp.ledger.read() as connection:
        assert heads.page(connection, Which.CONFIRMED, 1)[0][0].holds is False


def test_custody_without_a_row_is_left_over_and_no_fault(busy: Pair) -> None:
    (busy.dwp.home.custody / "01a200db-25a7-7293-8e54-d4bb0a1b0002").write_bytes(b"?")
    found = look(busy.dwp)
    assert found.faults == []
    assert [fault.subject for fault in found.left_over] == ["custody/01a200db-25a7-7293-8e54-d4bb0a1b0002"]


def test_lost_evidence_of_a_receipt_is_found(busy: Pair) -> None:
    shutil.rmtree(busy.dwp.home.evidence)
    lost = look(busy.dwp).faults
    assert lost
    assert all(fault.subject.startswith("receipt ") for fault in lost)


def test_lost_sealed_file_is_found(pair: Pair) -> None:
    pair.dwp.submit("a.xml", b"claim")
    for _, stage in pair._stages[:3]:
        stage.step()
    (sealed,) = pair.dwp.home.sealed_out.rglob("*.pgp")
    assert look(pair.dwp, deep=True) == Findings()
    sealed.unlink()
    assert len(look(pair.dwp).faults) == 1


def test_lost_quarantined_file_is_found(pair: Pair) -> None:
    (pair.la.home.landing_in("DWP") / "junk.txt").write_bytes(b"junk")
    pair.work()
    for path in pair.la.home.quarantine.iterdir():
        path.unlink()
    assert [fault.subject.split()[0] for fault in look(pair.la).faults] == ["quarantine"]


def test_a_receipt_of_the_same_size_in_anothers_place_is_found(busy: Pair) -> None:
    """Receipts are small: `gateway audit verify` reads each, with or without --deep."""
    kept = sorted(busy.dwp.home.evidence.rglob("*.receipt.pgp"))
    kept[0].write_bytes(bytes(kept[0].stat().st_size))
    assert ["other content" in fault.message for fault in look(busy.dwp, deep=True).faults] == [True]


def test_evidence_without_a_row_is_a_fault_unless_it_is_what_a_crash_leaves(busy: Pair) -> None:
    there = busy.dwp.home.evidence / busy.dwp.other
    (there / ".gateway-0123.part").write_bytes(b"half")
    assert look(busy.dwp).faults == []
    (there / "01a200db-25a7-7293-8e54-d4bb0a1b0002.receipt.pgp").write_bytes(b"?")
    (found,) = look(busy.dwp).faults
    assert found.message == "no row of the ledger speaks of it"


def test_a_statement_without_an_event_is_a_fault_unless_a_crash_of_this_site_left_it(pair: Pair) -> None:
    signed = b"a statement"
    digest = hashlib.sha256(signed).hexdigest()
    whole, other = f"DWP/2026-11-20.{digest[:16]}.asc", f"E09000030/2026-11-20.{digest[:16]}.asc"
    cut = f"DWP/2026-11-21.{'0' * 16}.asc"
    listing = Listing({Area.STATEMENTS: dict.fromkeys((whole, other, cut), 11)}, lambda _area, _name: digest, "DWP")
    with pair.dwp.ledger.read() as connection:
        found = check_files(connection, listing)
    assert [fault.subject for fault in found.left_over] == [f"evidence/statements/{whole}"]
    assert [fault.subject for fault in found.faults] == [f"evidence/statements/{name}" for name in (cut, other)]
