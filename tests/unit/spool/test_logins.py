"""Counts of log-ins on their way to the ledger: the sum is what was counted, whatever fails or dies in between."""

from __future__ import annotations

import errno
import itertools
import os
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.logins import HOUR, Login, Result
from gateway.errors import DiskFull
from gateway.spool.logins import LoginCounts, read, waiting
from gateway.storage.durable import DISK, Disk
from tests.examples import examples

START = 1_795_000_800.0
"""Half past some hour."""
DWP = Login(Result.ACCEPTED, "DWP", "SHA256:" + "a" * 43)
WRONG = Login(Result.WRONG_KEY)
LOGINS = [DWP, WRONG, Login(Result.UNKNOWN_USER), Login(Result.NO_LOGIN)]


@dataclass
class Time:
    now: float = START

    def __call__(self) -> float:
        return self.now


QUICK = replace(DISK, fsync=lambda _descriptor: None)
"""Waits for no disk: what these tests kill is the process."""


def begun(directory: Path, time: Time, disk: Disk = QUICK) -> LoginCounts:
    numbers = itertools.count(int(time.now))
    counts = LoginCounts(directory, time, time, lambda size: next(numbers).to_bytes(size, "big"), disk)
    with suppress(DiskFull):
        counts.step()
    return counts


def handed_over(directory: Path) -> list[dict[Login, int]]:
    return [dict(read(directory / name).logins) for name in waiting(directory)]


def summed(directory: Path) -> Counter[Login]:
    total: Counter[Login] = Counter()
    for each in handed_over(directory):
        total.update(each)
    return total


def test_the_first_of_a_kind_goes_at_once_and_its_repeats_when_the_hour_is_over(tmp_path: Path) -> None:
    time = Time()
    counts = begun(tmp_path, time)
    counts.count(DWP)
    counts.step()
    assert handed_over(tmp_path) == [{DWP: 1}]
    for _ in range(1000):
        counts.count(WRONG)
        counts.count(DWP)
        counts.step()
    assert handed_over(tmp_path) == [{DWP: 1}, {WRONG: 1}]
    time.now += HOUR
    counts.step()
    assert handed_over(tmp_path) == [{DWP: 1}, {WRONG: 1}, {DWP: 1000, WRONG: 999}]
    hours = {read(tmp_path / name).hour for name in waiting(tmp_path)}
    assert hours == {START // HOUR * HOUR}
    counts.count(DWP)
    counts.step()
    assert handed_over(tmp_path)[-1] == {DWP: 1}, "the next hour begins anew"


def test_repeats_go_when_the_server_is_stopped_and_later_ones_after_them(tmp_path: Path) -> None:
    counts = begun(tmp_path, Time())
    for _ in range(3):
        counts.count(DWP)
        counts.step()
    counts.finish()
    counts.count(DWP)
    counts.step()
    counts.finish()
    assert handed_over(tmp_path) == [{DWP: 1}, {DWP: 2}, {DWP: 1}]


def test_a_kill_loses_no_more_than_the_repeats_of_the_last_minute(tmp_path: Path) -> None:
    time = Time()
    counts = begun(tmp_path, time)
    for _ in range(50):
        counts.count(WRONG)
        counts.step()
        time.now += 10.0
    del counts  # as kill -9
    begun(tmp_path, time)
    assert 44 <= summed(tmp_path)[WRONG] <= 50
    assert sorted(os.listdir(tmp_path)) == waiting(tmp_path)  # noqa: PTH208 - names are what is compared


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    full = [True]

    def write(*arguments: Any) -> int:
        if full[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return os.write(*arguments)

    time = Time()
    counts = begun(tmp_path, time, replace(QUICK, write=write))
    for number in range(4000):
        counts.count(LOGINS[number % 4])
        time.now += 3.0
        if number % 100 == 0:
            with pytest.raises(DiskFull):
                counts.step()
    assert waiting(tmp_path) == []
    full[0] = False
    counts.step()
    counts.finish()
    assert summed(tmp_path) == dict.fromkeys(LOGINS, 1000)


def test_a_clock_that_is_put_back_makes_another_hour_and_loses_nothing(tmp_path: Path) -> None:
    time = Time()
    counts = begun(tmp_path, time)
    for back in (0.0, 2 * HOUR, 0.0):
        time.now = START - back
        for _ in range(3):
            counts.count(DWP)
            counts.step()
    counts.finish()
    assert summed(tmp_path) == {DWP: 9}


def test_while_nobody_takes_them_there_is_one_file_an_hour(tmp_path: Path) -> None:
    time = Time()
    counts = begun(tmp_path, time)
    for _ in range(300):
        for login in LOGINS:
            counts.count(login)
            counts.step()
        time.now += HOUR
    counts.step()
    assert 500 < len(waiting(tmp_path)) <= 500 + 300
    assert summed(tmp_path) == dict.fromkeys(LOGINS, 300)


def test_threads_count_while_files_are_written(tmp_path: Path) -> None:
    counts = begun(tmp_path, Time())

    def knock() -> None:
        for number in range(3000):
            counts.count(LOGINS[number % 4])

    threads = [threading.Thread(target=knock) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        counts.step()
    for thread in threads:
        thread.join()
    counts.finish()
    assert summed(tmp_path) == dict.fromkeys(LOGINS, 3000)


def failing_every(time: int) -> Disk:
    """A disk that has no room at every so-many-th of its operations, before or after it has done them in turn."""
    done = itertools.count(1)

    def failing(operation: Callable[..., Any]) -> Callable[..., Any]:
        def tried(*arguments: Any) -> Any:
            number = next(done)
            fails = number % time == 0
            if fails and number // time % 2:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            result = operation(*arguments)
            if fails:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return result

        return tried

    return replace(QUICK, write=failing(QUICK.write), fsync=failing(QUICK.fsync), rename=failing(QUICK.rename))


@examples(60)
@given(steps=st.lists(st.sampled_from(LOGINS) | st.floats(0.1, 3000.0), max_size=40), every=st.integers(7, 15))
def test_the_sum_of_counts_is_what_was_counted_whatever_fails(
    tmp_path_factory: pytest.TempPathFactory, steps: list[Login | float], every: int
) -> None:
    directory, time = tmp_path_factory.mktemp("logins"), Time()
    counts = begun(directory, time, failing_every(every))
    counted: Counter[Login] = Counter()
    for step in steps:
        if isinstance(step, float):
            time.now += step
        else:
            counts.count(step)
            counted[step] += 1
        with suppress(DiskFull):
            counts.step()
    for _ in range(200):
        with suppress(DiskFull):
            counts.finish()
            break
    assert summed(directory) == counted


# -- what lies there and is none of ours


def test_only_files_of_our_names_are_taken(tmp_path: Path) -> None:
    for name in ("x.logins", "hour.open", ".01a200db-25a7-7293-8e54-d4bb0a1b0002.logins", "README"):
        (tmp_path / name).write_bytes(b"")
    assert waiting(tmp_path) == []
    assert waiting(tmp_path / "nowhere") == []


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", ["fifo", "directory", "link", "empty"])
def test_what_is_no_count_is_neither_followed_nor_waited_for(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "01a200db-25a7-7293-8e54-d4bb0a1b0002.logins"
    match kind:
        case "fifo":
            os.mkfifo(path)
        case "directory":
            path.mkdir()
        case "link":
            (tmp_path / "there").write_bytes(b'{"version":1,"hour":"2026-11-28T04:00:00.000Z","logins":[]}')
            path.symlink_to("there")
        case _:
            path.touch()
    with pytest.raises((ValueError, OSError)):
        read(path)
