"""Write a plain copy of a surveyed PDF for qpdf to read: the same bytes, with one new table behind them.

Only what cannot change an object's content is put right, in place: a stream that begins after a lone carriage return or after
blanks, and a length that counts the end of the line before `endstream` twice. qpdf reports anything else. The copy stays in
memory while the file is judged. Raises TableFault where the survey cannot be written down.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from gateway.validation.pdf.raw import Malformed, RawDictionary, dictionary_at
from gateway.validation.pdf.syntax import Reference
from gateway.validation.pdf.words import Trouble
from gateway.validation.pdf.xref_sections import Packed, TableFault
from gateway.validation.pdf.xref_tables import Header, Survey

_W: Final = rb"[\x00\t\n\f\r ]"
_BEGIN: Final = re.compile(_W + rb"*+(stream[\x00\t\f ]{0,80}+)(\r\n|\n|\r)")
_END: Final = re.compile(_W + rb"{0,2}+endstream")
_TWO_LINES_ENDS: Final = re.compile(rb"[\r\n]endstream")
_NOTHING: Final = re.compile(_W + rb"*+endobj")
_NUMBER: Final = re.compile(_W + rb"*+([0-9]{1,10})(?=" + _W + rb")")
_OF_TABLES: Final = frozenset(
    {b"/Size", b"/Prev", b"/XRefStm", b"/Type", b"/W", b"/Index", b"/Length", b"/Filter", b"/DecodeParms", b"/F"}
)
_WIDE: Final = 0xFFFF


def plain_copy(content: bytes, survey: Survey) -> bytes:
    """The file's bytes and a table that lists exactly the survey's objects."""
    out = bytearray(content)
    for header in _streams_of(content, survey):
        _mend(out, content, header, survey)
    out += b"\n"
    start = len(out)
    listed = {number: it for number, it in survey.objects.items() if not _is_nothing(content, it)}
    if any(isinstance(it, Packed) for it in listed.values()):
        _write_stream(out, content, survey, listed)
    else:
        _write_table(out, content, survey, listed)
    return bytes(out) + b"\nstartxref\n%d\n%%%%EOF\n" % start


def _is_nothing(content: bytes, it: Header | Packed) -> bool:
    """Whether an object has nothing in it, which every reader takes for null."""
    return isinstance(it, Header) and _NOTHING.match(content, it.end) is not None


def _streams_of(content: bytes, survey: Survey) -> Iterator[Header]:
    """The objects that may be streams."""
    live = set(survey.objects.values())
    ends = [header.start for header in survey.headers[1:]] + [len(content)]
    for header, end in zip(survey.headers, ends, strict=True):
        if header in live and content.find(b"stream", header.end, end) >= 0:
            yield header


def _mend(out: bytearray, content: bytes, header: Header, survey: Survey) -> None:
    try:
        dictionary = dictionary_at(content, header.end)
    except Malformed:
        return  # not a stream, or one that qpdf warns of
    begin = _BEGIN.match(content, dictionary.end)
    if begin is None:
        return
    length, span = _length(content, dictionary, survey)
    if length is None or span is None:
        return
    end = begin.end() + length
    if _END.match(content, end) is None:
        too_long = next((by for by in (1, 2) if _TWO_LINES_ENDS.match(content, end - by - 1)), None)
        if too_long is None or length < too_long:
            return
        out[span[0] : span[1]] = (b"%d" % (length - too_long)).ljust(span[1] - span[0])
    word, line = b"stream", begin[2] if begin[2] != b"\r" else b"\n"
    out[begin.start(1) : begin.end()] = word.rjust(len(begin[1])) + line


def _length(content: bytes, dictionary: RawDictionary, survey: Survey) -> tuple[int | None, tuple[int, int] | None]:
    """A stream's length and the place of its digits, in the dictionary or in an object of its own."""
    length = dictionary.entries.get(b"/Length")
    if isinstance(length, int):
        return length, dictionary.spans[b"/Length"]
    if isinstance(length, Reference):
        kept = survey.objects.get(length.number)
        found = _NUMBER.match(content, kept.end) if isinstance(kept, Header) else None
        if found is not None:
            return int(found[1]), found.span(1)
    return None, None


def _entries(content: bytes, trailer: RawDictionary) -> bytes:
    """What the trailer says, but for its table."""
    said = (
        b"/" + b"".join(b"#%02x" % octet for octet in key[1:]) + b" " + content[start:end]
        for key, (start, end) in trailer.spans.items()
        if key not in _OF_TABLES and key != b"/"
    )
    return b"\n".join(said)


def _write_table(out: bytearray, content: bytes, survey: Survey, listed: dict[int, Header | Packed]) -> None:
    out += b"xref\n0 1\n0000000000 65535 f \n"
    for number, it in sorted(listed.items()):
        if isinstance(it, Header):
            out += b"%d 1\n%010d %05d n \n" % (number, it.start, it.generation)
    out += b"trailer\n<< /Size %d\n%b\n>>" % (max(listed, default=0) + 1, _entries(content, survey.trailer))


def _write_stream(out: bytearray, content: bytes, survey: Survey, listed: dict[int, Header | Packed]) -> None:
    numbers = sorted(listed)
    rows = bytearray()
    for number in numbers:
        it = listed[number]
        kind, second, last = (1, it.start, it.generation) if isinstance(it, Header) else (2, it.stream, it.position)
        if last > _WIDE:
            raise TableFault(Trouble.TABLE_SYNTAX)
        rows += b"%c%b%b" % (kind, second.to_bytes(4, "big"), last.to_bytes(2, "big"))
    runs = b" ".join(b"%d %d" % run for run in _runs(numbers))
    out += (
        b"%d 0 obj\n<< /Type /XRef /Size %d /W [ 1 4 2 ] /Index [ %b ] /Length %d\n%b\n>>\nstream\n%b\nendstream\nendobj"
        % (
            numbers[-1] + 1,
            numbers[-1] + 1,
            runs,
            len(rows),
            _entries(content, survey.trailer),
            bytes(rows),
        )
    )


def _runs(numbers: list[int]) -> Iterator[tuple[int, int]]:
    """First numbers and lengths of the runs without a gap."""
    begins = [0] + [at for at, (one, next_one) in enumerate(pairwise(numbers), start=1) if next_one != one + 1]
    for begin, end in pairwise([*begins, len(numbers)]):
        yield numbers[begin], end - begin
