"""Draw the pages of a made-up claim document: a heading, boxes with captions, tables of income, a scanned signature.

Everything drawn follows from the random numbers given. Raises nothing.
"""

from __future__ import annotations

import io
import random as randomness
import struct
import unicodedata
import zlib
from datetime import date, timedelta
from typing import Final

from reportlab.lib.pagesizes import A4
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from gateway.sample import people

_BENEFITS: Final = ("Jobseeker's Allowance", "Income Support", "Employment and Support Allowance", "Pension Credit")
_INCOMES: Final = (
    *("Earnings before tax", "Earnings after tax", "Child Benefit", "Child Tax Credit", "Working Tax Credit"),
    *("Disability Living Allowance", "Attendance Allowance", "Carer's Allowance", "Retirement Pension", "Maintenance"),
)
_QUESTIONS: Final = (
    *("Do you have a partner who lives with you?", "Do any children live with you?", "Does anyone else live with you?"),
    *(
        "Do you pay rent to a private landlord?",
        "Is your rent paid to your landlord?",
        "Is any heating included in the rent?",
    ),
    *("Have you moved in the last twelve months?", "Do you own any other property?", "Are you a student?"),
    *("Has anyone in the household been in hospital?", "Do you want help with your Council Tax?"),
)
_LEFT: Final = 42.0
_WIDTH: Final = A4[0] - 2 * _LEFT
_LINE: Final = 17.0


def _printable(text: str) -> str:
    """The text with letters that the standard PDF fonts lack, such as ŵ, reduced to their base letter."""
    return "".join(letter if _encodable(letter) else unicodedata.normalize("NFKD", letter)[0] for letter in text)


def _encodable(letter: str) -> bool:
    try:
        letter.encode("cp1252")
    except UnicodeEncodeError:
        return False
    return True


class ClaimPages:
    """Draws on a canvas, page by page."""

    def __init__(self, canvas: Canvas, authority: str, random: randomness.Random, today: date) -> None:
        self._canvas = canvas
        self._authority = authority
        self._claimant = people.person(random, today, 18, 89)
        self._random = random
        self._today = today
        self._page = 0
        self._y = 0.0

    def draw(self, pages: int, image_bytes: int) -> None:
        """A first page about the person, then households, incomes and housing in turn, and the signature at the end."""
        self._begin("Claim for Housing Benefit and Council Tax Benefit")
        self._person()
        self._answers(9)
        self._end()
        for number in range(1, pages - 1):
            self._begin(("Money coming in", "Your household", "Your home and rent")[number % 3])
            self._table() if number % 3 == 1 else self._answers(14)
            self._table()
            self._answers(5)
            self._end()
        self._begin("Declaration")
        self._answers(4)
        self._signature(image_bytes)
        self._end()

    def _begin(self, heading: str) -> None:
        canvas = self._canvas
        self._page += 1
        canvas.setFillGray(0.88)
        canvas.rect(_LEFT, A4[1] - 70, _WIDTH, 34, stroke=1, fill=1)
        canvas.setFillGray(0)
        canvas.setFont("Helvetica-Bold", 13)
        canvas.drawString(_LEFT + 8, A4[1] - 57, heading)
        canvas.setFont("Helvetica", 8)
        canvas.drawString(_LEFT, 24, f"SPECIMEN, made-up person   Authority {self._authority}   {self._claimant.nino}")
        canvas.drawRightString(_LEFT + _WIDTH, 24, f"Page {self._page}")
        self._y = A4[1] - 96

    def _end(self) -> None:
        self._canvas.showPage()

    def _box(self, caption: str, text: str) -> None:
        canvas = self._canvas
        canvas.setFont("Helvetica", 9)
        canvas.drawString(_LEFT, self._y, caption)
        canvas.rect(_LEFT + 210, self._y - 4, _WIDTH - 210, _LINE - 3)
        canvas.setFont("Courier", 10)
        canvas.drawString(_LEFT + 215, self._y, _printable(text))
        self._y -= _LINE

    def _person(self) -> None:
        claimant, home, pick = self._claimant, people.home(self._random), self._random.choice
        self._box("Full name", f"{claimant.title} {claimant.full_name}")
        self._box("National Insurance number", claimant.nino)
        self._box("Date of birth", claimant.born.strftime("%d/%m/%Y"))
        for caption, line in zip(("Address", *[""] * len(home.lines)), (*home.lines, home.postcode), strict=True):
            self._box(caption, line)
        self._box("Telephone", people.telephone(self._random))
        self._box("Benefit claimed at the Jobcentre", pick(_BENEFITS))
        self._box("Date of claim", (self._today - timedelta(days=self._random.randint(0, 20))).strftime("%d/%m/%Y"))
        self._y -= _LINE

    def _answers(self, count: int) -> None:
        for _ in range(count):
            self._box(self._random.choice(_QUESTIONS), self._random.choice(("Yes", "No", "No", "Not known")))
        self._y -= _LINE

    def _table(self) -> None:
        canvas, random = self._canvas, self._random
        top = self._y + 12
        canvas.setFont("Helvetica-Bold", 9)
        for column, title in zip((5, 250, 330, 420), ("Kind of income", "Amount", "How often", "Since"), strict=True):
            canvas.drawString(_LEFT + column, self._y, title)
        canvas.setFont("Courier", 9)
        for kind in random.sample(_INCOMES, 7):
            self._y -= _LINE
            since = self._today - timedelta(days=random.randint(30, 3000))
            canvas.drawString(_LEFT + 5, self._y, kind)
            canvas.drawRightString(_LEFT + 300, self._y, people.pounds(random, 5, 400))
            canvas.drawString(_LEFT + 330, self._y, random.choice(("weekly", "every two weeks", "monthly")))
            canvas.drawString(_LEFT + 420, self._y, since.strftime("%d/%m/%Y"))
            canvas.line(_LEFT, self._y + 12, _LEFT + _WIDTH, self._y + 12)
        canvas.rect(_LEFT, self._y - 5, _WIDTH, top - self._y + 5)
        self._y -= 2 * _LINE

    def _signature(self, image_bytes: int) -> None:
        """The scanned signature: a picture whose grain does not compress, so that files have the size wanted."""
        width = 240
        height = max(8, image_bytes // width)
        picture = ImageReader(io.BytesIO(_png(width, height, self._random)))
        self._canvas.drawString(_LEFT, self._y, "Signature, as scanned")
        self._canvas.drawImage(picture, _LEFT, 60, width=_WIDTH, height=max(40.0, self._y - 80))


def _png(width: int, height: int, random: randomness.Random) -> bytes:
    """A grey PNG of noise with a dark stroke across it."""
    grain = random.randbytes(width * height)
    rows = []
    for y in range(height):
        row = bytearray(grain[y * width : (y + 1) * width])
        stroke = y * (width - 24) // height
        row[stroke : stroke + 24] = bytes(24)
        rows.append(b"\0" + row)
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"".join(rows), 1)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )
