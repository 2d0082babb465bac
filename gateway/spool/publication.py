"""Put finished files where others look: whole or absent, never over another file, and at most once.

Raises DiskFull and DiskFailed; after either, the same call may be made again. Raises CustodyLost where a copy shows other bytes
than those taken in. Safe because the source's absence is the record: one rename that refuses to overwrite (renameat2,
RENAME_NOREPLACE) moves the file from our custody before the reader in a single step. So no crash leaves it in both places, and a
reader who takes it at once cannot make us publish it twice. (With link and unlink there is a moment in which both names exist.)

Between file systems, or between the bind mounts of a systemd sandbox, the copy is made durable under a hidden name in the target
directory, *then* the source is removed, and the rename comes last: the same rule, with the copy as custody.

Where several nodes work on a site, the source is of one node, and its absence says nothing to the others. So `place` comes first: a durable
copy beside its target, under a hidden name with the node and its incarnation in it. The ledger records that, and then publication takes that copy for the source.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Final

from gateway.errors import CustodyLost, DiskFailed
from gateway.spool.names import second_name
from gateway.storage.digest import file_digest, pieces, write_pieces
from gateway.storage.durable import DISK, Disk, disk_error, move_new
from gateway.storage.file_group import Group

_HIDDEN: Final = ".gateway-"
_PART: Final = ".part"


class Moment(StrEnum):
    """When a file was published."""

    NOW = "now"
    EARLIER = "earlier"
    """By an attempt that ended before it could say so; the file is still there."""
    COLLECTED = "collected"
    """As EARLIER, and the reader has taken it since: neither source nor target is there."""


@dataclass(frozen=True)
class Placement:
    """One file to publish: its durable bytes and their SHA-256, and the directory and name where it is to appear.

    `tag` (the transfer's id) makes the second name, `STEM~TAG.EXT`, where `name` is taken. The file gets `mode` and,
    where we may give it, the group of the directory; with None it keeps what it has. An empty `sha256` is not compared.
    """

    source: Path
    directory: Path
    name: str
    tag: str
    sha256: str
    mode: int | None = 0o640


@dataclass(frozen=True)
class Published:
    """Where a file appeared, and when."""

    path: Path
    moment: Moment


def publish(placements: Sequence[Placement], disk: Disk = DISK) -> list[Published]:
    """Publish files, in order, and wait until all of that is durable.

    The sources must be durable already, and each must be a file that only publication removes.
    """
    if not placements:
        return []
    groups: dict[Path, int] = {}
    with Group(placements[0].directory, disk) as group:
        try:
            for directory in {placement.directory for placement in placements}:
                groups[directory] = directory.stat().st_gid
            results = [_at_once(placement, groups[placement.directory], disk) for placement in placements]
            far = [index for index, result in enumerate(results) if result is None]
            if far:
                _carry([placements[index] for index in far], groups, group, disk)
                for index in far:
                    results[index] = _reveal(placements[index], disk)
        except OSError as error:
            raise disk_error(error, "publishing a file") from error
        for placement in placements:
            group.add_directory(placement.directory)
            group.add_directory(placement.source.parent)
        group.commit()
    return [result for result in results if result is not None]


def place(placements: Sequence[Placement], owner: str, disk: Disk = DISK) -> list[Placement]:
    """Put durable copies of the sources beside their targets, which nobody but their `owner` touches before they are recorded; the placements with these
    as sources. Raises as `publish` does.
    """
    if not placements:
        return []
    placed = [replace(each, source=hidden(each.directory, each.tag, owner)) for each in placements]
    with Group(placements[0].directory, disk) as group:
        try:
            for before, after in zip(placements, placed, strict=True):
                group.add_file(_copy(before, after.source, before.directory.stat().st_gid, disk))
                group.add_directory(after.directory)
        except OSError as error:
            raise disk_error(error, "copying a file that is about to be published") from error
        group.commit()
    return placed


def owner_of_copies(node: str, incarnation: int) -> str:
    """Whose a copy is, as its name and the ledger have it. Another machine that takes the node's name is another owner."""
    return f"{node}.{incarnation}"


def hidden(directory: Path, tag: str, owner: str) -> Path:
    """Where `place` puts a copy."""
    return directory / f"{_HIDDEN}{tag}.{owner}{_PART}"


@dataclass(frozen=True)
class Copy:
    """A copy that a node has put beside its target, in that incarnation; 0 where a program of before the incarnations did."""

    tag: str
    owner: str
    incarnation: int
    path: Path


def placed_by(root: Path, node: str) -> Iterator[Copy]:
    """The copies that a node has put below a directory, in whichever depth and incarnation."""
    for directory, _, names in os.walk(root):
        for name in names:
            tag, _, rest = name.removeprefix(_HIDDEN).partition(".")
            owner = rest.removesuffix(_PART)
            of, _, incarnation = owner.partition(".")
            if name.startswith(_HIDDEN) and name.endswith(_PART) and of == node and f"{incarnation or 0}".isdecimal():
                yield Copy(tag, owner, int(incarnation or 0), Path(directory, name))


def _at_once(placement: Placement, readers: int, disk: Disk) -> Published | None:
    """Publish by one rename, or find that it was done; None where a copy is needed."""
    try:
        status = placement.source.lstat()
    except FileNotFoundError:
        return _done_before(placement, disk)
    if status.st_nlink > 1 and (linked := _other_name(placement, status)) is not None:
        disk.unlink(placement.source)
        return Published(linked, Moment.EARLIER)
    if stat.S_ISREG(status.st_mode) and not _open_to_readers(placement.source, status, placement.mode, readers):
        return None
    try:
        return _rename(placement.source, placement, disk)
    except OSError as error:
        if error.errno == errno.EXDEV and stat.S_ISREG(status.st_mode):
            return None
        raise


def _rename(source: Path, placement: Placement, disk: Disk) -> Published:
    for name in (placement.name, second_name(placement.name, placement.tag)):
        target = placement.directory / name
        try:
            move_new(source, target, disk)
        except FileExistsError:
            continue
        return Published(target, Moment.NOW)
    raise DiskFailed("publishing a file: both of its names are taken by other files")


def _done_before(placement: Placement, disk: Disk) -> Published:
    copy = _copy_name(placement)
    if copy.exists():
        return _rename(copy, placement, disk)
    own = placement.directory / second_name(placement.name, placement.tag)
    if own.exists():
        return Published(own, Moment.EARLIER)
    shared = placement.directory / placement.name
    if placement.sha256 and _digest(shared) == placement.sha256:
        return Published(shared, Moment.EARLIER)
    return Published(shared, Moment.COLLECTED)


def _other_name(placement: Placement, status: os.stat_result) -> Path | None:
    """The name that link() gave to the source before a crash kept unlink() from running."""
    for name in (placement.name, second_name(placement.name, placement.tag)):
        target = placement.directory / name
        try:
            found = target.lstat()
        except FileNotFoundError:
            continue
        if os.path.samestat(found, status):
            return target
    return None


def _carry(placements: Sequence[Placement], groups: Mapping[Path, int], group: Group, disk: Disk) -> None:
    """Copy into the target directories under hidden names, durably, and only then let go of the sources."""
    for placement in placements:
        group.add_file(_copy(placement, _copy_name(placement), groups[placement.directory], disk))
        group.add_directory(placement.directory)
    group.commit()
    for placement in placements:
        disk.unlink(placement.source)
        group.add_directory(placement.source.parent)
    group.commit()


def _reveal(placement: Placement, disk: Disk) -> Published:
    return _rename(_copy_name(placement), placement, disk)


def _copy(placement: Placement, target: Path, readers: int, disk: Disk) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(target, flags, 0o600)
    try:
        with placement.source.open("rb", buffering=0) as source:
            _compare(write_pieces(pieces(source.fileno()), descriptor, disk), placement.sha256)
        _open_to_readers(target, os.fstat(descriptor), placement.mode, readers)
    except BaseException:
        os.close(descriptor)
        disk.unlink(target)
        raise
    return descriptor


def _compare(found: str, expected: str) -> None:
    if expected not in ("", found):
        raise CustodyLost("What was read for publishing is not what was put in custody.")


def _copy_name(placement: Placement) -> Path:
    return placement.directory / f"{_HIDDEN}{placement.tag}{_PART}"


def _open_to_readers(path: Path, status: os.stat_result, mode: int | None, readers: int) -> bool:
    """Give a file the `mode` and the group of its `readers`; False where it is not ours to give."""
    if mode is None:
        return True
    try:
        if status.st_gid != readers:
            os.chown(path, -1, readers)
        path.chmod(mode)
    except PermissionError:
        return False
    return True


def _digest(path: Path) -> str | None:
    try:
        return file_digest(path)
    except FileNotFoundError:
        return None
