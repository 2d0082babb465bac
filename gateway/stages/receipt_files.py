"""Receipt files: for operators, NAME.receipt.json in spool/receipts with the part of a receipt that is about that file, and
NAME.exceptions.csv where the file went with exceptions.

Raises DiskFull and DiskFailed. May be done again: a receipt file about the same transfer is replaced, and one about another
transfer keeps its name. All receipt files of one call become durable together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import orjson

from gateway.ledger.units import Transfer
from gateway.spool.exception_lists import ENDING
from gateway.spool.names import second_name, with_ending
from gateway.storage.durable import make_directory
from gateway.storage.file_group import write_files

_FORM: Final = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
_UNREADABLE: Final = ""
_ENDING: Final = ".receipt.json"


def write_receipt_files(
    receipts: Path,
    ended: Iterable[tuple[Transfer, str | None]],
    list_of: Callable[[Transfer], bytes | None] = lambda _row: None,
) -> None:
    """Write the receipt of each transfer below `receipts`; each row comes with the receipt's whole text.

    `list_of` gives the list of a file's exceptions, None where it has none.
    """
    parsed: dict[str | None, tuple[dict[str, Any], dict[str, Any]]] = {}
    files: dict[Path, bytes] = {}
    about: dict[Path, str] = {}
    directories: dict[tuple[str, str], Path] = {}
    for row, body in ended:
        if body not in parsed:  # one receipt speaks of hundreds of transfers
            parsed[body] = _parse(body)
        head, answers = parsed[body]
        if (directory := directories.get((row.flow, row.partner))) is None:
            directory = receipts / row.flow / row.partner
            make_directory(directory, 0o770)
            directories[row.flow, row.partner] = directory
        listed = list_of(row)
        own = second_name(row.name, row.id)
        # The two lie side by side, under one name: the longer ending decides whether there is room.
        stem = with_ending(row.name, ENDING if listed else _ENDING, row.id).removesuffix(ENDING if listed else _ENDING)
        target = directory / f"{stem}{_ENDING}"
        if about.get(target, _about(target)) not in (None, row.id):
            stem, target = own, directory / f"{own}{_ENDING}"
        if listed is not None:
            if not _may_be(directory / f"{stem}{ENDING}", listed):
                stem, target = own, directory / f"{own}{_ENDING}"
            files[directory / f"{stem}{ENDING}"] = listed
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


def _may_be(path: Path, content: bytes) -> bool:
    """Whether nothing lies there, or the same list."""
    try:
        return path.read_bytes() == content
    except FileNotFoundError:
        return True


def _about(receipt: Path) -> str | None:
    """The transfer that a receipt file is about; None where there is no such file."""
    try:
        items = orjson.loads(receipt.read_bytes())["items"]
        return str(items[0]["transfer"])
    except FileNotFoundError:
        return None
    except (orjson.JSONDecodeError, LookupError, TypeError):
        return _UNREADABLE  # somebody has changed it
