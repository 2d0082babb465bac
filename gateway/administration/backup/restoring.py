"""Putting a site back from a copy: verified first, then made whole under another name, and in a state in which it does nothing.

What happened since the copy was taken, nobody knows here. So the site is marked (`Home.restored`), and until `recovery` takes the mark
away every start and every command that changes something ends with LedgerRestored. Delivered files that lay before the back office
are put aside (spool/restored), since it may have fetched them.

Raises BackupUnusable for a copy that is not whole, UsageWrong for a place that is taken and for keys that are none, NotPermitted,
DiskFull, DiskFailed. After an error there is no site.
"""

from __future__ import annotations

import os
import pwd
import shutil
import stat
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import orjson

from gateway.administration.backup import contents
from gateway.administration.backup.contents import Contents, Watch, home_in
from gateway.administration.backup.secret_keys import put_back
from gateway.administration.site import audit
from gateway.administration.site.creation import moved_into_place
from gateway.administration.site.settings import load, share_out
from gateway.domain.identity import to_text
from gateway.errors import BackupUnusable, UsageWrong
from gateway.ledger.audit.chain import Fault
from gateway.settings.directories import PRIVATE, SHARED, make, make_below, site_directories
from gateway.settings.home import Home
from gateway.settings.ledger import LedgerSettings
from gateway.settings.resources import resource
from gateway.settings.write import change
from gateway.storage.durable import sync_directory, sync_file, write_file
from gateway.storage.payloads import OneMachine

_TOLD: Final = 10
_WITH_SPARE_ROOM: Final = 1.05


@dataclass(frozen=True)
class Restored:
    """A site that was put back, or would be: the contract of `restore --json`. `put_aside` are files in spool/restored. `stored` says that the
    copy has none of the files which rows speak of: they are in the site's store. `alone` that its configuration named a database or a node, and was
    changed: its ledger is a file now, and it works alone.
    """

    copy: str
    site: str
    taken: str
    head: int
    files: int
    bytes: int
    keys: bool
    put_aside: tuple[str, ...]
    stored: bool
    alone: bool
    faults: tuple[Fault, ...]


def find(path: Path) -> Path:
    """The copy that a person means: the directory itself, or the newest copy in it; UsageWrong where there is none."""
    if (path / contents.MANIFEST).is_file():
        return path
    found = contents.copies(path)
    if len({each.name.rpartition("-")[0] for each in found}) > 1:
        raise UsageWrong(f"{path} holds copies of several sites: name one of them, such as {found[-1]}.")
    if not found:
        raise UsageWrong(f"There is no copy of a site in {path}.")
    return found[-1]


def restore(
    copy: Path,
    target: Path,
    keys: Path | None,
    now: float,
    watch: Watch,
    *,
    with_faults: bool = False,
    dry_run: bool = False,
) -> Restored:
    """Make the site at `target`, which must not exist or be empty, from a copy. `keys` is the tar of its keys, decrypted.

    What an audit of the copy finds is told; with any fault nothing is made, unless `with_faults` says that a person knows it.
    """
    kept = contents.read(copy)
    if wrong := list(contents.faults(copy, kept, watch)):
        raise BackupUnusable(f"The copy is not what its manifest says: {'; '.join(wrong[:_TOLD])}.")
    if keys is None and kept.keys is not None:
        raise UsageWrong(
            f"The keys are in the copy, encrypted: `gpg -d {copy / contents.KEYS} > keys.tar` where the recovery key is, and "
            "give the result with --keys."
        )
    with moved_into_place(target, dry_run=dry_run) as made:
        home = Home(made)
        _fill(copy, kept, home, watch)
        if keys is not None:
            put_back(home, keys)
        alone = _works_alone(home, stored=kept.stored)
        faults = _audit(kept, home, watch)
        if faults and not (with_faults or dry_run):
            told = "; ".join(f"{fault.subject}: {fault.message}" for fault in faults[:_TOLD])
            raise BackupUnusable(
                f"The copy is whole, and an audit of it finds {len(faults)} faults: {told}. --with-faults puts it back as it is."
            )
        aside = tuple(str(path.relative_to(made)) for path in _files_below(home.put_aside))
        _mark(home, copy, kept, now)
    if not dry_run:
        _give(Home(target.absolute()), kept)
    return Restored(
        str(copy),
        kept.site,
        kept.taken,
        kept.head.sequence,
        len(kept.files),
        sum(each.size for each in kept.files),
        keys is not None,
        aside,
        kept.stored,
        alone,
        faults,
    )


