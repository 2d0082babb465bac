"""What a character is called, for people who have to find it in a text that must not be shown to them.

Raises nothing. Pure. Safe because one character is named and nothing around it: by its name in Unicode, by that of the
ASCII standard where Unicode has none for it, or else by its class.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from types import MappingProxyType
from typing import Final

_CONTROLS: Final = (
    *("NULL", "START OF HEADING", "START OF TEXT", "END OF TEXT", "END OF TRANSMISSION", "ENQUIRY", "ACKNOWLEDGE"),
    *("BELL", "BACKSPACE", "CHARACTER TABULATION", "LINE FEED", "LINE TABULATION", "FORM FEED", "CARRIAGE RETURN"),
    *("SHIFT OUT", "SHIFT IN", "DATA LINK ESCAPE", "DEVICE CONTROL ONE", "DEVICE CONTROL TWO", "DEVICE CONTROL THREE"),
    *("DEVICE CONTROL FOUR", "NEGATIVE ACKNOWLEDGE", "SYNCHRONOUS IDLE", "END OF TRANSMISSION BLOCK", "CANCEL"),
    *("END OF MEDIUM", "SUBSTITUTE", "ESCAPE", "FILE SEPARATOR", "GROUP SEPARATOR", "RECORD SEPARATOR"),
    "UNIT SEPARATOR",
)
_CLASSES: Final = MappingProxyType(
    {"Cc": "CONTROL CHARACTER", "Cs": "UNPAIRED SURROGATE", "Co": "PRIVATE USE CHARACTER", "Cn": "UNASSIGNED CHARACTER"}
)
_UNSAFE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"
)
_SURROGATE_ESCAPES: Final = range(0xDC80, 0xDD00)
_DELETE: Final = 0x7F


def called(character: str) -> str:
    """The name of one character with its number: `NO-BREAK SPACE (U+00A0)`, `CONTROL CHARACTER (U+0085)`.

    It may stand at the end of a sentence or within it: nothing in it asks for a comma behind it.
    """
    number = ord(character)
    if number in _SURROGATE_ESCAPES:
        # As Python holds a byte of a file's name that is no UTF-8.
        return f"the byte {number - 0xDC00:02X} (no UTF-8)"
    if number < len(_CONTROLS):
        name = _CONTROLS[number]
    elif number == _DELETE:
        name = "DELETE"
    elif is_noncharacter(character):
        name = "NONCHARACTER"
    else:
        name = unicodedata.name(character, "") or _CLASSES.get(unicodedata.category(character), "CHARACTER")
    return f"{name} (U+{number:04X})"


def byte_called(byte: int) -> str:
    """The name of a byte beyond ASCII in a text that is not UTF-8, with what it is in the code page of Windows programs."""
    try:
        meant = called(bytes([byte]).decode("cp1252"))
    except UnicodeDecodeError:
        return f"the byte {byte:02X}"
    return f"the byte {byte:02X}, in Windows code page 1252 {meant},"


def is_noncharacter(character: str) -> bool:
    """Whether it is one of the 66 that Unicode keeps for no use between programs (Unicode 15, section 23.7)."""
    number = ord(character)
    return number & 0xFFFE == 0xFFFE or 0xFDD0 <= number <= 0xFDEF


def listed(items: Iterable[str]) -> str:
    """Several things in a sentence: `a, b and c`."""
    *most, last = items
    return f"{', '.join(most)} and {last}" if most else last


def unsafe(text: str) -> str | None:
    """The first character that moves a cursor, ends a line, turns a text around or cannot be written; None without one."""
    found = _UNSAFE.search(text)
    return None if found is None else found[0]
