"""Stored files: nothing stays in the store for ever, and nothing leaves it whose row may still come."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from gateway.domain.receipt import queue_name
from gateway.ledger.audit.files import check_files
from gateway.ledger.tables import CONSIGNMENTS
from gateway.stages.arrivals import ARRIVALS, Arrivals
from gateway.stages.ended_files import ORPHAN_SECONDS, areas_of, forget_ended
from gateway.stages.itinerary import Role
from gateway.stages.node_lanes import NodeLanes
from gateway.stages.timers.stored_files import EVERY, StoredFiles
from tests.fakes.stores import SiteStore, store_listing
from tests.fakes.two_ledgers import Bench, two_ledgers

LA = "E09000030"


def keep(bench: Bench, path: Path, content: bytes = b"an OpenPGP message", at: float | None = None) -> Path:
    """Have the store have it, as a node that was killed leaves it; written at that moment by the store's clock."""
    store = bench.context.payloads
    assert isinstance(store, SiteStore)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    before = {each: each.stat().st_ino for each in store.root.rglob("*") if each.is_file()}
    store.keep({path: hashlib.sha256(content).hexdigest()})
    path.unlink()
    (written,) = (each for each in store.root.rglob("*") if each.is_file() and each not in before)
    moment = bench.now if at is None else at
    os.utime(written, (moment, moment))
    return path


def stored(bench: Bench) -> set[Path]:
    return {path for path, _ in bench.context.payloads.names(bench.home.state)}


def look(bench: Bench, *roles: Role, elsewhere: frozenset[str] | None = None) -> set[Path]:
    """What the store has after a look of these roles, which have just started; `elsewhere` are the lanes of other nodes, where there are any."""
    lanes = None if elsewhere is None else cast("NodeLanes", SimpleNamespace(elsewhere=elsewhere))
    for role in roles or (*Role,):
        StoredFiles(replace(bench.context, lanes=lanes), role).step()
    return stored(bench)


def test_message_from_a_partner_without_a_row_goes_two_days_after_it_was_kept_and_no_second_before(
    tmp_path: Path,
) -> None:
    with two_ledgers(tmp_path, stored=True) as pair:
        bench = pair.dwp
        bench.now -= 100 * 86400.0
        old = bench.context.new_id()  # by the partner's own clock: it says nothing of when it came
        bench.now += 100 * 86400.0
        directory, kept = bench.home.sealed_in / LA, bench.now
        orphans = {keep(bench, directory / f"{old}.pgp"), keep(bench, directory / f"{old}.receipt.pgp", b"a receipt")}
        bench.now = kept + ORPHAN_SECONDS - 1.0
        assert look(bench, elsewhere=frozenset()) == orphans
        bench.now += 2.0
        assert look(bench, elsewhere=frozenset()) == set()


def test_it_is_removed_by_the_role_that_records_it_at_the_node_that_has_its_lane_and_by_no_other(
    tmp_path: Path,
) -> None:
    with two_ledgers(tmp_path, stored=True) as pair:
        bench = pair.dwp
        orphan = keep(bench, bench.home.sealed_in / LA / f"{bench.context.new_id()}.pgp")
        bench.now += 10 * ORPHAN_SECONDS
        assert look(bench, Role.INSPECT, Role.VAULT, elsewhere=frozenset()) == {orphan}
        assert forget_ended(bench.context, areas_of(bench.home, None)) == 0, "a disposal records nothing"
        assert look(bench, Role.LINK, elsewhere=frozenset({LA})) == {orphan}
        assert look(bench, Role.LINK, elsewhere=frozenset()) == set()


def test_partners_message_whose_row_has_ended_goes_at_once_where_its_lane_is(tmp_path: Path) -> None:
    """Elsewhere the same bytes may be about to be recorded once more."""
    with two_ledgers(tmp_path, stored=True) as pair:
        bench = pair.la
        pair.dwp.submit("a.xml", b"claim")
        pair.work()
        with bench.ledger.read() as connection:
            (row,) = connection.execute(CONSIGNMENTS.select()).all()
        before = look(bench)
        message = keep(bench, bench.home.sealed_in / "DWP" / f"{row.id}.pgp")
        assert look(bench, elsewhere=frozenset({"DWP"})) == {*before, message}
        assert look(bench, Role.LINK, elsewhere=frozenset()) == before


