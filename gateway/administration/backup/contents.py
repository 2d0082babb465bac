"""What a copy of a site is on disk: a directory `home`, laid out like HOME, and `manifest.json` with the digest of every file.

The manifest is written last, and a copy gets its name after it was verified: a directory without one is no copy. Raises
BackupUnusable where a copy is not what its manifest says, DiskFull and DiskFailed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Final, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.domain.manifest import AuditHead, Digest, Moment, SiteCode
from gateway.errors import BackupUnusable
from gateway.settings.home import Home
from gateway.storage.digest import file_digest
from gateway.storage.durable import disk_error, write_file

MANIFEST: Final = "manifest.json"
KEYS: Final = "keys.tar.pgp"
"""The secret keys, as a tar, encrypted to the recovery key: `gpg -d keys.tar.pgp`."""

UNFINISHED: Final = ".unfinished-"
"""How the name of a copy begins that is being made, or that broke off."""

Watch = Callable[[str, int], None]
"""Told now and then what is being done, and how many files or pages so far."""

_RECORD: Final = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class KeptFile(BaseModel):
    """A file of the copy: its path below `home`, its size in bytes, its SHA-256, and the mode that it had."""

    model_config = _RECORD
    path: Annotated[str, Field(min_length=1, max_length=4096)]
    size: Annotated[int, Field(ge=0)]
    sha256: Digest
    mode: Annotated[int, Field(ge=0, le=0o7777)]


class KeptDirectory(BaseModel):
    """A directory, and the mode that it had."""

    model_config = _RECORD
    path: Annotated[str, Field(min_length=1, max_length=4096)]
    mode: Annotated[int, Field(ge=0, le=0o7777)]


class Contents(BaseModel):
    """The manifest. `account` is whose the site's state was, `taken` the moment that the copy shows, `head` the end of the chain at that moment, `keys` the SHA-256 of
    the sealed keys, None where they are not in the copy. `stored` says that the
    files which rows speak of are in a store of the site's, and not here.
    """

    model_config = _RECORD
    format: Literal[1] = 1
    site: SiteCode
    account: Annotated[str, Field(max_length=64)]
    taken: Moment
    head: AuditHead
    keys: Digest | None = None
    stored: bool = False
    directories: tuple[KeptDirectory, ...]
    files: tuple[KeptFile, ...]

    def write(self, copy: Path) -> None:
        """Put it into the copy, durably."""
        write_file(copy / MANIFEST, orjson.dumps(self.model_dump(mode="json"), option=orjson.OPT_INDENT_2))


def home_in(copy: Path) -> Home:
    """The tree of a copy that is laid out like HOME."""
    return Home(copy / "home")


def copies(directory: Path, site: str = "") -> list[Path]:
    """The finished copies in a directory, of any site or of one, the oldest first: their names end with their times."""
    try:
        found = [Path(entry.path) for entry in os.scandir(directory) if entry.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return []
    finished = [path for path in found if not path.name.startswith(".") and (path / MANIFEST).is_file()]
    return sorted(path for path in finished if not site or path.name.rpartition("-")[0] == site)


def read(copy: Path) -> Contents:
    """A copy's manifest; BackupUnusable where there is none, or one that nobody here wrote."""
    try:
        contents = Contents.model_validate_json((copy / MANIFEST).read_bytes())
    except FileNotFoundError as error:
        raise BackupUnusable(
            f"{copy.name} has no {MANIFEST}: it is no copy of a site, or one that broke off."
        ) from error
    except OSError as error:
        raise disk_error(error, "The copy's manifest cannot be read") from error
    except ValidationError as error:
        raise BackupUnusable(f"{MANIFEST} of {copy.name} is damaged, or of a later version.") from error
    named = [*(each.path for each in contents.files), *(each.path for each in contents.directories)]
    if not all(map(_stays_below, named)):
        raise BackupUnusable(f"{MANIFEST} of {copy.name} names a path outside the copy.")
    return contents


def faults(copy: Path, contents: Contents, watch: Watch) -> Iterator[str]:
    """What the copy lacks or has otherwise than the manifest says: every file is read, from the disk where the system lets us."""
    root = home_in(copy).root
    wanted = [(root / each.path, each.path, each.size, each.sha256) for each in contents.files]
    if contents.keys is not None:
        wanted.append((copy / KEYS, KEYS, -1, contents.keys))
    for number, (path, name, size, sha256) in enumerate(wanted, 1):
        watch("files compared", number)
        try:
            if path.is_symlink() or not path.is_file():
                yield f"{name} is missing"
            elif size not in (-1, path.stat().st_size):
                yield f"{name} has {path.stat().st_size} bytes, not {size}"
            elif _digest(path) != sha256:
                yield f"{name} has other content"
        except OSError as error:
            yield f"{name} cannot be read: {error.strerror}"


def _digest(path: Path) -> str:
    """Of what lies on the disk: what the system remembers of the file is let go before it is read."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)
    return file_digest(path)


def _stays_below(path: str) -> bool:
    return not path.startswith("/") and not {"", ".", ".."} & set(path.split("/")) and "\0" not in path
