"""Sections of plain words as a text, and as a PDF for paper. Raises nothing of its own; the same words give the same bytes."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from typing import Final, NamedTuple
from xml.sax.saxutils import escape

_WIDTH: Final = 100
_FONT: Final = "Vera"


class Section(NamedTuple):
    """A title, and paragraphs under it."""

    title: str
    lines: tuple[str, ...]


def text(title: str, sections: Sequence[Section]) -> bytes:
    """The page as UTF-8 text."""
    out = [title, "=" * len(title)]
    for section in sections:
        out += ["", section.title, "-" * len(section.title)]
        for line in section.lines:
            out += textwrap.wrap(line, _WIDTH, subsequent_indent="    ", break_on_hyphens=False) or [""]
    return ("\n".join(out) + "\n").encode()


def pdf(title: str, sections: Sequence[Section]) -> bytes:
    """The page as a PDF. A character that its font does not have is shown as a box: the text has it."""
    # Slow to import, and needed here only.
    from reportlab.lib.pagesizes import A4  # noqa: PLC0415
    from reportlab.lib.styles import ParagraphStyle  # noqa: PLC0415
    from reportlab.lib.units import mm  # noqa: PLC0415
    from reportlab.pdfbase.pdfmetrics import registerFont  # noqa: PLC0415
    from reportlab.pdfbase.ttfonts import TTFont  # noqa: PLC0415
    from reportlab.platypus import Flowable, Paragraph, SimpleDocTemplate  # noqa: PLC0415

    for name, file in ((_FONT, "Vera.ttf"), (f"{_FONT}Bd", "VeraBd.ttf")):
        registerFont(TTFont(name, file))
    body = ParagraphStyle("body", fontName=_FONT, fontSize=8.5, leading=12, spaceAfter=3, splitLongWords=True)
    head = ParagraphStyle("head", body, fontName=f"{_FONT}Bd", fontSize=10.5, leading=14, spaceBefore=9, keepWithNext=1)
    top = ParagraphStyle("top", head, fontSize=14, leading=18)
    flow: list[Flowable] = [Paragraph(escape(title), top)]
    for section in sections:
        flow.append(Paragraph(escape(section.title), head))
        flow += [Paragraph(escape(line), body) for line in section.lines]
    out = io.BytesIO()
    document = SimpleDocTemplate(out, pagesize=A4, title=title, leftMargin=20 * mm, rightMargin=20 * mm, invariant=1)
    document.build(flow)
    return out.getvalue()
