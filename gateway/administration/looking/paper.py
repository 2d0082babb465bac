"""A table as a PDF for paper, on its side, its headings on every page. The same words give the same bytes. Raises nothing of its own."""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Container, Sequence
from typing import Final
from xml.sax.saxutils import escape

_FONT: Final = "Vera"


def table(title: str, below: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> bytes:
    """The page; without rows it says so. The font has no Ŵ and no Ŷ: of such a letter the one below the accent is shown."""
    # Slow to import, and needed here only.
    from reportlab.lib import colors  # noqa: PLC0415
    from reportlab.lib.pagesizes import A4, landscape  # noqa: PLC0415
    from reportlab.lib.styles import ParagraphStyle  # noqa: PLC0415
    from reportlab.lib.units import mm  # noqa: PLC0415
    from reportlab.pdfbase.pdfmetrics import registerFont  # noqa: PLC0415
    from reportlab.pdfbase.ttfonts import TTFont  # noqa: PLC0415
    from reportlab.platypus import Flowable, LongTable, Paragraph, SimpleDocTemplate, TableStyle  # noqa: PLC0415

    for name, file in ((_FONT, "Vera.ttf"), (f"{_FONT}Bd", "VeraBd.ttf")):
        registerFont(TTFont(name, file))
    cell = ParagraphStyle("cell", fontName=_FONT, fontSize=7, leading=9, splitLongWords=True)
    head = ParagraphStyle("head", cell, fontName=f"{_FONT}Bd")
    top = ParagraphStyle("top", head, fontSize=14, leading=18)
    flow: list[Flowable] = [Paragraph(escape(title), top), Paragraph(escape(below), cell)]
    if rows:
        known = TTFont(_FONT, "Vera.ttf").face.charToGlyph
        lines = [[Paragraph(escape(text), head) for text in headings]]
        lines += [[Paragraph(escape(_in(known, text)), cell) for text in row] for row in rows]
        grid = TableStyle([("GRID", (0, 0), (-1, -1), 0.25, colors.black), ("VALIGN", (0, 0), (-1, -1), "TOP")])
        flow.append(LongTable(lines, repeatRows=1, style=grid, spaceBefore=4 * mm))
    else:
        flow.append(Paragraph("None.", cell))
    out = io.BytesIO()
    document = SimpleDocTemplate(
        out,
        pagesize=landscape(A4),
        title=title,
        leftMargin=12 * mm,
        rightMargin=12 * mm,
        topMargin=14 * mm,
        bottomMargin=14 * mm,
        invariant=1,
    )
    document.build(flow)
    return out.getvalue()


def _in(known: Container[int], text: str) -> str:
    """The text in characters that a font has."""
    return "".join(each if ord(each) in known else unicodedata.normalize("NFD", each)[0] for each in text)
