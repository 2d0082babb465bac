"""Recovery: before its first step, each role removes files that a crash left and that no row needs.

Raises DiskFailed and what the ledger raises. Safe while the other roles work, because it decides and removes under the
ledger's write lock, and whoever names a file before the row that speaks of it does both under the same lock. It removes
only files whose row says that they are over, and files of which no row speaks.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from gateway.domain.receipt import evidence_name, queue_name
from gateway.domain.states import Direction, State
from gateway.errors import DiskFailed
from gateway.ledger.queries import consignments, identities, receipts
from gateway.ledger.queries.quarantine import is_kept
from gateway.ledger.store import Connection, Ledger
from gateway.ledger.units import Consignment
from gateway.settings.home import Home
from gateway.stages.itinerary import Role
from gateway.stages.landing import COPYING
from gateway.stages.purging import purge
from gateway.storage.digest import file_digest
from gateway.storage.durable import move_own

_RECEIPT = ".receipt.pgp"
_CONSIGNMENT = ".pgp"


def tidy(home: Home, ledger: Ledger, role: Role) -> None:
    """Remove a role's leftovers. Inspect's own custody is put right by its first stage (`Admit.recover`)."""
    if role is Role.INSPECT:
        purge(home, ledger)
    with ledger.write() as transaction:
        connection = transaction.connection
        try:
            match role:
                case Role.INSPECT:
                    _opened(home, connection)
                    _infected(home, connection)
                case Role.VAULT:
                    _opened(home, connection)
                    _quarantine(home, connection)
                    _read_consignments(home, connection)
                    _read_receipts(home, connection)
                    _answered_consignments(home, connection)
                    _unfinished_sealed(home)
                case Role.LINK:
                    _sent_receipts(home, connection)
                    _copies(home)
        except OSError as error:
            raise DiskFailed(f"putting right what a crash left: {error.strerror}") from error


def _opened(home: Home, connection: Connection) -> None:
    """Remove plaintext of finished consignments, and of attempts that broke off."""
    for path in home.opened.glob("*"):
        if not consignments.is_unfinished(connection, path.name):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _quarantine(home: Home, connection: Connection) -> None:
    """Remove second names whose row never came (the file still has its first name), and discarded files."""
    for path in home.quarantine.glob("*.sealed"):
        if not is_kept(connection, path.stem):
            path.unlink(missing_ok=True)


def _infected(home: Home, connection: Connection) -> None:
    """The same for files that the virus scanner objected to."""
    for path in home.infected.glob("*"):
        if not is_kept(connection, path.name):
            path.unlink(missing_ok=True)


def _read_consignments(home: Home, connection: Connection) -> None:
    """Remove partners' consignments that were delivered or locked away, and names without a row, whose arrival is there still."""
    for partner, identity, path in _sealed(home.sealed_in, _CONSIGNMENT):
        row = consignments.consignment_in(connection, partner, identity)
        if row is None or row.state in (State.DELIVERED, State.QUARANTINED):
            path.unlink(missing_ok=True)


def _read_receipts(home: Home, connection: Connection) -> None:
    """Remove partners' receipts that were read; what was accepted moves to the evidence."""
    for partner, identity, path in _sealed(home.sealed_in, _RECEIPT):
        rows = receipts.receipts_about(connection, partner, identity)
        rows = [row for row in rows if row.direction == Direction.IN]
        if any(row.state in (State.LANDED, State.HELD) for row in rows):
            continue
        sha256 = file_digest(path)
        of_this = [row for row in rows if row.state == State.ACCEPTED and row.sealed_sha256 == sha256]
        if of_this:
            (home.evidence / partner).mkdir(mode=0o700, parents=True, exist_ok=True)
            move_own(path, home.evidence / partner / evidence_name(identity, of_this[0].level, sha256))
        else:
            path.unlink(missing_ok=True)


def _answered_consignments(home: Home, connection: Connection) -> None:
    """Remove our consignments that a receipt has answered, that have expired, or that no receipt will answer."""
    for partner, identity, path in _sealed(home.sealed_out, _CONSIGNMENT):
        row = identities.one(connection, Consignment, Direction.OUT, partner, identity)
        if row is not None and (row.state in (State.RECEIPTED, State.EXPIRED) or _is_unanswered(row)):
            path.unlink(missing_ok=True)


def _is_unanswered(row: Consignment) -> bool:
    return row.is_plain and row.state == State.SENT


def _sent_receipts(home: Home, connection: Connection) -> None:
    """Remove our receipts that were sent and need not be sent again."""
    for path in home.sealed_out.glob(f"*/*{_RECEIPT}"):
        rows = receipts.receipts_about(connection, path.parent.name, path.name.partition(".")[0])
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


def _sealed(root: Path, ending: str) -> Iterator[tuple[str, str, Path]]:
    """Partner, id and path of the sealed files of one kind below `root`."""
    for path in root.glob("*/*.pgp"):
        stem, dot, rest = path.name.partition(".")
        if f"{dot}{rest}" == ending:
            yield path.parent.name, stem, path
