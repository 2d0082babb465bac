"""Where the directory that the nodes share is not mounted, nothing is written in its place, whatever somebody has made there; and once it is
mounted, all of it goes on.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from gateway.administration.nodes.sharing import share
from gateway.administration.site.machine import look
from gateway.administration.site.machine_checks import CheckOutcome, _spool
from gateway.errors import Reject, SharedAway
from gateway.ledger.queries import overview
from gateway.settings.check import _directories
from gateway.settings.node import NodeSettings
from gateway.settings.shared_place import MARK, shared_directories
from gateway.spool.back_office_answers import BackOfficeAnswers
from gateway.spool.drops import Refusal
from gateway.spool.stability import Stability
from gateway.stages.context import Stage, StageContext
from gateway.stages.inbound.answer import Answer
from gateway.stages.inbound.deliver import Deliver
from gateway.stages.outbound.conclude import Conclude
from gateway.stages.purging import purge
from gateway.stages.returns import return_refused
from tests.fakes.two_ledgers import PRETENDED, Bench, Pair, two_ledgers

LA = "E09000030"


@dataclass
class Shared:
    """What a site's nodes share, and the mount point's own state while it is away."""

    bench: Bench
    place: Path

    @property
    def context(self) -> StageContext:
        return replace(self.bench.context, settings=replace(self.bench.settings, node=NodeSettings(name="north")))

    @contextmanager
    def away(self) -> Iterator[None]:
        """The bare mount point, in which somebody made the directories that were said to be missing."""
        elsewhere = self.place.with_name("elsewhere")
        self.place.rename(elsewhere)
        for path in shared_directories(self.bench.home):
            shutil.copytree(
                elsewhere / path.name,
                self.place / path.name,
                ignore=lambda where, names: {each for each in names if Path(where, each).is_file()},
            )
        yield
        assert [path for path in self.place.rglob("*") if path.is_file()] == [], "nobody fetches what is written there"
        shutil.rmtree(self.place)
        elsewhere.rename(self.place)


@contextmanager
def sites(root: Path) -> Iterator[tuple[Pair, Shared, Shared]]:
    with two_ledgers(root, stored=True) as pair:
        yield pair, _shared(root, pair.dwp), _shared(root, pair.la)


def _shared(root: Path, bench: Bench) -> Shared:
    place = root / f"shared-{bench.code}" / "mount"
    place.mkdir(parents=True)
    share(bench.settings, place, "a-site")
    return Shared(bench, place)


def refuse(stage: Stage) -> None:
    for _ in range(2):
        with pytest.raises(SharedAway, match="is not mounted there"):
            stage.step()


def test_nothing_is_delivered_into_the_bare_mount_point(tmp_path: Path) -> None:
    with sites(tmp_path) as (pair, _, la):
        pair.dwp.submit("a.xml", b"claim")
        pair.work_alone(pair.dwp)
        for stage in pair.stages_of(pair.la):
            if stage.name in ("collect", "open"):
                while stage.step().done:
                    pass
        deliver = Deliver(la.context, PRETENDED)
        with la.away():
            refuse(deliver)
            refuse(Deliver(la.context, PRETENDED))  # as after a restart
        with pair.la.ledger.read() as connection:
            assert [row.state for row in overview.transfers(connection)] == ["opened"]
        while deliver.step().done:
            pass
        assert (la.place / "inbound" / "claim" / "DWP" / "a.xml").read_bytes() == b"claim"


def test_no_receipt_and_no_returned_file_is_written_there(tmp_path: Path) -> None:
    with sites(tmp_path) as (pair, dwp, _):
        for name, content in (("good.xml", b"claim"), ("bad.xml", b"wrong claim")):
            pair.dwp.submit(name, content)
        ended = [stage for stage in pair.stages_of(pair.dwp) if stage.name != "conclude"]
        for _ in range(3):
            for stage in ended:
                stage.step()
            pair.dwp.let_send_end()
            pair.work_alone(pair.la)
        conclude = Conclude(dwp.context)
        with dwp.away():
            refuse(conclude)
            return_refused(dwp.context, pair.dwp.home.outbound, Refusal("claim", LA, "no such file", Reject()))
        while conclude.step().done:
            pass
        assert (dwp.place / "receipts" / "claim" / LA / "good.xml.receipt.json").exists()
        assert (dwp.place / "returned" / "claim" / LA / "bad.xml").exists()


def test_answers_are_not_looked_for_there(tmp_path: Path) -> None:
    with sites(tmp_path) as (pair, _, la):
        answers = BackOfficeAnswers(pair.la.home.outcomes, {}, Stability(lambda: pair.la.now))
        with la.away():
            refuse(Answer(la.context, answers))


def test_what_is_to_leave_spool_inbound_waits_for_it(tmp_path: Path) -> None:
    with sites(tmp_path) as (pair, _, la):
        pair.dwp.submit("a.xml", b"claim")
        pair.work()
        pair.la.sql("UPDATE transfers SET purge_name = 'a.xml'")
        with la.away():
            purge(la.context.home, la.context.ledger)
        assert (la.place / "inbound" / "claim" / "DWP" / "a.xml").exists()
        purge(la.context.home, la.context.ledger)
        assert not (la.place / "inbound" / "claim" / "DWP" / "a.xml").exists()


def _taken_away(shared: Shared) -> None:
    shutil.rmtree(shared.place)


def _bare(shared: Shared) -> None:
    (shared.place / MARK).unlink()


def _of_another(shared: Shared) -> None:
    (shared.place / MARK).write_text("E09000031 another\n")


@pytest.mark.parametrize("harm", [_taken_away, _bare, _of_another])
def test_checks_and_status_say_that_it_is_not_mounted_and_nobody_is_told_to_make_it(
    tmp_path: Path, harm: Callable[[Shared], None]
) -> None:
    with sites(tmp_path) as (_, _, la):
        settings = la.context.settings
        assert look(settings, 0.0).shared_away is None
        harm(la)
        said = look(settings, 0.0).shared_away
        assert said is not None
        assert str(la.place) in said
        faults = [
            fault for fault in _directories(settings.home, settings, split=False) if fault.file.startswith("spool/")
        ]
        assert {fault.file for fault in faults} >= {
            "spool/inbound",
            "spool/outcomes",
            "spool/returned",
            "spool/receipts",
        }
        assert all(str(la.place) in fault.message for fault in faults)
        assert not any("make it" in fault.message for fault in faults)
        check, rest = _spool(settings.home, settings)
        assert (check.outcome, rest.outcome) == (CheckOutcome.FAIL, CheckOutcome.OK)
        assert "Mount it" in check.remedy


def test_a_link_that_leads_elsewhere_than_the_others_and_a_directory_of_this_machine_are_named(tmp_path: Path) -> None:
    with sites(tmp_path) as (_, _, la):
        settings, home = la.context.settings, la.context.home
        assert [fault for fault in _directories(home, settings, split=False) if "spool" in fault.file] == []
        other = tmp_path / "other"
        (other / "returned").mkdir(parents=True)
        (other / MARK).write_text(f"{LA} a-site\n")
        home.returned.unlink()
        home.returned.symlink_to(other / "returned")
        home.receipts.unlink()
        home.receipts.mkdir()
        found = {fault.file: fault.message for fault in _directories(home, settings, split=False)}
        assert found.keys() == {"spool/returned", "spool/receipts"}
        assert str(other) in found["spool/returned"]
        assert "of this machine alone" in found["spool/receipts"]
        # A gateway that works alone may have its directories where it likes.
        assert [fault for fault in _directories(home, la.bench.settings, split=False) if "spool" in fault.file] == []