def test_arrival_waits_for_its_node_however_long_and_one_of_nobodys_partner_does_not(tmp_path: Path) -> None:
    with two_ledgers(tmp_path, stored=True) as pair:
        bench = pair.dwp
        name = f"{bench.context.new_id()}.pgp"
        waiting = keep(bench, bench.home.sealed_in / LA / ARRIVALS / name)
        nobodys = keep(bench, bench.home.sealed_in / "E09000031" / ARRIVALS / name)
        bench.now += ORPHAN_SECONDS - 1.0
        assert look(bench, elsewhere=frozenset()) == {waiting, nobodys}
        Arrivals(replace(bench.context, lanes=cast("NodeLanes", SimpleNamespace(elsewhere=frozenset())))).bring()
        assert waiting.exists()
        assert not nobodys.exists(), "nobody would record it here"
        bench.now += 100 * ORPHAN_SECONDS
        assert look(bench, elsewhere=frozenset()) == {waiting}


def test_message_of_ours_that_was_never_recorded_goes_once_it_cannot_be_any_more(tmp_path: Path) -> None:
    with two_ledgers(tmp_path, stored=True) as pair:
        bench = pair.dwp
        bench.submit("a.xml", b"claim")
        for stage in pair.stages_of(bench):
            if stage.name in ("validate", "pack"):
                stage.step()
        with bench.ledger.read() as connection:
            (row,) = connection.execute(CONSIGNMENTS.select()).all()
        broken_off = keep(bench, bench.home.sealed_out / LA / f"{row.id}.pgp", b"sealed by a node that was killed")
        bench.now += 100.0
        assert broken_off in look(bench), "it may be the one that is about to be recorded"
        bench.now += 100 * 86400.0
        stages = {stage.name: stage for stage in pair.stages_of(bench)}
        while stages["overdue-receipts"].step().done:
            pass
        assert broken_off not in look(bench)


def test_message_of_ours_without_a_row_goes_two_days_after_it_was_kept(tmp_path: Path) -> None:
    """As where the ledger was put back from an older copy."""
    with two_ledgers(tmp_path, stored=True) as pair:
        bench = pair.dwp
        identity = bench.context.new_id()
        receipt = keep(bench, bench.home.sealed_out / LA / queue_name(identity, "delivered", 4711), b"a receipt")
        consignment = keep(bench, bench.home.sealed_out / LA / f"{identity}.pgp")
        bench.now += ORPHAN_SECONDS - 1.0
        assert look(bench) == {receipt, consignment}
        bench.now += 2.0
        assert look(bench) == set()


def test_what_rows_speak_of_stays_whatever_the_time(tmp_path: Path) -> None:
    with two_ledgers(tmp_path, stored=True) as pair:
        bench = pair.dwp
        bench.submit("a.xml", b"claim")
        stages = {stage.name: stage for stage in pair.stages_of(bench)}
        for name in ("validate", "pack", "seal"):
            stages[name].step()
        there = stored(bench)
        assert {path.parent for path in there} == {bench.home.custody, bench.home.sealed_out / LA}
        bench.now += 10 * ORPHAN_SECONDS
        assert look(bench, elsewhere=frozenset()) == there


def test_each_role_looks_once_an_hour_and_tells_how_many_went(tmp_path: Path) -> None:
    with two_ledgers(tmp_path, stored=True) as pair:
        bench, told = pair.dwp, []
        context = replace(bench.context, log=lambda event, **keys: told.append((event, keys)))
        stage = StoredFiles(context, Role.INSPECT)
        assert stage.step().due == bench.now + EVERY
        orphan = keep(bench, bench.home.custody / bench.context.new_id())
        bench.now += ORPHAN_SECONDS + EVERY
        assert stage.step().done == 0, "nobody has anything to do with it"
        assert stored(bench) == set()
        assert told == [("store.cleared", {"count": 1})]
        again = keep(bench, orphan)
        bench.now += EVERY - 1.0
        stage.step()
        assert stored(bench) == {again}


@pytest.mark.parametrize("directory", ["sealed/in", "sealed/out"])
def test_audit_tells_of_a_message_in_the_store_that_no_row_speaks_of(tmp_path: Path, directory: str) -> None:
    with two_ledgers(tmp_path, stored=True) as pair:
        bench = pair.dwp
        name = f"{LA}/{bench.context.new_id()}.pgp"
        keep(bench, bench.home.state / directory / name)
        with bench.ledger.read() as connection:
            found = check_files(connection, store_listing(bench.home, bench.context.payloads, bench.code))
        assert [fault.subject for fault in found.left_over] == [f"{directory}/{name}"]
        assert found.faults == []
