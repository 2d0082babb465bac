"""Taking a copy of a site while it works: everything of one moment, verified after it was written.

The ledger is copied as it is at one moment, at which nobody can commit. In that moment every file in the queues and the vault gets a
second name, and the names of what only grows are noted down: so each file that a row of the copy speaks of is in it, however soon
the gateway removes it afterwards. What people drop is copied before that moment, and what people fetch after it.

Where the site keeps its files in a store that several nodes reach, they are that store's to copy, by its own means, and a copy has none of
them; nor what lies in directories that the nodes share, which are links here. Its audit then looks at no file.

Raises UsageWrong for a directory that cannot take copies of this site, SiteBusy, NotPermitted, ConfigurationInvalid for a recovery key
that cannot be used, BackupUnusable where what was written is not what was read, DiskFull, DiskFailed, and what the ledger raises. After
an error there is no new copy, and nothing of it is left.
"""

from __future__ import annotations

import errno
import os
import pwd
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Final

from gateway.administration.access import on_disk
from gateway.administration.backup import contents
from gateway.administration.backup.contents import UNFINISHED, Contents, Watch
from gateway.administration.backup.copying import CopyTree
from gateway.administration.backup.secret_keys import sealed_keys
from gateway.administration.site import audit
from gateway.assembly.stores import payloads_of
from gateway.daemon.lock import held
from gateway.domain.identity import to_text
from gateway.errors import BackupUnusable, CopyFull, DiskFull, UsageWrong
from gateway.ledger.audit.chain import Fault
from gateway.ledger.head_file import HeadFile
from gateway.ledger.queries.restorations import dropped_since
from gateway.ledger.snapshot import copy_ledger
from gateway.ledger.store import Ledger
from gateway.settings.home import Home
from gateway.settings.ledger import LedgerSettings
from gateway.settings.model import Settings
from gateway.storage.durable import DISK, sync_directory, write_file
from gateway.storage.payloads import OneMachine

_LOCK: Final = "backup"
_TOLD: Final = 10


@dataclass(frozen=True)
class TakenCopy:
    """A copy that was taken: the contract of `backup --json`. `linked` files lie in the copy before as well, and took no room; `stored` says that the
    site's store has the files, and the copy none of them; `faults` are what an audit of the copy found, and so of the site.
    """

    path: str
    taken: str
    head: int
    files: int
    bytes: int
    linked: int
    keys: bool
    stored: bool
    removed: tuple[str, ...]
    faults: tuple[Fault, ...]


def take(
    settings: Settings, directory: Path, clock: Callable[[], float], watch: Watch, *, keep: int | None = None
) -> TakenCopy:
    """Take a copy into a new directory below `directory`. With `keep`, only so many of this site's are left there afterwards."""
    directory = _apart(settings.home, directory)
    with _disk(), held(settings.home.run, _LOCK):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        now = clock()
        name = f"{settings.site.code}-{re.sub('[-:]', '', to_text(now))}"
        if os.path.lexists(directory / name):
            raise UsageWrong(f"{directory / name} is there already.")
        keys = sealed_keys(settings, now)
        before = contents.copies(directory, settings.site.code)
        working = directory / f"{UNFINISHED}{name}"
        for left in directory.glob(f"{UNFINISHED}{settings.site.code}-*"):
            shutil.rmtree(left)
        try:
            tree = CopyTree(settings.home, working, before[-1] if before else None, watch)
            made, faults = _fill(settings, tree, working, now, keys, watch)
            working.rename(directory / name)
            sync_directory(directory)
        finally:
            shutil.rmtree(working, ignore_errors=True)
        removed = [] if keep is None else before[: max(0, len(before) + 1 - keep)]
        for old in removed:
            shutil.rmtree(old)
    return TakenCopy(
        str(directory / name),
        made.taken,
        made.head.sequence,
        len(made.files),
        sum(each.size for each in made.files),
        tree.linked,
        keys is not None,
        made.stored,
        tuple(old.name for old in removed),
        faults,
    )


