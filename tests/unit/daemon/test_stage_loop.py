"""A role at its work: a stage that the machine stops pauses alone, says so once a try, and goes on by itself."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from gateway.daemon.pulse import HELD_UP_SECONDS, Pulse, read_pulse
from gateway.daemon.stage_loop import StageLoop
from gateway.daemon.wake_ups import WakeUp
from gateway.errors import ChainBroken, DiskFull, LaneLost, LedgerBusy
from gateway.stages.context import Step
from gateway.stages.itinerary import Role
from tests.fakes.two_ledgers import two_ledgers


@dataclass
class Player:
    """A stage that does what the test says."""

    name: str
    work: Callable[[], int]
    steps: int = 0
    closed: bool = False

    def step(self) -> Step:
        self.steps += 1
        return Step(done=self.work())

    def close(self) -> None:
        self.closed = True


@dataclass
class Rehearsal:
    """A stage loop on a stand-in clock: every look at the clock takes a tenth of a second, every wait its time."""

    path: Path
    seconds: float = 0.0
    lanes: Any = None
    lines: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def play(self, *players: Player, until: float) -> None:
        with two_ledgers(self.path) as pair, WakeUp(self.path, "test") as wake_up, Pulse(self.path, "test") as pulse:
            context = replace(
                pair.dwp.context,
                clock=self._tick,
                stopping=lambda: self.seconds >= until,
                lanes=self.lanes,
                log=lambda event, **keys: self.lines.append((event, keys)),
            )
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(wake_up, "wait", self._wait)
                StageLoop(context, players, wake_up, self._tick, pulse).run()
            pulse._last = 0.0
            pulse.beat()

    def _tick(self) -> float:
        self.seconds += 0.1
        return self.seconds

    def _wait(self, seconds: float) -> bool:
        self.seconds += seconds
        return False

    def said(self, event: str) -> list[dict[str, Any]]:
        return [keys for name, keys in self.lines if name == event]


def test_the_role_s_pulse_has_the_steps_that_moved_something_and_those_that_failed(tmp_path: Path) -> None:
    def fail() -> int:
        raise DiskFull

    busy, idle, failing = Player("send", lambda: 1), Player("collect", lambda: 0), Player("admit", fail)
    Rehearsal(tmp_path).play(busy, idle, failing, until=5.0)
    said = read_pulse(tmp_path, "test")
    assert said is not None
    assert list(said.steps) == ["send"]
    assert sum(said.steps["send"].counts) == busy.steps
    assert said.steps["send"].total == pytest.approx(0.1 * busy.steps)
    assert said.failures == {"admit": failing.steps}


def test_a_full_disk_stops_the_stage_that_needs_room_and_not_the_one_that_makes_it(tmp_path: Path) -> None:
    room: list[str] = []

    def take_in() -> int:
        if not room:
            raise DiskFull
        return 0

    def free() -> int:
        if intake.steps >= 3:
            room.append("freed")
        return 0

    intake, conclude = Player("admit", take_in), Player("conclude", free)
    rehearsal = Rehearsal(tmp_path)
    rehearsal.play(intake, conclude, until=60.0)
    assert [keys["stage"] for keys in rehearsal.said("disk.full")] == ["admit"], "it is told once"
    assert rehearsal.said("work.resumed") == [{"stage": "admit"}]
    assert intake.steps > 4


def test_what_fails_again_and_again_is_tried_with_growing_pauses_while_the_others_go_on(tmp_path: Path) -> None:
    def busy() -> int:
        raise LedgerBusy

    failing, going = Player("open", busy), Player("seal", lambda: 1)
    rehearsal = Rehearsal(tmp_path)
    rehearsal.play(failing, going, until=100.0)
    assert len(rehearsal.said("ledger.busy")) == 1
    assert 5 <= failing.steps <= 8  # after 1, 2, 4, 8, 16, and then every 30 seconds
    assert going.steps > 100


def test_another_trouble_of_a_stage_is_told_and_the_first_again_once_it_was_over(tmp_path: Path) -> None:
    troubles = iter([LedgerBusy, LedgerBusy, DiskFull, DiskFull, None, LedgerBusy])

    def trouble() -> int:
        if (error := next(troubles, None)) is not None:
            raise error
        return 0

    rehearsal = Rehearsal(tmp_path)
    rehearsal.play(Player("conclude", trouble), until=100.0)
    assert [len(rehearsal.said(event)) for event in ("ledger.busy", "disk.full", "work.resumed")] == [2, 1, 2]


def test_an_error_of_the_system_that_no_stage_translated_defers_with_its_place(tmp_path: Path) -> None:
    def out_of_descriptors() -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    rehearsal = Rehearsal(tmp_path)
    rehearsal.play(Player("deliver", out_of_descriptors), until=5.0)
    line = rehearsal.said("work.deferred")[0]
    assert (line["code"], line["stage"]) == ("disk-io", "deliver")
    assert isinstance(line["exc_info"], OSError)


def test_a_halt_ends_the_role(tmp_path: Path) -> None:
    def broken() -> int:
        raise ChainBroken

    after = Player("after", lambda: 0)
    with pytest.raises(ChainBroken):
        Rehearsal(tmp_path).play(Player("accept", broken), after, until=5.0)
    assert after.steps == 0


def test_results_wake_the_roles_that_they_are_for_and_quiet_ones_wake_nobody(tmp_path: Path) -> None:
    @dataclass
    class Once:
        """Moves something at its first step."""

        name: str
        quiet: bool
        steps: int = 0

        def step(self) -> Step:
            self.steps += 1
            return Step(done=int(self.steps == 1), quiet=self.quiet)

        def close(self) -> None:
            pass

    def rung(*, quiet: bool) -> bool:
        with two_ledgers(tmp_path / str(quiet)) as pair, WakeUp(pair.dwp.home.run, Role.VAULT) as vault:
            stage = Once("send", quiet)
            context = replace(pair.dwp.context, stopping=lambda: stage.steps > 1)
            with WakeUp(pair.dwp.home.run, Role.LINK) as link:
                StageLoop(context, [stage], link).run()
            return vault.wait(0.0)

    assert rung(quiet=False)
    assert not rung(quiet=True)


def test_a_stage_that_is_put_off_for_minutes_is_told_once_at_error(tmp_path: Path) -> None:
    def full() -> int:
        raise DiskFull

    rehearsal, stage = Rehearsal(tmp_path / "short"), Player("admit", full)
    rehearsal.play(stage, until=HELD_UP_SECONDS - 10)
    assert rehearsal.said("role.held-up") == []
    rehearsal = Rehearsal(tmp_path / "long")
    rehearsal.play(stage, until=3 * HELD_UP_SECONDS)
    (told,) = rehearsal.said("role.held-up")
    assert (told["stage"], told["code"]) == ("admit", "disk-full")
    assert told["seconds"] >= HELD_UP_SECONDS


def test_stages_are_made_anew_before_the_next_round_where_that_is_asked_for(tmp_path: Path) -> None:
    with two_ledgers(tmp_path) as pair, WakeUp(tmp_path, "test") as wake_up:
        player = Player("send", lambda: 1)
        StageLoop(pair.dwp.context, [player], wake_up, anew=lambda: player.steps >= 3).run()
    assert player.steps == 3


@dataclass
class Lanes:
    """A node that has no lane of the site, and whose ledger is away at first."""

    away: int = 0
    asked: list[str] = field(default_factory=list)

    def look(self) -> None:
        self.away -= 1
        if self.away >= 0:
            raise LedgerBusy

    def may_begin(self, stage: str) -> bool:
        self.asked.append(stage)
        return stage != "requests"


def test_a_node_begins_what_is_its_own_and_goes_on_where_it_lost_a_lane(tmp_path: Path) -> None:
    def lose() -> int:
        raise LaneLost

    requests, seal, pack = Player("requests", lambda: 0), Player("seal", lose), Player("pack", lambda: 0)
    rehearsal = Rehearsal(tmp_path, lanes=Lanes(away=3))
    rehearsal.play(requests, seal, pack, until=20.0)
    assert len(rehearsal.said("ledger.busy")) == 1
    assert requests.steps == 0
    assert pack.steps >= 8
    assert seal.steps >= 8, "no pause that grows"
    assert {keys["stage"] for keys in rehearsal.said("lane.lost")} == {"seal"}
    assert not rehearsal.said("work.deferred")
