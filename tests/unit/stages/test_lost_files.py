"""A file that the site's store has lost, or has other bytes for, stops the one unit that needs it, with an alarm, and nothing else; once it is
put back, that goes on by itself. Altered bytes never pass.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gateway.administration.evidence.contents import Contents
from gateway.administration.views.records import trouble
from gateway.domain.decision import Decision
from gateway.domain.requests import Act
from gateway.domain.states import Direction, State
from gateway.errors import StoreFileLost
from gateway.ledger.queries import fair_share, overview, receipts
from gateway.ledger.queries.events import chain
from gateway.ledger.queries.failing_lanes import STUCK
from gateway.ledger.queries.quarantine import quarantined
from gateway.ledger.units import Consignment
from gateway.stages.inbound.collect import Collect
from gateway.stages.node_lanes import NodeLanes
from gateway.stages.request_answers import decide
from tests.fakes.stores import SiteStore
from tests.fakes.two_ledgers import Bench, Pair, PretendedPgp, Renamed, odd, two_ledgers
from tests.unit.stages.test_kept_files import EXTRACT, LA, vanish

MOST = 5
WHY = Decision("somebody", "it is seen to")


def objects(bench: Bench, area: str) -> list[Path]:
    """The objects of an area in a site's store, the oldest first."""
    store = bench.context.payloads
    assert isinstance(store, SiteStore)
    return sorted(path for path in (store.root / area).rglob("*") if path.is_file())


@dataclass
class Harm:
    """What was done to an object, and what it was."""

    place: Path
    content: bytes = field(init=False)

    def __post_init__(self) -> None:
        self.content = self.place.read_bytes()

    def flip(self) -> None:
        middle = len(self.content) - 20
        self.place.write_bytes(self.content[:middle] + bytes([self.content[middle] ^ 1]) + self.content[middle + 1 :])

    def remove(self) -> None:
        self.place.unlink()

    def put_back(self) -> None:
        with suppress(FileNotFoundError):
            self.place.unlink()
        self.place.write_bytes(self.content)


HARMS = pytest.mark.parametrize("harm", [Harm.flip, Harm.remove], ids=["altered", "missing"])


def alarmed(bench: Bench) -> str:
    """What people are told of the lane; empty where there is nothing to tell."""
    with bench.ledger.read() as connection:
        found = trouble(connection, bench.other, MOST)
    return "" if found is None or found.code != StoreFileLost.code else found.words


def told(bench: Bench) -> list[str]:
    with bench.ledger.read() as connection:
        return [entry.subject for entry in chain(connection) if entry.event == STUCK]


def states(bench: Bench, direction: Direction = Direction.OUT) -> dict[str, str]:
    with bench.ledger.read() as connection:
        return {row.name: row.state for row in overview.transfers(connection) if row.direction == direction}


def until(pair: Pair, bench: Bench, stage: str) -> None:
    """Have a site do all that comes before a stage of its own, with nothing left on its machine."""
    for each in pair.stages_of(bench):
        if each.name == stage:
            break
        while each.step().done:
            pass
    vanish(bench)


def insist(pair: Pair, bench: Bench, harmed: Harm, unit: str) -> None:
    """It waits and is told of, once, by its names; put back, it goes on."""
    work(pair)
    words = alarmed(bench)
    store = bench.context.payloads
    assert isinstance(store, SiteStore)
    assert str(harmed.place.relative_to(store.root)) in words
    assert "store of [payloads]" in words
    assert (unit in words, bench.other in words) == (True, True)
    assert told(bench) == [f"{bench.other}/store"]
    harmed.put_back()
    work(pair)
    assert alarmed(bench) == ""
    assert told(bench) == [f"{bench.other}/store"]


def work(pair: Pair) -> None:
    """Long enough for what waits to be tried again, several times."""
    for _ in range(4):
        pair.work()
        pair.dwp.now += 1000.0
        pair.la.now += 1000.0
    pair.work()


@HARMS
def test_one_file_in_custody_stops_its_transfer_at_validate_and_no_other(
    tmp_path: Path, harm: Callable[[Harm], None]
) -> None:
    with two_ledgers(tmp_path, stored=True) as pair:
        ids = [pair.dwp.submit(f"{number}.xml", f"claim {number}".encode()) for number in range(6)]
        harmed = Harm(next(path for path in objects(pair.dwp, "vault/custody") if path.name.startswith(ids[2])))
        harm(harmed)
        vanish(pair.dwp)
        work(pair)
        there = pair.la.home.inbound / "claim" / "DWP"
        assert {path.name for path in there.iterdir()} == {f"{number}.xml" for number in (0, 1, 3, 4, 5)}
        assert states(pair.dwp)["2.xml"] == "admitted"
        insist(pair, pair.dwp, harmed, f"transfer {ids[2]}")
        assert (there / "2.xml").read_bytes() == b"claim 2"


@dataclass(frozen=True)
class Place:
    """A stage that brings a file: at whose site, in which area of the store the file is, and what the unit is called."""

    stage: str
    at: str
    area: str
    kind: str
    content: bytes = b"claim one"


PLACES = (
    Place("seal", "dwp", "vault/custody", "consignment"),
    Place("send", "dwp", f"sealed/out/{LA}", "consignment"),
    Place("open", "la", "sealed/in/DWP", "consignment"),
    Place("send", "la", "sealed/out/DWP", "receipt"),
    Place("accept", "dwp", f"sealed/in/{LA}", "receipt"),
    Place("conclude", "dwp", "vault/custody", "transfer", b"wrong claim"),
)


