"""Taking out of the landing what partners are still writing to."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from gateway.ledger.queries import quarantine
from gateway.stages.context import BATCH, Step
from gateway.stages.inbound.collect import Collect
from gateway.stages.landing import LandingUploads, carried_part
from tests.fakes.two_ledgers import two_ledgers

ROOT = Path(__file__).parents[3]


def test_upload_that_gets_its_name_while_we_look_defers_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rename comes between the listing and the look: the landing waited for the next rescan then, ten seconds."""
    with two_ledgers(tmp_path) as pair:
        pair.dwp.submit("a.xml", b"a claim")
        pair.work_alone(pair.dwp)
        (final,) = pair.la.home.landing_in("DWP").iterdir()
        final.rename(final.with_name(f"{final.name}.part"))
        look = Path.lstat

        def too_late(path: Path) -> os.stat_result:
            if path.name.endswith(".part"):
                path.rename(final)
            return look(path)

        said: list[str] = []
        collect = Collect(replace(pair.la.context, log=lambda event, **_keys: said.append(event)))
        with monkeypatch.context() as patched:
            patched.setattr(Path, "lstat", too_late)
            assert collect.step().done == 0
        assert said == []
        assert collect.step().done == 1


@pytest.mark.parametrize(
    "name",
    [
        *(
            "ID.pgp.filepart",
            "ID.pgp.partial",
            "ID.pgp.1a2b3c4d.partial",
            "ID.pgp.tmp",
            "ID.pgp~",
            ".ID.pgp.Xy12",
            ".taken",
            "..x",
            ".in.ID.pgp.",
        ),
        *("ID.pgp.lftp-pget-status", ".fuse_hidden0000001", ".nfs0000000001", "Thumbs.db", ".DS_Store", "._ID.pgp"),
    ],
)
def test_unfinished_upload_and_debris_in_the_landing_are_left_to_their_writer_for_a_day(
    tmp_path: Path, name: str
) -> None:
    with two_ledgers(tmp_path) as pair:
        pair.dwp.submit("a.xml", b"a claim")
        pair.work_alone(pair.dwp)
        landing, collect = pair.la.home.landing_in("DWP"), Collect(pair.la.context)
        (final,) = landing.iterdir()
        part = final.rename(landing / name.replace("ID.pgp", final.name))
        pair.la.now = time.time()
        assert collect.step().done == 0
        assert list(landing.iterdir()) == [part]
        part.rename(final)
        assert collect.step().done == 1
        (landing / name).write_bytes(b"left behind")
        pair.la.now = time.time() + 90_000
        assert collect.step().done == 0
        assert list(landing.iterdir()) == []
        with pair.la.ledger.read() as connection:
            assert quarantine.quarantined(connection) == []


def test_directory_that_is_debris_stays_and_a_link_of_such_a_name_is_locked_away(tmp_path: Path) -> None:
    with two_ledgers(tmp_path) as pair:
        landing, collect = pair.la.home.landing_in("DWP"), Collect(pair.la.context)
        (landing / "@eaDir").mkdir()
        assert collect.step().done == 0
        (landing / "Thumbs.db").symlink_to(pair.la.home.ledger)
        assert collect.step().done == 1
        assert [path.name for path in landing.iterdir()] == ["@eaDir"]
        with pair.la.ledger.read() as connection:
            assert [row.code for row in quarantine.quarantined(connection)] == ["landing-unexpected"]


class Clock:
    """The site's clock, as many seconds ahead as a test says."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """One authority with a partner's consignment in hand, not landed yet."""
    with two_ledgers(tmp_path) as pair:
        pair.dwp.submit("a.xml", b"a claim")
        pair.work_alone(pair.dwp)
        (final,) = pair.la.home.landing_in("DWP").iterdir()
        sealed = final.read_bytes()
        final.unlink()
        clock, uploads = Clock(), LandingUploads()
        yield Bench(final, sealed, clock, uploads, Collect(replace(pair.la.context, clock=clock), uploads))


@dataclass(frozen=True)
class Bench:
    final: Path
    sealed: bytes
    clock: Clock
    uploads: LandingUploads
    collect: Collect


def test_file_that_is_written_under_its_last_name_waits_until_it_is_closed(bench: Bench) -> None:
    with bench.final.open("wb") as upload:
        upload.write(bench.sealed[:20])
        upload.flush()
        bench.clock.ahead = 3600.0  # however long it takes
        assert bench.collect.step().done == 0
        assert bench.final.read_bytes() == bench.sealed[:20]
        upload.write(bench.sealed[20:])
    assert bench.collect.step().done == 1
    assert not bench.final.exists()


def test_files_that_somebody_keeps_open_do_not_keep_others_from_their_turn(bench: Bench) -> None:
    """In a shared account, another partner can put them there, under names that come first."""
    with ExitStack() as stack:
        for number in range(BATCH + 10):
            early = bench.final.with_name(f"00000000-0000-7000-8000-{number:012d}.pgp")
            stack.enter_context(early.open("wb"))
        bench.final.write_bytes(bench.sealed)
        assert bench.collect.step().done == 1
        assert not bench.final.exists()


