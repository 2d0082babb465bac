"""Small files that cost much: what a correspondent makes who wants a receiver's memory, disk or time.

Those of OpenPGP packets are in `openpgp`. Everything here is made in a second or two, and is small itself.
"""

from __future__ import annotations

import io
import subprocess
import tarfile
import zlib
from collections.abc import Callable, Iterable

import zstandard

MIB = 1 << 20
GIB = 1 << 30
_CLAIM = b'<Claims xmlns="urn:gateway:claim:1.0">'


# -- Zstandard and tar


def zstd_zeros(start: bytes, zeros: int, window_log: int = 20) -> bytes:
    """One frame of `start` and so many zeros: blocks of one repeated byte, four bytes for each 128 KiB."""
    squeeze = zstandard.ZstdCompressor(
        compression_params=zstandard.ZstdCompressionParameters(window_log=window_log, write_content_size=False)
    ).compressobj()
    head = squeeze.compress(start) + squeeze.flush()
    at = _last_block(head)
    block = int.from_bytes(head[at : at + 3], "little") & ~1
    repeated = (1 << 1 | (128 << 10) << 3).to_bytes(3, "little") + b"\0"
    end = (1 | 1 << 1 | 0 << 3).to_bytes(3, "little") + b"\0"
    return head[:at] + block.to_bytes(3, "little") + head[at + 3 :] + repeated * (zeros // (128 << 10)) + end


def _last_block(frame: bytes) -> int:
    """Where the header of the frame's last block begins; the frame has no content size, and no checksum."""
    at = 6
    while True:
        value = int.from_bytes(frame[at : at + 3], "little")
        if value & 1:
            return at
        at += 3 + (1 if value >> 1 & 3 == 1 else value >> 3)


def zstd_wide(content: bytes) -> bytes:
    """One frame that asks for a window of 2 GiB."""
    return subprocess.run(
        ["zstd", "-cq", "--ultra", "-22", "--long=31"], input=content, check=True, capture_output=True
    ).stdout


def zstd_empty_blocks(content: bytes, number: int) -> bytes:
    """One frame with so many blocks of nothing before its end."""
    return zstd_zeros(content, 0)[:-4] + bytes(3) * number + b"\x01\0\0"


def tar_header(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    return info.tobuf(tarfile.GNU_FORMAT)


def tar_member(name: str, content: bytes) -> bytes:
    return tar_header(name, len(content)) + content + bytes(-len(content) % 512)


def tar_extended_headers(count: int) -> bytes:
    """So many global headers in a row, of 64 KiB each."""
    return tarfile.TarInfo("x").create_pax_global_header({"comment": "x" * 64_000}) * count


# -- XML


def _claims(inside: bytes, before: bytes = b"") -> bytes:
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + before + _CLAIM + inside + b"</Claims>"


def _laughs() -> bytes:
    entities = b'<!ENTITY a0 "ha">' + b"".join(
        b'<!ENTITY a%d "%b">' % (level, b"&a%d;" % (level - 1) * 10) for level in range(1, 10)
    )
    return _claims(b"&a9;", b"<!DOCTYPE Claims [" + entities + b"]>")


XML: dict[str, Callable[[], bytes]] = {
    "a billion laughs": _laughs,
    "one long entity, often": lambda: _claims(
        b"&a;" * 100_000, b'<!DOCTYPE Claims [<!ENTITY a "' + b"x" * 100_000 + b'">]>'
    ),
    "two million elements": lambda: _claims(b"<a/>" * 2_000_000),
    "elements a million deep": lambda: _claims(b"<a>" * 1_000_000 + b"</a>" * 1_000_000),
    "a million attributes": lambda: _claims(b"<a " + b" ".join(b'a%d=""' % n for n in range(1_000_000)) + b"/>"),
    "attributes of one hash": lambda: _claims(b"<a " + b" ".join(b'x:a%d=""' % n for n in range(500_000)) + b"/>"),
    "a million namespaces": lambda: _claims(b"<a " + b" ".join(b'xmlns:a%d="u"' % n for n in range(800_000)) + b"/>"),
    "a text of 19 MiB": lambda: _claims(b"x" * (19 * MIB)),
    "a comment of 19 MiB": lambda: _claims(b"<!--" + b"-x" * (9 * MIB) + b"-->"),
    "references of characters": lambda: _claims(b"&#65;" * (3 * MIB)),
    "a name of 19 MiB": lambda: _claims(b"<" + b"a" * (19 * MIB) + b"/>"),
}


# -- PDF


def pdf(objects: Iterable[bytes]) -> bytes:
    """A document of these objects, numbered from 1; the first is the catalogue, the second the page tree."""
    out = io.BytesIO(b"%PDF-1.7\n")
    out.seek(0, io.SEEK_END)
    offsets = []
    for number, body in enumerate(objects, 1):
        offsets.append(out.tell())
        out.write(b"%d 0 obj\n%b\nendobj\n" % (number, body))
    start = out.tell()
    out.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(offsets) + 1))
    out.write(b"".join(b"%010d 00000 n \n" % offset for offset in offsets))
    out.write(b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(offsets) + 1, start))
    return out.getvalue()


