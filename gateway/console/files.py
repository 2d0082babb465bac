"""What a page hands out as a file: CSV line by line, a PDF, or what there is. Raises nothing of its own."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from starlette.responses import Response, StreamingResponse

from gateway.domain.spreadsheets import guarded

MOST_LINES: Final = 100_000
"""Of a CSV file."""


def csv_file(name: str, headings: Sequence[str], rows: Iterable[Sequence[object]]) -> Response:
    """A table (RFC 4180, UTF-8). A cell that a spreadsheet would take for a formula has a ' before it."""
    return StreamingResponse(
        _lines(headings, rows), media_type="text/csv; charset=utf-8", headers=attached(f"{name}.csv")
    )


def pdf_file(name: str, content: bytes) -> Response:
    """A page for paper."""
    return content_file(f"{name}.pdf", content, "application/pdf")


def content_file(name: str, content: bytes, media_type: str) -> Response:
    """What is there, whole."""
    return Response(content, media_type=media_type, headers=attached(name))


def attached(name: str) -> dict[str, str]:
    """The header of what a browser keeps under that name, and does not show."""
    return {"content-disposition": f'attachment; filename="{name}"'}


def _lines(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    yield _line(headings)
    for cells in rows:
        yield _line(cells)


def _line(cells: Sequence[object]) -> str:
    made = io.StringIO()
    csv.writer(made).writerow([_cell(cell) for cell in cells])
    return made.getvalue()


def _cell(value: object) -> object:
    return guarded(value) if isinstance(value, str) else value
