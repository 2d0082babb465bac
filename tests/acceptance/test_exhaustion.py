"""A machine that runs out of room, inodes, descriptors or memory: it says so, loses nothing, and goes on by itself."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.acceptance.copies import copied_pair
from tests.acceptance.promises import Book
from tests.acceptance.reading import transfer_states
from tests.acceptance.sites import Site, claim, wait_until
from tests.conftest import Tally

pytestmark = pytest.mark.timeout(600)

SECONDS = 180.0
MIB = 1 << 20
Pair = tuple[Site, Site]


@contextmanager
def small_disk(directory: Path, options: str) -> Iterator[Path]:
    """A tmpfs of its own; the test is skipped where this process may not mount one."""
    directory.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"{options},mode=0755", "tmpfs", str(directory)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted without the right to mount: {done.stderr.strip()}")
    try:
        yield directory
    finally:
        subprocess.run(["umount", "-l", str(directory)], check=True)


@contextmanager
def pair_on(disk: Path, logs: Path, **limits: int) -> Iterator[Pair]:
    """Both sites on the small disk, their logs elsewhere."""
    with copied_pair(disk) as sites:
        for site in sites:
            site.log = logs / f"{site.code}.log"
            site.edit_config("limits", **limits)
        yield sites


def fill(disk: Path, leave: int) -> Path:
    """A file that takes all room but so many bytes."""
    filler = disk / "filler"
    with filler.open("wb") as file:
        for _ in range(100):  # the roles may take the room between the question and the answer
            about = os.statvfs(disk)
            with suppress(OSError):
                os.posix_fallocate(file.fileno(), 0, max(1, about.f_bavail * about.f_frsize - leave))
                return filler
    raise AssertionError("the disk cannot be filled")


def wait_for(site: Site, names: list[str], state: str) -> None:
    def all_there() -> bool:
        found = transfer_states(site)
        return all(found.get(name) == state for name in names)

    try:
        wait_until(all_there, SECONDS, f"{names} {state}")
    except AssertionError as error:
        raise AssertionError(f"{error}: {transfer_states(site)}\n{site.log_text()[-4000:]}") from None


def test_intake_stops_before_the_disk_is_full_and_resumes_by_itself(tmp_path: Path) -> None:
    with (
        small_disk(tmp_path / "disk", "size=96m") as disk,
        pair_on(disk, tmp_path, min_free_bytes=8 * MIB) as pair,
    ):
        dwp, la = pair
        book = Book(pair)
        filler = fill(disk, 6 * MIB)
        la.start()
        dwp.start()
        name, content = claim()
        book.drop(dwp, "claim", la.code, name, content)
        (alarm,) = wait_until(lambda: dwp.events("intake.stopped"), SECONDS, "the alarm")
        assert alarm["level"] == "error"
        assert transfer_states(dwp) == {}
        assert (dwp.home.outbound / "claim" / la.code / name).exists()
        filler.unlink()
        wait_for(dwp, [name], "receipted")
        assert dwp.events("intake.resumed")
        book.assert_promises()


@pytest.mark.torture
def test_intake_stops_before_the_inodes_are_gone_and_resumes_by_itself(tmp_path: Path) -> None:
    with (
        small_disk(tmp_path / "disk", "size=96m,nr_inodes=4000") as disk,
        pair_on(disk, tmp_path, min_free_bytes=MIB) as pair,
    ):
        dwp, la = pair
        book = Book(pair)
        crowd = disk / "crowd"
        crowd.mkdir()
        while os.statvfs(disk).f_favail > 700:
            (crowd / f"{os.statvfs(disk).f_favail}").touch()
        la.start()
        dwp.start()
        name, content = claim()
        book.drop(dwp, "claim", la.code, name, content)
        wait_until(lambda: dwp.events("intake.stopped"), SECONDS, "the alarm")
        assert transfer_states(dwp) == {}
        for path in crowd.iterdir():
            path.unlink()
        wait_for(dwp, [name], "receipted")
        book.assert_promises()


@pytest.mark.torture
@pytest.mark.parametrize("leave", [0, 16384, 262144])
def test_a_disk_that_is_full_in_the_middle_of_everything_loses_nothing(
    tmp_path: Path, leave: int, tally: Tally
) -> None:
    """Nothing is held back: every write of every role may be the one for which there is no room."""
    with (
        small_disk(tmp_path / "disk", "size=96m") as disk,
        pair_on(disk, tmp_path, min_free_bytes=0) as pair,
    ):
        dwp, la = pair
        book = Book(pair)
        la.start()
        dwp.start()
        claims = dict(map(claim, range(12)))
        dropped = set[str]()

        def drop(names: Iterable[str]) -> None:
            for name in names:
                book.drop(dwp, "claim", la.code, name, claims[name])
                dropped.add(name)

        drop(list(claims)[:7])
        filler = fill(disk, leave + 12 * 8192)
        with suppress(OSError):  # the roles may have taken the room already: the operator drops the rest later
            drop(list(claims)[7:])
        filler_more = _fill_up(disk, leave)
        wait_until(lambda: _troubled(dwp) or _troubled(la), SECONDS, "somebody who has no room")
        filler_more.unlink()
        filler.unlink()
        drop(claims.keys() - dropped)
        wait_for(dwp, list(claims), "receipted")
        assert set(la.inbound("claim", "DWP")) == set(claims)
        book.assert_promises()
        tally("ENOSPC points", tried=12, lost=0)


def _fill_up(disk: Path, leave: int) -> Path:
    path = disk / "filler-more"
    with path.open("wb", buffering=0) as file, suppress(OSError):  # somebody else may take the last page
        while os.statvfs(disk).f_bavail * 4096 > leave:
            file.write(bytes(4096))
    return path


def _troubled(site: Site) -> bool:
    codes = {"disk-full", "ledger-unavailable", "link-remote-full", "crypto-failed", "disk-io"}
    return any(event.get("code") in codes or event["event"] == "role.died" for event in site.events())


ROLES = ("inspect", "vault", "link")


@pytest.mark.torture
@pytest.mark.parametrize("role", ROLES)
def test_a_role_without_descriptors_defers_or_starts_again_and_loses_nothing(pair: Pair, role: str) -> None:
    starve(pair, role, resource.RLIMIT_NOFILE)


@pytest.mark.torture
@pytest.mark.parametrize("role", ROLES)
def test_a_role_without_memory_defers_or_starts_again_and_loses_nothing(pair: Pair, role: str) -> None:
    starve(pair, role, resource.RLIMIT_AS)


def starve(pair: Pair, role: str, kind: int) -> None:
    """Take what a running role has left of a resource; the process that follows it has all of it."""
    dwp, la = pair
    book = Book(pair)
    la.start()
    dwp.start()
    pid = wait_until(lambda: dwp.role(role), SECONDS, f"the process of {role}")
    if kind == resource.RLIMIT_NOFILE:
        used = max(int(path.name) for path in Path(f"/proc/{pid}/fd").iterdir()) + 1
    else:
        used = int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.prlimit(pid, kind)
    resource.prlimit(pid, kind, (used, before[1]))
    names = []
    for index in range(5):
        name, content = claim(index)
        names.append(name)
        book.drop(dwp, "claim", la.code, name, content)
    wait_until(lambda: _starved(dwp) or _all_receipted(dwp, names), SECONDS, "a word of the role")
    if dwp.role(role) == pid:
        resource.prlimit(pid, kind, before)
    wait_for(dwp, names, "receipted")
    assert set(la.inbound("claim", "DWP")) == set(names)
    book.assert_promises()


def _starved(site: Site) -> bool:
    return bool(site.events("work.deferred") or site.events("role.died") or site.events("lane.deferred"))


def _all_receipted(site: Site, names: list[str]) -> bool:
    found = transfer_states(site)
    return all(found.get(name) == "receipted" for name in names)
