"""Whether a database is this site's ledger, of this program's version, and what its errors mean.

Plain drivers: whoever only asks (the supervisor, before it starts three roles) does not wait for the library that writes.
Raises SiteMissing, LedgerCorrupt, LedgerSchema, LedgerRolledBack, LedgerMoved, LedgerRestored, and what `translate` gives.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from gateway.errors import (
    ConfigurationInvalid,
    DiskFull,
    GatewayError,
    ImpossibleMove,
    LedgerBusy,
    LedgerCorrupt,
    LedgerMoved,
    LedgerRestored,
    LedgerRolledBack,
    LedgerSchema,
    LedgerUnavailable,
    SiteMissing,
)
from gateway.ledger.chain import Head
from gateway.ledger.head_file import HeadFile
from gateway.ledger.place import Place
from gateway.ledger.postgresql import errors as postgresql_errors

if TYPE_CHECKING:
    from gateway.ledger.postgresql.server import ServerReport

SCHEMA_VERSION: Final = "0018"
"""The newest migration; a test holds it against `migrations/versions`."""

LEAST_PROGRAM: Final = "0015"
"""The oldest program, by its SCHEMA_VERSION, that may work on a ledger of this version in PostgreSQL. A migration that expands leaves it; one
that takes something away, or says otherwise what older programs read, sets it (CONTRIBUTING.md, "Add a migration").
"""

BUSY_SECONDS: Final = 30

Ask = Callable[[str], Any]
TABLES: Final = {
    False: "SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'",
    True: "SELECT to_regclass('alembic_version')",
}
_TELLS_LEAST: Final = "SELECT to_regclass('least_program')"
_LEAST: Final = "SELECT schema FROM least_program"
_CLOSED: Final = "SELECT why FROM ledger_closed"
"""The question whether there is a ledger, by whether it is PostgreSQL that is asked."""


_LACKING: Final = "PostgreSQL takes the extra `postgresql` of this program, which brings psycopg"


def require_file(path: Place) -> None:
    """SiteMissing where there is no file; LedgerCorrupt where it is empty, for opening it would make a database of it."""
    if isinstance(path, str):
        return
    if not path.exists():
        raise SiteMissing(f"there is no ledger at {path}")
    if path.stat().st_size == 0:
        raise LedgerCorrupt("the ledger's file is empty")


def is_there(place: Place) -> bool:
    """Whether a database holds a ledger, of whatever version."""
    with _asked(place) as ask:
        return ask(TABLES[isinstance(place, str)]) is not None


def check(path: Place, head_file: HeadFile | None = None, *, exact: bool = False, moved: bool = False) -> None:
    """LedgerSchema unless the ledger is of this program's version, or in PostgreSQL of a newer one that this program may work with
    (never where `exact`, for who reads all of it); LedgerCorrupt where the file holds no ledger; LedgerRolledBack where the head file knows it for an old copy, LedgerRestored for one that nobody has confirmed yet;
    LedgerMoved where it was copied into another database (never where `moved`, for who brings it back).
    """
    require_file(path)
    if head_file is not None and head_file.in_doubt():
        raise LedgerRestored
    # Asked first: another process may commit, and remember that, before we look.
    remembered = None if head_file is None else head_file.remembered()
    with _asked(path) as ask:
        if ask(TABLES[isinstance(path, str)]) is None:
            if isinstance(path, str):
                raise ConfigurationInvalid(
                    "[ledger] url names a database without a ledger: `gateway ledger copy` brings it there"
                )
            raise LedgerCorrupt("the ledger's database is there, but holds no ledger")
        found = ask("SELECT version_num FROM alembic_version")
        if found != SCHEMA_VERSION:
            _require_served(ask, path, found, exact=exact)
        why = ask(_CLOSED) if isinstance(path, str) and not moved else None
        if why is not None and (head_file is not None or why.startswith(LedgerMoved.code)):
            raise_closed(why)
        if remembered is not None:
            _compare(ask, remembered)


def require_known(ask: Ask, remembered: Head | None) -> None:
    """Of a new connection to PostgreSQL: LedgerMoved, LedgerRolledBack where it does not lead to the ledger that this machine knows."""
    if (why := ask(_CLOSED)) is not None:
        raise_closed(why)
    if remembered is not None:
        _compare(ask, remembered)


def raise_closed(why: str) -> NoReturn:
    """Raise what a closed ledger says: a code and a reason."""
    code, _, reason = why.partition(" ")
    raise (LedgerMoved if code == LedgerMoved.code else LedgerRolledBack)(reason)


def _require_served(ask: Ask, place: Place, found: str, *, exact: bool) -> None:
    """LedgerSchema unless a ledger of another version says that programs of this one may go on."""
    if not isinstance(place, str) or found < SCHEMA_VERSION:
        raise LedgerSchema(f"the ledger is of version {found}, this program needs {SCHEMA_VERSION}")
    least = ask(_LEAST) if ask(_TELLS_LEAST) is not None else found
    if least > SCHEMA_VERSION:
        raise LedgerSchema(
            f"the ledger is of version {found}, which programs of version {least} and later work with; this one is of {SCHEMA_VERSION}"
        )
    if exact:
        raise LedgerSchema(
            f"the ledger is of version {found}: a program of that version has to do this, and this one is of {SCHEMA_VERSION}"
        )


def _compare(ask: Ask, remembered: Head) -> None:
    last = ask("SELECT coalesce(max(sequence), 0) FROM events")
    # A number of ours, and not a parameter: the two drivers write those differently.
    if ask(f"SELECT sha256 FROM events WHERE sequence = {remembered.sequence:d}") != remembered.sha256:  # noqa: S608
        raise LedgerRolledBack(
            f"this site has written event {remembered.sequence} of its chain before; the ledger ends with event "
            f"{last}" + (", and has another one" if last >= remembered.sequence else "")
        )


def server_report(url: str) -> ServerReport:
    """Whether the server of a PostgreSQL database keeps what the ledger needs of it."""
    with installed():
        from gateway.ledger.postgresql.server import server_report as asked  # noqa: PLC0415 - only where it is used
    return asked(url)


def check_pages(path: Place) -> None:
    """Look at every page, a gigabyte in a second or two: LedgerCorrupt now, before anything was done on its word. PostgreSQL looks
    at each page itself, when it reads it.
    """
    if isinstance(path, str):
        return
    with _opened(path) as connection:
        said = _one(connection, "PRAGMA quick_check(1)")
    if said != "ok":
        raise LedgerCorrupt(str(said)[:120])


@contextmanager
def installed() -> Iterator[None]:
    """ConfigurationInvalid where what is imported in the block takes what this installation lacks."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ConfigurationInvalid(_LACKING) from error


