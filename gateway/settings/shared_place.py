"""The place that the nodes of a site share for people and back offices: each node has links to its directories, and a mark says whose it is.

Where the place is not mounted a link leads nowhere, or to what somebody made in the bare mount point: what is written there nobody fetches. So
whoever writes through the links, or looks there for what is to come, asks for the mark first.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gateway.errors import SharedAway
from gateway.settings.home import Home
from gateway.settings.model import Settings

MARK: Final = ".gateway-site"
_LONGEST: Final = 200


def shared_directories(home: Home) -> tuple[Path, ...]:
    """What people and back offices see of a site, whichever node did the work. They drop files at a node of their choice."""
    return home.inbound, home.outcomes, home.returned, home.receipts


def require_shared(settings: Settings, *directories: Path) -> None:
    """SharedAway where the site has nodes, and one of these directories leads to a place that has not this site's mark."""
    for directory in directories:
        for path, said in _away(settings, directory):
            raise SharedAway(f"spool/{path.name} {said}")


def away(settings: Settings) -> str | None:
    """That the place is not mounted here, as a sentence without a full stop; None where it is, or nothing is shared."""
    found = (each for path in shared_directories(settings.home) for each in _away(settings, path))
    return next((f"spool/{path.name} {said}" for path, said in found), None)


def shared_faults(settings: Settings) -> Iterator[tuple[Path, str]]:
    """The directories that are not where they should be, each with what is wrong with it."""
    if not settings.node.name:
        return
    links = {path: place_of(path) for path in shared_directories(settings.home)}
    places = [place for place in links.values() if place is not None]
    for path, place in links.items():
        yield from _away(settings, path)
        usual = max(places, key=places.count, default=None)
        if usual is not None and place != usual and path.is_dir():
            here = "is a directory of this machine alone" if place is None else f"leads to {place}"
            yield (
                path,
                f"{here}, and the others to {usual}, which all nodes share: it has to be a link to {usual / path.name}",
            )


def is_away(path: Path) -> bool:
    """Whether a directory is a link into a place without a mark: what does not lie there may lie in the place that belongs there."""
    place = place_of(path)
    return place is not None and not (place / MARK).exists()


def place_of(path: Path) -> Path | None:
    """Where the link of a directory leads to: the shared place; None where it is no link."""
    try:
        return (path.parent / path.readlink()).parent
    except OSError:
        return None


def _away(settings: Settings, path: Path) -> Iterator[tuple[Path, str]]:
    place = place_of(path) if settings.node.name else None
    if place is None:
        return
    try:
        with (place / MARK).open("rb") as file:
            whose = file.read(_LONGEST).decode("ascii").strip().partition(" ")[0]
    except PermissionError:
        return  # this account may not look: those that write there may
    except (OSError, UnicodeDecodeError):
        yield (
            path,
            f"leads to {place}, and the directory that all nodes share is not mounted there: {place} has no {MARK}",
        )
        return
    if whose != settings.site.code:
        yield path, f"leads to {place}, which another site shares"
