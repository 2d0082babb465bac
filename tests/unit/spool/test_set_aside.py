"""What was taken, until it is certain that nobody wrote on."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from gateway.domain.identity import new_id
from gateway.spool.set_aside import TAKEN, LateWrite, SetAside
from gateway.storage.durable import DISK, Disk
from gateway.storage.writers import Writers, writers_of

TRANSFER = new_id(1_800_000_000, b"0123456789")
OTHER = new_id(1_800_000_000, b"9876543210")
SETTLE = 5.0
KEEP = 60.0
WHOLE = b"<claim>whole</claim>"


class Spool:
    """One partner's directory, with a clock that stands still until it is moved."""

    def __init__(self, root: Path) -> None:
        self.outbound = root / "outbound"
        self.directory = self.outbound / "claim" / "E09000030"
        self.directory.mkdir(parents=True)
        self.steady = 1000.0
        self.aside = self.start()

    def start(self, answer: Writers | None = None, disk: Disk = DISK) -> SetAside:
        """As after a start of the process; `answer` is what the kernel would say."""
        ask = writers_of if answer is None else lambda _: answer
        self.aside = SetAside(self.outbound, {"claim": SETTLE}, KEEP, lambda: self.steady, disk, ask)
        return self.aside

    def recover(self, content: Mapping[str, bytes]) -> None:
        known = {name: hashlib.sha256(each).hexdigest() for name, each in content.items()}
        self.aside.recover(lambda _, ids: {name: known[name] for name in ids if name in known})

    def put(self, name: str = "a.xml", content: bytes = WHOLE, transfer: str = TRANSFER) -> Path:
        path = self.directory / name
        path.write_bytes(content)
        return self.put_existing(path, transfer)

    def put_existing(self, path: Path, transfer: str = TRANSFER) -> Path:
        descriptor = os.open(self.directory, os.O_RDONLY)
        try:
            inode = path.stat().st_ino
            assert self.aside.put(descriptor, ("claim", "E09000030", path.name), transfer, inode)
        finally:
            os.close(descriptor)
        return self.directory / TAKEN / transfer

    def later(self, seconds: float) -> list[LateWrite]:
        self.steady += seconds
        return self.aside.look()


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path)


def test_what_nobody_has_open_goes_at_the_first_look_a_second_later(spool: Spool) -> None:
    path = spool.put()
    assert path.read_bytes() == WHOLE
    assert not (spool.directory / "a.xml").exists()
    assert spool.later(0.5) == []
    assert path.exists()
    assert spool.later(0.6) == []
    assert not path.exists()
    assert spool.aside.due is None


def test_what_somebody_has_open_stays_until_it_is_closed_however_long_that_takes(spool: Spool) -> None:
    source = spool.directory / "a.xml"
    source.write_bytes(WHOLE)
    with source.open("ab"):
        path = spool.put_existing(source)
        for _ in range(20):
            assert spool.later(3 * KEEP) == []
        assert path.exists()
    assert spool.later(301) == []
    assert not path.exists()


def test_a_late_write_is_told_at_once_and_is_whole_when_its_writer_has_closed_it_and_it_is_quiet(spool: Spool) -> None:
    source = spool.directory / "a.xml"
    source.write_bytes(WHOLE)
    with source.open("ab", buffering=0) as file:
        path = spool.put_existing(source)
        file.write(b"more")
        assert spool.later(2) == [LateWrite("claim", "E09000030", TRANSFER, path, whole=False)]
        assert spool.later(100) == [LateWrite("claim", "E09000030", TRANSFER, path, whole=False)]
        file.write(b"and more")
    assert [late.whole for late in spool.later(1)] == [False]
    (late,) = spool.later(SETTLE)
    assert late.whole
    assert path.read_bytes() == WHOLE + b"moreand more"
    spool.aside.given_back(late)
    assert spool.later(100) == []


@pytest.mark.parametrize("keep_times", [True, False])
def test_an_overwrite_of_the_same_size_is_a_late_write_whatever_times_it_leaves(spool: Spool, keep_times: bool) -> None:  # noqa: FBT001
    source = spool.directory / "a.xml"
    source.write_bytes(WHOLE)
    with source.open("r+b", buffering=0) as file:
        path = spool.put_existing(source)
        before = path.stat()
        file.write(b"<CLAIM>")
        if keep_times:
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert len(spool.later(2)) == 1


