"""Write PDFs as their makers do: the same objects under tables that are right, odd, or hide something.

`write` makes a file of objects and a `Style`; `restyle` gives a plain file of ours the tables of another maker, byte for byte
the same objects. What a style does is named after the makers that are known for it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

Objects = Mapping[int, bytes]


@dataclass(frozen=True)
class Style:
    """How a maker writes the parts of a file that hold no content."""

    version: bytes = b"1.7"
    row: bytes = b"%010d %05d %c \n"
    first: bytes = b"0000000000 65535 f \n"
    begins_at: int = 0
    size_by: int = 0
    unused: int = 0
    gap: bytes = b""
    start_by: int = 0
    offsets_by: int = 0
    after: bytes = b""
    trailer: bytes = b""


STYLES: Final[Mapping[str, Style]] = {
    "plain": Style(),
    "padded with NUL": Style(after=bytes(5000)),
    "padded with ends of lines": Style(after=b"\r\n" * 3000),
    "padded with blanks": Style(after=b" \t\f" * 700),
    "size one too large": Style(size_by=1),
    "size one too small": Style(size_by=-1),
    "size far too large": Style(size_by=400),
    "unused row at offset 0": Style(unused=1),
    "rows without a blank": Style(row=b"%010d %05d %c\n", first=b"0000000000 65535 f\n"),
    "rows that end with CR": Style(row=b"%010d %05d %c\r", first=b"0000000000 65535 f\r"),
    "free rows that lead nowhere": Style(first=b"0000000007 65535 f \n"),
    "first row without a generation": Style(first=b"0000000000 00000 f \n", size_by=1),
    "white space before the table": Style(gap=b"\r\n \x00\n"),
    "start before white space": Style(gap=b"  \n", start_by=-3),
    "offsets before white space": Style(offsets_by=-1, size_by=1),
    "everything at once": Style(
        row=b"%010d %05d %c\n", first=b"0000000003 65535 f\n", size_by=2, unused=2, gap=b"\n\n", after=bytes(3000)
    ),
}
"""What is odd and changes nothing, by name: poppler, MuPDF, Ghostscript and pypdf show the same text under each."""


def write(objects: Objects, style: Style = STYLES["plain"], root: int = 1) -> bytes:
    """A file of these objects, each `N 0 obj`, under one table."""
    out = bytearray(b"%%PDF-%b\n" % style.version)
    rows = [style.first]
    for number in range(1, max(objects) + 1 + style.unused):
        if number in objects:
            rows.append(style.row % (len(out) + style.offsets_by, 0, b"n"))
            out += b"%d 0 obj\n%b\nendobj\n" % (number, objects[number])
        else:
            rows.append(style.row % (0, 0, b"n" if style.unused else b"f"))
    out += style.gap
    start = len(out) + style.start_by
    out += b"xref\n%d %d\n%b" % (style.begins_at, len(rows), b"".join(rows))
    out += b"trailer\n<< /Size %d /Root %d 0 R %b>>\n" % (len(rows) + style.size_by, root, style.trailer)
    return bytes(out) + b"startxref\n%d\n%%%%EOF\n%b" % (start, style.after)


_OBJECT: Final = re.compile(rb"(?<=\n)([0-9]+) 0 obj\n(.*?)\nendobj\n", re.DOTALL)
_ROOT: Final = re.compile(rb"/Root ([0-9]+) 0 R")


def objects_of(plain: bytes) -> dict[int, bytes]:
    """The objects of a file that `build.assemble` or `write` made."""
    return {int(found[1]): found[2] for found in _OBJECT.finditer(plain)}


def restyle(plain: bytes, style: Style) -> bytes:
    """The same objects, as another maker writes them."""
    root = _ROOT.search(plain)
    assert root is not None
    return write(objects_of(plain), style, int(root[1]))


def update(before: bytes, objects: Objects, *, style: Style = STYLES["plain"], freed: tuple[int, ...] = ()) -> bytes:
    """The file with an incremental update behind it."""
    out = bytearray(before)
    previous = int(before[before.rindex(b"startxref") :].split()[1])
    size = int(before[before.rindex(b"/Size") :].split()[1])
    table = b"".join(b"%d 1\n0000000000 00001 f \n" % number for number in freed)
    for number, body in sorted(objects.items()):
        table += b"%d 1\n%010d 00000 n \n" % (number, len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    start = len(out)
    size = max(size, *(number + 1 for number in objects), 0) + style.size_by
    root = _ROOT.search(before)
    assert root is not None
    out += b"xref\n%btrailer\n<< /Size %d /Prev %d %b >>\n" % (table, size, previous, root[0])
    return bytes(out) + b"startxref\n%d\n%%%%EOF\n%b" % (start, style.after)


_SPELLED: Final = re.compile(rb"\((?:\\.|[^\\()])*\)|/([A-Za-z0-9]+)", re.DOTALL)


def with_names_in_hex(plain: bytes) -> bytes:
    """Every name of the objects spelled by the numbers of its characters."""

    def spell(found: re.Match[bytes]) -> bytes:
        return found[0] if found[1] is None else b"/" + b"".join(b"#%02x" % octet for octet in found[1])

    objects: dict[int, bytes] = {}
    for number, body in objects_of(plain).items():
        dictionary, word, data = body.partition(b"stream")
        objects[number] = _SPELLED.sub(spell, dictionary) + word + data
    root = _ROOT.search(plain)
    assert root is not None
    return write(objects, root=int(root[1]))


def hybrid(objects: Objects, hidden: Objects, *, packed: int, table: int, style: Style = STYLES["plain"]) -> bytes:
    """A file whose `hidden` objects lie in the object stream `packed`, which the stream `table` lists and the plain table
    does not (ISO 32000-2 section 7.5.8.4), with a table of no rows last, as word processors write it.
    """
    at, spots, inner = 0, [], b""
    for number, body in hidden.items():
        spots.append(b"%d %d" % (number, at))
        inner += body + b"\n"
        at = len(inner)
    head = b" ".join(spots) + b"\n"
    packing = b"<< /Type /ObjStm /N %d /First %d /Length %d >>\nstream\n%b%b\nendstream" % (
        len(hidden),
        len(head),
        len(head) + len(inner),
        head,
        inner,
    )
    rows = b"".join(b"\x02" + packed.to_bytes(4, "big") + bytes([index]) for index in range(len(hidden)))
    index = b" ".join(b"%d 1" % number for number in hidden)
    listing = b"<< /Type /XRef /Size %d /W [ 1 4 1 ] /Index [ %b ] /Root 1 0 R /Length %d >>\nstream\n%b\nendstream" % (
        table + 1,
        index,
        len(rows),
        rows,
    )
    everything = {**objects, packed: packing, table: listing}
    plain = write(everything)
    place, previous = plain.index(b"%d 0 obj\n<< /Type /XRef" % table), plain.rindex(b"xref\n0")
    last = b"xref\n0 0\ntrailer\n<< /Size %d /Root 1 0 R /Prev %d /XRefStm %d >>\n" % (
        table + 1 + style.size_by,
        previous,
        place,
    )
    return plain + last + b"startxref\n%d\n%%%%EOF\n%b" % (len(plain), style.after)
