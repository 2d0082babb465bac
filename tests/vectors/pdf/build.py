"""Write the PDF vectors beside this file again: `python -m tests.vectors.pdf.build`.

Each file is named CODE--WHAT.pdf after the finding it must lead to (`none` for no finding). They are kept in the repository,
so that a change of a library cannot change what is tested; this program says how they were made.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from pathlib import Path

import pikepdf

from tests.vectors.pdf import offices

HERE = Path(__file__).parent
CATALOG, PAGES, PAGE, SPARE = 1, 2, 3, 4


def assemble(changes: Mapping[int, str | bytes], root: int = CATALOG) -> bytes:
    """A PDF of one empty page, with objects replaced or added."""
    objects: dict[int, str | bytes] = {
        CATALOG: "<< /Type /Catalog /Pages 2 0 R >>",
        PAGES: "<< /Type /Pages /Count 1 /Kids [ 3 0 R ] >>",
        PAGE: "<< /Type /Page /Parent 2 0 R /MediaBox [ 0 0 200 200 ] >>",
    }
    objects.update(changes)
    out = bytearray(b"%PDF-1.7\n")
    table = bytearray(b"xref\n0 1\n0000000000 65535 f \n")
    for number in sorted(objects):
        body = objects[number]
        table += b"%d 1\n%010d 00000 n \n" % (number, len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, body.encode() if isinstance(body, str) else body)
    start = len(out)
    out += table + b"trailer\n<< /Size %d /Root %d 0 R >>\n" % (max(objects) + 1, root)
    return bytes(out) + b"startxref\n%d\n%%%%EOF\n" % start


def catalog(entries: str, **added: str) -> bytes:
    extra = {int(name[1:]): body for name, body in added.items()}
    return assemble({CATALOG: f"<< /Type /Catalog /Pages 2 0 R {entries} >>", **extra})


def page(entries: str, **added: str) -> bytes:
    extra = {int(name[1:]): body for name, body in added.items()}
    return assemble({PAGE: f"<< /Type /Page /Parent 2 0 R /MediaBox [ 0 0 9 9 ] {entries} >>", **extra})


def annotation(entries: str, **added: str) -> bytes:
    return page(f"/Annots [ << /Type /Annot /Rect [ 0 0 9 9 ] {entries} >> ]", **added)


def stream(entries: str) -> str:
    return f"<< {entries} /Length 1 >>\nstream\n0\nendstream"


def saved(plain: bytes, **options: object) -> bytes:
    """The file as qpdf writes it: for encryption and object streams."""
    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(plain)) as pdf:
        pdf.save(out, deterministic_id="encryption" not in options, **options)  # type: ignore[arg-type] # mixed options
    return out.getvalue()


def vectors() -> Iterator[tuple[str, bytes]]:
    plain = assemble({})
    yield "none--one-page", plain
    yield "none--open-action-goes-to-page", catalog("/OpenAction << /S /GoTo /D [ 3 0 R /Fit ] >>")
    yield "none--open-action-is-destination", catalog("/OpenAction [ 3 0 R /Fit ]")
    yield "none--words-in-a-string", catalog("/Lang (/JavaScript /Launch /AA)")
    yield (
        "none--names-that-only-begin-alike",
        page("/Resources << /Font << /AAAAAA+F 4 0 R >> >>", _4="<< /JSA /LaunchPad >>"),
    )
    yield "none--object-streams", saved(plain, object_stream_mode=pikepdf.ObjectStreamMode.generate)

    yield "pdf-javascript--hex-escaped-name", annotation("/A << /S /#4a#61vaScript /J#53 (1) >>")
    yield "pdf-javascript--unreferenced-object", assemble({SPARE: "<< /S /JavaScript /JS (QQ123456C) >>"})
    yield "pdf-javascript--name-in-its-own-object", annotation("/A << /S 4 0 R >>", _4="/JavaScript")
    yield (
        "pdf-javascript--names-tree",
        catalog("/Names << /JavaScript 4 0 R >>", _4="<< /Names [ (a) 5 0 R ] >>", _5="<<>>"),
    )
    yield (
        "pdf-javascript--next-of-next",
        annotation("/A << /S /GoTo /Next << /S /Hide /Next [ << /S /JavaScript >> ] >> >>"),
    )
    yield "pdf-javascript--only-the-script", annotation("/A << /JS 4 0 R >>", _4=stream(""))
    yield (
        "pdf-javascript--field-of-a-form",
        catalog("/AcroForm << /Fields [ << /AA << /K << /S /JavaScript >> >> >> ] >>"),
    )
    hidden = annotation("/A 4 0 R", _4="<< /S /JavaScript /JS (1) >>")
    yield "pdf-javascript--object-stream", saved(hidden, object_stream_mode=pikepdf.ObjectStreamMode.generate)
    yield "pdf-postscript--xobject", assemble({SPARE: stream("/Type /XObject /Subtype /PS")})
    yield "pdf-launch--next", annotation("/A << /S /GoTo /Next << /S /Launch /F (a) >> >>")
    yield "pdf-open-action--named", catalog("/OpenAction << /S /Named /N /Print >>")
    yield "pdf-open-action--indirect", catalog("/OpenAction 4 0 R", _4="<< /S 5 0 R >>", _5="/Named")
    yield (
        "pdf-open-action--goto-with-next",
        catalog("/OpenAction << /S /GoTo /D [ 3 0 R /Fit ] /Next << /S /Hide >> >>"),
    )
    yield "pdf-open-action--page", page("/AA << /O << /S /Named /N /Print >> >>")
    yield "pdf-external--uri", annotation("/A << /S /URI /URI (x) >>")
    yield "pdf-external--base-uri", catalog("/URI << /Base (x) >>")
    yield "pdf-external--remote-goto", annotation("/A << /S /GoToR /F (x) >>")
    yield "pdf-external--submit-form", annotation("/A << /S /SubmitForm /F (x) >>")
    yield "pdf-external--import-data", annotation("/A << /S /ImportData /F (x) >>")
    yield "pdf-external--thread-elsewhere", annotation("/A << /S /Thread /F (x) >>")
    yield "pdf-external--stream-in-another-file", assemble({SPARE: stream("/F (x)")})
    yield "pdf-external--reference-xobject", assemble({SPARE: stream("/Subtype /Form /Ref << /F (x) >>")})
    yield "pdf-embedded-file--names-tree", catalog("/Names << /EmbeddedFiles << /Names [ (a) 4 0 R ] >> >>", _4="<< >>")
    yield "pdf-embedded-file--annotation", annotation("/Subtype /FileAttachment")
    yield "pdf-embedded-file--associated", catalog("/AF [ << /Type /Filespec /EF << /F 4 0 R >> >> ]", _4=stream(""))
    yield "pdf-embedded-file--portfolio", catalog("/Collection << /View /H >>")
    yield "pdf-xfa--array", catalog("/AcroForm << /Fields [] /XFA [ (a) 4 0 R ] >>", _4=stream(""))
    for kind in ("Movie", "Sound", "Screen", "3D", "RichMedia"):
        yield f"pdf-rich-media--{kind.lower()}", annotation(f"/Subtype /{kind}")
    yield "pdf-rich-media--rendition", annotation("/A << /S /Rendition >>")

    locks = {"rc4": pikepdf.Encryption(owner="o", user="", R=3, aes=False, metadata=False)}
    locks |= {"aes": pikepdf.Encryption(owner="o", user=""), "password": pikepdf.Encryption(owner="o", user="u")}
    for name, lock in locks.items():
        yield f"pdf-encrypted--{name}", saved(plain, encryption=lock)

    yield "file-empty--no-bytes", b""
    yield "pdf-not-pdf--line-before", b"\n" + plain
    yield "pdf-not-pdf--version-of-another-world", plain.replace(b"%PDF-1.7", b"%PDF-x.7")
    yield "pdf-trailing-data--zip", plain + b"PK\x05\x06" + bytes(18)
    zip_end = b"PK\x05\x06" + bytes(16)
    inside = plain.replace(b"%PDF-1.7\n", b"%PDF-1.7\n%")
    size = len(inside) - len(b"%PDF-1.7\n%")
    yield "pdf-trailing-data--zip-around", b"%PDF-1.7\n%" + zip_end + size.to_bytes(2, "little") + inside[10:]
    yield "pdf-unreadable--cut", plain[:-30]
    yield "pdf-unreadable--no-table", plain.replace(b"startxref\n", b"startxref\n9", 1)
    yield "pdf-unreadable--offsets-wrong", plain.replace(b"%PDF-1.7\n", b"%PDF-1.7\n%a\n")
    yield "pdf-unreadable--stream-length-wrong", assemble({SPARE: stream("").replace("Length 1", "Length 7")})
    yield "pdf-unreadable--unbalanced", assemble({SPARE: "<< /A [ 1 2 >>"})
    yield "pdf-unreadable--object-does-not-end", assemble({SPARE: "<< /A 1"})
    yield "pdf-unreadable--no-root", assemble({}, root=9)
    yield "pdf-unreadable--page-tree-loops", assemble({PAGES: "<< /Type /Pages /Count 1 /Kids [ 3 0 R 2 0 R ] >>"})
    yield "pdf-unreadable--page-is-a-number", assemble({PAGE: "7"})
    yield "pdf-no-pages--none", assemble({PAGES: "<< /Type /Pages /Count 0 /Kids [] >>"})
    yield "pdf-unreadable--no-page-tree", assemble({CATALOG: "<< /Type /Catalog >>"})
    yield "pdf-too-deep--arrays", assemble({SPARE: "[" * 100 + "]" * 100})
    tree: dict[int, str | bytes] = {PAGES: "<< /Type /Pages /Count 1 /Kids [ 10 0 R ] >>"}
    tree |= {n: f"<< /Type /Pages /Count 1 /Kids [ {n + 1} 0 R ] >>" for n in range(10, 110)}
    yield "pdf-too-deep--page-tree", assemble(tree | {110: "<< /Type /Page >>"})
    yield "pdf-too-many-pages--same-page-width", assemble({PAGES: "<< /Type /Pages /Kids [ " + "<< >> " * 300 + "] >>"})
    image = "/Type /XObject /Subtype /Image /Width 4 0 R /Height 60000 /BitsPerComponent 8 /ColorSpace /DeviceGray"
    yield "pdf-image-too-large--width-elsewhere", assemble({4: "60000", 5: stream(image)})

    yield from offices.vectors()


def main() -> None:
    for old in HERE.glob("*.pdf"):
        old.unlink()
    for name, content in vectors():
        (HERE / f"{name}.pdf").write_bytes(content)


if __name__ == "__main__":
    main()
