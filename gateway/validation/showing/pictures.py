"""Pictures of a PDF's pages, by PDFium: at 150 dots an inch, bounded in pixels, pages and time; and the text of each.

PDFium as it is used has no scripts and no XFA, and no form is filled: what a page would do is not done. Raises Unshowable for what is no
PDF that can be drawn.
"""

from __future__ import annotations

import io
import math
import time
from pathlib import Path
from typing import Final

import pypdfium2

from gateway.domain.shown import Kind, Shown, page_name, to_bytes, words_name
from gateway.validation.showing.pieces import Pieces, plain
from gateway.validation.showing.unshowable import Unshowable

MOST_PAGES: Final = 20
MOST_PIXELS: Final = 3_000_000
"""Of one page: A4 at 150 dots an inch has 2.2 million."""
DOTS: Final = 150
_POINTS: Final = 72
_ENOUGH_SECONDS: Final = 10.0
"""Of processor time, after which no further page is begun."""


def pictures(path: Path, pieces: Pieces, first: int) -> Shown:
    """Draw the pages from the number `first` on."""
    begun = time.process_time()
    try:
        with pypdfium2.PdfDocument(path) as document:
            total = len(document)
            if not 1 <= first <= total:
                raise Unshowable(f"it has {total} pages")
            drawn = 0
            for number in range(first, min(total, first + MOST_PAGES - 1) + 1):
                if drawn and time.process_time() - begun > _ENOUGH_SECONDS:
                    break
                drawn += 1
                _draw(document[number - 1], pieces, drawn)
    except pypdfium2.PdfiumError as error:
        raise Unshowable("it is no PDF that can be drawn") from error
    return Shown(Kind.PICTURES, drawn, first, first + drawn - 1, total, "laid/1.0")


def scale_of(width: float, height: float) -> float:
    """Pixels a point for a page of that size in points, so that it has neither more dots an inch nor more pixels than it may."""
    if not (math.isfinite(width) and math.isfinite(height) and width > 0 and height > 0):
        raise Unshowable("a page has no size")
    longest = MOST_PIXELS / max(width, height)  # a page a point wide would be a million high
    return min(DOTS / _POINTS, math.sqrt(MOST_PIXELS / (width * height)), longest)


def _draw(page: pypdfium2.PdfPage, pieces: Pieces, number: int) -> None:
    # PDFium rounds both sides up, so a little less than may be.
    bitmap = page.render(scale=scale_of(*page.get_size()) * 0.998, may_draw_forms=False)
    picture = io.BytesIO()
    bitmap.to_pil().convert("RGB").save(picture, "PNG", compress_level=6)
    pieces.write(page_name(number, Kind.PICTURES), picture.getvalue())
    text = page.get_textpage().get_text_bounded()
    pieces.write(words_name(number), to_bytes(plain(text.replace("\r\n", "\n"))))