def test_file_that_is_mapped_into_memory_for_writing_counts_as_open(bench: Bench) -> None:
    bench.final.write_bytes(bytes(len(bench.sealed)))
    with bench.final.open("r+b") as upload:
        mapped = mmap.mmap(upload.fileno(), 0)
    try:
        assert bench.collect.step().done == 0
        mapped[:] = bench.sealed
    finally:
        mapped.close()
    assert bench.collect.step().done == 1


def test_client_that_wrote_under_the_last_name_gets_three_quiet_seconds_to_look_at_it(bench: Bench) -> None:
    bench.uploads.note(bench.final)
    bench.final.write_bytes(bench.sealed)
    step = bench.collect.step()
    assert step.done == 0
    assert step.due == pytest.approx(bench.final.stat().st_ctime + 3.0)
    bench.clock.ahead = 2.0
    bench.final.chmod(0o640)  # a change begins them anew
    assert bench.collect.step().done == 0
    bench.clock.ahead = 3.1
    assert bench.collect.step() == Step(done=1)


def test_quiet_seconds_end_with_a_clock_that_was_put_back(bench: Bench) -> None:
    bench.uploads.note(bench.final)
    bench.final.write_bytes(bench.sealed)
    bench.clock.ahead = -7200.0
    assert bench.collect.step().done == 1


@pytest.mark.parametrize("seen", ["its part and its name", "neither", "a file that came by hand"])
def test_file_that_got_its_name_from_part_is_taken_at_once(bench: Bench, seen: str) -> None:
    by_hand = seen == "a file that came by hand"
    part = carried_part(bench.final) if by_hand else bench.final.with_name(f"{bench.final.name}.part")
    part.write_bytes(bench.sealed)
    part.rename(bench.final)
    if seen != "neither":
        bench.uploads.note(part)
        bench.uploads.note(bench.final)
    assert bench.collect.step() == Step(done=1)


def test_renamed_file_does_not_wait_for_a_session_that_was_cut_off_and_has_it_open_still(bench: Bench) -> None:
    """The line breaks, the server does not know it for minutes; the upload is done again into the same `.part`."""
    part = bench.final.with_name(f"{bench.final.name}.part")
    with part.open("wb") as cut_off:
        cut_off.write(bench.sealed[:20])
        cut_off.flush()
        bench.uploads.note(part)
        part.write_bytes(bench.sealed)
        part.rename(bench.final)
        bench.uploads.note(bench.final)
        assert bench.collect.step() == Step(done=1)


def test_name_that_is_written_to_beside_a_part_of_an_earlier_attempt_waits_like_any_other(bench: Bench) -> None:
    part = bench.final.with_name(f"{bench.final.name}.part")
    part.write_bytes(bench.sealed[:10])
    bench.uploads.note(part)
    with bench.final.open("wb") as upload:
        bench.uploads.note(bench.final)
        upload.write(bench.sealed[:20])
        upload.flush()
        assert bench.collect.step().done == 0
        upload.write(bench.sealed[20:])
    assert bench.collect.step().done == 1
    assert part.exists()


def test_what_was_seen_of_names_is_bounded(bench: Bench) -> None:
    for number in range(25_000):
        bench.uploads.note(bench.final.with_name(f"{number}.pgp.part"))
        bench.uploads.note(bench.final.with_name(f"{number}.zip"))
    assert len(bench.uploads._parts) <= 10_000
    assert len(bench.uploads._direct) <= 10_000


def test_part_is_cleared_a_day_after_its_last_change_whatever_time_its_writer_gave_it(bench: Bench) -> None:
    part = bench.final.with_name(f"{bench.final.name}.part")
    part.write_bytes(bench.sealed[:20])
    os.utime(part, (1_577_836_800, 1_577_836_800))
    assert bench.collect.step().done == 0
    assert part.exists()
    bench.clock.ahead = 86_400.0 + 60
    bench.collect.step()
    assert not part.exists()


_AS_ITS_OWNER = """
import os, sys
from pathlib import Path
from gateway.stages.inbound.collect import _take
os.setgroups([])
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
landed = Path(sys.argv[1])
taken = _take(landed, landed.with_name("arrival"), landed.with_name("copying"), finished=False)
print(taken, landed.exists(), landed.with_name("arrival").read_bytes().decode())
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="another account takes root")
def test_file_that_its_sender_made_unreadable_is_taken_all_the_same(tmp_path: Path) -> None:
    """A client gives the mode with which a file is made, 000 for all we know; root would not notice."""
    with tempfile.TemporaryDirectory() as name:
        os.chown(name, 65534, 65534)
        landed = Path(name) / "landed"
        landed.write_bytes(b"sealed")
        os.chown(landed, 65534, 65534)
        landed.chmod(0)
        done = subprocess.run(
            [sys.executable, "-P", "-c", _AS_ITS_OWNER, str(landed)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout == "True False sealed\n", done.stderr
