"""Orders about many partners, read: a directory of cards, a list of confirmed fingerprints, a table of partners (CSV).

Raises UsageWrong where the file or directory itself cannot be read, or has columns that are not known. What is wrong with a
single line is the order's own fault, so that every one is told at once.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, cast

from gateway.administration.site.bulk import Order
from gateway.administration.site.introduction import Link, PartnerOptions, normal_fingerprint
from gateway.errors import UsageWrong

MAX_BYTES: Final = 4 << 20
MOST_ROWS: Final = 5_000
_NUMBERS: Final = ("max_bytes_per_second", "landing_bytes", "landing_files", "day_bytes")
_ENDPOINT: Final = ("host", "port", "user", "path")
_LINKS: Final = ("push", "collect", "none")
COLUMNS: Final = ("code", "card", "fingerprint", "link", "flows", *_ENDPOINT, "windows", *_NUMBERS)
"""The columns that a table may have; only `code` has to be there."""
_DIGITS: Final = re.compile(r"[0-9]{1,19}", re.ASCII)


def cards_in(directory: Path, options: PartnerOptions) -> Iterator[Order]:
    """An order for each file of a directory, in the order of their names; hidden ones are left out."""
    try:
        entries = sorted(entry.name for entry in os.scandir(directory) if not entry.name.startswith("."))
    except OSError as error:
        raise UsageWrong(f"The directory {directory} cannot be read: {error.strerror}.") from error
    for name in entries:
        yield Order(where=name, card=directory / name, options=options)


def fingerprints_of(path: Path) -> Mapping[str, str]:
    """Confirmed fingerprints by code, from lines such as `E09000030 3A5F 09C1 ...`; lines that begin with # are notes."""
    found: dict[str, str] = {}
    for number, line in enumerate(_text(path).splitlines(), 1):
        code, _, fingerprint = line.strip().partition(" ")
        if not code or code.startswith("#"):
            continue
        if code in found:
            raise UsageWrong(f"{path.name}:{number}: {code} stands there twice.")
        try:
            found[code] = normal_fingerprint(fingerprint)
        except UsageWrong as error:
            raise UsageWrong(f"{path.name}:{number}: {error.reason}") from error
    return found


def table(path: Path) -> Iterator[Order]:
    """An order for each row of a table of partners, whose first line names the columns. An empty cell leaves the setting as it is."""
    reader = csv.reader(_text(path).splitlines(keepends=True), strict=True)
    try:
        header = next(reader, [])
        if "code" not in header or len(set(header)) != len(header) or (unknown := set(header) - set(COLUMNS)):
            odd = (
                f"; not known: {', '.join(sorted(unknown))}"
                if "code" in header and len(set(header)) == len(header)
                else ""
            )
            raise UsageWrong(
                f"{path.name}:1: must name columns, each once, among them code: {', '.join(COLUMNS)}{odd}."
            )
        for count, row in enumerate(reader):
            if count == MOST_ROWS:
                raise UsageWrong(f"{path.name}: has more than {MOST_ROWS} rows.")
            where = f"{path.name}:{reader.line_num}"
            if not any(map(str.strip, row)):
                continue
            if len(row) != len(header):
                yield Order(where, fault=f"has {len(row)} fields, and the first line {len(header)}.")
                continue
            yield _order(where, {name: cell.strip() for name, cell in zip(header, row, strict=True)}, path.parent)
    except csv.Error as error:
        raise UsageWrong(f"{path.name}:{reader.line_num}: is not CSV: {error}.") from error


def _order(where: str, cells: Mapping[str, str], directory: Path) -> Order:
    said = {name: cell for name, cell in cells.items() if cell}
    code = said.get("code")
    if code is None:
        return Order(where, fault="code: is missing.")
    numbers = {name: said[name] for name in (*_NUMBERS, "port") if name in said}
    for name, cell in numbers.items():
        if not _DIGITS.fullmatch(cell):
            return Order(where, code=code, fault=f"{name}: must be a whole number in digits alone.")
    if said.get("link", "push") not in _LINKS:
        return Order(where, code=code, fault=f"link: must be one of {', '.join(_LINKS)}.")
    try:
        fingerprint = normal_fingerprint(said["fingerprint"]) if "fingerprint" in said else None
    except UsageWrong as error:
        return Order(where, code=code, fault=f"fingerprint: {error.reason}")
    values: dict[str, Any] = {name: int(said[name]) for name in _NUMBERS if name in said}
    if "windows" in said:
        values["windows"] = tuple(said["windows"].split())
    endpoint: dict[str, Any] = {
        name: int(said[name]) if name == "port" else said[name] for name in _ENDPOINT if name in said
    }
    return Order(
        where,
        card=directory / said["card"] if "card" in said else None,
        code=code,
        fingerprint=fingerprint,
        options=PartnerOptions(
            link=cast("Link | None", said.get("link")),
            flows=tuple(said["flows"].split()) if "flows" in said else None,
        ),
        values=values,
        endpoint=endpoint,
    )


def _text(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageWrong(f"{path} cannot be read: {error.strerror}.") from error
    if len(data) > MAX_BYTES:
        raise UsageWrong(f"{path} is larger than {MAX_BYTES} bytes.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageWrong(f"{path} is not UTF-8 text: save it as UTF-8.") from error