def _pdf_with(*more: bytes, page: bytes = b"") -> bytes:
    return pdf(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] %b >>" % page,
            *more,
        ]
    )


def stream(content: bytes, words: bytes) -> bytes:
    return b"<< /Length %d %b >>\nstream\n%b\nendstream" % (len(content), words, content)


def _deflated_zeros(size: int, layers: int = 1) -> bytes:
    """So many zeros, made of one block repeated; the checksum is theirs (RFC 1950 section 8.2)."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    squeeze.compress(bytes(MIB))
    squeeze.flush(zlib.Z_FULL_FLUSH)
    block = squeeze.compress(bytes(MIB)) + squeeze.flush(zlib.Z_FULL_FLUSH)
    out = b"\x78\xda" + block * (size // MIB) + b"\x03\x00" + (size % 65521 << 16 | 1).to_bytes(4, "big")
    for _ in range(layers - 1):
        out = zlib.compress(out, 9)
    return out


def _object_stream(packed: bytes) -> bytes:
    """A document whose objects 4 and 5 lie in a stream of objects, found by a table that is a stream itself."""
    bodies = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 5 0 R >>",
        stream(packed, b"/Type /ObjStm /N 1 /First 4 /Filter /FlateDecode"),
    ]
    out, offsets = b"%PDF-1.7\n", []
    for number, body in enumerate(bodies, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    start = len(out)
    rows = [(0, 0, 65535), *((1, offset, 0) for offset in offsets), (2, 4, 0), (1, start, 0)]
    table = b"".join(bytes([kind]) + at.to_bytes(4, "big") + more.to_bytes(2, "big") for kind, at, more in rows)
    words = b"/Type /XRef /W [1 4 2] /Size 7 /Root 1 0 R"
    return out + b"6 0 obj\n%b\nendobj\nstartxref\n%d\n%%%%EOF\n" % (stream(table, words), start)


PDF: dict[str, Callable[[], bytes]] = {
    "a stream of 2 GiB": lambda: _pdf_with(
        stream(_deflated_zeros(2 * GIB), b"/Filter /FlateDecode"), page=b"/Contents 4 0 R"
    ),
    "objects in a stream of 2 GiB": lambda: _object_stream(_deflated_zeros(2 * GIB)),
    "a stream in a stream in a stream": lambda: _pdf_with(
        stream(_deflated_zeros(4 * GIB, 3), b"/Filter [/FlateDecode /FlateDecode /FlateDecode]"),
        page=b"/Contents 4 0 R",
    ),
    "two hundred thousand objects": lambda: _pdf_with(*[b"null"] * 200_000),
    "arrays a million deep": lambda: _pdf_with(b"[" * 1_000_000 + b"]" * 1_000_000),
    "a page tree that is its own child": lambda: pdf(
        [b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [2 0 R 2 0 R 2 0 R] /Count 3 >>"]
    ),
    "a tree of a billion pages": lambda: pdf(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            *(b"<< /Type /Pages /Kids [%b] /Count %d >>" % (b"%d 0 R " % (n + 1) * 10, 10**9) for n in range(2, 11)),
            b"<< /Type /Page /Parent 10 0 R /MediaBox [0 0 595 842] >>",
        ]
    ),
}
