"""What is held against both sites when everything has come to its end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gateway.domain.triage import ENDING
from tests.acceptance.promises import Book
from tests.acceptance.reading import files_below, rows
from tests.crash.roles import Pair


def check(book: Book) -> None:
    """Promises I1 to I5, and nothing left where nothing waits."""
    book.assert_promises()
    for site in book.pair:
        home = site.home
        places = (home.opened, home.sealed_in, home.sealed_out, home.landing)
        left = [path for path in files_below(*places) if path.suffix != ".part" or home.landing not in path.parents]
        assert left == []


def _said(path: Path) -> str:
    """What triage says of a file, without ids, which are others each time."""
    told = json.loads(path.read_bytes())
    marked = [(each["record"], each["triage"], len(each["earlier"])) for each in told["marked"]]
    return f"{path.name} {told['records']} {marked}"


def ends(pair: Pair) -> Any:
    """How everything ended, by content: the same however often somebody had to begin anew."""
    return [
        [
            sorted(map(str, rows(site, "SELECT direction, flow, sha256, state, code FROM transfers"))),
            sorted({str(row) for row in rows(site, "SELECT kind, sha256, code FROM quarantine")}),
            sorted(path.name for path in files_below(site.home.returned) if path.name.endswith(".why.txt")),
            sorted(_said(path) for path in files_below(site.home.inbound) if path.name.endswith(ENDING)),
        ]
        for site in pair
    ]