@HARMS
@pytest.mark.parametrize("place", PLACES, ids=lambda place: f"{place.stage} at {place.at}")
def test_one_lost_file_stops_its_unit_alone_wherever_it_is_needed(
    tmp_path: Path, place: Place, harm: Callable[[Harm], None]
) -> None:
    with two_ledgers(tmp_path, stored=True) as pair:
        bench = pair.dwp if place.at == "dwp" else pair.la
        first = pair.dwp.submit("first.xml", place.content)
        if place.at == "la":
            pair.work_alone(pair.dwp)
        elif place.stage == "accept":
            pair.work_alone(pair.dwp)
            pair.work_alone(pair.la)
        if place.stage == "send":
            pair.seal_alone(bench)
            vanish(bench)
        else:
            until(pair, bench, place.stage)
        (found,) = objects(bench, place.area)
        with pair.dwp.ledger.read() as connection:
            (row,) = overview.transfers(connection)
        unit = f"{place.kind} {first if place.kind == 'transfer' else row.consignment}"
        harmed = Harm(found)
        harm(harmed)
        pair.dwp.submit("second.xml", b"claim two")
        work(pair)
        there = pair.la.home.inbound / "claim" / "DWP"
        assert (there / "second.xml").read_bytes() == b"claim two"
        assert states(pair.dwp)["second.xml"] == "receipted"
        assert states(pair.dwp)["first.xml"] == {"conclude": "rejected", "seal": "packed"}.get(
            place.stage, "sealed" if (place.stage, place.at) == ("send", "dwp") else "sent"
        )
        assert not list(pair.dwp.home.returned.rglob("first.xml"))
        insist(pair, bench, harmed, unit)
        if place.stage == "conclude":
            (returned,) = pair.dwp.home.returned.rglob("first.xml")
            assert returned.read_bytes() == b"wrong claim"
            assert "not right" in returned.with_name("first.xml.why.txt").read_text()
        else:
            assert (there / "first.xml").read_bytes() == b"claim one"
            assert states(pair.dwp)["first.xml"] == "receipted"


def test_altered_list_of_exceptions_stops_its_receipt_alone(tmp_path: Path) -> None:
    with two_ledgers(tmp_path, stored=True) as pair:
        first = pair.la.submit(EXTRACT, odd([7, 9], 400), "extract")
        pair.work_alone(pair.la)
        pair.work_alone(pair.dwp)
        until(pair, pair.la, "conclude")
        (found,) = objects(pair.la, "exceptions/out")
        harmed = Harm(found)
        harmed.flip()
        insist(pair, pair.la, harmed, f"transfer {first}")
        beside = pair.la.home.receipts / "extract" / "DWP"
        assert {path.name for path in beside.iterdir()} == {f"{EXTRACT}.receipt.json", f"{EXTRACT}.exceptions.csv"}


@HARMS
def test_evidence_names_the_receipt_that_the_store_has_lost_and_is_not_made_without_it(
    tmp_path: Path, harm: Callable[[Harm], None]
) -> None:
    with two_ledgers(tmp_path, stored=True) as pair:
        dwp = pair.dwp
        dwp.submit("a.xml", b"claim")
        pair.work()
        (found,) = objects(dwp, f"evidence/{LA}")
        harm(Harm(found))
        vanish(dwp)
        with dwp.ledger.read() as connection:
            (sent,) = overview.transfers(connection)
            (row,) = receipts.receipts_about(connection, LA, str(sent.consignment))
            none: Any = None
            contents = Contents(dwp.settings, dwp.context.payloads, connection, none, PretendedPgp("DWP"), none)
            with pytest.raises(StoreFileLost, match=f"evidence/{LA}/{row.consignment}"):
                contents.add_receipt(row)


@HARMS
def test_person_who_looks_at_a_lost_file_in_quarantine_is_told_and_nobody_else_waits(
    tmp_path: Path, harm: Callable[[Harm], None]
) -> None:
    with two_ledgers(tmp_path, stored=True) as pair:
        la = pair.la
        (la.home.landing_in("DWP") / f"{la.context.new_id()}.pgp").write_bytes(b"no message")
        pair.work()
        (found,) = objects(la, "quarantine")
        harm(Harm(found))
        vanish(la)
        with la.ledger.read() as connection:
            (row,) = quarantined(connection)
        with pytest.raises(StoreFileLost, match=f"quarantine/{row.id}"):
            decide(la.context, Act.EXAMINE_SEALED, row.id, WHY)
        with la.ledger.read() as connection:
            refused = [entry.detail for entry in chain(connection) if entry.event == "decision.refused"]
        assert len(refused) == 1


def test_arrival_that_was_altered_keeps_no_other_from_being_recorded(tmp_path: Path) -> None:
    with two_ledgers(tmp_path, stored=True) as pair:
        la = pair.la
        here = replace(la.context, lanes=cast("NodeLanes", SimpleNamespace(elsewhere=frozenset({"DWP"}))))
        owner = replace(la.context, lanes=cast("NodeLanes", SimpleNamespace(elsewhere=frozenset())))
        for name in ("a.xml", "b.xml"):
            pair.dwp.submit(name, name.encode())
            pair.work_alone(pair.dwp)
            Collect(here, Renamed()).step()
        harmed = Harm(objects(la, "sealed/in/DWP/arrivals")[0])
        harmed.flip()
        second = Collect(owner, Renamed())
        for _ in range(3):
            la.now += 10.0
            second.step()
        with la.ledger.read() as connection:
            assert len(fair_share.due(connection, Consignment, Direction.IN, State.LANDED, la.now, 9)) == 1
        assert harmed.place.name in alarmed(la)
        assert told(la) == ["DWP/store"]
        harmed.put_back()
        la.now += 10.0
        Collect(owner, Renamed()).step()  # as after a restart
        with la.ledger.read() as connection:
            assert len(fair_share.due(connection, Consignment, Direction.IN, State.LANDED, la.now, 9)) == 2
        assert alarmed(la) == ""