def _fill(
    settings: Settings, tree: CopyTree, working: Path, now: float, keys: bytes | None, watch: Watch
) -> tuple[Contents, tuple[Fault, ...]]:
    home, there = settings.home, contents.home_in(working)
    stored = not isinstance(payloads_of(settings), OneMachine)
    tree.directories()
    for dropped in (home.outbound, home.outcomes):
        if not dropped.is_symlink():
            tree.below(dropped, may_go=True)
    tree.file(home.audit, may_go=True)
    with _second_names(home, stored=stored) as moment:
        head = copy_ledger(settings.ledger_place, there.ledger, moment.note, watch)
        taken = to_text(now)
        for area, staged in moment.staged:
            tree.below(staged, as_if=area)
        tree.files(map(Path, moment.listed))
    # A document moves from the first into the second into the third: so it is in one of them when that is looked at.
    documents = (home.inbound, home.open_batches, home.batches)
    for fetched in (*documents, home.returned, home.receipts, home.put_aside):
        if not fetched.is_symlink():
            tree.below(fetched, may_go=True)
    for area in (home.config, home.keyrings / "partners"):
        tree.below(area)
    _forget_admitted(there, tree, now)
    HeadFile(there.ledger_head).remember(head)
    if keys is not None:
        write_file(working / contents.KEYS, keys)
    watch("audit of the copy", 0)
    # Here, not at the site: what is verified is what was written.
    report = audit.verify(
        replace(settings, home=there, ledger=LedgerSettings()),
        (),
        lambda: nullcontext(watch),
        deep=not stored,
        files=not stored,
        payloads=OneMachine(),
    )
    for beside in there.ledger.parent.glob(f"{there.ledger.name}-*"):
        beside.unlink()
    tree.made(there.ledger)
    tree.made(there.ledger_head)
    made = tree.contents(
        settings.site.code,
        _account(home),
        taken,
        head,
        None if keys is None else sha256(keys).hexdigest(),
        stored=stored,
    )
    _sync(working)
    made.write(working)
    if wrong := list(contents.faults(working, made, watch)):
        raise BackupUnusable(f"What was written is not what was read: {'; '.join(wrong[:_TOLD])}.")
    return made, report.faults


def _forget_admitted(there: Home, tree: CopyTree, since: float) -> None:
    """Dropped files that were taken into custody between their copy and the ledger's are not dropped any more."""
    ledger = Ledger(there.ledger, clock=lambda: since, role="command")
    try:
        with ledger.read() as connection:
            admitted = dropped_since(connection, since)
    finally:
        ledger.close()
    for flow, partner, name, digest in admitted:
        tree.forget(there.outbound / flow / partner / name, digest)


class _Moment:
    """What is done while nobody can commit: second names below `stage`, and a list of names. Both are quick."""

    def __init__(self, home: Home, stage: Path, *, stored: bool) -> None:
        self._home = home
        self._stage = stage
        self._stored = stored
        self.staged: list[tuple[Path, Path]] = []
        """The areas of the site, and where their files have their second names."""
        self.listed: list[str] = []

    def note(self) -> None:
        """Sources before targets: what is moved outside a transaction meanwhile is met in one of its places. Nothing of files that a store has."""
        home = self._home
        if self._stored:
            return
        for number, area in enumerate(
            (home.custody, home.opened, home.sealed_in, home.sealed_out, home.infected, home.quarantine)
        ):
            target = self._stage / str(number)
            _link_below(area, target)
            self.staged.append((area, target))
        for area in (home.evidence, home.exceptions):
            self.listed += _plain_files(area)


@contextmanager
def _second_names(home: Home, *, stored: bool) -> Iterator[_Moment]:
    """In the vault, which is where plaintext may lie; gone at the end, or at the next copy."""
    stage = home.backup
    shutil.rmtree(stage, ignore_errors=True)
    stage.mkdir(mode=0o700)
    try:
        yield _Moment(home, stage, stored=stored)
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _link_below(area: Path, target: Path) -> None:
    target.mkdir(mode=0o700)
    for path in _plain_files(area):
        second = target / os.path.relpath(path, area)
        try:
            _second_name(path, second)
        except FileNotFoundError:
            if not os.path.lexists(path):
                continue  # no row speaks of it any more: a role has just let go of it
            second.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _second_name(path, second)


def _second_name(path: str, second: Path) -> None:
    try:
        os.link(path, second, follow_symlinks=False)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        shutil.copyfile(path, second)  # another file system than the vault: slower, and nobody can commit meanwhile


def _plain_files(area: str | Path) -> Iterator[str]:
    """The files below a directory of the gateway's own, without those that are being written. Nothing is asked about each of
    them that the directory does not say: a million are listed in a second, while nobody can commit.
    """
    inside = []
    try:
        with os.scandir(area) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    inside.append(entry.path)
                elif entry.is_file(follow_symlinks=False):
                    yield entry.path
    except FileNotFoundError:
        return
    for directory in inside:
        yield from _plain_files(directory)


def _apart(home: Home, directory: Path) -> Path:
    """The directory for copies, as an absolute path; UsageWrong where it lies in the site, or the site in it."""
    directory, root = directory.resolve(), home.root.resolve()
    if directory.is_relative_to(root):
        raise UsageWrong(f"{directory} is inside the site: a copy has to lie elsewhere, best on another disk.")
    if (directory / contents.MANIFEST).exists():
        raise UsageWrong(f"{directory} is a copy itself: name the directory in which copies lie.")
    return directory


def _account(home: Home) -> str:
    """The account that the site's state belongs to."""
    owner = home.state.stat().st_uid
    try:
        return pwd.getpwuid(owner).pw_name
    except KeyError:
        return str(owner)


def _sync(working: Path) -> None:
    descriptor = os.open(working, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        DISK.sync_file_system(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _disk() -> Iterator[None]:
    refused = "You may not read or write {file}: a copy takes who may read all of the site."
    try:
        with on_disk("the copy cannot be taken", refused):
            yield
    except DiskFull as error:
        raise CopyFull(error.reason) from error