@contextmanager
def _asked(place: Place) -> Iterator[Ask]:
    """What gives the first value of the answer to a question."""
    if isinstance(place, str):
        with installed():
            from gateway.ledger.postgresql.asking import asked  # noqa: PLC0415 - only where it is used
        with asked(place) as ask:
            yield ask
        return
    with _opened(place) as connection:
        yield lambda query: _one(connection, query)


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        with closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as connection:
            yield connection
    except sqlite3.Error as error:
        raise translate(error) from error


def _one(connection: sqlite3.Connection, query: str) -> Any:
    """The first value of the first row; None where there is none."""
    row = connection.execute(query).fetchone()
    return row[0] if row else None


def translate(error: Exception) -> GatewayError:
    """The gateway's word for what the database said, or a library for it; never with its parameters, which may be names
    of files.
    """
    cause = getattr(error, "orig", None) or error  # SQLAlchemy's errors hold SQLite's
    if hasattr(cause, "sqlstate"):
        return postgresql_errors.translate(cause)
    code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
    said = str(cause)[:120]
    match code:
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return LedgerBusy()
        case sqlite3.SQLITE_FULL:
            return DiskFull("no room for the ledger")
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return LedgerCorrupt(said)
        case sqlite3.SQLITE_CONSTRAINT:
            return ImpossibleMove(f"the ledger refuses it: {said}")
        case _:
            return LedgerUnavailable(said)
