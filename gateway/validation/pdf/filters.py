"""How the streams of a PDF say that they are packed, and what no honest maker says (ISO 32000-2 section 7.4).

A picture's compression makes as many bytes as its parameters ask for, whatever it holds. Readers unpack a page's contents or a
font by it too, if they are told to, and nothing bounds those: so it may stand in a picture alone, and as the last filter.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Final

import pikepdf

from gateway.validation.pdf.rules import Breach, breach
from gateway.validation.pdf.syntax import Reference
from gateway.validation.pdf.weight import COUNTED, Damaged, Scales
from gateway.validation.pdf.words import Trouble

_FAXES: Final = frozenset({"/CCITTFaxDecode", "/CCF"})
_PICTURES: Final = _FAXES | {"/DCTDecode", "/DCT", "/JBIG2Decode", "/JPXDecode"}
_KNOWN: Final = COUNTED | _PICTURES
_COLUMNS: Final = 1728
"""Points of a line of a fax where nothing is said (table 11)."""
NO_PICTURE: Final = Breach("pdf-unreadable", Trouble.NO_PICTURE.value)
_USED_AS_BYTES: Final = re.compile(
    rb"/(?:Contents|CIDToGIDMap|DestOutputProfile|Encoding|FontFile[23]?|Function|ICCBased|JBIG2Globals|Metadata|ToUnicode|UseCMap)"
    rb" ?((?:\[ ?)?(?:[0-9]{1,9} [0-9]{1,5} R ?)++)"
)
"""Keys of streams that are no pictures, and what they refer to."""
_REFERENCE: Final = re.compile(rb"\b([0-9]{1,9}) ([0-9]{1,5}) R")


class Packing:
    """The streams of one document: what they unpack to, of which `most` bytes are allowed, and which are pictures."""

    def __init__(self, most: int, max_pixels: int) -> None:
        self._scales = Scales(most)
        self._max_pixels = max_pixels
        self._pictures: set[Reference] = set()

    def judge(self, stream: pikepdf.Object) -> Sequence[Breach]:
        """What is wrong with how a stream is packed. Raises TooHeavy."""
        dictionary = stream.stream_dict
        named = dictionary.get("/Filter")
        if named is None:
            return ()
        filters = _names(named)
        if not _KNOWN.issuperset(filters):
            return (Breach("pdf-unreadable", Trouble.FILTER.value),)
        try:
            self._scales.add(stream.read_raw_bytes, filters)
        except Damaged:
            return (Breach("pdf-unreadable", Trouble.DAMAGED.value),)
        if _PICTURES.isdisjoint(filters):
            return ()
        self._pictures.add(Reference(*stream.objgen))
        if dictionary.get("/Subtype") != pikepdf.Name.Image or not _PICTURES.isdisjoint(filters[:-1]):
            return (NO_PICTURE,)
        too_large = filters[-1] in _FAXES and _points_of_fax(dictionary) > self._max_pixels
        return (breach("pdf-image-too-large"),) if too_large else ()

    def misused(
        self, texts: Callable[[], Iterable[bytes]], text_at: Callable[[Reference], bytes]
    ) -> Iterator[Reference]:
        """Those pictures that an object, as qpdf writes it, refers to as a page's contents, a font, or the like."""
        used: set[Reference] = set()
        for text in texts() if self._pictures else ():
            for uses in _USED_AS_BYTES.finditer(text):
                used.update(_references(uses[1]))
        for reference in used - self._pictures:
            inner = text_at(reference)
            if inner.startswith(b"["):
                used.update(_references(inner))
        yield from sorted(used & self._pictures)


def _names(named: object) -> list[str]:
    """The filters of a stream, in order; an empty one for whatever else stands in its place.

    Without /Crypt: a file that is not encrypted can have no other than the one that changes nothing (section 7.4.10).
    """
    listed = named if isinstance(named, pikepdf.Array) else (named,)
    names = [str(name) if isinstance(name, pikepdf.Name) else "" for name in listed]
    return [name for name in names if name != "/Crypt"] if "/Crypt" in names else names


def _points_of_fax(dictionary: pikepdf.Object) -> int:
    """The points that a fax unpacks to by its own parameters, which need not be those of the picture."""
    named = dictionary.get("/DecodeParms")
    found = list(named) if isinstance(named, pikepdf.Array) else [named]
    height = _whole(dictionary.get("/Height"))
    return max(
        _whole(it.get("/Columns", _COLUMNS)) * (_whole(it.get("/Rows")) or height)
        for it in (*found, pikepdf.Dictionary())
        if isinstance(it, pikepdf.Dictionary)
    )


def _whole(number: object) -> int:
    return int(number) if isinstance(number, int | Decimal) else 0


def _references(text: bytes) -> Iterator[Reference]:
    return (Reference(int(number), int(generation)) for number, generation in _REFERENCE.findall(text))
