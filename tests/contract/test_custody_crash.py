"""Custody's promise at every point where a process can die: no file lost, none published twice, none overwritten.

A shim ends the work before and after each operation that changes the disk, counting from the first to the last; then
the same call is made again by a fresh process, and the promise is checked. The last case is a run that is not ended.
"""

from __future__ import annotations

import errno
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.identity import new_id
from gateway.spool.custody import orphans
from gateway.spool.drops import Drop, Rule
from gateway.spool.intake import Intake
from gateway.spool.publication import Moment, Placement, publish
from gateway.spool.returns import return_file
from gateway.spool.set_aside import SetAside
from gateway.spool.stability import Stability
from gateway.storage.durable import DISK, Disk
from gateway.storage.file_group import Group

TAGS = [new_id(1_800_000_000 + number, b"0123456789") for number in range(3)]
COUNTED = {"write", "fsync", "sync_file_system", "rename", "rename_new", "link", "unlink", "mkdir"}


class Died(BaseException):
    """The process ended here; nothing may catch it, and nothing may tidy up after it."""


class Mortal:
    """A disk that dies at its nth operation: before it when n is even, after it when n is odd, and stays dead."""

    def __init__(self, at: int | None, disk: Disk = DISK) -> None:
        self.at = at
        self.count = 0
        self.dead = False
        counted: dict[str, Any] = {name: self._counted(getattr(disk, name)) for name in COUNTED}
        self.disk = replace(disk, **counted)

    def _counted(self, call: Callable[..., object]) -> Callable[..., object]:
        def operation(*arguments: object, **named: object) -> object:
            if self.dead or self._due(0):
                self.dead = True
                raise Died
            result = call(*arguments, **named)
            if self._due(1):
                self.dead = True
                raise Died
            self.count += 1
            return result

        return operation

    def _due(self, side: int) -> bool:
        return self.at is not None and self.at // 2 == self.count and self.at % 2 == side


def every_death(work: Callable[[Disk], object], underneath: Disk = DISK) -> Iterator[Disk]:
    """Disks that die one operation later each, until `work` (on a fresh site each time) comes to its end."""
    counting = Mortal(None, underneath)
    work(counting.disk)
    assert counting.count
    for at in range(2 * counting.count):
        yield Mortal(at, underneath).disk


def between_file_systems(source: Path, target: Path) -> None:
    if source.parent != target.parent:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
    DISK.rename_new(source, target)


def without_noreplace(source: Path, target: Path) -> None:
    raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))


UNDERNEATH = [
    pytest.param(DISK, id="rename"),
    pytest.param(Disk(rename_new=between_file_systems), id="copy"),
    pytest.param(Disk(rename_new=without_noreplace), id="link"),
]


def vault(root: Path) -> list[Placement]:
    """Three files to publish under one name that is also taken already."""
    (root / "vault").mkdir(parents=True)
    (root / "inbound").mkdir()
    (root / "inbound" / "a.xml").write_bytes(b"taken")
    placements = []
    for tag in TAGS:
        (root / "vault" / tag).write_bytes(tag.encode())
        digest = hashlib.sha256(tag.encode()).hexdigest()
        placements.append(Placement(root / "vault" / tag, root / "inbound", "a.xml", tag, digest))
    return placements


@pytest.mark.parametrize("underneath", UNDERNEATH)
def test_a_publication_that_dies_anywhere_happens_exactly_once(underneath: Disk, tmp_path: Path) -> None:
    deaths = every_death(lambda disk: publish(vault(tmp_path / "counted"), disk), underneath)
    for number, disk in enumerate(deaths):
        root = tmp_path / f"{number}"
        placements = vault(root)
        with suppress(Died):
            publish(placements, disk)
        published = publish(placements, underneath)
        assert all(item.moment is not Moment.COLLECTED for item in published)
        contents = {entry.name: entry.read_bytes() for entry in (root / "inbound").iterdir()}
        assert contents == {"a.xml": b"taken"} | {f"a~{tag}.xml": tag.encode() for tag in TAGS}
        assert list((root / "vault").iterdir()) == []


@pytest.mark.parametrize("underneath", UNDERNEATH[:2])
def test_a_reader_who_takes_files_at_once_never_gets_one_twice(underneath: Disk, tmp_path: Path) -> None:
    deaths = every_death(lambda disk: publish(vault(tmp_path / "counted"), disk), underneath)
    for number, disk in enumerate(deaths):
        root = tmp_path / f"{number}"
        placements = vault(root)
        with suppress(Died):
            publish(placements, disk)
        taken = collect(root / "inbound")
        publish(placements, underneath)
        taken += collect(root / "inbound")
        assert sorted(taken) == sorted([b"taken", *(tag.encode() for tag in TAGS)])


def collect(inbound: Path) -> list[bytes]:
    taken = []
    for entry in list(inbound.iterdir()):
        if not entry.name.startswith("."):
            taken.append(entry.read_bytes())
            entry.unlink()
    return taken


def rejected(root: Path) -> Path:
    root.mkdir()
    source = root / "rejected"
    source.write_bytes(b"<claim/>")
    return source


