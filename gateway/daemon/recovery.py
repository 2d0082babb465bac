"""Recovery: before its first step, each role removes files that a crash left and that no row needs.

Raises DiskFailed and what the ledger raises. It removes only files whose row says that they are over, for good, and files of which no row speaks.
Safe while the other roles work: a name that another role may be giving in this moment, before its row, is in a directory that this has alone
meanwhile (`storage.named_first`); all others are given by the role itself. What lies there is looked at before the ledger is, so that a row which
is about to be written for a name that was found has been.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from gateway.domain.receipt import evidence_name, queue_name
from gateway.domain.states import Direction, State
from gateway.errors import DiskFailed, LedgerBusy
from gateway.ledger.queries import consignments, identities, receipts
from gateway.ledger.queries.quarantine import is_kept
from gateway.ledger.store import Ledger
from gateway.ledger.units import Consignment
from gateway.settings.home import Home
from gateway.stages.itinerary import Role
from gateway.stages.landing import COPYING
from gateway.stages.purging import purge
from gateway.storage.digest import file_digest
from gateway.storage.durable import move_own
from gateway.storage.named_first import nobody_naming

_RECEIPT = ".receipt.pgp"
_CONSIGNMENT = ".pgp"
_SEALING_SECONDS: Final = 5.0
"""How long a role that starts waits for the vault, which may be sealing."""


def tidy(home: Home, ledger: Ledger, role: Role) -> None:
    """Remove a role's leftovers. Inspect's own custody is put right by its first stage (`Admit.recover`)."""
    if role is Role.INSPECT:
        purge(home, ledger)
    try:
        match role:
            case Role.INSPECT:
                _opened(home, ledger)
                _infected(home, ledger)
            case Role.VAULT:
                _opened(home, ledger)
                _quarantine(home, ledger)
                for directory in _partners(home.sealed_in):
                    with nobody_naming(directory):
                        _read_consignments(directory, ledger)
                        _read_receipts(home, directory, ledger)
                _answered_consignments(home, ledger)
                _unfinished_sealed(home)
            case Role.LINK:
                for directory in _partners(home.sealed_out):
                    with (
                        suppress(LedgerBusy),
                        nobody_naming(directory, _SEALING_SECONDS),
                    ):  # else the next start does it
                        _sent_receipts(directory, ledger)
                _copies(home)
    except OSError as error:
        raise DiskFailed(f"putting right what a crash left: {error.strerror}") from error


def _opened(home: Home, ledger: Ledger) -> None:
    """Remove plaintext of finished consignments, and of attempts that broke off."""
    found = list(home.opened.glob("*"))
    with ledger.read() as connection:
        over = [path for path in found if not consignments.is_unfinished(connection, path.name)]
    for path in over:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _quarantine(home: Home, ledger: Ledger) -> None:
    """Remove second names whose row never came (the file still has its first name), and discarded files. The link gives such names, too."""
    if home.quarantine.is_dir():
        with nobody_naming(home.quarantine):
            _remove_without_row(home.quarantine.glob("*.sealed"), ledger)


def _infected(home: Home, ledger: Ledger) -> None:
    """The same for files that the virus scanner objected to."""
    _remove_without_row(home.infected.glob("*"), ledger)


def _remove_without_row(paths: Iterable[Path], ledger: Ledger) -> None:
    found = list(paths)
    with ledger.read() as connection:
        lost = [path for path in found if not is_kept(connection, path.name.removesuffix(".sealed"))]
    for path in lost:
        path.unlink(missing_ok=True)


def _read_consignments(directory: Path, ledger: Ledger) -> None:
    """Remove a partner's consignments that were delivered or locked away, and names without a row, whose arrival is there still."""
    found = list(_sealed(directory, _CONSIGNMENT))
    with ledger.read() as connection:
        rows = [consignments.consignment_in(connection, directory.name, identity) for identity, _ in found]
    for (_, path), row in zip(found, rows, strict=True):
        if row is None or row.state in (State.DELIVERED, State.QUARANTINED):
            path.unlink(missing_ok=True)


def _read_receipts(home: Home, directory: Path, ledger: Ledger) -> None:
    """Remove a partner's receipts that were read; what was accepted moves to the evidence."""
    partner, found = directory.name, list(_sealed(directory, _RECEIPT))
    with ledger.read() as connection:
        about = [receipts.receipts_about(connection, partner, identity) for identity, _ in found]
    for (identity, path), all_rows in zip(found, about, strict=True):
        rows = [row for row in all_rows if row.direction == Direction.IN]
        if any(row.state in (State.LANDED, State.HELD) for row in rows):
            continue
        sha256 = file_digest(path)
        of_this = [row for row in rows if row.state == State.ACCEPTED and row.sealed_sha256 == sha256]
        if of_this:
            (home.evidence / partner).mkdir(mode=0o700, parents=True, exist_ok=True)
            move_own(path, home.evidence / partner / evidence_name(identity, of_this[0].level, sha256))
        else:
            path.unlink(missing_ok=True)


def _answered_consignments(home: Home, ledger: Ledger) -> None:
    """Remove our consignments that a receipt has answered, that have expired, or that no receipt will answer."""
    found = [(each.name, *name) for each in _partners(home.sealed_out) for name in _sealed(each, _CONSIGNMENT)]
    with ledger.read() as connection:
        rows = [identities.one(connection, Consignment, Direction.OUT, partner, name) for partner, name, _ in found]
    for (_, _, path), row in zip(found, rows, strict=True):
        if row is not None and (row.state in (State.RECEIPTED, State.EXPIRED) or _is_unanswered(row)):
            path.unlink(missing_ok=True)


def _is_unanswered(row: Consignment) -> bool:
    return row.is_plain and row.state == State.SENT


def _sent_receipts(directory: Path, ledger: Ledger) -> None:
    """Remove our receipts that were sent and need not be sent again. The vault may be sealing one of them anew."""
    found = list(directory.glob(f"*{_RECEIPT}"))
    with ledger.read() as connection:
        about = [receipts.receipts_about(connection, directory.name, path.name.partition(".")[0]) for path in found]
    for path, rows in zip(found, about, strict=True):
        ours = [row for row in rows if row.direction == Direction.OUT]
        states = {row.state for row in ours if queue_name(row.consignment, row.level, row.key) == path.name}
        if states == {State.SENT}:
            path.unlink(missing_ok=True)


def _unfinished_sealed(home: Home) -> None:
    """Remove what the engine was writing when it died."""
    for path in home.sealed_out.glob("*/.*.draft"):
        path.unlink(missing_ok=True)


def _copies(home: Home) -> None:
    """Remove unfinished copies of landed files, which still lie in their landing."""
    for path in home.sealed_in.glob(f"*/{COPYING}"):
        path.unlink(missing_ok=True)


def _partners(root: Path) -> list[Path]:
    """The directories of sealed files, one a partner."""
    return [path for path in sorted(root.glob("*")) if path.is_dir()]


def _sealed(directory: Path, ending: str) -> Iterator[tuple[str, Path]]:
    """Ids and paths of the sealed files of one kind."""
    for path in directory.glob("*.pgp"):
        stem, dot, rest = path.name.partition(".")
        if f"{dot}{rest}" == ending:
            yield stem, path
