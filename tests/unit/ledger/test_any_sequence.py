"""Whatever is done at two sites, in whatever order: the laws of the itineraries and of the ledger hold after every step.

Real stages on real SQLite ledgers (`tests/fakes/two_ledgers`). Files are submitted, any stage of either site takes a step,
links fail, consignments and receipts are lost and come again, roles restart, people decide, time passes. After each step
the audit finds nothing, every state was reached by a move that its itinerary has, and no file has two ends. At the end all
have one; and then the ledger is altered, a value at a time, and the audit finds each.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from gateway.daemon.recovery import tidy
from gateway.domain.decision import Decision
from gateway.domain.requests import Act
from gateway.domain.states import ITINERARIES, Direction, State
from gateway.errors import Misuse
from gateway.ledger.audit.chain import Fault, check_chain
from gateway.ledger.audit.heads import check_heads
from gateway.ledger.audit.rows import check_rows
from gateway.ledger.store import Ledger
from gateway.ledger.tables import EVENTS
from gateway.stages.itinerary import Role
from gateway.stages.request_answers import decide
from tests.conftest import Tally
from tests.fakes.two_ledgers import Bench, Pair, change, two_ledgers

WHY = Decision("tester", "because of the test")
DECISIONS = [Act.HOLD, Act.RELEASE, Act.RETRY, Act.RETURN]
STAGES = 12
DAY = 86_400.0
AT_AN_END = {State.RECEIPTED, State.INGESTED, State.REJECTED, State.QUARANTINED, State.EXPIRED}
_TABLES = (
    ("transfer", "transfers", "id"),
    ("consignment", "consignments", "id"),
    ("receipt", "receipts", "consignment"),
)

sites = st.sampled_from(["dwp", "la"])
picks = st.integers(0, 30)


def faults(ledger: Ledger) -> list[Fault]:
    with ledger.read() as connection:
        return [*check_chain(connection), *check_rows(connection), *check_heads(connection)]


def rows(ledger: Ledger, query: str) -> list[dict[str, Any]]:
    with ledger.read() as connection:
        return [dict(row) for row in connection.exec_driver_sql(query).mappings()]


class TwoSites(RuleBasedStateMachine):
    """Everything that can happen, in any order."""

    steps = 0
    alterations = 0

    def __init__(self) -> None:
        super().__init__()
        self._root = Path(tempfile.mkdtemp())
        self._stack = ExitStack()
        self.pair: Pair = self._stack.enter_context(two_ledgers(self._root))
        self._seen: dict[tuple[str, str, int], State] = {}
        self._landed: dict[tuple[str, str], bytes] = {}
        self._submitted = 0

    # -- what happens

    @initialize(good=st.integers(1, 3))
    def begin(self, good: int) -> None:
        for _ in range(good):
            self.submit("good")

    @rule(kind=st.sampled_from(["good", "good", "wrong", "again"]))
    def submit(self, kind: str) -> None:
        self._submitted += 1
        content = {"wrong": b"wrong %d" % self._submitted, "again": b"the same"}.get(
            kind, b"claim %d" % self._submitted
        )
        self.pair.dwp.submit(f"{self._submitted}.xml", content)

    @rule(site=sites, stage=st.integers(0, STAGES - 1))
    def step(self, site: str, stage: int) -> None:
        bench = self._bench(site)
        self.pair.stages_of(bench)[stage].step()
        self._let_send_end(bench)

    @rule(site=sites)
    def round(self, site: str) -> None:
        for stage in range(STAGES):
            self.step(site, stage)
            self._look_at_moves()

    @rule(site=sites)
    def send_into_nowhere(self, site: str) -> None:
        bench = self._bench(site)
        landing = self._other(bench).home.landing_in(bench.code)
        away = landing.rename(landing.with_name("away"))
        bench.send.step()
        bench.let_send_end()
        away.rename(landing)

    @rule(site=sites, which=picks)
    def lose(self, site: str, which: int) -> None:
        """What came never came, as far as its receiver can tell."""
        waiting = self._waiting(self._bench(site))
        if waiting:
            waiting[which % len(waiting)].unlink()

    @precondition(lambda self: self._landed)
    @rule(which=picks)
    def come_again(self, which: int) -> None:
        """A partner sends once more what it has sent before."""
        (site, name), content = sorted(self._landed.items())[which % len(self._landed)]
        bench = self._bench(site)
        (bench.home.landing_in(bench.other) / name).write_bytes(content)

    @rule(site=sites, decision=st.sampled_from(DECISIONS), which=picks)
    def decide(self, site: str, decision: Act, which: int) -> None:
        bench = self._bench(site)
        known = rows(bench.ledger, "SELECT id FROM transfers ORDER BY key")
        if known:
            with suppress(Misuse):  # it cannot be decided now, and nothing has happened
                decide(bench.context, decision, known[which % len(known)]["id"], WHY)

    @rule(site=sites)
    def restart(self, site: str) -> None:
        bench = self._bench(site)
        for role in Role:
            tidy(bench.home, bench.ledger, role)

    @rule(hours=st.sampled_from([0.1, 3.0, 30.0, 200.0]))
    def let_time_pass(self, hours: float) -> None:
        for bench in self._benches():
            bench.now += hours * 3600

    # -- what holds

    @invariant()
    def the_audit_finds_nothing(self) -> None:
        type(self).steps += 1
        for bench in self._benches():
            assert faults(bench.ledger) == [], bench.code

    @invariant()
    def every_move_is_one_of_the_itinerary(self) -> None:
        self._look_at_moves()

    @invariant()
    def no_file_has_two_ends_and_each_is_delivered_once(self) -> None:
        dwp, la = self.pair.dwp, self.pair.la
        ends = Counter(
            event["subject"]
            for event in rows(dwp.ledger, "SELECT subject, event FROM events WHERE kind = 'transfer'")
            if event["event"] in {"transfer.receipted", "transfer.rejected", "transfer.quarantined"}
        )
        assert all(number == 1 for number in ends.values()), ends
        arrived = rows(la.ledger, "SELECT id, state, sha256 FROM transfers WHERE direction = 'in'")
        assert len({row["id"] for row in arrived}) == len(arrived)
        delivered = [row for row in arrived if row["state"] in {"delivered", "ingested"}]
        files = Counter(
            hashlib.sha256(path.read_bytes()).hexdigest() for path in la.home.inbound.glob("*/*/*") if path.is_file()
        )
        assert files == Counter(row["sha256"] for row in delivered)
        known = {row["id"] for row in delivered}
        for row in rows(dwp.ledger, "SELECT id, state, sha256, custody FROM transfers WHERE direction = 'out'"):
            if row["state"] in {"receipted", "ingested"}:
                assert row["id"] in known, "it is receipted, and the partner does not have it"
            if row["state"] in {"rejected", "quarantined"}:
                assert row["id"] not in known, f"it is {row['state']}, and the partner has it"
            if row["state"] not in AT_AN_END:
                kept = (dwp.home.custody / row["id"]).read_bytes()
                assert hashlib.sha256(kept).hexdigest() == row["sha256"]

    def teardown(self) -> None:
        try:
            self._come_to_an_end()
            for bench in self._benches():
                self._alter(bench)
        finally:
            self._stack.close()
            shutil.rmtree(self._root)

    def _come_to_an_end(self) -> None:
        """Days pass: whatever was lost is sent again or expires, and nothing but what a person keeps is left."""
        for _ in range(9):
            self.pair.work()
            for bench in self._benches():
                bench.now += DAY
        self._look_at_moves(most=len(State))
        self.the_audit_finds_nothing()
        self.no_file_has_two_ends_and_each_is_delivered_once()
        states = {
            row["state"] for row in rows(self.pair.dwp.ledger, "SELECT state FROM transfers WHERE direction = 'out'")
        }
        assert states <= AT_AN_END | {State.HELD}
        counted = rows(self.pair.dwp.ledger, "SELECT count(*) AS n FROM events WHERE event = 'transfer.admitted'")
        assert counted[0]["n"] == self._submitted

    # -- altering the ledger

    def _alter(self, bench: Bench) -> None:
        """One value of one row at a time, in a copy: the audit of the copy says so."""
        whole = self._root / f"{bench.code}.sqlite3"
        bench.snapshot(whole)
        for table, condition, assignment in self._alterations(bench):
            altered = self._root / "altered.sqlite3"
            shutil.copy(whole, altered)
            with _opened(altered) as ledger:
                statement = f"UPDATE {table} SET {assignment} WHERE {condition}"  # noqa: S608 - made here
                assert change(ledger, statement) == 1, statement
                assert faults(ledger), f"nobody noticed: {statement}"
            type(self).alterations += 1

    def _alterations(self, bench: Bench) -> Iterator[tuple[str, str, str]]:
        events = rows(bench.ledger, "SELECT sequence, partner FROM events ORDER BY sequence")
        if not events:
            return  # nothing has ever reached it
        for number, column in enumerate(EVENTS.columns.keys()):
            event = events[(number * 7 + self._submitted) % len(events)]
            new = f"{column} + 1000000" if column == "sequence" else f"coalesce({column}, '') || '0'"
            yield "events", f"sequence = {event['sequence']}", f"{column} = {new}"
        for (kind, table, subject), direction in ((each, direction) for each in _TABLES for direction in Direction):
            known = rows(bench.ledger, f"SELECT * FROM {table} WHERE direction = '{direction}' ORDER BY key")  # noqa: S608 - as above
            if not known:
                continue
            row = known[self._submitted % len(known)]
            itinerary = ITINERARIES[kind, direction]
            other = next(state for state in itinerary if state != row["state"])
            assignments = [
                f"{subject} = {subject} || '0'",
                "partner = 'W06000024'",
                f"state = '{other}'",
                f"event = {len(events) + 5}",
            ]
            if kind == "transfer" and direction is Direction.OUT:
                assignments += ["size = size + 1", "sha256 = 'ff'", "flow = 'laid'"]
            if kind == "consignment" and row["sealed_sha256"] is not None:
                assignments += ["sealed_sha256 = 'ff'", "sealed_size = sealed_size + 1"]
            for assignment in assignments:
                yield table, f"key = {row['key']}", assignment

    # -- helpers of the machine

    def _benches(self) -> tuple[Bench, Bench]:
        return self.pair.dwp, self.pair.la

    def _bench(self, site: str) -> Bench:
        return self.pair.dwp if site == "dwp" else self.pair.la

    def _other(self, bench: Bench) -> Bench:
        return self.pair.la if bench is self.pair.dwp else self.pair.dwp

    def _waiting(self, bench: Bench) -> list[Path]:
        return sorted(path for path in bench.home.landing_in(bench.other).iterdir() if path.suffix == ".pgp")

    def _let_send_end(self, bench: Bench) -> None:
        bench.let_send_end()
        for site, receiver in (("dwp", self.pair.dwp), ("la", self.pair.la)):
            for path in self._waiting(receiver):
                self._landed[site, path.name] = path.read_bytes()

    def _look_at_moves(self, most: int = 2) -> None:
        """Every state that changed since the last look did so by a way of at most so many moves of its itinerary."""
        for bench in self._benches():
            for kind, table, _ in _TABLES:
                for row in rows(bench.ledger, f"SELECT key, direction, state FROM {table}"):  # noqa: S608 - our own names
                    here, state = (bench.code, table, row["key"]), State(row["state"])
                    before = self._seen.get(here, state)
                    itinerary = ITINERARIES[kind, Direction(row["direction"])]
                    reached = {before}
                    for _ in range(most):
                        reached |= {following for each in reached for following in itinerary[each]}
                    assert state in reached, f"{table} {row['key']} at {bench.code}: from {before} to {state}"
                    self._seen[here] = state


@contextmanager
def _opened(path: Path) -> Iterator[Ledger]:
    ledger = Ledger(path, clock=lambda: 0.0, role="test")
    try:
        yield ledger
    finally:
        ledger.close()


def _run(examples: int, steps: int, *, always_the_same: bool) -> tuple[int, int]:
    """Steps taken and values altered, over so many sequences."""

    class Machine(TwoSites):
        """With counts of its own."""

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            derandomize=always_the_same,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.reuse, Phase.generate],  # a find is told as it is: making it small takes minutes
        ),
    )
    return Machine.steps, Machine.alterations


@pytest.mark.timeout(600)  # a quarter of a minute of work, which takes long on a busy machine
def test_laws_of_transfers_and_ledger_hold_in_any_sequence() -> None:
    steps, altered = _run(examples=4, steps=15, always_the_same=True)
    assert steps > 30
    assert altered > 60


@pytest.mark.torture
@pytest.mark.timeout(1200)
def test_laws_of_transfers_and_ledger_hold_in_many_sequences(tally: Tally) -> None:
    steps, altered = _run(examples=30, steps=30, always_the_same=False)
    tally("steps in any sequence", tried=steps, lost=0)
    tally("altered values of a ledger", tried=altered, lost=0)
