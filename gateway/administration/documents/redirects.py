"""Take the original file out of a redirect document, as it left the Department.

Raises NotFound, FileUnsafe, ContentInvalid for a document that is not right, and UsageWrong where no name is free.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gateway.administration.documents.reading import content_of, reports_on
from gateway.domain.redirect import FLOW, Holding, Original
from gateway.errors import ContentInvalid, UsageWrong
from gateway.logs import safe_text
from gateway.settings.model import Settings
from gateway.spool.names import check_name, second_name
from gateway.stages.inspection import describe
from gateway.storage.digest import file_digest
from gateway.storage.durable import make_directory, write_new_file
from gateway.validation.redirect import unwrap


@dataclass(frozen=True)
class Unpacked:
    """The original, where it lies now, and who held it, the first one first."""

    path: Path
    original: Original
    holdings: tuple[Holding, ...]


def unpack(settings: Settings | None, file: Path, directory: Path) -> Unpacked:
    """Put the original of a document into a directory, by the rules of the site where there is one."""
    content = content_of(file)
    (report,) = reports_on(settings, file, FLOW)
    if not report.valid:
        raise ContentInvalid(describe(report), report.findings[0].code)
    holdings, original = unwrap(content, None if settings is None else settings.authorities)
    check_name(original.name)
    return Unpacked(_put(directory, original, holdings[0].transfer), original, holdings)


def _put(directory: Path, original: Original, transfer: str) -> Path:
    """Put the original there, under its name or, where another file has that, under the second name of deliveries."""
    make_directory(directory.absolute(), 0o750)
    for name in (original.name, second_name(original.name, transfer)):
        path = directory / name
        if write_new_file(path, original.content, mode=0o640) or _is_the_same(path, original):
            return path
    raise UsageWrong(f"Both of its names are taken in {safe_text(str(directory))}: choose another directory.")


def _is_the_same(path: Path, original: Original) -> bool:
    if path.is_symlink() or not path.is_file() or path.stat().st_size != len(original.content):
        return False
    return file_digest(path) == original.sha256
