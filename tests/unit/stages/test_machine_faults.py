"""What the machine under the stages does wrong: a ledger that refuses, a full disk, a clock that is set, a thread that dies."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.states import Direction, State
from gateway.errors import DiskFailed, DiskFull, LedgerAway, LedgerBusy
from gateway.ledger.queries import overview
from gateway.ledger.queries.events import chain
from gateway.ledger.queries.lanes import all_lanes
from gateway.ledger.store import Ledger, Transaction
from gateway.ledger.tables import CONSIGNMENTS
from gateway.settings.node import NodeSettings
from gateway.spool.drops import Rule
from gateway.spool.intake import Intake
from gateway.spool.set_aside import SetAside
from gateway.spool.stability import Stability
from gateway.stages.context import Stage
from gateway.stages.inbound.collect import Collect
from gateway.stages.inbound.open import Open
from gateway.stages.outbound.accept import Accept
from gateway.stages.outbound.admit import Admit
from gateway.stages.outbound.pack import Pack
from gateway.stages.outbound.seal import Seal
from gateway.stages.outbound.send import Send
from gateway.stages.outbound.validate import Validate
from gateway.stages.timers.overdue_receipts import OverdueReceipts
from gateway.storage.durable import DISK, Disk
from gateway.storage.file_group import Group
from gateway.storage.writers import Writers, writers_of
from tests.fakes.two_ledgers import Bench, Pair, two_ledgers

DAY = 86400.0


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with two_ledgers(tmp_path) as made:
        yield made


def stage(pair: Pair, bench: Bench, kind: type[Stage]) -> Any:
    (found,) = [each for each in pair.stages_of(bench) if isinstance(each, kind)]
    return found


def upload(pair: Pair) -> Send:
    """Everything of DWP's up to an upload whose result waits to be written down."""
    for kind in (Validate, Pack, Seal):
        stage(pair, pair.dwp, kind).step()
    send: Send = stage(pair, pair.dwp, Send)
    send.step()
    for future in list(send._busy.values()):
        future.exception(30)
    return send


def states(bench: Bench, direction: Direction = Direction.OUT) -> list[str]:
    with bench.ledger.read() as connection:
        return [row.state for row in overview.transfers(connection) if row.direction == str(direction)]


def transfers(bench: Bench) -> list[Any]:
    with bench.ledger.read() as connection:
        return list(overview.transfers(connection, direction=Direction.OUT))


def events(bench: Bench) -> list[str]:
    with bench.ledger.read() as connection:
        return [entry.event for entry in chain(connection) if entry.kind != "ledger"]


def refuse(patch: pytest.MonkeyPatch, ledger: Ledger) -> None:
    """Let the ledger refuse every transaction with an event, when it is to be committed; a claim has none."""
    write = ledger.write

    @contextmanager
    def refusing() -> Iterator[Transaction]:
        with write() as transaction:
            yield transaction
            if transaction.announcements:
                raise LedgerBusy

    patch.setattr(ledger, "write", refusing)


def test_what_was_sent_while_the_ledger_was_locked_is_written_down_afterwards(pair: Pair) -> None:
    pair.dwp.submit("a.xml", b"claim a")
    send = upload(pair)
    with pytest.MonkeyPatch.context() as patch:
        refuse(patch, pair.dwp.ledger)
        for _ in range(3):
            with pytest.raises(LedgerBusy):
                send.step()
        assert states(pair.dwp) == ["sealed"]
    send.step()
    assert states(pair.dwp) == ["sent"]
    assert not send.busy, "the lane is free for what comes next"
    pair.work()
    assert states(pair.dwp) == ["receipted"]
    assert states(pair.la, Direction.IN) == ["delivered"]


def test_a_defect_in_a_lanes_thread_ends_the_role_and_passes_for_no_success(pair: Pair) -> None:
    def without_memory(*_: object) -> None:
        raise MemoryError

    pair.dwp.submit("a.xml", b"claim a")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage(pair, pair.dwp, Send)._lane_work, "_send", without_memory)
        send = upload(pair)
        with pytest.raises(MemoryError):
            send.step()
    assert states(pair.dwp) == ["sealed"]
    send._uncommitted.clear()
    send._busy.clear()


