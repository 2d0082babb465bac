"""Whether a document's bytes are UTF-8, and what its declaration says of them; if not, in words that help.

Raises nothing. Safe because the answer is yes for one encoding only. A declaration of ASCII is taken where every byte is
ASCII, which is UTF-8 as well. So every parser that reads the file later sees the same characters.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from gateway.domain.characters import byte_called, called
from gateway.validation.xml.codes import XmlCode

UTF8_MARK: Final = b"\xef\xbb\xbf"
_UTF8: Final = frozenset({b"UTF-8", b"UTF8"})
"""Encodings may be named in any case (XML 1.0, 4.3.3). `UTF8` is no registered name, but the common parsers know it."""
_ASCII: Final = frozenset(
    {
        *(b"ASCII", b"US-ASCII", b"US", b"CSASCII", b"ISO646-US", b"ISO-IR-6", b"IBM367", b"CP367"),
        *(b"ANSI_X3.4-1968", b"ANSI_X3.4-1986"),
    }
)
"""The names that IANA registers for it (RFC 1345) and `ASCII`; not `646` nor `ISO_646.irv:1991`, which XML's grammar does not
allow (4.3.3, EncName): no parser of a partner would take them."""
_OTHERS: Final = frozenset(
    {
        *(b"UTF-7", b"UTF-16", b"UTF-16LE", b"UTF-16BE", b"UTF-32", b"UCS-2", b"UCS-4", b"UNICODE", b"MACINTOSH"),
        *(b"WINDOWS-1250", b"WINDOWS-1252", b"CP1252", b"IBM850", b"CP850", b"IBM437", b"IBM037", b"EBCDIC-CP-US"),
        *(b"646", b"ISO_646.IRV:1991"),
        *(b"ISO-8859-1", b"ISO-8859-2", b"ISO-8859-14", b"ISO-8859-15", b"ISO8859-1", b"LATIN1", b"LATIN-1"),
    }
)
"""What a finding may repeat: names that are no part of anybody's data."""
_DECLARATION: Final = re.compile(rb"<\?xml[ \t\r\n]([^<>?]{0,200})\?>")
_BEGINS_DECLARATION: Final = re.compile(rb"<\?xml[ \t\r\n]")
_VERSION: Final = re.compile(rb"""version[ \t\r\n]*=[ \t\r\n]*(?:"1\.0"|'1\.0')""")
_ENCODING: Final = re.compile(rb"""encoding[ \t\r\n]*=[ \t\r\n]*["']([^"']*)["']""")
_WIDE: Final = re.compile(rb"\xff\xfe|\xfe\xff|\0\0\xfe\xff|<\0(?![ -~]{2})|\0<(?![ -~]{2})|\0{3}<\0")
"""A single NUL that strayed before or into text of one byte a character is none of these: two such bytes follow."""
_NULL_FIRST: Final = re.compile(rb"[ \t\r\n]*+\0[\0 \t\r\n]*+(?=<\?xml[ \t\r\n])")
_BEYOND_ASCII: Final = re.compile(rb"[\x80-\xff]")
_COMMENT: Final = re.compile(rb"<!--.*?-->", re.DOTALL)
_INVALID: Final = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]|\xef\xbf[\xbe\xbf]")
_LONGEST_START: Final = 1 << 16
_MAY_BE_NAMED: Final = "a file may be in UTF-8 or in ASCII, and name no other"


class Fault(NamedTuple):
    """What is wrong: the code, the place in bytes (None for the whole file), and the sentence without its end."""

    code: XmlCode
    offset: int | None
    message: str


def after_declaration(content: bytes) -> int:
    """Where the document goes on after its byte order mark and XML declaration."""
    start = len(UTF8_MARK) if content.startswith(UTF8_MARK) else 0
    declaration = _DECLARATION.match(content, start)
    return declaration.end() if declaration else start


def encoding_fault(content: bytes) -> Fault | None:
    """Why the bytes are no UTF-8, or the declaration not one of XML 1.0 in UTF-8 or ASCII."""
    if _WIDE.match(content):
        return _whole("the file is in UTF-16 or UTF-32, which Windows programs call Unicode; save it as UTF-8")
    start = len(UTF8_MARK) if content.startswith(UTF8_MARK) else 0
    if declaration := _DECLARATION.match(content, start):
        if not _VERSION.search(declaration[1]):
            return _whole("the XML declaration does not say version 1.0")
        encoding = _ENCODING.search(declaration[1])
        name = encoding[1].upper() if encoding else b"UTF-8"
        if name in _ASCII:
            if beyond := _BEYOND_ASCII.search(content):
                return _beyond_ascii(content, beyond.start())
        elif name not in _UTF8:
            told = f"the encoding {name.decode()}" if name in _OTHERS else "an encoding that is not taken"
            return _whole(f"the XML declaration names {told}; {_MAY_BE_NAMED}")
    elif _BEGINS_DECLARATION.match(content, start):
        return _whole("the XML declaration is not of the right form")
    if _NULL_FIRST.match(content, start):
        return _before(start, called(chr(0)))
    if (null := content.find(b"\0")) >= 0:
        return Fault(XmlCode.ENCODING, null, f"{called(chr(0))} stands in the file")
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        message = f"{byte_called(content[error.start])} stands in a file that should be in UTF-8"
        return Fault(XmlCode.ENCODING, error.start, message)
    return None


def declaration_fault(content: bytes, instruction: int) -> Fault | None:
    """Where the first instruction in the file is its declaration: what stands before that; None where it is another."""
    start = len(UTF8_MARK) if content.startswith(UTF8_MARK) else 0
    if instruction > start + _LONGEST_START or not _BEGINS_DECLARATION.match(content, instruction):
        return None
    before = content[start:instruction]
    if not before or b"<" in _COMMENT.sub(b"", before):
        return None
    return _before(start, _told(before))


def _before(start: int, told: str) -> Fault:
    message = f"something stands before the XML declaration: {told}. Nothing may stand before it"
    return Fault(XmlCode.DECLARATION, start, message)


def invalid_character(content: bytes) -> str | None:
    """The name of the first character that XML has not (XML 1.0, 2.2), where it stands as itself."""
    found = _INVALID.search(content)
    return None if found is None else called(found[0].decode())


def _told(before: bytes) -> str:
    text = before.lstrip(b" \t\r\n")
    if not text:
        return "an empty line" if b"\n" in before or b"\r" in before else "white space"
    if text.startswith(UTF8_MARK):
        return "a byte order mark, ZERO WIDTH NO-BREAK SPACE (U+FEFF)"
    return "a comment" if text.startswith(b"<") else called(text.decode()[0])


def _beyond_ascii(content: bytes, offset: int) -> Fault:
    if offset == 0 and content.startswith(UTF8_MARK):
        return _whole("the XML declaration says ASCII, but the byte order mark says UTF-8")
    try:
        length = next(length for length in (2, 3, 4) if len(_decoded(content[offset : offset + length])) == 1)
    except StopIteration:
        name = byte_called(content[offset])
    else:
        name = called(content[offset : offset + length].decode())
    return Fault(XmlCode.ENCODING, offset, f"the XML declaration says ASCII, and {name} is not part of that")


def _decoded(piece: bytes) -> str:
    try:
        return piece.decode()
    except UnicodeDecodeError:
        return ""


def _whole(message: str) -> Fault:
    return Fault(XmlCode.ENCODING, None, message)
