"""What an index says of a document, as CSV, XML or JSON, by a template. Pure; raises nothing.

The sender chose names and references, so they are data whatever they look like: CSV is quoted, and a cell that a spreadsheet would
take for a formula gets an apostrophe before it; what XML cannot hold becomes U+FFFD in all three forms. A letter that the encoding
lacks is `?` in CSV and a character reference in XML.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePath
from typing import Final
from xml.etree import ElementTree as ET

from gateway.domain.spreadsheets import guarded
from gateway.ledger.units import Transfer
from gateway.settings.index_templates import PART, Template, TemplateFile

_UNHOLDABLE: Final = re.compile("[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")
"""No characters of XML 1.0 (section 2.2)."""
_ENDINGS: Final = {"laid": ".pdf", "extract": ".csv"}
"""Of flows that carry no XML."""


@dataclass(frozen=True)
class Filed:
    """A document in its batch: its row, its name and number there, and the moments that the index tells, in the site's time zone."""

    row: Transfer
    file: str
    number: int
    batch: str
    received: datetime
    batched: datetime
    partner_name: str


def file_name(row: Transfer) -> str:
    """What a document is called in a batch: its id, with the ending of what its flow carries. Nothing of it is the sender's choice."""
    return f"{row.id}{_ENDINGS.get(row.flow, '.xml')}"


def index_name(template: Template, document: str) -> str:
    """What the index that a document is in is called: as the document, with another ending; or as that of the whole batch."""
    if template.says.per == "batch":
        return f"index.{template.says.format}"
    named = PurePath(document).with_suffix(f".{template.says.format}").name
    return named if named != document else PurePath(document).with_suffix(f".index.{template.says.format}").name


def values(template: Template, filed: Filed) -> list[tuple[str, str]]:
    """The fields in the template's order. What the sender wrote is there by the leave that the template names, and not otherwise."""
    row, says = filed.row, template.says
    known = {
        "transfer": row.id,
        "consignment": row.consignment or "",
        "flow": row.flow,
        "partner": row.partner,
        "partner_name": filed.partner_name,
        "received": filed.received.strftime(says.date),
        "size": str(row.size),
        "sha256": row.sha256,
        "schema": row.schema or "",
        "file": filed.file,
        "batch": filed.batch,
        "batched": filed.batched.strftime(says.date),
        "number": str(filed.number),
    }
    known |= {name: text for name, text in _written(row, says).items() if name in template.personal}
    told = [(each.name, each.constant if each.value is None else known[each.value]) for each in says.fields]
    return [(name, _UNHOLDABLE.sub("\ufffd", text or "")) for name, text in told]


def _written(row: Transfer, says: TemplateFile) -> dict[str, str]:
    """What the sender wrote. A name that has another number of parts than the template tells nothing of them."""
    pieces = PurePath(row.name).stem.split(says.separator)
    if len(pieces) != len(says.parts):
        pieces = [""] * len(says.parts)
    parts = {f"{PART}{part}": piece for part, piece in zip(says.parts, pieces, strict=True)}
    return {"name": row.name, "reference": row.reference or "", **parts}


def render(template: Template, records: Sequence[Sequence[tuple[str, str]]]) -> bytes:
    """The index of these documents: one in a file of its own, or all of a batch."""
    match template.says.format:
        case "csv":
            return _csv(template.says, records)
        case "xml":
            return _xml(template.says, records)
        case "json":
            return _json(template.says, records)


def _csv(says: TemplateFile, records: Sequence[Sequence[tuple[str, str]]]) -> bytes:
    """RFC 4180, with every cell in quotes, and a row of names first where `header` asks for it."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=says.delimiter, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    if says.header:
        writer.writerow([_cell(each.name, guard=says.formula_guard) for each in says.fields])
    writer.writerows([_cell(value, guard=says.formula_guard) for _, value in record] for record in records)
    return text.getvalue().encode(says.encoding, errors="replace")


def _cell(text: str, *, guard: bool) -> str:
    return guarded(text) if guard else text


def _xml(says: TemplateFile, records: Sequence[Sequence[tuple[str, str]]]) -> bytes:
    made = []
    for record in records:
        element = ET.Element(says.record)
        for name, value in record:
            ET.SubElement(element, name).text = value
        made.append(element)
    if says.per == "document":
        (top,) = made
    else:
        top = ET.Element(says.root)
        top.extend(made)
    ET.indent(top)
    encoding = says.encoding.removesuffix("-sig")
    written: bytes = ET.tostring(top, encoding=encoding, xml_declaration=True) + b"\n"
    return b"\xef\xbb\xbf" + written if says.encoding == "utf-8-sig" else written


def _json(says: TemplateFile, records: Sequence[Sequence[tuple[str, str]]]) -> bytes:
    made = [dict(record) for record in records]
    return (json.dumps(made[0] if says.per == "document" else made, ensure_ascii=False, indent=2) + "\n").encode()
