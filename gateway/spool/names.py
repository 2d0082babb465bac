"""Which file names are carried, which are passed over as unfinished, and how any other is shown or given back.

`check_name` raises FileNameRefused; the others raise nothing. It is safe because the rule is a closed list: Latin letters
in composed form (NFC), digits, space and a few marks, so that no name can be a path, an option, a control sequence, a
text that runs from right to left, or longer than a file system and our own endings allow.
"""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePath
from typing import Final

from gateway.errors import FileNameRefused

MAX_BYTES: Final = 200
"""In UTF-8. `STEM~TRANSFERID.EXT` takes 37 more and `.receipt.json` 13: together within the 255 of Linux."""

_LETTERS: Final = "A-Za-z0-9À-ÖØ-öø-ɏḀ-ỿ"
_NAME: Final = re.compile(rf"[{_LETTERS}_(](?:[{_LETTERS} _.()~+,&'-]*[{_LETTERS}_)+'-])?")
_FOREIGN: Final = re.compile(rf"[^{_LETTERS} _.()~+,&'-]")
_UNFINISHED: Final = (".part", ".filepart", ".tmp", "~")
READY: Final = ".ready"
"""NAME.ready says that NAME is complete."""
_LONGEST_EXTENSION: Final = 20


def is_temporary(name: str) -> bool:
    """Whether programs use such a name for what is not finished (rsync, WinSCP, editors), or it is a marker of ours."""
    return name.startswith(".") or name.lower().endswith((*_UNFINISHED, READY))


def check_name(name: str) -> None:
    """FileNameRefused unless the name can be carried from site to site as it is."""
    if not _is_encodable(name) or len(name.encode()) > MAX_BYTES:
        raise FileNameRefused("The file's name is longer than 200 bytes, or no valid UTF-8.")
    if not _is_carried(name):
        raise FileNameRefused("The file's name holds characters, or a beginning or an ending, that are not carried.")


def safe_name(name: str) -> str:
    """A name that `check_name` accepts, as near as can be to any string; an accepted name stays as it is."""
    if _is_encodable(name) and len(name.encode()) <= MAX_BYTES and _is_carried(name):
        return name
    plain = _FOREIGN.sub("_", unicodedata.normalize("NFC", name))
    if not plain or plain[0] in " .-~+,&')":
        plain = f"_{plain}"
    stem, dot, extension = plain.rpartition(".")
    ending = dot + extension
    if not stem or len(ending.encode()) > _LONGEST_EXTENSION:
        stem, ending = plain, ""
    ending = re.sub(rf"[^{_LETTERS}_)+'-]$", "_", ending)
    if is_temporary(f"x{ending}"):
        ending += "_"
    stem = stem.encode()[: MAX_BYTES - len(ending.encode())].decode(errors="ignore")
    if not ending:
        stem = re.sub(rf"[^{_LETTERS}_)+'-]$", "_", stem)
    return stem + ending


def beside(name: str, tag: str) -> str:
    """The second file of a name: `STEM~TAG.EXT`."""
    path = PurePath(name)
    return f"{path.stem}~{tag}{path.suffix}"


def _is_carried(name: str) -> bool:
    return (
        _NAME.fullmatch(name) is not None
        and not is_temporary(name)
        and (name.isascii() or unicodedata.is_normalized("NFC", name))
    )


def _is_encodable(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
