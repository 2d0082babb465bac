"""How the streams of a PDF may say that they are packed: bombs that readers unpack, and what ordinary makers write."""

from __future__ import annotations

import zlib

import pytest

from gateway.validation.pdf.validator import PdfLimits, PdfValidator
from gateway.validation.pdf.words import MESSAGES, Trouble
from tests.fakes import bombs

BOMB = zlib.compress(bytes(2_000_000), 9)
SMALL = PdfLimits(max_content=1_000_000)
IMAGE = b"/Type /XObject /Subtype /Image /Width 10 /Height 10 "
FAX = b"/Filter /CCITTFaxDecode /DecodeParms << /K -1 /Columns 60000 "
TOO_LARGE, TOO_HEAVY = MESSAGES["pdf-image-too-large"], MESSAGES["pdf-exhausting"]


def document(*others: bytes, contents: bytes = b"4 0 R") -> bytes:
    return bombs.pdf(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] /Contents %b >>" % contents,
            *others,
        ]
    )


def found(content: bytes, limits: PdfLimits = SMALL) -> list[tuple[str, str]]:
    return [(it.where, it.message) for it in PdfValidator(limits).validate_bytes(content).findings]


@pytest.mark.parametrize(
    "filters", [b"[/Crypt /FlateDecode]", b"[/Crypt /Fl] /DecodeParms [<< /Name /Identity >> null]", b"[/Fl /Crypt]"]
)
def test_encryption_that_is_none_hides_no_bomb(filters: bytes) -> None:
    assert found(document(bombs.stream(BOMB, b"/Filter " + filters))) == [("object 4 0", TOO_HEAVY)]
    assert found(document(bombs.stream(zlib.compress(b"q Q"), b"/Filter " + filters))) == []
    assert found(document(bombs.stream(b"q Q", b"/Filter /Crypt"))) == []


@pytest.mark.parametrize(
    "filters", [b"[null /Fl]", b"[9 0 R /Fl]", b"[1 /Fl]", b"[[/Fl]]", b"[/Flate]", b"/X", b"<< >>", b"true", b"1.5"]
)
def test_filter_that_the_standard_does_not_know_is_refused(filters: bytes) -> None:
    assert found(document(bombs.stream(BOMB, b"/Filter " + filters))) == [("object 4 0", Trouble.FILTER.value)]


@pytest.mark.parametrize("name", [b"CCITTFaxDecode", b"CCF", b"DCTDecode", b"DCT", b"JPXDecode", b"JBIG2Decode"])
def test_compression_of_pictures_is_for_pictures_and_comes_last(name: bytes) -> None:
    wrong = [("object 5 0", Trouble.NO_PICTURE.value)]
    for entries in (b"/Filter /" + name, IMAGE.replace(b"Image", b"Form") + b"/Filter [/Fl /%b]" % name):
        assert found(document(b"null", bombs.stream(zlib.compress(b"\xff" * 9), entries))) == wrong
    assert found(document(b"null", bombs.stream(b"\xff" * 9, IMAGE + b"/Filter [/%b /FlateDecode]" % name))) == wrong
    assert found(document(b"null", bombs.stream(b"\xff" * 9, IMAGE + b"/Filter [/A85 /%b]" % name))) == []


@pytest.mark.parametrize("contents", [b"5 0 R", b"[4 0 R 5 0 R]", b"6 0 R"])
def test_picture_is_no_contents_of_a_page_whatever_it_calls_itself(contents: bytes) -> None:
    others = bombs.stream(b"q", b""), bombs.stream(b"\xff" * 90, IMAGE + FAX + b">>"), b"[4 0 R 5 0 R]"
    assert found(document(*others)) == []
    assert found(document(*others, contents=contents)) == [("object 5 0", Trouble.NO_PICTURE.value)]


def test_picture_is_no_font_either() -> None:
    for use in (b"<< /FontFile2 4 0 R >>", b"<< /CS [/ICCBased 4 0 R] >>", b"<< /ToUnicode 4 0 R >>"):
        picture = bombs.stream(b"\xff" * 90, IMAGE + b"/Filter /DCTDecode")
        assert found(document(picture, use, contents=b"[]")) == [("object 4 0", Trouble.NO_PICTURE.value)]


def test_points_of_a_fax_are_those_it_unpacks_to() -> None:
    for parameters in (b"/Rows 60000", b"/Rows 60000.0", b"/Rows 6 0 R"):
        fax = bombs.stream(b"\xff" * 90, IMAGE + FAX + parameters + b" >>")
        assert found(document(b"null", fax, b"60000")) == [("object 5 0", TOO_LARGE)]
    for parameters in (b"/Rows 1600", b"/Rows 0", b""):
        assert found(document(b"null", bombs.stream(b"\xff" * 90, IMAGE + FAX + parameters + b" >>"))) == []


@pytest.mark.parametrize("width", [b"60000", b"60000.0", b"+60000.5", b"0" * 30 + b"60000", b"5 0 R"])
def test_points_of_a_picture_are_counted_however_the_number_is_written(width: bytes) -> None:
    picture = bombs.stream(zlib.compress(b""), IMAGE.replace(b"10", width) + b"/Filter /FlateDecode")
    assert found(document(picture, b"60000.0", contents=b"[]")) == [("object 4 0", TOO_LARGE)]


@pytest.mark.parametrize("head", [b"\x78\x00", b"\x00\x00", b"\r\n", b"\x78\x20", b"\xf8\x1c"])
def test_packed_data_that_do_not_begin_as_such_are_damaged_and_are_counted(head: bytes) -> None:
    small = head + zlib.compress(b"q Q")[2:]
    assert found(document(bombs.stream(small, b"/Filter /Fl"))) == [("object 4 0", Trouble.DAMAGED.value)]
    assert found(document(bombs.stream(head + BOMB[2:], b"/Filter /Fl"))) == [("object 4 0", TOO_HEAVY)]
    hexadecimal = (head + BOMB[2:]).hex().encode()
    assert found(document(bombs.stream(hexadecimal, b"/Filter [/AHx /Fl]"))) == [("object 4 0", TOO_HEAVY)]


@pytest.mark.parametrize("level", range(10))
def test_heads_of_all_levels_and_windows_and_nothing_at_all_pass(level: int) -> None:
    for window in (9, 12, 15):
        packer = zlib.compressobj(level, wbits=window)
        assert found(document(bombs.stream(packer.compress(b"q Q") + packer.flush(), b"/Filter /FlateDecode"))) == []
    assert found(document(bombs.stream(b"", b"/Filter /FlateDecode"))) == []


def test_data_that_are_damaged_at_the_end_count_with_what_came_before() -> None:
    packer = zlib.compressobj(9)
    damaged = packer.compress(bytes(900_000)) + packer.flush(zlib.Z_FULL_FLUSH) + b"\xff\xff\xff"
    streams = [bombs.stream(damaged, b"/Filter /FlateDecode")] * 2
    assert found(document(streams[0])) == []
    assert found(document(*streams)) == [("object 5 0", TOO_HEAVY)]
