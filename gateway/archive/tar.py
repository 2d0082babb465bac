"""The few parts of the tar format that a consignment has: plain members with short names (POSIX.1-1988 ustar).

Reading raises ArchiveDamaged for what is no tar header and ArchiveMemberUnsafe for members that are not plain files.
It is safe because nothing is interpreted but name, size and kind: no links, no sparse files, no long names, no
extension that could change one of the three. Headers of stock tar (GNU or POSIX) with owners, times and modes pass.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from gateway.errors import ArchiveDamaged, ArchiveMemberUnexpected, ArchiveMemberUnsafe

BLOCK: Final = 512
END: Final = bytes(2 * BLOCK)
MAX_SIZE: Final = (8 << 30) - 1

_MAGICS: Final = (b"ustar\x0000", b"ustar  \x00")
_NUMBER: Final = re.compile(rb" *([0-7]{1,12})[\0 ]*")
_CHECKSUM: Final = re.compile(rb"([0-7]{6})(?:\0 | \0)")
_HARMLESS: Final = frozenset({"atime", "comment", "ctime", "gid", "gname", "mtime", "uid", "uname"})
_RECORD: Final = re.compile(rb"([1-9][0-9]{0,9}) ([^=\n]+)=")


@dataclass(frozen=True, slots=True)
class Member:
    """A header: `extension` marks a pax header, whose content belongs to `check_extension`."""

    name: str
    size: int
    extension: bool


def header(name: str, size: int, mtime: int) -> bytes:
    """The header of a plain file that only its owner may read; ValueError for a size above 8 GiB."""
    if not 0 <= size <= MAX_SIZE:
        raise ValueError("a member's size must be below 8 GiB")
    start = b"%b0000600\0%b%011o\0%011o\0" % (name.encode("ascii").ljust(100, b"\0"), b"0000000\0" * 2, size, mtime)
    end = b"0".ljust(101, b"\0") + b"ustar\x0000" + bytes(64) + b"0000000\0" * 2 + bytes(167)
    checksum = sum(start) + sum(end) + 8 * 0x20
    return b"%b%06o\0 %b" % (start, checksum, end)


def padding(size: int) -> bytes:
    """What fills a member's last block."""
    return bytes(-size % BLOCK)


def parse(block: bytes) -> Member:
    """What a header of 512 bytes says."""
    checksum = _CHECKSUM.fullmatch(block[148:156])
    if checksum is None or int(checksum[1], 8) != sum(block) - sum(block[148:156]) + 8 * 0x20:
        raise ArchiveDamaged("The archive holds a damaged header.")
    if block[257:265] not in _MAGICS:
        raise ArchiveDamaged("The archive is not a POSIX tar.")
    kind = block[156:157]
    if kind not in b"0\0xg":
        raise ArchiveMemberUnsafe
    size = _NUMBER.fullmatch(block[124:136])
    if size is None:
        raise ArchiveDamaged("The archive holds a size that is no number.")
    name, _, rest = block[:100].partition(b"\0")
    if rest.strip(b"\0") or block[157:257].strip(b"\0"):
        raise ArchiveDamaged("The archive holds a header with hidden content.")
    if block[345:500].strip(b"\0"):
        raise ArchiveMemberUnexpected("The archive holds a member with a long path.")
    return Member(name.decode("ascii", "replace"), int(size[1], 8), extension=kind in b"xg")


def check_extension(content: bytes) -> None:
    """ArchiveMemberUnsafe unless a pax header carries times, owners and comments only."""
    while content:
        start = _RECORD.match(content)
        if start is None:
            raise ArchiveDamaged("The archive holds a damaged extended header.")
        length = int(start[1])
        record, content = content[:length], content[length:]
        if len(record) != length or length <= start.end() or record[-1:] != b"\n":
            raise ArchiveDamaged("The archive holds a damaged extended header.")
        if start[2].decode("utf-8", "replace") not in _HARMLESS:
            raise ArchiveMemberUnsafe("The archive holds an extended header that changes more than times and owners.")