@pytest.mark.parametrize("kind", [Open, Accept])
def test_a_ledger_that_cannot_take_the_result_makes_no_poison_of_what_was_tried(
    pair: Pair, kind: type[Open | Accept]
) -> None:
    pair.dwp.submit("a.xml", b"claim a")
    bench = pair.la if kind is Open else pair.dwp
    pair.work_alone(pair.dwp)
    if kind is Accept:
        pair.work_alone(pair.la)
    stage(pair, bench, Collect).step()
    tried = stage(pair, bench, kind)
    for _ in range(5):
        with pytest.MonkeyPatch.context() as patch:
            refuse(patch, bench.ledger)
            with pytest.raises(LedgerBusy):
                tried.step()
    pair.work()
    assert states(pair.dwp) == ["receipted"]
    assert states(pair.la, Direction.IN) == ["delivered"]


def test_three_processes_that_died_of_a_consignment_still_hold_it(pair: Pair) -> None:
    pair.dwp.submit("a.xml", b"claim a")
    pair.work_alone(pair.dwp)
    stage(pair, pair.la, Collect).step()
    pair.la.sql("UPDATE consignments SET claims = 3 WHERE direction = 'in'")
    pair.work_alone(pair.la)
    with pair.la.ledger.read() as connection:
        (row,) = connection.execute(CONSIGNMENTS.select()).all()
    assert (row.state, row.code) == (State.HELD, "poison-file")


def test_no_room_for_a_landed_file_leaves_it_there_and_no_half_copy(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair.dwp.submit("a.xml", b"claim a")
    pair.work_alone(pair.dwp)
    said: list[str] = []
    monkeypatch.setattr(type(pair.la.context), "say_deferred", lambda _context, error, **_keys: said.append(error.code))
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfileobj", _no_room)
        stage(pair, pair.la, Collect).step()
    assert said == ["disk-full"]
    assert [path.name for path in (pair.la.home.sealed_in / "DWP").rglob("*") if path.is_file()] == []
    assert len(list(pair.la.home.landing_in("DWP").iterdir())) == 1
    pair.work()
    assert states(pair.dwp) == ["receipted"]


def _no_room(_source: object, target: Any, *_: object) -> None:
    target.write(b"half")
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_bytes_that_cannot_be_removed_after_a_commit_keep_nothing_else_from_being_done(pair: Pair) -> None:
    done: list[str] = []

    def failing() -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    def removes() -> Iterator[Callable[[], None]]:
        yield lambda: done.append("before")
        yield failing
        yield lambda: done.append("after")

    def change() -> None:
        with pair.dwp.ledger.write() as transaction:
            transaction.record("lane.recovered", "lane", "E09000030", "E09000030")
            transaction.afterwards.extend(removes())

    with pytest.raises(DiskFailed):
        change()
    assert done == ["before", "after"]
    with pair.dwp.ledger.read() as connection:
        assert [entry.event for entry in chain(connection)] == ["lane.recovered"]


# -- the spool


def admitting(bench: Bench, disk: Disk = DISK, writers: Callable[[int], Writers] = writers_of) -> Admit:
    """The stage as it is after a start."""
    rules = {"claim": Rule(0.0, 1000, {bench.other})}

    def now() -> float:
        return bench.now

    aside = SetAside(bench.home.outbound, {}, 60.0, now, disk, writers)
    intake = Intake(bench.home.outbound, rules, {bench.other}, Stability(now), aside, disk, writers)
    admit = Admit(bench.context, intake, aside)
    admit.recover()
    return admit


def test_a_dropped_file_that_cannot_be_removed_is_taken_once_and_removed_as_soon_as_it_can_be(pair: Pair) -> None:
    dwp = pair.dwp
    directory = dwp.home.outbound / "claim" / dwp.other
    dropped, marker = directory / "a.xml", directory / "a.xml.ready"
    dropped.write_bytes(b"claim a")
    marker.touch()

    def refusing(path: object, **_: object) -> None:
        raise OSError(errno.EIO, f"{path}")

    for _ in range(2):  # two lives of the process
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "unlink", refusing)
            admit = admitting(dwp, Disk(unlink=refusing, rename=refusing))
        for _ in range(3):
            admit.step()
            stage(pair, dwp, Validate).step()
            dwp.now += 40.0
        admit.close()
        assert len(states(dwp)) == 1
        assert dropped.exists()
    admit = admitting(dwp)
    admit.step()
    assert not dropped.exists()
    assert not marker.exists(), "it would call the next file of that name complete before it is"
    pair.la.now = dwp.now
    pair.work()
    admit.step()
    admit.close()
    assert states(dwp) == ["receipted"]
    assert list(dwp.home.custody.iterdir()) == []
    receipt = dwp.home.receipts / "claim" / dwp.other / "a.xml.receipt.json"
    assert receipt.exists()


