"""The promises I1 to I5 of docs/threat-model.md after a sweep, held against what was dropped."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from gateway.ledger.audit.chain import check_chain
from gateway.ledger.audit.rows import check_rows
from gateway.ledger.store import Ledger
from gateway.settings.home import Home
from tests.nodes.department import wait_until
from tests.nodes.leftovers import clear
from tests.nodes.sweep import PATIENCE, Sweep, say, verified

_NUMBER: Final = re.compile(rb"[A-Z]{2}\d{6}[A-D ]")
"""As a National Insurance number looks: all made-up files have some."""


def check(sweep: Sweep) -> None:
    """AssertionError with what does not hold. The nodes run, and are at rest."""
    authorities = sweep.traffic.authorities
    _at_rest(sweep, authorities)
    _delivered_once(sweep)
    _no_person_needed(sweep)
    objects, copies = clear(sweep.department)
    verified(sweep.department)
    for home in authorities.values():
        with closing(Ledger(home.ledger, clock=time.time, role="test")) as ledger, ledger.read() as connection:
            assert [*check_chain(connection), *check_rows(connection)] == [], home.root
    sweep.department.end()
    _no_plaintext(sweep, authorities)
    files = sweep.traffic.files
    say(
        f"taken away two days later: {objects} objects of the store, {copies} copies in nodes' vaults; what is left is what rows speak of"
    )
    say(
        f"{len(sweep.tried)} faults, {len(files)} files both ways: none lost, none doubled, all receipted; chains and evidence verified;"
        " no plaintext outside vault and spool; nobody was needed"
    )


def _delivered_once(sweep: Sweep) -> None:
    """I1 and I2: each file lies before its back office once, byte for byte, and its sender has the receipt."""
    wanted, found = sweep.traffic.arrived()
    assert not wanted - found, f"lost: {wanted - found}"
    assert not found - wanted, f"doubled, or somebody else's: {found - wanted}"
    assert sweep.traffic.unreceipted(sweep.traffic.files) == []


def _at_rest(sweep: Sweep, authorities: dict[str, Home]) -> None:
    """The operators have every receipt, and no row has bytes in custody (I5). What nodes that were killed left lies there still: see `leftovers`."""
    department = sweep.department

    def unfinished() -> Iterator[Path]:
        for file in sweep.traffic.files:
            receipts = department.shared / "receipts" if file.out else authorities[file.partner].receipts
            partner = file.partner if file.out else "DWP"
            receipt = receipts / file.flow / partner / f"{file.name}.receipt.json"
            if not receipt.is_file():
                yield receipt
        yield from map(Path, (str(row[0]) for row in department.rows("SELECT name FROM transfers WHERE custody = 1")))

    left: list[Path] = []

    def nothing_left() -> bool:
        left[:] = unfinished()
        return not left

    try:
        wait_until(nothing_left, PATIENCE, "rest")
    except AssertionError as error:
        rows = department.rows(
            "SELECT name, state, custody, spool_file, node, notify_pending FROM transfers WHERE custody = 1"
        )
        raise AssertionError(
            f"{error}: {left[:5]}, {len(left)} in all; with custody {rows[:5]}, {len(rows)} in all\n{sweep.where()}"
        ) from None


def _no_person_needed(sweep: Sweep) -> None:
    """Nothing is held or in quarantine, and no role has halted."""
    for table in ("transfers", "consignments", "receipts"):
        found = sweep.department.rows(f"SELECT direction, state, code, count(*) FROM {table} GROUP BY 1, 2, 3")  # noqa: S608
        odd = [row for row in found if row[1] not in ("receipted", "delivered", "sent", "accepted")]
        assert odd == [], f"{table}: {odd}"
    halted = [line for line in sweep.department.told() if '"role.halted"' in line or '"role.died"' in line]
    assert halted == []


def _no_plaintext(sweep: Sweep, authorities: dict[str, Home]) -> None:
    """I3: what the files say is nowhere but in vaults and spools."""
    numbers = set().union(*(_NUMBER.findall(file.content) for file in sweep.traffic.files))
    assert len(numbers) >= len(sweep.traffic.files) // 2
    department = sweep.department
    places = [department.store, department.shared / "receipts", *department.database.directories]
    for home in (*(node.home for node in department.nodes), *authorities.values()):
        places += [home.landing, home.config, *(path for path in home.state.iterdir() if path != home.vault)]
    logs = [node.log for node in department.nodes]
    quoting = [path for path in (*_all_files(places), *logs) if not numbers.isdisjoint(_NUMBER.findall(_bytes(path)))]
    assert quoting == [], "plaintext"


def _all_files(places: Iterable[Path]) -> Iterator[Path]:
    for place in places:
        yield from _files(place) if place.is_dir() else (place,)


def _files(directory: Path) -> Iterator[Path]:
    return (path for path in directory.rglob("*") if path.is_file() and not path.is_symlink())


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
