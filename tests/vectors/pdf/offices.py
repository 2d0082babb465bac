"""PDFs as offices make them, one a kind, each with nothing in it that a LAID may not have; and what only looks like one.

Yields names and bytes for `build`. Nothing here is a copy of a program's file: each is written to be what such files are like.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator

import pikepdf

from tests.vectors.pdf.makers import STYLES, Style, hybrid, update, write

_TEXT = b"BT /F1 14 Tf 72 700 Td (Claim for Housing Benefit) Tj ET"
_XMP = b"""<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/" pdfaid:part="2" pdfaid:conformance="B"/>
</rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>"""
_OWN_LINK = b"<< /Type /Annot /Subtype /Link /Rect [ 72 690 200 720 ] /Border [ 0 0 0 ] /A %b >>"


def stream(content: bytes, entries: bytes = b"", *, length: int | None = None) -> bytes:
    return b"<< %b /Length %d >>\nstream\n%b\nendstream" % (
        entries,
        len(content) if length is None else length,
        content,
    )


def letter(catalog: bytes = b"", page: bytes = b"", **more: bytes) -> dict[int, bytes]:
    """A letter of one page; `more` are objects, from `_6` on."""
    objects = {
        1: b"<< /Type /Catalog /Pages 2 0 R %b >>" % catalog,
        2: b"<< /Type /Pages /Count 1 /Kids [ 3 0 R ] >>",
        3: b"<< /Type /Page /Parent 2 0 R /MediaBox [ 0 0 595 842 ] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> %b >>" % page,
        4: stream(_TEXT),
        5: b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    }
    return objects | {int(name[1:]): body for name, body in more.items()}


def _saved(plain: bytes, **options: object) -> bytes:
    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(plain)) as pdf:
        pdf.save(out, deterministic_id=True, **options)  # type: ignore[arg-type] # mixed options
    return out.getvalue()


def _linked(action: bytes) -> bytes:
    return write(letter(page=b"/Annots [ %b ]" % (_OWN_LINK % action)))


def vectors() -> Iterator[tuple[str, bytes]]:
    yield from _passing_tables()
    yield from _passing_contents()
    yield from _passing_links()
    yield from _refused_links()
    yield from _refused_actions()
    yield from _refused_tables()


def _passing_tables() -> Iterator[tuple[str, bytes]]:
    for name, style in STYLES.items():
        yield f"none--{name.replace(' ', '-').lower()}", write(letter(), style)
    merged = {5: stream(_TEXT), 7: letter()[5], 20: b"<< /Type /Catalog /Pages 21 0 R>>"}
    merged[21] = b"<< /Type /Pages /Kids [ 22 0 R 23 0 R ] /Count 2 >>"
    for number in (22, 23):
        merged[number] = (
            b"<< /Type /Page /Contents 5 0 R /Resources <</Font <</F1 7 0 R >> >> /Parent 21 0 R /MediaBox [0 0 595 842 ] >>"
        )
    yield "none--merged-with-size-of-one-part", write(merged, _MERGED, 20)
    body = letter()[4]
    yield "none--carriage-return-after-stream", write(letter(_4=body.replace(b"stream\nBT", b"stream\rBT")))
    yield "none--blanks-after-stream", write(letter(_4=body.replace(b"stream\nBT", b"stream  \r\nBT")))
    yield "none--length-counts-a-line-too-many", write(letter(_4=stream(_TEXT, length=len(_TEXT) + 2)))
    elsewhere = b"<< /Length 6 0 R >>\nstream\r%b\nendstream" % _TEXT
    yield "none--length-in-its-own-object", write(letter(_4=elsewhere, _6=b"%d" % (len(_TEXT) + 2)))
    yield "none--empty-object", write(letter(_6=b"", _7=b"<< >>"))
    changed = {4: stream(_TEXT.replace(b"Housing", b"Council Tax"))}
    yield "none--incremental-update", update(write(letter()), changed)
    yield "none--incremental-update-padded", update(write(letter()), changed, style=STYLES["padded with NUL"])
    parts = letter()
    hidden = {number: parts.pop(number) for number in (3, 5)}
    yield "none--hybrid", hybrid(parts, hidden, packed=6, table=7)
    yield "none--hybrid-padded", hybrid(parts, hidden, packed=6, table=7, style=STYLES["padded with NUL"])
    streams = _saved(write(letter()), object_stream_mode=pikepdf.ObjectStreamMode.generate)
    yield "none--object-streams-padded", streams + bytes(2000)
    linear = _saved(write(letter()), linearize=True)
    yield "none--linearized", linear
    yield "none--linearized-padded", linear + b"\r\n" * 1000


def _passing_contents() -> Iterator[tuple[str, bytes]]:
    yield "none--pdf-2.0", write(letter(), _PDF_2)
    intent = b"<< /Type /OutputIntent /S /GTS_PDFA1 /OutputConditionIdentifier (sRGB) /DestOutputProfile 7 0 R >>"
    archive = letter(
        b"/Metadata 6 0 R /OutputIntents [ %b ] /MarkInfo << /Marked true >>" % intent,
        _6=stream(_XMP, b"/Type /Metadata /Subtype /XML"),
        _7=stream(zlib.compress(bytes(128)), b"/N 3 /Filter /FlateDecode"),
    )
    yield "none--archive-pdf-a", write(archive)
    tagged = letter(
        b"/StructTreeRoot 6 0 R /MarkInfo << /Marked true >> /Lang (en-GB)",
        _6=b"<< /Type /StructTreeRoot /K 7 0 R /RoleMap << /Screen /Sect /Sound /Span /Movie /P /JS /P /URI /Link >> >>",
        _7=b"<< /Type /StructElem /S /Screen /P 6 0 R /K [ 8 0 R << /S /Launch /P 7 0 R /K 1 >> ] >>",
        _8=b"<< /S /Sound /P 7 0 R /Pg 3 0 R /K 0 /A << /O /Layout /Placement /Block >> /T (Sound) /R 1 >>",
    )
    yield "none--tagged-with-kinds-of-its-own", write(tagged)
    yield "none--tagged-padded", write(tagged, STYLES["padded with NUL"])
    blended = letter(page=b"/Group << /S /Transparency /CS /DeviceRGB >>", _6=b"<< /Type /ExtGState /BM 7 0 R >>")
    yield "none--blend-mode-in-its-own-object", write(blended | {7: b"/Screen", 8: b"<< /BM [ /Screen 7 0 R ] >>"})
    yield "none--styles-and-transitions", write(letter(page=b"/Trans << /S /Fly >> /BS << /S /D >>"))
    kids = b"/Names << /JavaScript << /Kids [ 6 0 R 7 0 R ] >> /EmbeddedFiles 8 0 R >>"
    yield "none--empty-trees", write(letter(kids, _6=b"<< /Names [] >>", _7=b"<< /Kids [] >>", _8=b"<< /Names [] >>"))
    bare = b"/Names << /JavaScript << >> /EmbeddedFiles null >> /AA << >> /AF [] /OpenAction null"
    yield "none--empty-entries", write(letter(bare, b"/AA << /O << >> /C null >> /AF 6 0 R", _6=b"[]"))
    form = b"/AcroForm << /Fields [ 6 0 R ] /DR << /Font << /Helv 5 0 R >> >> /DA (/Helv 0 Tf) >>"
    field = b"<< /Type /Annot /Subtype /Widget /FT /Tx /T (name) /V (x) /Rect [ 9 9 99 29 ] /P 3 0 R >>"
    yield "none--form", write(letter(form, b"/Annots [ 6 0 R ]", _6=field))
    yield "none--page-labels", write(letter(b"/PageLabels << /Nums [ 0 << /S /r >> 1 << /S /D /St 1 >> ] >>"))
    layers = b"/OCProperties << /OCGs [ 6 0 R ] /D << /Order [ 6 0 R ] /AS [ << /Event /View /Category [ /View ] /OCGs [ 6 0 R ] >> ] >> >>"
    yield "none--layers", write(letter(layers, _6=b"<< /Type /OCG /Name (stamp) >>"))
    shape = b"/Type /XObject /Subtype /Image /Width 8 /Height 8 /BitsPerComponent 1 /ColorSpace /DeviceGray /Filter /%b"
    named = {6: b"DCTDecode", 7: b"JPXDecode", 8: b"CCITTFaxDecode", 9: b"JBIG2Decode"}
    scans = {number: stream(b"\xff\xd8\xff\xd9", shape % name) for number, name in named.items()}
    yield "none--pictures-of-scanners", write(letter() | scans, STYLES["padded with ends of lines"])


def _passing_links() -> Iterator[tuple[str, bytes]]:
    yield "none--link-https", _linked(b"<< /S /URI /URI (https://www.example.invalid/claim?a=1&b=\\(2\\)#x) >>")
    yield "none--link-mailto", _linked(b"<< /Type /Action /S /URI /URI (mailto:a@example.invalid?subject=A%20claim) >>")
    yield (
        "none--link-in-hex",
        _linked(b"<< /S /URI /URI <68747470733A2F2F7777772E6578616D706C652E696E76616C69642F> /IsMap false >>"),
    )
    own = letter(page=b"/Annots [ %b ]" % (_OWN_LINK % b"6 0 R"), _6=b"<< /S /URI /URI 7 0 R >>")
    yield "none--link-in-its-own-object", write(own | {7: b"(HTTPS://www.example.invalid)"})
    outline = b"<< /Title (Page) /Parent 6 0 R /A << /S /URI /URI (https://www.example.invalid/) >> >>"
    yield (
        "none--link-of-an-outline",
        write(letter(b"/Outlines 6 0 R", _6=b"<< /Type /Outlines /First 7 0 R /Last 7 0 R /Count 1 >>", _7=outline)),
    )
    within = b"/Annots [ << /Type /Annot /Subtype /Link /Rect [ 0 0 9 9 ] /A << /S /GoTo /D (end) >> >> ]"
    names = b"/Names << /Dests << /Names [ (end) [ 3 0 R /Fit ] ] >> >> /OpenAction [ 3 0 R /XYZ null null 0 ]"
    yield "none--links-within", write(letter(names, within))


def _refused_links() -> Iterator[tuple[str, bytes]]:
    addresses = {
        "http": b"(http://www.example.invalid/)",
        "of-a-file": b"(file:///C:/Windows/System32/calc.exe)",
        "of-a-share": b"(\\\\\\\\example.invalid\\\\share)",
        "of-a-program": b"(JavaScript:alert\\(1\\))",
        "of-data": b"(data:text/html;base64,PGI+)",
        "without-a-scheme": b"(www.example.invalid)",
        "in-utf-16": b"<FEFF00680074007400700073003A002F002F0061>",
        "with-a-line-break": b"(https://www.example.invalid/\\r\\nx)",
        "with-quotes": b'(https://www.example.invalid/" -x ")',
        "with-a-blank-before": b"( https://www.example.invalid/)",
        "with-another-site-before": b"(https://www.gov.uk@example.invalid/)",
        "without-a-site": b"(https:www.example.invalid)",
        "that-attaches-a-file": b"(mailto:a@example.invalid?%61ttach=/etc/passwd)",
        "that-adds-a-header": b"(mailto:a@example.invalid?subject=a%0D%0Abcc:b@example.invalid)",
    }
    for name, address in addresses.items():
        yield f"pdf-external--link-{name}", _linked(b"<< /S /URI /URI %b >>" % address)
    good = b"/S /URI /URI (https://www.example.invalid/)"
    action = b"<< %b >>" % good
    yield "pdf-external--link-with-next", _linked(b"<< %b /Next << /S /Named /N /Print >> >>" % good)
    yield "pdf-external--link-as-next", _linked(b"<< /S /GoTo /D [ 3 0 R /Fit ] /Next %b >>" % action)
    yield (
        "pdf-external--link-as-next-in-its-own-object",
        write(
            letter(
                page=b"/Annots [ %b ]" % (_OWN_LINK % b"<< /S /GoTo /D [ 3 0 R /Fit ] /Next [ 6 0 R ] >>"), _6=action
            )
        ),
    )
    yield "pdf-open-action--link", write(letter(b"/OpenAction %b" % action))
    yield "pdf-external--link-opened-by-itself", write(letter(b"/OpenAction 6 0 R", _6=action))
    yield "pdf-open-action--link-of-a-page", write(letter(page=b"/AA << /O 6 0 R >>", _6=action))
    clicked = b"/Annots [ %b ] /AA << /O 6 0 R >>" % (_OWN_LINK % b"6 0 R")
    yield "pdf-external--link-clicked-and-opened", write(letter(page=clicked, _6=action))
    yield (
        "pdf-external--link-of-a-button",
        write(
            letter(
                b"/AcroForm << /Fields [ 6 0 R ] >>",
                b"/Annots [ 6 0 R ]",
                _6=b"<< /Subtype /Widget /FT /Btn /T (a) /A %b >>" % action,
            )
        ),
    )
    yield (
        "pdf-external--link-before",
        write(letter(page=b"/Annots [ << /Subtype /Link /Rect [ 0 0 9 9 ] /PA 6 0 R >> ]", _6=action)),
    )


def _refused_actions() -> Iterator[tuple[str, bytes]]:
    element = b"<< /Type /StructElem /S /%b /P 3 0 R /K 0 >>"
    annotated = b"/Annots [ << /Subtype /Link /Rect [ 0 0 9 9 ] /A 6 0 R >> ]"
    tree = b"/StructTreeRoot << /Type /StructTreeRoot /K [ 6 0 R ] >>"
    yield "pdf-javascript--element-that-is-an-action-too", write(letter(tree, annotated, _6=element % b"JavaScript"))
    yield (
        "pdf-rich-media--element-of-a-chain",
        write(letter(tree, annotated, _6=b"<< /S /GoTo /Next 7 0 R >>", _7=b"[ 8 0 R ]", _8=element % b"Sound")),
    )
    yield (
        "pdf-launch--element-with-a-program",
        write(letter(tree, _6=b"<< /Type /StructElem /S /Launch /P 3 0 R /F (calc.exe) >>")),
    )
    yield "pdf-launch--element-in-place-of-an-action", write(letter(b"/OpenAction %b" % (element % b"Launch")))
    leaf = b"<< /Names [ (a) << /S /JavaScript /JS (1) >> ] >>"
    yield (
        "pdf-javascript--tree-of-kids",
        write(letter(b"/Names << /JavaScript << /Kids [ 6 0 R 7 0 R ] >> >>", _6=b"<< /Names [] >>", _7=leaf)),
    )
    yield (
        "pdf-javascript--tree-that-loops",
        write(letter(b"/Names << /JavaScript 6 0 R >>", _6=b"<< /Kids [ 6 0 R ] >>")),
    )
    yield "pdf-javascript--script-in-a-stream", write(letter(b"/X << /JS 6 0 R >>", _6=stream(b"1")))
    yield "pdf-open-action--events-in-a-stream", write(letter(b"/AA 6 0 R", _6=stream(b"1")))
    yield (
        "pdf-embedded-file--tree-with-a-leaf",
        write(letter(b"/Names << /EmbeddedFiles << /Kids [ << /Names [ (a) 6 0 R ] >> ] >> >>", _6=b"<< /F (a) >>")),
    )
    yield "pdf-unreadable--kind-that-is-a-stream", write(letter(_6=b"<< /S 4 0 R >>"))


def _refused_tables() -> Iterator[tuple[str, bytes]]:
    odd = STYLES["size one too large"]
    program = b"<< /S /JavaScript /JS (1) >>"
    plain = write(letter(), odd)
    for name, inserted in {
        "hidden-object": b"9 0 obj\n<< >>\nendobj\n",
        "hidden-version": b"3 0 obj\n<< /Type /Page /Parent 2 0 R /AA << /O 9 0 R >> >>\nendobj\n",
        "hidden-behind-comments": b"9 % a\n0 % b\nobj\n<< >>\nendobj\n",
        "hidden-behind-white-space": b"9 0" + b" " * 100 + b"obj\n<< >>\nendobj\n",
        "hidden-in-a-comment": b"% 9 0 obj << >> endobj\n",
        "hidden-trailer": b"trailer\n<< /Size 9 /Root 3 0 R >>\n",
    }.items():
        yield (
            f"pdf-unreadable--{name}",
            plain.replace(b"xref\n0", inserted + b"xref\n0", 1).replace(
                b"startxref\n%d" % plain.index(b"xref\n0"), b"startxref\n%d" % (plain.index(b"xref\n0") + len(inserted))
            ),
        )
    inside = stream(_TEXT + b"\n9 0 obj\n" + program + b"\nendobj")
    yield "pdf-unreadable--hidden-in-a-stream", write(letter(_4=inside), odd)
    unseen = letter()
    packed = {7: b"<< >>", 9: program}
    mixed = hybrid(unseen, packed, packed=10, table=11, style=odd)
    yield "pdf-javascript--hidden-in-an-object-stream", mixed
    harmless = b"<< /S /GoTo /D (1)".ljust(len(program) - 2) + b">>"
    more = mixed.replace(b"/Index [ 7 1 9 1 ]", b"/Index [ 7 1 8 1 ]").replace(program, harmless)
    yield "pdf-unreadable--object-stream-holds-more", more
    yield "pdf-unreadable--shadow", _shadow()
    yield "pdf-unreadable--object-within-a-line", plain.replace(b"endobj\n3 0 obj", b"endobj%3 0 obj")
    damaged = write(letter()).replace(b"<<  /Length", b"%<  /Length")
    yield "pdf-unreadable--earlier-version-damaged", update(damaged, {4: stream(_TEXT)}, style=odd)
    marked = write(letter(_6=b"<< >>"), Style(trailer=b"/XRefStm 0000000000 "))
    rows = stream(b"\x01\x00\x00\x00\x09\x00", b"/Type /XRef /Size 8 /W [ 1 4 1 ] /Index [ 6 1 ] /Root 1 0 R")
    both = update(marked, {7: rows}, style=odd)
    place = b"/XRefStm %010d" % both.rindex(b"7 0 obj")
    yield "pdf-unreadable--listed-in-two-tables", both.replace(b"/XRefStm 0000000000", place)
    yield "pdf-unreadable--counted-from-1", write(letter(), _FROM_1)
    yield "pdf-unreadable--length-leaves-out-a-part", write(letter(_4=stream(_TEXT, length=20)))
    yield (
        "pdf-unreadable--object-freed-and-still-there",
        update(write(letter(_6=b"<< >>")), letter(), style=odd, freed=(6,)),
    )
    yield "pdf-unreadable--key-twice", write(letter(page=b"/Rotate 0 /Rotate 90"))


def _shadow() -> bytes:
    """A file whose newest table lists an old version of the page, with a newer one behind it for whoever looks."""
    before = write(letter())
    shown = update(before, {3: letter()[3].replace(b"595", b"596")})
    place = before.index(b"3 0 obj")
    table = b"xref\n3 1\n%010d 00000 n \ntrailer\n<< /Size 7 /Prev %d /Root 1 0 R >>\n" % (
        place,
        before.rindex(b"xref\n0"),
    )
    return shown + table + b"startxref\n%d\n%%%%EOF\n" % len(shown)


_MERGED = Style(row=b"%010d %05d %c\n", first=b"0000000001 65535 f\n", size_by=-11)
_PDF_2 = Style(version=b"2.0")
_FROM_1 = Style(begins_at=1)
