"""Which file names are carried, which are passed over as unfinished, and how any other is shown or given back.

`check_name` raises FileNameRefused; the others raise nothing. A name is carried as it is unless it can do harm: no shell or
template ever gets it, and whatever shows it escapes invisible characters. Harmful are separators of paths, characters that move a
cursor, end a line or turn a text around, names that no JSON or XML can hold, hidden names, names that are passed over, and names
that no file system takes.
"""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Final

from gateway.domain.characters import called
from gateway.errors import FileNameRefused

MAX_BYTES: Final = 255
"""In UTF-8, as Linux has it. What is named after a file, and does not fit, is named after its second name."""

PLAIN_ENDING: Final = ".pgp"
"""Of a file's name at a partner without a gateway (design of the wire, plain profile)."""

_HARMFUL: Final = re.compile(
    "["
    r"/\\"  # separators of paths, here and on Windows
    r"\x00-\x1f\x7f-\x9f\u2028\u2029"  # control characters, and what ends a line or a paragraph
    r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u206f"  # what turns a text around (Bidi_Control), and its deprecated kin
    r"\ud800-\udfff"  # no UTF-8
    r"\ufdd0-\ufdef" + "".join(rf"\U{plane:04x}fffe\U{plane:04x}ffff" for plane in range(17)) + "]"  # noncharacters
)
_UNFINISHED: Final = (".part", ".filepart", ".tmp", "~")
READY: Final = ".ready"
"""NAME.ready says that NAME is complete."""
_LONGEST_ENDING: Final = len(".undelivered.txt")
"""Of those that the gateway puts behind a name; `.exceptions.csv` is one byte shorter."""
_LONGEST_EXTENSION: Final = 20


def is_temporary(name: str) -> bool:
    """Whether programs use such a name for what is not finished (rsync, WinSCP, editors), or it is a marker of ours."""
    return name.startswith(".") or name.lower().endswith((*_UNFINISHED, READY))


def check_name(name: str) -> None:
    """FileNameRefused unless the name can be carried from site to site as it is; the reason names a character at most."""
    if not name:
        raise FileNameRefused("The file has no name.")
    if name.startswith("."):
        raise FileNameRefused(f"The file's name begins with {called('.')}.")
    if harmful := _HARMFUL.search(name):
        raise FileNameRefused(f"The file's name holds {called(harmful[0])}.")
    if len(name.encode()) > MAX_BYTES:
        raise FileNameRefused(f"The file's name is longer than {MAX_BYTES} bytes.")
    if is_temporary(name):
        ending = next(each for each in (*_UNFINISHED, READY) if name.lower().endswith(each))
        raise FileNameRefused(f"The file's name ends in {ending}, as those of unfinished files and of markers do.")


def safe_name(name: str) -> str:
    """A name that `check_name` accepts, as near as can be to any string; an accepted name stays as it is."""
    plain = _HARMFUL.sub("_", name)
    if not plain or plain.startswith("."):
        plain = f"_{plain}"
    if is_temporary(plain):
        plain += "_"
    if len(plain.encode()) > MAX_BYTES:
        plain = _joined(plain, "", MAX_BYTES)
        if is_temporary(plain):  # the cut has made it so
            plain = f"{plain[:-1]}_"
    return plain


def second_name(name: str, tag: str) -> str:
    """The second file of a name: `STEM~TAG.EXT`, with room for any of our endings; the stem of a long one is cut."""
    return _joined(name, f"~{tag}", MAX_BYTES - _LONGEST_ENDING)


def with_ending(name: str, ending: str, tag: str, room: int = 0) -> str:
    """What is named after a file: NAME and the ending, or where that is too long the second name and the ending.

    `room` is how many bytes more have to fit behind it.
    """
    return (name if has_room(name, len(ending) + room) else second_name(name, tag)) + ending


def has_room(name: str, ending: int = _LONGEST_ENDING) -> bool:
    """Whether so many bytes, by default any ending of ours, can stand behind the name."""
    return len(name.encode()) + ending <= MAX_BYTES


def _joined(name: str, middle: str, most: int) -> str:
    """The name with something between its stem and its extension, cut between characters to `most` bytes."""
    path = PurePath(name)
    stem, extension = path.stem, path.suffix
    if len(f"{stem}{middle}{extension}".encode()) > most:
        extension = _cut(extension, _LONGEST_EXTENSION)
        stem = _cut(stem, most - len(f"{middle}{extension}".encode()))
    return f"{stem}{middle}{extension}"


def _cut(text: str, most: int) -> str:
    return text.encode()[:most].decode(errors="ignore")
