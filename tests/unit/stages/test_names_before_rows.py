"""Names are given before the transaction of their rows: nothing is done with files in one, nobody removes such a name meanwhile, and a
transaction that is lost takes its names along.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from gateway.daemon.recovery import tidy
from gateway.domain.decision import Decision
from gateway.domain.requests import Act
from gateway.domain.states import Direction, State
from gateway.errors import Defer, FileInfected, LedgerAway, LedgerBusy
from gateway.ledger.queries import consignments, custody, overview, receipts
from gateway.ledger.queries.quarantine import is_kept, quarantined
from gateway.ledger.store import Transaction
from gateway.settings.flow_settings import DEFAULT_FLOWS
from gateway.spool.custody import orphans
from gateway.spool.drops import Rule
from gateway.spool.intake import Intake
from gateway.spool.set_aside import SetAside
from gateway.spool.stability import Stability
from gateway.stages.admission import record_admitted, submitted_copies
from gateway.stages.composition import Composed, submit
from gateway.stages.context import Stage
from gateway.stages.inbound.collect import Collect
from gateway.stages.inbound.open import Open
from gateway.stages.itinerary import Role
from gateway.stages.outbound.admit import Admit
from gateway.stages.request_answers import decide
from gateway.storage.durable import DISK
from gateway.storage.named_first import nobody_naming
from tests.conftest import Tally
from tests.crash.points import Points
from tests.fakes.file_work import FileWorkError
from tests.fakes.two_ledgers import PRETENDED, Bench, Pair, two_ledgers

LA = "E09000030"
WHY = Decision("somebody", "it is seen to")
FLOWS = {**DEFAULT_FLOWS, "claim": DEFAULT_FLOWS["claim"].model_copy(update={"scan": True})}


class WordScanner:
    """Objects to files with a word in them, at either site to another."""

    def __init__(self, word: bytes) -> None:
        self._word = word

    def scan(self, path: Path) -> None:
        if self._word in path.read_bytes():
            raise FileInfected("the virus scanner found Pretended.Virus")


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with two_ledgers(tmp_path, FLOWS, (WordScanner(b"virus here"), WordScanner(b"virus there"))) as made:
        yield made


# -- no file work while a transaction writes


WORK: dict[str, Callable[[Path, int], object]] = {
    "open": lambda path, _: path.read_bytes(),
    "write": lambda path, _: path.with_name("new").write_bytes(b"x"),
    "link": lambda path, _: path.with_name("second").hardlink_to(path),
    "rename": lambda path, _: path.rename(path.with_name("other")),
    "rename_new": lambda path, _: DISK.rename_new(path, path.with_name("other")),
    "unlink": lambda path, _: path.unlink(),
    "mkdir": lambda path, _: path.with_name("directory").mkdir(),
    "list": lambda path, _: list(path.parent.iterdir()),
    "fsync": lambda _, descriptor: os.fsync(descriptor),
    "fsync of the disk": lambda _, descriptor: DISK.fsync(descriptor),
    "syncfs": lambda _, descriptor: DISK.sync_file_system(descriptor),
}


@pytest.mark.parametrize("work", WORK)
def test_file_work_in_a_transaction_is_found(pair: Pair, work: str) -> None:
    path = pair.dwp.home.custody / "file"
    path.write_bytes(b"x")
    descriptor = os.open(path, os.O_RDONLY)
    try:
        with pytest.raises(FileWorkError), pair.dwp.ledger.write():
            WORK[work](path, descriptor)
        assert path.read_bytes() == b"x"
        with pair.dwp.ledger.write():
            pass
        WORK[work](path, descriptor)  # and none outside of one
    finally:
        os.close(descriptor)


def test_work_with_the_store_in_a_transaction_is_found(tmp_path: Path) -> None:
    with two_ledgers(tmp_path, stored=True) as pair:
        context = pair.dwp.context
        path = context.home.custody / context.new_id()
        path.write_bytes(b"x")
        with pytest.raises(FileWorkError), context.ledger.write():
            context.payloads.keep({path: hashlib.sha256(b"x").hexdigest()})


def test_what_is_put_off_to_the_commit_is_found(pair: Pair) -> None:
    with (
        pytest.raises(AssertionError, match="before the commit"),
        pair.dwp.ledger.write() as transaction,
    ):
        transaction.beforehand["names"] = lambda: None


# -- names without rows are held, or taken back


def submit_some(pair: Pair) -> None:
    for name, content in {"good": b"claim", "caught": b"virus here", "infected": b"virus there", "no": b"two"}.items():
        pair.dwp.submit(f"{name}.xml", content)


def travel(pair: Pair, work: Callable[[], None]) -> None:
    """Files of every end that gives names: read, locked away for their content here and there, refused as sealed files, and answered."""
    dwp, la = pair.dwp, pair.la
    work()
    landing = la.home.landing_in("DWP")
    (landing / f"{la.context.new_id()}.pgp").write_bytes(b"no message")
    (landing / "rubbish.txt").write_bytes(b"rubbish")
    (landing / "folder").mkdir()
    (dwp.home.landing_in(LA) / f"{dwp.context.new_id()}.receipt.pgp").write_bytes(b"no receipt")
    outcomes = la.home.outcomes / "claim" / "DWP"
    (outcomes / "good.xml.accepted").write_text("")
    (outcomes / "no.xml.rejected").write_text("no such account")
    for _ in range(3):
        la.now += 100.0
        work()


def unspoken(bench: Bench) -> list[Path]:
    """Names of which no row speaks, in the directories where another role than their giver removes such names, and of infected files."""
    home = bench.home
    with bench.ledger.read() as connection:
        known = custody.ids_in_custody(connection)
        found = orphans(home.custody, known)
        for path in (*home.quarantine.glob("*.sealed"), *home.infected.glob("*")):
            if not is_kept(connection, path.name.removesuffix(".sealed")):
                found.append(path)
        for path in home.sealed_in.glob("*/*.pgp"):
            identity, _, kind = path.name.partition(".")
            partner = path.parent.name
            if kind == "pgp" and consignments.consignment_in(connection, partner, identity) is None:
                found.append(path)
            if kind != "pgp" and not receipts.receipts_of(connection, Direction.IN, partner, identity, State.LANDED):
                found.append(path)
    return found


def is_held(directory: Path) -> bool:
    try:
        with nobody_naming(directory, 0.0):
            return False
    except LedgerBusy:
        return True


@contextmanager
def before_each_transaction(bench: Bench, look: Callable[[], None]) -> Iterator[None]:
    write = bench.ledger.write

    @contextmanager
    def watching() -> Iterator[Transaction]:
        look()
        with write() as transaction:
            yield transaction

    bench.ledger.write = watching  # type: ignore[method-assign]
    yield
    bench.ledger.write = write  # type: ignore[method-assign]


def test_names_without_rows_are_held_until_the_rows_are_there(pair: Pair) -> None:
    held: set[str] = set()

    def look(bench: Bench) -> None:
        for path in unspoken(bench):
            # Inspect alone names infected files, and removes those without rows when it starts.
            if path.parent != bench.home.infected:
                assert is_held(path.parent), path
            held.add(path.parent.name)

    submit_some(pair)
    with (
        before_each_transaction(pair.dwp, lambda: look(pair.dwp)),
        before_each_transaction(pair.la, lambda: look(pair.la)),
    ):
        travel(pair, pair.work)
        with pytest.raises(LedgerBusy), before_each_transaction(pair.dwp, lambda: _taken(pair.dwp)):
            submit(pair.dwp.context, PRETENDED, "claim", [Composed(LA, "made.xml", b"made")], WHY)
    assert held == {"quarantine", "infected", "DWP", LA}


def _taken(bench: Bench) -> None:
    """The document lies in custody, which nobody clears now."""
    assert [path.read_bytes() for path in unspoken(bench)] == [b"made"]
    assert is_held(bench.home.custody)
    raise LedgerBusy


def test_vault_that_seals_a_receipt_anew_holds_the_directory_that_the_link_clears(pair: Pair) -> None:
    held = []

    def look() -> None:
        held.append([is_held(path.parent) for path in pair.la.home.sealed_out.glob("*/*.receipt.pgp")])

    submit_some(pair)
    with before_each_transaction(pair.la, look):
        pair.work()
    assert [True] in held
    assert [False] in held, "until it is sent"


@pytest.mark.parametrize("seed", range(2))
def test_lost_transaction_leaves_no_name_and_what_was_lost_is_done_again(pair: Pair, seed: int) -> None:
    submit_some(pair)
    chance, lost = random.Random(f"lost {seed}"), list[str]()
    for bench in (pair.dwp, pair.la):
        _lose_some(bench, chance, lost)
    stages = [(bench, stage) for bench in (pair.dwp, pair.la) for stage in pair.stages_of(bench)]

    def work() -> None:
        for _ in range(8):
            for bench, stage in stages:
                with suppress(Defer):
                    stage.step()
                with suppress(Defer):
                    bench.let_send_end()
                assert unspoken(bench) == []
                bench.now += 40.0

    travel(pair, work)
    chance.random = lambda: 1.0  # type: ignore[method-assign]
    work()
    assert len(lost) > 10
    with pair.dwp.ledger.read() as connection:
        states = {row.name: row.state for row in overview.transfers(connection)}
    assert states == {
        "good.xml": "ingested", "caught.xml": "quarantined", "infected.xml": "quarantined", "no.xml": "receipted"
    }  # fmt: skip
    there = pair.la.home.inbound / "claim" / "DWP"
    assert sorted(path.name for path in there.iterdir()) == ["good.xml", "no.xml"]
    with pair.la.ledger.read() as connection:
        assert sorted(row.kind for row in quarantined(connection)) == ["consignment"] * 3 + ["file"]


def _lose_some(bench: Bench, chance: random.Random, lost: list[str]) -> None:
    write = bench.ledger.write

    @contextmanager
    def losing() -> Iterator[Transaction]:
        early = chance.random()
        if early < 0.1:
            lost.append("begin")
            raise LedgerBusy
        with write() as transaction:
            yield transaction
            if early < 0.25:
                lost.append("commit")
                raise LedgerBusy

    bench.ledger.write = losing  # type: ignore[method-assign]


def test_submitted_file_that_was_not_recorded_leaves_custody(pair: Pair) -> None:
    context, directory = pair.dwp.context, pair.dwp.home.custody
    with submitted_copies(context) as copies:
        copies.write(b"claim", context.new_id())
        copies.commit()
        copies.move_in()
        assert len(list(directory.iterdir())) == 1
    assert list(directory.iterdir()) == []


def test_submitted_file_that_was_recorded_stays_in_custody(pair: Pair) -> None:
    context, directory = pair.dwp.context, pair.dwp.home.custody
    (identity,) = submit(context, PRETENDED, "claim", [Composed(LA, "made.xml", b"made")], WHY)
    assert [path.name for path in directory.iterdir()] == [identity]


# -- roles that start


def admit_of(bench: Bench) -> Admit:
    aside = SetAside(bench.home.outbound, {"claim": 0.0}, 0.0, lambda: bench.now)
    rules = {"claim": Rule(0.0, 10_000, frozenset({LA}))}
    return Admit(
        bench.context, Intake(bench.home.outbound, rules, frozenset({LA}), Stability(lambda: bench.now), aside), aside
    )


@pytest.mark.parametrize("came", [False, True])
def test_copy_of_a_commit_in_doubt_is_removed_unless_its_row_came(pair: Pair, *, came: bool) -> None:
    """As where the database is killed: inspect goes on, and did not clear up until its next start."""
    bench = pair.dwp
    admit = admit_of(bench)
    admit.recover()
    dropped = bench.home.outbound / "claim" / LA / "a.xml"
    dropped.write_bytes(b"claim")
    write = bench.ledger.write

    @contextmanager
    def in_doubt() -> Iterator[Transaction]:
        with write() as transaction:
            yield transaction
            if not came:
                raise LedgerAway
        raise LedgerAway

    def some_steps() -> None:
        for _ in range(3):
            bench.now += 60.0
            admit.step()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench.ledger, "write", in_doubt)
        with pytest.raises(LedgerAway):
            some_steps()
    assert len(list(bench.home.custody.iterdir())) == 1
    brought = bench.home.custody / bench.context.new_id()
    brought.write_bytes(b"what another role brings here meanwhile")
    some_steps()
    admit.close()
    assert unspoken(bench) == [brought]
    brought.unlink()
    assert [path.read_bytes() for path in bench.home.custody.iterdir()] == [b"claim"]
    assert not dropped.exists()


def test_inspect_that_starts_while_files_are_submitted_removes_none_of_them(pair: Pair) -> None:
    bench = pair.dwp
    context = bench.context
    left = bench.home.custody / context.new_id()
    left.write_bytes(b"of a crash")
    monkey = "gateway.stages.outbound.admit._SUBMITTING_SECONDS"
    with submitted_copies(context) as copies, pytest.MonkeyPatch.context() as patch:
        _, copied = copies.write(b"claim", context.new_id())
        copies.commit()
        copies.move_in()
        patch.setattr(monkey, 0.0)
        admit_of(bench).recover()
        assert (bench.home.custody / copied.transfer).read_bytes() == b"claim"
        with bench.ledger.write() as transaction:
            row = {"id": copied.transfer, "flow": "claim", "partner": LA, "name": "a.xml", "size": 5}
            row |= {"sha256": copied.sha256, "spool_file": None, "reference": None}
            record_admitted(context, transaction, [row])
    admit_of(bench).recover()
    assert [path.name for path in bench.home.custody.iterdir()] == [copied.transfer]


def test_vault_that_starts_removes_no_name_that_the_link_is_giving(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.storage.named_first._BUSY_SECONDS", 0.0)
    bench, waited = pair.la, []
    pair.dwp.submit("a.xml", b"claim")
    pair.work_alone(pair.dwp)
    (bench.home.landing_in("DWP") / "rubbish.txt").write_bytes(b"rubbish")

    def start() -> None:
        before = sorted(path for path in bench.home.sealed_in.rglob("*.pgp"))
        try:
            tidy(bench.home, bench.ledger, Role.VAULT)
        except LedgerBusy:
            waited.append(before)
        assert sorted(path for path in bench.home.sealed_in.rglob("*.pgp")) == before

    (collect,) = [stage for stage in pair.stages_of(bench) if isinstance(stage, Collect)]
    with before_each_transaction(bench, start):
        collect.step()
    assert len(waited) == 2, "for what is to be read, and for what is locked away"
    tidy(bench.home, bench.ledger, Role.VAULT)
    with bench.ledger.read() as connection:
        (row,) = quarantined(connection)
    assert (bench.home.quarantine / f"{row.id}.sealed").read_bytes() == b"rubbish"
    pair.work()
    assert (bench.home.inbound / "claim" / "DWP" / "a.xml").read_bytes() == b"claim"


def test_roles_that_start_remove_the_names_that_a_crash_left(pair: Pair) -> None:
    bench = pair.la
    new = bench.context.new_id
    left = [
        bench.home.quarantine / f"{new()}.sealed",
        bench.home.infected / new(),
        bench.home.sealed_in / "DWP" / f"{new()}.pgp",
        bench.home.sealed_in / "DWP" / f"{new()}.receipt.pgp",
        bench.home.opened / new(),
    ]
    for path in left:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"left")
    for role in Role:
        tidy(bench.home, bench.ledger, role)
    assert [path for path in left if path.exists()] == []


def test_person_who_asks_what_a_sealed_file_begins_as_is_answered_without_reading_it_in_a_transaction(
    pair: Pair,
) -> None:
    bench = pair.la
    (bench.home.landing_in("DWP") / f"{bench.context.new_id()}.pgp").write_bytes(b"no message")
    pair.work()
    with bench.ledger.read() as connection:
        (row,) = quarantined(connection)
    assert decide(bench.context, Act.EXAMINE_SEALED, row.id, WHY).state.startswith("It begins as text.")


# -- kill -9


def killed(bench: Bench, act: Callable[[], object], at: int | None) -> int:
    """Do it in a child that is killed there; how many sides of operations it met, 0 where it was killed."""
    bench.ledger.close()  # it opens again by itself, in either process
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        points = Points(at)
        points.install()
        act()
        os.write(write, str(2 * len(points.met)).encode())
        os._exit(0)
    os.close(write)
    met = os.read(read, 20)
    os.close(read)
    status = os.waitpid(child, 0)[1]
    assert met or os.WTERMSIG(status) == signal.SIGKILL
    return int(met or 0)


def swept(root: Path, drawn: Callable[[int], list[int]]) -> int:
    """Kill what collects, opens and locks away at these sides of its operations; how many kills there were."""
    kills, points = 0, list[int | None]([None])
    while points:
        at = points.pop(0)
        with two_ledgers(root / str(at)) as pair:
            bench = pair.la
            pair.dwp.submit("a.xml", b"claim")
            pair.work_alone(pair.dwp)
            landing = bench.home.landing_in("DWP")
            (landing / "rubbish.txt").write_bytes(b"rubbish")
            (landing / f"{bench.context.new_id()}.pgp").write_bytes(b"no message")
            stages = [each for each in pair.stages_of(bench) if isinstance(each, Collect | Open)]

            def act(stages: Sequence[Stage] = stages) -> None:
                while sum(stage.step().done for stage in stages):
                    pass

            met = killed(bench, act, at)
            if at is None:
                points += drawn(met)
            elif met == 0:
                kills += 1
            for role in (Role.VAULT, Role.LINK, Role.INSPECT):
                tidy(bench.home, bench.ledger, role)
            assert unspoken(bench) == []
            pair.work()
            assert unspoken(bench) == []
            assert [path.name for path in (bench.home.inbound / "claim" / "DWP").iterdir()] == ["a.xml"]
            with bench.ledger.read() as connection:
                locked = quarantined(connection)
            # Killed between the commit and the end of its first name, it is locked away once more.
            content = {(bench.home.quarantine / f"{each.id}.sealed").read_bytes() for each in locked}
            assert content == {b"no message", b"rubbish"}
            assert len(locked) <= len(content) + 1
            assert [path for path in bench.home.sealed_in.rglob("*") if path.is_file()] == []
        shutil.rmtree(root / str(at))
    return kills


def test_role_that_is_killed_while_it_gives_names_leaves_none(tmp_path: Path, tally: Tally) -> None:
    kills = swept(tmp_path, lambda total: random.Random(total).sample(range(total), 5))
    tally("crash points, names", tried=kills, lost=0)
    assert kills > 0  # some operations come only once in a process's life


@pytest.mark.torture
@pytest.mark.timeout(900)
def test_role_that_is_killed_anywhere_while_it_gives_names_leaves_none(tmp_path: Path, tally: Tally) -> None:
    kills = swept(tmp_path, lambda total: list(range(total)))
    tally("crash points, names", tried=kills, lost=0)
    assert kills > 20