def test_where_the_kernel_cannot_tell_it_is_kept_for_the_given_time_and_looked_at_in_between(spool: Spool) -> None:
    spool.start(Writers.UNKNOWN)
    path, looks = spool.put(), 0
    while (wait := spool.aside.due) is not None:
        assert path.exists()
        assert spool.later(wait + 0.01) == []
        looks += 1
    assert not path.exists()
    assert KEEP <= spool.steady - 1000 < KEEP + 2
    assert 3 < looks < 12


def test_where_the_kernel_cannot_tell_a_late_write_is_found_long_before_the_given_time_is_over(spool: Spool) -> None:
    spool.start(Writers.UNKNOWN)
    path = spool.put()
    spool.later(2)
    with path.open("ab") as file:
        file.write(b"more")
    assert len(spool.later(4)) == 1


def test_after_a_restart_what_is_as_it_was_taken_goes_and_what_is_not_is_a_late_write(spool: Spool) -> None:
    same, changed = spool.put(), spool.put("b.xml", transfer=OTHER)
    with changed.open("ab") as file:
        file.write(b"more")
    spool.start()
    spool.recover({TRANSFER: WHOLE, OTHER: WHOLE})
    assert [late.transfer for late in spool.later(1)] == [OTHER]
    assert not same.exists()
    assert [late.whole for late in spool.later(SETTLE)] == [True]


def test_what_the_ledger_knows_nothing_of_is_not_removed(spool: Spool) -> None:
    path = spool.put()
    spool.start()
    spool.recover({})
    assert [late.whole for late in spool.later(SETTLE)] == [True]
    assert path.exists()


def test_a_file_that_took_the_name_in_that_moment_goes_back_and_nothing_is_lost(spool: Spool) -> None:
    (spool.directory / "a.xml").write_bytes(WHOLE)
    inode = (spool.directory / "a.xml").stat().st_ino

    def rename(source: str, target: str, **where: int) -> None:
        newer = spool.directory / ".newer"
        newer.write_bytes(b"<claim>newer</claim>")
        newer.rename(spool.directory / "a.xml")
        os.rename(source, target, **where)  # noqa: PTH104 - relative to open directories

    aside = spool.start(disk=Disk(rename=rename))
    with (spool.directory / "a.xml").open("rb") as kept:  # its inode is not given to the newer one
        descriptor = os.open(spool.directory, os.O_RDONLY)
        try:
            assert not aside.put(descriptor, ("claim", "E09000030", "a.xml"), TRANSFER, inode)
        finally:
            os.close(descriptor)
        assert kept.read() == WHOLE
    assert (spool.directory / "a.xml").read_bytes() == b"<claim>newer</claim>"
    assert list((spool.directory / TAKEN).iterdir()) == []
    assert aside.due is None


def test_a_file_that_cannot_be_removed_keeps_no_other_from_being_looked_at(spool: Spool) -> None:
    first, second = spool.put(), spool.put("b.xml", transfer=OTHER)

    def unlink(name: str, **where: int) -> None:
        if name == TRANSFER:
            raise OSError(5, "Input/output error")
        os.unlink(name, **where)

    aside = spool.start(disk=Disk(unlink=unlink))
    spool.recover({TRANSFER: WHOLE, OTHER: WHOLE})
    spool.later(1)
    assert len(aside.faults) == 1
    assert first.exists()
    assert not second.exists()
    spool.later(1)
    assert aside.faults == []  # it has a pause


def test_a_partners_directory_that_somebody_removed_stops_nothing(spool: Spool) -> None:
    path = spool.put()
    path.unlink()
    path.parent.rmdir()
    spool.directory.rmdir()
    assert spool.later(2) == []
    assert spool.aside.faults == []


def test_a_spool_that_does_not_open_is_a_fault_and_what_was_taken_is_looked_at_again(spool: Spool) -> None:
    path = spool.put()
    outbound = path.parents[3]
    away = outbound.rename(outbound.with_name("away"))
    outbound.touch()
    assert spool.later(2) == []
    assert len(spool.aside.faults) == 1
    assert spool.aside.due is not None
    outbound.unlink()
    away.rename(outbound)
    spool.later(300)
    assert spool.aside.faults == []
    assert not path.exists()
