"""Whatever acts is found under every table that is let pass, and whatever is hidden by an odd table is refused.

The product of the hostile vectors, of the ways to write a file that pass, and of the ways to hide a name: made anew at each run.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import pikepdf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.validation.pdf.validator import PdfValidator
from tests.examples import examples
from tests.vectors.pdf.makers import STYLES, Style, hybrid, objects_of, restyle, update, with_names_in_hex, write
from tests.vectors.pdf.offices import letter, stream

VECTORS: Final = Path(__file__).parents[2] / "vectors" / "pdf"
ACTIONS: Final = ("javascript", "postscript", "launch", "embedded-file", "xfa", "rich-media", "open-action", "external")
HOSTILE: Final = sorted(
    path
    for path in VECTORS.glob("*.pdf")
    if path.stem.split("--")[0].removeprefix("pdf-") in ACTIONS and b"/ObjStm" not in path.read_bytes()
)
_OF_THEIR_OWN: Final = re.compile(rb"/ObjStm|/Prev|/Linearized|/Root 20")
LETTERS: Final = sorted(path for path in VECTORS.glob("none--*.pdf") if not _OF_THEIR_OWN.search(path.read_bytes()))
LATER: Final = 100
"""Numbers of objects in an update, beyond those of any vector."""


def codes(content: bytes) -> set[str]:
    return {finding.code for finding in PdfValidator().validate_bytes(content).findings}


def _packed(plain: bytes) -> bytes:
    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(plain)) as pdf:
        pdf.save(out, deterministic_id=True, object_stream_mode=pikepdf.ObjectStreamMode.generate)
    return out.getvalue()


def _linear(plain: bytes) -> bytes:
    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(plain)) as pdf:
        pdf.save(out, deterministic_id=True, linearize=True)
    return out.getvalue()


def _updated(plain: bytes, style: Style) -> bytes:
    """A harmless letter of the same numbers, and what the file says in an update behind it."""
    objects = objects_of(plain)
    harmless = letter() | {number: b"<< >>" for number in objects if number > 5}
    return update(write(harmless), objects, style=style)


def _ways(plain: bytes) -> Iterator[tuple[str, bytes]]:
    """The same objects in every way of writing that passes."""
    for name, style in STYLES.items():
        yield name, restyle(plain, style)
    padded, larger = STYLES["padded with NUL"], STYLES["size one too large"]
    yield "names in hexadecimal, padded", restyle(with_names_in_hex(plain), padded)
    yield "names in hexadecimal, another size", restyle(with_names_in_hex(plain), larger)
    for name in ("plain", "padded with NUL", "size one too large"):
        yield f"in an update, {name}", _updated(plain, STYLES[name])
    yield "beside odd streams", restyle(write(objects_of(plain) | _odd_streams()), larger)
    yield "beside empty trees", restyle(write(objects_of(plain) | {LATER: _EMPTY}), larger)


def _odd_streams() -> dict[int, bytes]:
    return {
        LATER: stream(b"0").replace(b"stream\n0", b"stream\r0"),
        LATER + 1: stream(b"0").replace(b"stream\n0", b"stream \n0"),
        LATER + 2: stream(b"0", length=3),
        LATER + 3: b"",
    }


_EMPTY: Final = b"<< /JavaScript << /Names [] >> /AA << >> /AF [] /EmbeddedFiles << /Kids [] >> >>"


@pytest.mark.parametrize("path", LETTERS, ids=lambda path: path.stem)
def test_letter_passes_in_every_way_of_writing(path: Path) -> None:
    plain = write(objects_of(path.read_bytes()))
    assert {name: found for name, content in _ways(plain) if (found := codes(content))} == {}


@pytest.mark.parametrize("path", HOSTILE, ids=lambda path: path.stem)
def test_what_acts_is_found_in_every_way_of_writing(path: Path) -> None:
    expected = path.stem.split("--")[0]
    plain = path.read_bytes()
    missed = [name for name, content in _ways(plain) if expected not in codes(content)]
    assert missed == []


@pytest.mark.parametrize("path", HOSTILE, ids=lambda path: path.stem)
def test_what_acts_is_found_in_object_streams_and_linearized_files(path: Path) -> None:
    expected = path.stem.split("--")[0]
    objects = objects_of(path.read_bytes())
    references = b" ".join(b"%d 0 R" % number for number in objects)  # qpdf leaves out what nothing refers to
    plain = write(objects | {1: objects[1][: objects[1].rindex(b">>")] + b"/Spare [ %b ] >>" % references})
    for content in (_packed(plain), _linear(plain)):
        for after in (b"", bytes(5000)):
            assert expected in codes(content + after)


@pytest.mark.parametrize("path", HOSTILE, ids=lambda path: path.stem)
def test_what_acts_stays_refused_under_a_lock(path: Path) -> None:
    out = io.BytesIO()
    with pikepdf.open(path) as pdf:
        pdf.save(out, encryption=pikepdf.Encryption(owner="o", user=""))
    assert codes(out.getvalue()) == codes(out.getvalue() + bytes(5000)) == {"pdf-encrypted"}


def _is_noticed(style: Style) -> bool:
    """Whether qpdf says a word about it: then some readers build a table of their own, and others do not."""
    try:
        with pikepdf.open(io.BytesIO(write(letter(), style)), attempt_recovery=False, suppress_warnings=True) as pdf:
            return bool(pdf.get_warnings())
    except pikepdf.PdfError:
        return True


NOTICED: Final = {name: style for name, style in STYLES.items() if _is_noticed(style)}
HIDDEN: Final = {
    "an object that no table lists": b"90 0 obj\n<< >>\nendobj\n",
    "a second version of the page": b"3 0 obj\n<< /Type /Page /Parent 2 0 R >>\nendobj\n",
    "a second catalog": b"1 0 obj\n<< /Type /Catalog /Pages 2 0 R /OpenAction 90 0 R >>\nendobj\n",
    "an object of another generation": b"3 1 obj\n<< /Type /Page /Parent 2 0 R >>\nendobj\n",
    "an object in a comment": b"% 90 0 obj << >> endobj\n",
    "an object in a text": b"(\n90 0 obj << >> endobj\n)\n",
    "an object behind comments": b"90 % a\r0 % b\robj << >> endobj\n",
    "an object behind a comment": b"90 0 % b\nobj << >> endobj\n",
    "an object far behind its number": b"90 0" + bytes(100) + b"obj << >> endobj\n",
    "an object without a blank": b"90 0obj<< >>endobj\n",
    "a number with zeros before": b"000000000000090 0 obj << >> endobj\n",
    "a word that goes on": b"90 0 object << >> endobj\n",
    "a second trailer": b"trailer\n<< /Root 90 0 R /Size 91 >>\n",
    "a second trailer behind a comment": b"trailer % a\n<< /Root 90 0 R /Size 91 >>\n",
}


@pytest.mark.parametrize("name", HIDDEN)
def test_what_an_odd_table_hides_is_refused(name: str) -> None:
    assert len(NOTICED) > 8
    for how, style in NOTICED.items():
        restyled = replace(style, gap=HIDDEN[name] + style.gap)
        assert codes(write(letter(), restyled)) == {"pdf-unreadable"}, how
        inside = write(letter(_6=b"<< >>\nendobj\n" + HIDDEN[name] + b"%\n"), style)
        assert codes(inside) == {"pdf-unreadable"}, how
        data = write(letter(_6=stream(b"\n" + HIDDEN[name])), style)
        assert codes(data) == {"pdf-unreadable"}, how


@pytest.mark.parametrize("name", HIDDEN)
def test_what_an_odd_stream_hides_is_refused(name: str) -> None:
    odd = stream(b"0").replace(b"stream\n0", b"stream\r0")
    assert codes(write(letter(_6=odd))) == set()
    assert codes(write(letter(_6=odd), Style(gap=HIDDEN[name]))) == {"pdf-unreadable"}


def test_object_that_an_update_freed_and_an_odd_table_may_bring_back_is_refused() -> None:
    before = write(letter(_6=b"<< >>"))
    freed = update(before, letter(), freed=(6,))
    assert codes(freed) == set()
    assert codes(freed + bytes(5000)) == {"pdf-unreadable"}


def test_version_that_an_odd_table_prefers_to_a_later_one_is_refused() -> None:
    before = write(letter())
    later = update(before, {3: letter()[3].replace(b"595", b"596")})
    table = b"xref\n3 1\n%010d 00000 n \ntrailer\n<< /Size 6 /Prev %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n"
    shadow = later + table % (before.index(b"3 0 obj"), before.rindex(b"xref\n0"), len(later))
    assert codes(shadow + bytes(5000)) == {"pdf-unreadable"}


def test_object_in_a_stream_and_beside_it_is_refused_where_the_table_is_odd() -> None:
    both = letter(_6=b"<< /A 1 >>")
    content = hybrid({number: it for number, it in both.items() if number != 6}, {6: b"<< /A 2 >>"}, packed=7, table=8)
    assert codes(content) == codes(content + bytes(5000)) == set()
    again = update(content, {6: b"<< /A 3 >>"})
    assert codes(again + bytes(5000)) == {"pdf-unreadable"}


def test_catalog_that_only_an_older_trailer_names_is_refused_where_the_table_is_odd() -> None:
    content = update(write(letter(_6=b"<< /Type /Catalog /Pages 2 0 R >>"), root=6), {7: b"<< >>"})
    content = content[: content.rindex(b"/Root 6")] + b"/Root 1" + content[content.rindex(b"/Root 6") + 7 :]
    assert codes(content) == set()
    assert codes(content + bytes(5000)) == {"pdf-unreadable"}


def _table_in_a_stream(size_by: int, gap: bytes = b"", cut: int = 0, index: bytes = b"") -> bytes:
    """A letter whose table is a cross-reference stream; `cut` bytes are missing at the end of its rows."""
    out = bytearray(b"%PDF-1.7\n")
    rows = [b"\0" * 7]
    for number, body in sorted(letter().items()):
        rows.append(b"\1" + len(out).to_bytes(4, "big") + b"\0\0")
        out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    out += gap
    start, own = len(out), len(rows)
    rows.append(b"\1" + start.to_bytes(4, "big") + b"\0\0")
    data = b"".join(rows)[: 7 * len(rows) - cut]
    entries = b"/Type /XRef /Size %d /W [ 1 4 2 ] /Root 1 0 R %b /Length %d" % (len(rows) + size_by, index, len(data))
    out += b"%d 0 obj\n<< %b >>\nstream\n%b\nendstream\nendobj\n" % (own, entries, data)
    return bytes(out) + b"startxref\n%d\n%%%%EOF\n" % start


@pytest.mark.parametrize("size_by", [-1, 0, 1, 5, 1000, 10**9])
def test_size_of_a_table_in_a_stream_may_be_wrong_as_that_of_a_plain_one(size_by: int) -> None:
    assert codes(_table_in_a_stream(size_by)) == set()


@pytest.mark.parametrize("name", HIDDEN)
def test_what_a_table_in_a_stream_hides_is_refused_where_its_size_is_too_large(name: str) -> None:
    for size_by in (1, 100):
        assert codes(_table_in_a_stream(size_by, HIDDEN[name])) == {"pdf-unreadable"}


@pytest.mark.parametrize("cut", [1, 3, 6])
def test_table_in_a_stream_that_ends_within_a_row_is_refused(cut: int) -> None:
    assert codes(_table_in_a_stream(1, cut=cut)) == {"pdf-unreadable"}


def test_table_in_a_stream_without_rows_that_its_index_lists_is_refused() -> None:
    own = max(letter()) + 1
    assert codes(_table_in_a_stream(0, index=b"/Index [ 0 %d ]" % (own + 1))) == set()
    assert codes(_table_in_a_stream(1, index=b"/Index [ 0 %d ]" % (own + 2))) == {"pdf-unreadable"}


PADDING: Final = st.lists(st.sampled_from([b"\0", b"\r\n", b" ", b"\t", b"\f"]), max_size=40).map(b"".join)


@examples(60)
@given(
    style=st.sampled_from(list(STYLES.values())),
    padding=PADDING,
    times=st.integers(0, 2000),
    octet=st.binary(max_size=3),
)
def test_white_space_of_any_length_passes_and_anything_else_behind_it_does_not(
    style: Style, padding: bytes, times: int, octet: bytes
) -> None:
    content = write(letter(), style) + padding * times
    assert codes(content) == set()
    after = octet.strip(b"\0\t\n\f\r ")
    assert codes(content + octet) == ({"pdf-trailing-data"} if after else set())


@pytest.mark.parametrize("after", [b"PK\x05\x06" + bytes(18), b"<html>", b"%PDF-1.7", b"MZ", b"{"])
@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
def test_second_file_behind_the_padding_is_refused(style: Style, after: bytes) -> None:
    for between in (b"", bytes(5000), b"\r\n" * 50_000):
        assert codes(write(letter(), style) + between + after) == {"pdf-trailing-data"}


@pytest.mark.parametrize("blanks", [0, 100, 30_000])
def test_archive_whose_comment_ends_in_the_padding_is_refused(blanks: int) -> None:
    end = b"%PK\x05\x06" + bytes(16)
    plain = write(letter(), Style(version=b"1.7\n" + end + b"\0\0"))
    size = len(plain) - plain.index(b"PK\x05\x06") - 22 + blanks // 2
    content = plain.replace(end + b"\0\0", end + size.to_bytes(2, "little")) + b" " * blanks
    assert codes(content) == {"pdf-trailing-data"}
