"""The directories that people and back offices use of a site with several nodes: each node has links to one place that all of them mount.

Links, and not mounts one by one: where the mount is away, a link leads nowhere, and a node waits. A directory below a mount point would be there all the
same, and take deliveries that nobody fetches. A mark in the place says whose it is.

Raises NodesNotSharing, SharedTwice, UsageWrong, SiteBusy where the gateway runs, DiskFull and DiskFailed.
"""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from gateway.daemon.lock import held
from gateway.errors import NodesNotSharing, SharedTwice, UsageWrong
from gateway.settings.directories import SHARED
from gateway.settings.home import Home
from gateway.settings.model import Settings
from gateway.settings.shared_place import MARK, shared_directories
from gateway.stages.itinerary import Role
from gateway.storage.durable import disk_error, sync_directory, write_file

_LONGEST: Final = 200


def share(settings: Settings, place: Path, identity: str) -> Path:
    """Move the site's directories into `place`, with links where they were; again is the same. `identity` marks a place that has no mark."""
    home, place = settings.home, place.absolute()
    if not place.is_dir() or place.is_relative_to(home.root):
        raise UsageWrong(
            f"{place} has to be a directory outside the site that every node reaches under this very path."
        )
    with ExitStack() as locks:
        for name in ("gateway", *(role.value for role in Role)):
            locks.enter_context(held(home.run, name))
        try:
            if not (place / MARK).exists():
                if left := sorted(path.name for path in place.iterdir()):
                    raise UsageWrong(f"{place} is not empty (it holds {left[0]!r}): choose a new directory.")
                write_file(place / MARK, f"{settings.site.code} {identity}\n".encode(), mode=0o644)
            require_mark(place, settings.site.code)
            _require_room(home, place)
            for path in shared_directories(home):
                _move(path, place / path.name)
            sync_directory(place)
            sync_directory(home.spool)
        except OSError as error:
            raise disk_error(error, "sharing the directories of people and back offices") from error
    return place


def _require_room(home: Home, place: Path) -> None:
    """Before anything is moved: a directory of this machine can go only where the place does not have that one yet, or where it is empty."""
    for path in shared_directories(home):
        target = place / path.name
        if path.is_symlink():
            if path.readlink() != target:
                raise UsageWrong(f"{path} leads to {path.readlink()} already.")
        elif target.exists() and path.is_dir() and (left := sorted(each.name for each in path.iterdir())):
            what = f"{left[0]!r}{f' and {len(left) - 1} more' if len(left) > 1 else ''}"
            raise SharedTwice(f"{path} holds {what}, and {target} is there as well; nothing was moved")


def _move(path: Path, target: Path) -> None:
    if path.is_symlink():
        return
    # A move that was broken off between the two has left the target whole.
    if not target.exists():
        shutil.move(path, target)
    elif path.is_dir():
        path.rmdir()
    path.symlink_to(target)


def link(home: Home, place: Path) -> None:
    """Let the directories of a site that is being made be those in `place`."""
    try:
        for path in shared_directories(home):
            path.rmdir()
            path.symlink_to(place / path.name)
    except OSError as error:
        raise disk_error(error, "linking the shared directories") from error


def make_in(place: Path, home: Home) -> None:
    """Make what is missing of the directories in a place."""
    for path in shared_directories(home):
        if not (place / path.name).is_dir():
            (place / path.name).mkdir()
            (place / path.name).chmod(SHARED)


def place_of(home: Home) -> Path:
    """Where the shared directories of a site lie; NodesNotSharing where they are its own, or in several places."""
    places = {path.readlink().parent for path in shared_directories(home) if path.is_symlink()}
    if len(places) != 1 or not all(path.is_symlink() for path in shared_directories(home)):
        raise NodesNotSharing("spool/inbound, outcomes, returned and receipts are directories of this machine.")
    return places.pop()


def require_mark(place: Path, site: str) -> str:
    """The mark of a place; NodesNotSharing where it has none, or another site's."""
    try:
        with (place / MARK).open("rb") as file:
            mark = file.read(_LONGEST).decode("ascii").strip()
        reached = all(os.access(path, os.R_OK | os.W_OK | os.X_OK) for path in (place, *_there(place)))
    except (OSError, UnicodeDecodeError) as error:
        raise NodesNotSharing(
            f"{place} has no file {MARK}: it is not what the other nodes mount, or it is not mounted here."
        ) from error
    if mark.partition(" ")[0] != site:
        raise NodesNotSharing(f"{place} is another site's.")
    if not reached:
        raise NodesNotSharing(f"{place} cannot be written by this account.")
    return mark


def _there(place: Path) -> list[Path]:
    return [path for path in place.iterdir() if path.is_dir()]