def test_a_write_after_the_taking_holds_what_has_not_left_and_gives_the_whole_file_back(pair: Pair) -> None:
    dwp = pair.dwp
    dropped = dwp.home.outbound / "claim" / dwp.other / "a.xml"
    with dropped.open("wb", buffering=0) as file:
        file.write(b"claim a, first half")
        admit = admitting(dwp, writers=lambda _: Writers.UNKNOWN)
        admit.step()
        assert states(dwp) == ["admitted"]
        file.write(b", and second half")
        dwp.now += 2.0
        admit.step()
        (row,) = transfers(dwp)
        assert (row.state, row.resume, row.code) == ("held", "admitted", "written-late")
        assert events(dwp) == ["transfer.admitted", "transfer.written-late", "transfer.held"]
    dwp.now += 2.0
    admit.step()
    admit.step()
    admit.close()
    returned = dwp.home.returned / "claim" / dwp.other / "a.xml"
    assert returned.read_bytes() == b"claim a, first half, and second half"
    assert row.id in returned.with_name("a.xml.late.txt").read_text(encoding="utf-8")
    assert (dwp.home.custody / row.id).read_bytes() == b"claim a, first half"
    assert len(events(dwp)) == 3, "it is said once"


def test_a_ledger_that_takes_no_row_leaves_no_copies_behind(pair: Pair) -> None:
    dwp = pair.dwp
    (dwp.home.outbound / "claim" / dwp.other / "a.xml").write_bytes(b"claim a")
    admit = admitting(dwp)
    for _ in range(3):
        with pytest.MonkeyPatch.context() as patch:
            refuse(patch, dwp.ledger)
            dwp.now += 10.0
            with pytest.raises(LedgerBusy):
                admit.step()
        assert list(dwp.home.custody.iterdir()) == []
    admit.step()
    admit.close()
    assert states(dwp) == ["admitted"]


