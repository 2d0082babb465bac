"""Made-up Local Authority Input Documents: claim forms of several pages as PDF, 20 to 200 KB each.

The layout of a real LAID is not public. This one is the project's own; its size, parts and number of pages are like those of a
captured claim. Raises KeyError for a defect that it does not list.
"""

from __future__ import annotations

import io
import random as randomness
from collections.abc import Mapping
from datetime import date
from types import MappingProxyType
from typing import Final

from reportlab.lib.pagesizes import A4
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen.canvas import Canvas

from gateway.sample.contract import Sample
from gateway.sample.laid_pages import ClaimPages
from gateway.sample.pdf_defects import DEFECTS

_ENCRYPTED: Final = "encrypted"
_PAGE_BYTES: Final = 1200
_SMALLEST: Final = 24_000
_LARGEST: Final = 190_000
_ASCII85: Final = 1.26
"""How much longer a stream becomes as the text that reportlab writes."""


class LaidSampler:
    """A `Sampler` for LAIDs. The authority named on the pages is the recipient."""

    flow: Final = "laid"

    @property
    def defects(self) -> Mapping[str, str]:
        return MappingProxyType({_ENCRYPTED: "pdf-encrypted"} | {name: defect.code for name, defect in DEFECTS.items()})

    def make(
        self,
        *,
        sender: str,  # noqa: ARG002 - the protocol's: a LAID always comes from DWP
        recipient: str,
        index: int,
        random: randomness.Random,
        today: date,
        defect: str | None = None,
    ) -> Sample:
        """One document of 4 to 8 pages, mostly of the smaller sizes."""
        spoil = DEFECTS[defect].spoil if defect is not None and defect != _ENCRYPTED else None
        pages = random.randint(4, 8)
        size = int(random.triangular(_SMALLEST, _LARGEST, 70_000))
        content = _document(recipient, pages, size, random, today, encrypted=defect == _ENCRYPTED)
        name = f"LAID-{today:%Y%m%d}-{index:05d}-{random.randrange(10**6):06d}.pdf"
        return Sample(name, content if spoil is None else spoil(content), defect)


def _document(
    authority: str, pages: int, size: int, random: randomness.Random, today: date, *, encrypted: bool
) -> bytes:
    """A PDF without a time or an identifier of its own: the same arguments make the same bytes."""
    out = io.BytesIO()
    lock = StandardEncryption("", ownerPassword="owner", strength=128) if encrypted else None
    canvas = Canvas(out, pagesize=A4, invariant=1, pageCompression=1, encrypt=lock)
    canvas.setTitle("Local Authority Input Document (specimen)")
    canvas.setAuthor("Made-up sample")
    picture = int((size - pages * _PAGE_BYTES) / _ASCII85)
    ClaimPages(canvas, authority, random, today).draw(pages, picture)
    canvas.save()
    return out.getvalue()