@pytest.mark.parametrize("underneath", UNDERNEATH)
def test_a_return_that_dies_anywhere_gives_the_file_back_once_with_its_reason(underneath: Disk, tmp_path: Path) -> None:
    digest = hashlib.sha256(b"<claim/>").hexdigest()

    def returned_from(source: Path, disk: Disk) -> Path:
        directory = source.parent / "returned" / "claim"
        return return_file(source, directory, "a.xml", "Line 3.\n", tag=TAGS[0], sha256=digest, disk=disk)

    for number, disk in enumerate(
        every_death(lambda disk: returned_from(rejected(tmp_path / "counted"), disk), underneath)
    ):
        source = rejected(tmp_path / f"{number}")
        with suppress(Died):
            returned_from(source, disk)
        returned = returned_from(source, underneath)
        visible = [entry for entry in returned.parent.iterdir() if not entry.name.startswith(".")]
        assert {entry.name: entry.read_bytes() for entry in visible} == {
            "a.xml": b"<claim/>",
            "a.xml.why.txt": b"Line 3.\n",
        }
        assert not source.exists()


@pytest.mark.parametrize("underneath", [UNDERNEATH[0], UNDERNEATH[2]])
def test_a_refusal_that_dies_anywhere_never_leaves_a_file_unexplained(underneath: Disk, tmp_path: Path) -> None:
    def refuse(source: Path, disk: Disk, tag: str) -> None:
        return_file(source, source.parent / "returned", "a.xml", "Line 3.\n", tag=tag, disk=disk)

    deaths = every_death(lambda disk: refuse(rejected(tmp_path / "counted"), disk, TAGS[0]), underneath)
    for number, disk in enumerate(deaths):
        source = rejected(tmp_path / f"{number}")
        with suppress(Died):
            refuse(source, disk, TAGS[0])
        if source.exists():  # the next scan finds it, and no row says that it was found before
            refuse(source, underneath, TAGS[1])
        visible = [entry for entry in (source.parent / "returned").iterdir() if not entry.name.startswith(".")]
        assert {entry.name: entry.read_bytes() for entry in visible} == {
            "a.xml": b"<claim/>",
            "a.xml.why.txt": b"Line 3.\n",
        }


class Ledger:
    """Rows of a run, surviving its death: what the admit stage writes between `commit` and `release`."""

    def __init__(self) -> None:
        self.rows: dict[str, tuple[str, str]] = {}


def admit(root: Path, ledger: Ledger, disk: Disk) -> None:
    """The admit stage's order of things, with the ledger reduced to a dictionary."""
    for orphan in orphans(root / "custody", ledger.rows.keys()):
        orphan.unlink()
    rules = {"claim": Rule(0.0, 1000, {"DWP"})}
    aside = SetAside(root / "outbound", {}, 60.0, time.monotonic, disk)
    aside.recover(lambda _, ids: {each: ledger.rows[each][1] for each in ids if each in ledger.rows})
    with (
        Intake(root / "outbound", rules, {"DWP"}, Stability(time.monotonic), aside, disk) as intake,
        Group(root / "custody", disk) as group,
    ):
        fresh: list[tuple[Drop, str, str]] = []
        for drop in list(intake.scan()):
            assert isinstance(drop, Drop)
            known = [name for name, (fingerprint, _) in ledger.rows.items() if fingerprint == drop.fingerprint]
            if known:
                intake.release(drop, known[0], ledger.rows[known[0]][1])
                continue
            transfer = new_id(time.time(), os.urandom(10))
            fresh.append((drop, transfer, intake.take(drop, root / "custody", transfer, 1000, group).sha256))
        group.commit()
        for drop, transfer, sha256 in fresh:
            ledger.rows[transfer] = (drop.fingerprint, sha256)
        for drop, transfer, sha256 in fresh:
            intake.release(drop, transfer, sha256)
        intake.keep_released(drop for drop, _, _ in fresh)
    assert aside.look(ending=True) == []


def spool(root: Path) -> Path:
    directory = root / "outbound" / "claim" / "DWP"
    directory.mkdir(parents=True)
    (root / "custody").mkdir()
    for number in range(3):
        (directory / f"{number}.xml").write_bytes(b"claim %d" % number)
    return root


def test_an_admission_that_dies_anywhere_takes_every_file_exactly_once(tmp_path: Path) -> None:
    deaths = every_death(lambda disk: admit(spool(tmp_path / "counted"), Ledger(), disk))
    for number, disk in enumerate(deaths):
        root = spool(tmp_path / f"{number}")
        ledger = Ledger()
        with suppress(Died):
            admit(root, ledger, disk)
        for name in ledger.rows:
            assert (root / "custody" / name).exists()
        admit(root, ledger, DISK)
        assert [path for path in (root / "outbound").rglob("*") if path.is_file()] == []
        assert {entry.name for entry in (root / "custody").iterdir()} == set(ledger.rows)
        kept = sorted((root / "custody" / transfer).read_bytes() for transfer in ledger.rows)
        assert kept == [b"claim 0", b"claim 1", b"claim 2"]
        assert all(
            hashlib.sha256((root / "custody" / transfer).read_bytes()).hexdigest() == sha256
            for transfer, (_, sha256) in ledger.rows.items()
        )
