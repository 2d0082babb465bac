"""Partners' receipts as operators get them: NAME.receipt.json in spool/receipts, as far as one speaks of that file.

Raises DiskFull and DiskFailed. May be done again: a file that tells of the same transfer is replaced, and one that tells
of another keeps its name. All receipts of one call become durable together.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import orjson
from sqlalchemy import Row

from gateway.spool.durable import make_directory, write_files
from gateway.spool.names import beside, with_ending

_FORM: Final = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
_UNREADABLE: Final = ""
_ENDING: Final = ".receipt.json"


def hand_over(receipts: Path, told: Iterable[tuple[Row[Any], str | None]]) -> None:
    """Write the receipt of each transfer below `receipts`; each row comes with the receipt's whole text."""
    parsed: dict[str | None, tuple[dict[str, Any], dict[str, Any]]] = {}
    files: dict[Path, bytes] = {}
    about: dict[Path, str] = {}
    directories: dict[tuple[str, str], Path] = {}
    for row, body in told:
        if body not in parsed:  # one receipt speaks of hundreds of transfers
            parsed[body] = _parse(body)
        head, answers = parsed[body]
        if (directory := directories.get((row.flow, row.partner))) is None:
            directory = receipts / row.flow / row.partner
            make_directory(directory, 0o770)
            directories[row.flow, row.partner] = directory
        target = directory / with_ending(row.name, _ENDING, row.id)
        if about.get(target, _about(target)) not in (None, row.id):
            target = directory / f"{beside(row.name, row.id)}{_ENDING}"
        answer = answers.get(row.id)
        files[target] = orjson.dumps(
            {**head, "items": [] if answer is None else [answer], "name": row.name}, option=_FORM
        )
        about[target] = row.id
    write_files(files, mode=0o640)


def _parse(body: str | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """A receipt, and its answers by transfer."""
    receipt = orjson.loads(body or "{}")
    return receipt, {item["transfer"]: item for item in receipt.get("items", [])}


def _about(receipt: Path) -> str | None:
    """The transfer that a receipt written for an operator tells of; None where there is none there."""
    try:
        items = orjson.loads(receipt.read_bytes())["items"]
        return str(items[0]["transfer"])
    except FileNotFoundError:
        return None
    except (orjson.JSONDecodeError, LookupError, TypeError):
        return _UNREADABLE  # somebody has changed it