@pytest.mark.parametrize("fails", ["the second copy", "the end of the group"])
def test_a_disk_that_is_full_among_several_files_leaves_no_copies_behind(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    dwp = pair.dwp
    for name in ("a.xml", "b.xml"):
        (dwp.home.outbound / "claim" / dwp.other / name).write_bytes(name.encode())
    admit, taken, take = admitting(dwp), list[Path](), Intake.take

    def second_finds_no_room(self: Intake, *arguments: Any) -> Any:
        if taken and fails == "the second copy":
            raise DiskFull
        found = take(self, *arguments)
        taken.append(found.path)
        return found

    def full(_self: Group) -> None:
        raise DiskFull

    with monkeypatch.context() as patch:
        patch.setattr(Intake, "take", second_finds_no_room)
        if fails == "the end of the group":
            patch.setattr(Group, "commit", full)
        with pytest.raises(DiskFull):
            admit.step()
    assert taken
    assert list(dwp.home.custody.iterdir()) == []
    dwp.now += 10.0
    admit.step()
    admit.close()
    assert states(dwp) == ["admitted", "admitted"]


# -- the clock


def lane(bench: Bench) -> dict[str, Any]:
    with bench.ledger.read() as connection:
        return all_lanes(connection)[bench.other]._asdict()


def test_a_clock_that_was_two_days_ahead_makes_nothing_wait_for_two_days_once_it_is_right_again(pair: Pair) -> None:
    dwp = pair.dwp
    dwp.submit("a.xml", b"claim a")
    pair.work_alone(dwp)  # sent, and its receipt awaited
    dwp.now += 2 * DAY
    dwp.submit("b.xml", b"claim b")
    with dwp.ledger.write() as transaction:
        transaction.set_lane(dwp.other, failures=12, due=transaction.now + 600.0, code="link-unreachable")
    dwp.sql("UPDATE transfers SET due = ? WHERE name = 'b.xml'", dwp.now + 300.0)
    dwp.sql("UPDATE consignments SET due = ? WHERE state = 'sent'", dwp.now + 14400.0)
    stage(pair, dwp, OverdueReceipts).step()
    dwp.now -= 2 * DAY
    stage(pair, dwp, OverdueReceipts).step()
    assert lane(dwp)["due"] <= dwp.now
    pair.work()
    assert states(dwp) == ["receipted", "receipted"]
    assert states(pair.la, Direction.IN) == ["delivered", "delivered"]


def test_pauses_of_a_right_clock_are_kept(pair: Pair) -> None:
    dwp = pair.dwp
    dwp.submit("a.xml", b"claim a")
    pair.work_alone(dwp)
    with dwp.ledger.write() as transaction:
        transaction.set_lane(dwp.other, failures=12, due=transaction.now + 890.0, code="link-unreachable")
    due = lane(dwp)["due"]
    dwp.now += 40.0
    stage(pair, dwp, OverdueReceipts).step()
    assert lane(dwp)["due"] == due
    assert states(dwp) == ["sent"]


def test_a_clock_two_days_ahead_expires_what_is_older_than_five_days_and_nothing_else(pair: Pair) -> None:
    dwp = pair.dwp
    old = dwp.submit("old.xml", b"claim old")
    with dwp.ledger.write() as transaction:
        transaction.set_lane(dwp.other, held=True)
    dwp.now += 5.5 * DAY
    pair.la.now += 5.5 * DAY
    new = dwp.submit("new.xml", b"claim new")
    dwp.now += 2 * DAY
    pair.work_alone(dwp)
    dwp.now -= 2 * DAY
    pair.work_alone(dwp)
    with dwp.ledger.read() as connection:
        found = {row.id: row.state for row in overview.transfers(connection)}
    assert found == {old: State.EXPIRED, new: State.VALIDATED}
    assert (dwp.home.returned / "claim" / dwp.other / "old.xml").read_bytes() == b"claim old"
    with dwp.ledger.write() as transaction:
        transaction.set_lane(dwp.other, held=False)
    pair.work()
    assert (pair.la.home.inbound / "claim" / "DWP" / "new.xml").read_bytes() == b"claim new"
    assert states(pair.la, Direction.IN) == ["delivered"]


def test_a_senders_clock_two_days_ahead_gives_its_files_back_and_delivers_none(pair: Pair) -> None:
    pair.dwp.now += 2 * DAY
    pair.dwp.submit("a.xml", b"claim a")
    pair.work()
    assert states(pair.dwp) == ["quarantined"]
    assert states(pair.la, Direction.IN) == []
    why = pair.dwp.home.returned / "claim" / pair.dwp.other / "a.xml.why.txt"
    assert "future" in why.read_text(encoding="utf-8")


def test_a_senders_clock_two_days_behind_is_no_reason_to_refuse(pair: Pair) -> None:
    pair.dwp.now -= 2 * DAY
    pair.dwp.submit("a.xml", b"claim a")
    pair.work()
    assert states(pair.dwp) == ["receipted"]
    assert states(pair.la, Direction.IN) == ["delivered"]


def dropped(bench: Bench) -> Path:
    drop = bench.home.outbound / "claim" / bench.other / "a.xml"
    drop.write_bytes(b"claim a")
    return drop


def test_a_file_whose_mode_is_changed_while_it_is_taken_goes_once_and_is_concluded(pair: Pair) -> None:
    drop = dropped(pair.dwp)
    admit = admitting(pair.dwp)
    record = pair.dwp.ledger.write

    @contextmanager
    def changing() -> Iterator[Transaction]:
        with record() as transaction:
            yield transaction
        if drop.exists():
            drop.chmod(0o604)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pair.dwp.ledger, "write", changing)
        for _ in range(3):
            admit.step()
            pair.dwp.now += 10.0
    admit.close()
    assert not drop.exists()
    pair.work()
    assert states(pair.dwp) == ["receipted"]
    assert (pair.dwp.home.receipts / "claim" / pair.la.code / "a.xml.receipt.json").exists()


@pytest.mark.parametrize("lost", ["before", "after"])
def test_a_node_whose_ledger_goes_away_once_the_rows_are_written_says_later_that_the_file_is_gone(
    pair: Pair, lost: str
) -> None:
    """The commit that wrote the rows may be the one whose answer did not come."""
    bench = pair.dwp
    bench.context = replace(bench.context, settings=replace(bench.settings, node=NodeSettings(name="north")))
    drop = dropped(bench)
    admit = admitting(bench)
    record, writes = bench.ledger.write, 0

    @contextmanager
    def going() -> Iterator[Transaction]:
        nonlocal writes
        writes += 1
        if writes == 2 and lost == "after":
            raise LedgerAway("its server does not answer")
        with record() as transaction:
            yield transaction
        if writes == 1 and lost == "before":
            raise LedgerAway("its server does not answer")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench.ledger, "write", going)
        away = 0
        for _ in range(5):
            try:
                admit.step()
            except LedgerAway:
                away += 1
            bench.now += 10.0
    admit.close()
    assert away == 1
    assert not drop.exists()
    with bench.ledger.read() as connection:
        (row,) = overview.transfers(connection)
    assert (row.spool_file, row.node) == (None, "north")
