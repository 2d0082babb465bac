"""What the streams of a PDF unpack to, against encoders of the standard library, of qpdf's reader, and of our own."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable
from functools import partial

import pikepdf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.validation.pdf.validator import PdfLimits, PdfValidator
from gateway.validation.pdf.weight import Scales, TooHeavy, bound, unpacked_size
from tests.examples import examples
from tests.fakes import bombs

MOST = 1 << 30
CONTENTS = st.one_of(
    st.binary(max_size=3000), st.integers(0, 200_000).map(bytes), st.binary(max_size=4).map(lambda it: it * 9000)
)


def lempel_ziv(content: bytes, early: int = 1) -> bytes:
    """Section 7.4.4, with an early change as nearly every maker writes it, or without."""
    table: dict[bytes, int] = {}
    bits, held, out, width, word = 0, 0, bytearray(), 9, b""

    def put(code: int) -> None:
        nonlocal bits, held
        bits, held = bits << width | code, held + width
        while held >= 8:
            held -= 8
            out.append(bits >> held & 0xFF)
        bits &= (1 << held) - 1

    def known(text: bytes) -> int | None:
        return text[0] if len(text) == 1 else table.get(text)

    put(256)
    for octet in content:
        longer = word + bytes([octet])
        if known(longer) is not None:
            word = longer
            continue
        code = known(word)
        assert code is not None
        put(code)
        table[longer] = 258 + len(table)
        word = longer[-1:]
        if 258 + len(table) + early > 1 << width:
            width += 1
        if 258 + len(table) == 4095:
            put(256)
            table, width = {}, 9
    if word:
        code = known(word)
        assert code is not None
        put(code)
        if 258 + len(table) + 1 + early > 1 << width and width < 12:
            width += 1
    put(257)
    put(0)
    return bytes(out)


def run_lengths(content: bytes) -> bytes:
    out = bytearray()
    for at in range(0, len(content), 100):
        part = content[at : at + 100]
        alike = len(part) > 1 and len(set(part)) == 1
        out += bytes([257 - len(part), part[0]]) if alike else bytes([len(part) - 1]) + part
    return bytes(out) + b"\x80"


@examples(60)
@given(CONTENTS)
def test_every_packing_weighs_what_was_packed(content: bytes) -> None:
    deflated, worded, runs = zlib.compress(content), lempel_ziv(content), run_lengths(content)
    pdf = pikepdf.new()
    assert pikepdf.Stream(pdf, worded, Filter=pikepdf.Name.LZWDecode).read_bytes() == content
    assert unpacked_size(deflated, ["/FlateDecode"], MOST) == len(content)
    assert unpacked_size(worded, ["/LZWDecode"], MOST) == len(content)
    assert unpacked_size(runs, ["/RunLengthDecode"], MOST) == len(content)
    text = base64.a85encode(deflated, wrapcol=70) + b"~>"
    assert unpacked_size(text, ["/ASCII85Decode", "/FlateDecode"], MOST) == len(content)
    assert unpacked_size(deflated.hex(" ", 40).encode() + b">", ["/ASCIIHexDecode", "/Fl"], MOST) == len(content)


@pytest.mark.parametrize("content", [bytes(300_000), bytes(range(256)) * 40])
def test_words_whose_codes_widen_late_weigh_what_they_are(content: bytes) -> None:
    late, early = lempel_ziv(content, 0), lempel_ziv(content)
    parameters = pikepdf.Dictionary(EarlyChange=0)
    pdf = pikepdf.new()
    stream = pikepdf.Stream(pdf, late, Filter=pikepdf.Name.LZWDecode, DecodeParms=parameters)
    assert stream.read_bytes() == content
    assert late != early
    assert unpacked_size(late, ["/LZWDecode"], MOST) == unpacked_size(early, ["/LZWDecode"], MOST) == len(content)
    with pytest.raises(TooHeavy):
        unpacked_size(late, ["/LZWDecode"], len(content) - 1)


@examples(60)
@given(CONTENTS)
def test_nothing_unpacks_to_more_than_its_bound(content: bytes) -> None:
    deflated = zlib.compress(content, 9)
    text = base64.a85encode(deflated)
    for packed, filters in (
        (deflated, ["/Fl"]),
        (lempel_ziv(content), ["/LZW"]),
        (run_lengths(content)[:-1], ["/RL"]),
        (text, ["/A85", "/FlateDecode"]),
        (base64.a85encode(content), ["/A85", "/RL"]),
        (base64.a85encode(base64.a85encode(deflated)), ["/A85", "/A85", "/Fl"]),
        (text.hex().encode(), ["/AHx", "/A85", "/Fl"]),
        (text, ["/DCTDecode", "/Fl"]),
    ):
        assert unpacked_size(packed, filters, MOST) <= bound(packed, filters)


@given(st.lists(st.integers(0, 3000), max_size=8), st.integers(0, 8000))
def test_scales_refuse_the_stream_with_which_it_becomes_too_much_as_if_all_were_unpacked(
    sizes: list[int], most: int
) -> None:
    scales, left = Scales(most), most
    for size in sizes:
        packed = zlib.compress(bytes(size), 1)
        left -= size
        if left < 0:
            with pytest.raises(TooHeavy):
                scales.add(partial(bytes, packed), ["/FlateDecode"])
            return
        scales.add(partial(bytes, packed), ["/FlateDecode"])


@given(st.binary(max_size=300), st.sampled_from(["/FlateDecode", "/LZW", "/RL", "/A85", "/AHx", "/DCTDecode", "/X"]))
def test_any_bytes_have_a_weight(content: bytes, name: str) -> None:
    after = "/FlateDecode" if name in {"/A85", "/AHx"} else "/DCTDecode"
    assert unpacked_size(content, [name, after], MOST) >= 0


@pytest.mark.parametrize("after", [b"~>", b"", b"\xff", b"v", b"az", b"!!~"])
def test_text_that_is_damaged_weighs_what_came_before(after: bytes) -> None:
    deflated = zlib.compress(bytes(900_000), wbits=15)
    text = base64.a85encode(deflated + bytes(-len(deflated) % 4)) + after
    assert unpacked_size(text, ["/A85", "/Fl"], MOST) == 900_000
    assert unpacked_size(deflated.hex().encode() + b"g", ["/AHx", "/Fl"], MOST) == 900_000


@pytest.mark.parametrize(
    ("name", "pack"),
    [("/FlateDecode", zlib.compress), ("/LZWDecode", lempel_ziv), ("/RunLengthDecode", run_lengths)],
)
def test_limit_is_the_last_size_that_is_borne(name: str, pack: Callable[[bytes], bytes]) -> None:
    packed = pack(bytes(50_000))
    assert unpacked_size(packed, [name], 50_000) == 50_000
    with pytest.raises(TooHeavy):
        unpacked_size(packed, [name], 49_999)


def test_packing_twice_is_too_heavy_whatever_it_holds() -> None:
    with pytest.raises(TooHeavy):
        unpacked_size(zlib.compress(zlib.compress(b"x")), ["/FlateDecode", "/FlateDecode"], MOST)
    with pytest.raises(TooHeavy):
        unpacked_size(b"", ["/LZWDecode", "/ASCII85Decode", "/RL"], MOST)


def test_streams_of_a_document_are_weighed_together() -> None:
    document = bombs.pdf(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] /Contents [4 0 R 5 0 R] >>",
            *[bombs.stream(zlib.compress(bytes(60_000)), b"/Filter /FlateDecode")] * 2,
        ]
    )
    assert PdfValidator().validate_bytes(document).findings == ()
    assert PdfValidator(PdfLimits(max_content=120_000)).validate_bytes(document).findings == ()
    (finding,) = PdfValidator(PdfLimits(max_content=119_999)).validate_bytes(document).findings
    assert (finding.code, finding.where) == ("pdf-exhausting", "object 5 0")


def test_stream_that_becomes_gigabytes_is_refused_and_never_held() -> None:
    for kind in ("a stream of 2 GiB", "a stream in a stream in a stream"):
        (finding,) = PdfValidator().validate_bytes(bombs.PDF[kind]()).findings
        assert finding.code == "pdf-exhausting"
