"""Half a file is never delivered as a whole one: writers with the habits of the field, beside running sites.

Five writers write at once, each for longer than the settle time and across the death of *inspect*; what the partner has
in the end is compared with what each wrote.
"""

from __future__ import annotations

import mmap
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from gateway.spool.set_aside import TAKEN
from tests.acceptance.sites import Site, claim, two_sites, wait_until

SETTLE: Final = 2.0
OLD: Final = 150.0
LONG_AGO: Final = 3600.0

Writer = Callable[[Path, bytes, ExitStack], Callable[[], None]]
"""Writes half of a file and gives what writes the rest and closes it."""


def pauses(path: Path, content: bytes, stack: ExitStack) -> Callable[[], None]:
    file = stack.enter_context(path.open("wb", buffering=0))
    file.write(content[: len(content) // 2])

    def finish() -> None:
        file.write(content[len(content) // 2 :])
        file.close()

    return finish


def keeps_old_times(path: Path, content: bytes, stack: ExitStack) -> Callable[[], None]:
    finish = pauses(path, content, stack)
    os.utime(path, (time.time() - OLD,) * 2)
    return finish


def sets_the_size_first(path: Path, content: bytes, stack: ExitStack) -> Callable[[], None]:
    file = stack.enter_context(path.open("wb", buffering=0))
    os.posix_fallocate(file.fileno(), 0, len(content))
    file.write(content[: len(content) // 2])

    def finish() -> None:
        file.write(content[len(content) // 2 :])
        file.close()

    return finish


def maps_it(path: Path, content: bytes, stack: ExitStack) -> Callable[[], None]:
    with path.open("w+b") as file:
        file.truncate(len(content))
        mapped = stack.enter_context(mmap.mmap(file.fileno(), len(content)))
    mapped[: len(content) // 2] = content[: len(content) // 2]
    os.utime(path, (time.time() - OLD,) * 2)

    def finish() -> None:
        mapped[len(content) // 2 :] = content[len(content) // 2 :]
        mapped.close()

    return finish


def overwrites_in_place(path: Path, content: bytes, stack: ExitStack) -> Callable[[], None]:
    path.write_bytes(b" " * len(content))
    file = stack.enter_context(path.open("r+b", buffering=0))
    os.utime(path, (time.time() - OLD,) * 2)

    def finish() -> None:
        file.write(content)
        file.close()

    return finish


WRITERS: Final[list[Writer]] = [pauses, keeps_old_times, sets_the_size_first, maps_it, overwrites_in_place]


class Trial:
    """What became of each writer's file: the rows while it was being written, and the end."""

    def __init__(self, dwp: Site, la: Site) -> None:
        self.dwp, self.la = dwp, la
        self.files = {writer: claim(index) for index, writer in enumerate(WRITERS)}
        self.taken_early: dict[Writer, list[str]] = {}
        self.outbound = dwp.home.outbound / "claim" / la.code

    def run(self) -> None:
        with ExitStack() as stack:
            finish = {
                writer: writer(self.outbound / name, content, stack) for writer, (name, content) in self.files.items()
            }
            time.sleep(2.5 * SETTLE)
            self._look()
            before = self.dwp.role("inspect")
            self.dwp.kill("inspect")
            wait_until(lambda: self.dwp.role("inspect") not in (None, before), 60, "another inspect")
            time.sleep(2.5 * SETTLE)
            self._look()
            for end in finish.values():
                end()
        for name, _ in self.files.values():
            self.dwp.wait_for(name, "receipted")

    def _look(self) -> None:
        for writer, (name, _) in self.files.items():
            taken = [row["state"] for row in self.dwp.rows() if row["name"] == name]
            gone = [] if (self.outbound / name).exists() else ["gone from the spool"]
            self.taken_early.setdefault(writer, []).extend(taken + gone)


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    with two_sites(tmp_path_factory.mktemp("half")) as (dwp, la):
        for site in (dwp, la):
            site.edit_config("flows.claim", settle_seconds=SETTLE)
            site.edit_config("daemon", rescan_seconds=1.0, workers=1)
            site.start()
        trial = Trial(dwp, la)
        trial.run()
        yield trial


@pytest.mark.parametrize("writer", WRITERS, ids=lambda writer: writer.__name__)
def test_a_file_is_not_taken_while_its_writer(writer: Writer, trial: Trial) -> None:
    assert trial.taken_early[writer] == []


@pytest.mark.parametrize("writer", WRITERS, ids=lambda writer: writer.__name__)
def test_the_whole_file_arrives_once_from_a_writer_that(writer: Writer, trial: Trial) -> None:
    name, content = trial.files[writer]
    assert [row["state"] for row in trial.dwp.rows() if row["name"] == name] == ["receipted"]
    assert trial.la.inbound("claim", "DWP")[name] == content


def test_nothing_is_left_beside_what_was_taken(trial: Trial) -> None:
    wait_until(lambda: list((trial.outbound / TAKEN).iterdir()) == [], 20, "the removal of what was taken")


def test_what_is_written_to_a_file_after_it_was_taken_comes_back_whole_with_an_alarm(trial: Trial) -> None:
    name, content = claim(100)
    trial.dwp.drop("claim", trial.la.code, name, content)
    row = trial.dwp.wait_for(name, "receipted")
    wait_until(lambda: not (trial.outbound / TAKEN / row["id"]).exists(), 20, "the removal of what was taken")
    trial.dwp.kill("inspect")
    # What a writer leaves that opened the file in the moment in which it was taken, and wrote while nobody looked.
    (trial.outbound / TAKEN / row["id"]).write_bytes(content + b"<!-- and more -->")
    returned = trial.dwp.home.returned / "claim" / trial.la.code / name
    wait_until(returned.exists, 60, "the whole file's return")
    assert returned.read_bytes() == content + b"<!-- and more -->"
    letter = returned.with_name(f"{name}.late.txt").read_text(encoding="utf-8")
    assert row["id"] in letter
    assert f"of {len(content):,} bytes" in letter
    (alarm,) = trial.dwp.events("transfer.written-late")
    assert (alarm["level"], alarm["code"], alarm["state"]) == ("error", "written-late", "receipted")
    assert trial.dwp.gateway("audit", "verify").returncode == 0
    assert "transfer.written-late" in [event["event"] for event in trial.dwp.json("show", row["id"])["events"]]
    status = trial.dwp.gateway("status", check=False)
    assert status.returncode == 69
    assert "1 written to after they were taken" in status.stdout
    for path in (returned, returned.with_name(f"{name}.late.txt")):
        path.unlink()
    assert trial.dwp.gateway("status").returncode == 0, "whoever takes the file away has dealt with it"


def test_a_file_that_waited_while_inspect_was_down_is_watched_for_the_whole_settle_time(trial: Trial) -> None:
    name, content = claim(101)
    trial.dwp.stop()
    path = trial.outbound / name
    path.write_bytes(content)
    os.utime(path, (time.time() - LONG_AGO,) * 2)
    trial.dwp.start()
    started = time.monotonic()
    trial.dwp.wait_for(name, "receipted")
    assert time.monotonic() - started > SETTLE - 1.0  # its roles hold their locks a moment before this one sees it