def _fill(copy: Path, kept: Contents, home: Home, watch: Watch) -> None:
    free = shutil.disk_usage(home.root).free
    needed = sum(each.size for each in kept.files) * _WITH_SPARE_ROOM
    if free < needed:
        raise UsageWrong(f"The copy takes {needed / 2**20:.0f} MiB, and {free / 2**20:.0f} MiB are free there.")
    source = home_in(copy).root
    make(site_directories(home))
    fetched = [each.relative_to(home.root) for each in (home.inbound, home.open_batches, home.batches)]
    for directory in sorted(kept.directories, key=lambda each: each.path):
        if any(map(Path(directory.path).is_relative_to, fetched[1:])):
            continue  # of batches only the files are looked at
        (home.root / directory.path).mkdir(exist_ok=True)
        (home.root / directory.path).chmod(directory.mode)
    for number, each in enumerate(kept.files, 1):
        watch("files put back", number)
        path = Path(each.path)
        below = path.relative_to("spool") if any(map(path.is_relative_to, fetched)) else None
        target = home.root / path if below is None else home.put_aside / below
        make_below(target.parent, SHARED if path.is_relative_to("spool") else PRIVATE)
        shutil.copyfile(source / path, target, follow_symlinks=False)
        target.chmod(each.mode)
        sync_file(target)
    shutil.copyfile(resource("spool") / "README.md", home.spool / "README.md")
    for where, _, _ in os.walk(home.root):
        sync_directory(Path(where))


def _audit(kept: Contents, home: Home, watch: Watch) -> tuple[Fault, ...]:
    """An audit of what was put back, and whether it is the ledger that the manifest speaks of."""
    settings = replace(load(home), ledger=LedgerSettings())
    if settings.site.code != kept.site:
        raise BackupUnusable(f"The manifest is of {kept.site}, and the configuration of {settings.site.code}.")
    report = audit.verify(
        settings, (), lambda: nullcontext(watch), deep=not kept.stored, files=not kept.stored, payloads=OneMachine()
    )
    if (report.events, report.head) != (kept.head.sequence, kept.head.sha256):
        raise BackupUnusable("The ledger in the copy ends with another event than the manifest says.")
    return report.faults


def _works_alone(home: Home, *, stored: bool) -> bool:
    """Have the configuration name no database, no node and, unless the files are there alone, no store: the copy's ledger is a file, and what others
    do on the database meanwhile is not it. Whether that changed anything.
    """
    before = text = home.gateway_toml.read_text(encoding="utf-8")
    settings = load(home)
    if settings.node.name:
        text = change(text, "node", {"name": ""})
    if settings.ledger.url:
        text = change(text, "ledger", {"url": ""})
    if settings.payloads.url and not stored:
        text = change(text, "payloads", {"url": ""})
    if text == before:
        return False
    mode = stat.S_IMODE(home.gateway_toml.stat().st_mode)
    write_file(home.gateway_toml, text.encode(), mode=mode)
    return True


def _mark(home: Home, copy: Path, kept: Contents, now: float) -> None:
    """From here on nothing is done on the ledger's word before a person has said what happened since."""
    said = {
        "copy": copy.name,
        "taken": kept.taken,
        "restored": to_text(now),
        "head": [kept.head.sequence, kept.head.sha256],
    }
    home.restored.write_bytes(orjson.dumps(said, option=orjson.OPT_APPEND_NEWLINE))
    home.restored.chmod(0o644)
    sync_file(home.restored)
    sync_directory(home.state)


def _give(home: Home, kept: Contents) -> None:
    """To the account whose the site was, where root puts it back, and it is here."""
    if os.geteuid() == 0 and not load(home).accounts.split:
        try:
            account = pwd.getpwnam(kept.account)
        except KeyError as error:
            raise UsageWrong(
                f"There is no account {kept.account} here: make it, and `chown -R` {home.root}."
            ) from error
        for where, names, files in os.walk(home.root):
            for path in (where, *(os.path.join(where, name) for name in (*names, *files))):  # noqa: PTH118 - as walk gives it
                mode = os.lstat(path).st_mode
                os.lchown(path, account.pw_uid, account.pw_gid)
                os.chmod(path, stat.S_IMODE(mode))  # noqa: PTH101 - chown has cleared the set-group-ID bit
    share_out(home)


def _files_below(root: Path) -> Iterator[Path]:
    for where, _, names in sorted(os.walk(root)):
        yield from (Path(where, name) for name in sorted(names))
