"""The database that documents are loaded into: SQLite or PostgreSQL, each document in a transaction of its own.

A transaction is atomic at once and durable a moment later: waiting for the disk after each of a thousand documents would take longer
than all else. So documents are committed without that wait, and `make_durable` ends a group by one more transaction that does wait.
Both databases write one log in order, so what is before that transaction is on the disk with it. A document is answered only after
that. A process that is killed loses nothing that it committed; a power cut may lose documents that nobody has answered for, and they
are loaded again.

Raises LoadDatabaseUnavailable for whatever the database's own state is the reason of, and ConfigurationInvalid for tables that other
schemas made. What is wrong with a document's rows is its verdict. No error text holds a value: the drivers' words are not used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event, exc, text
from sqlalchemy.schema import MetaData

from gateway.errors import ConfigurationInvalid, LoadDatabaseUnavailable
from gateway.loading.tables import DOCUMENTS, MARK, SCHEMAS, all_tables, digest_of
from gateway.settings.load import LoadSettings
from gateway.storage.durable import make_directory
from gateway.validation.xml.rows import DocumentRows
from gateway.validation.xml.shape import DocumentShape

ACCEPTED: Final = "accepted"
REJECTED: Final = "rejected"
_BUSY_SECONDS: Final = 30
_PRAGMAS: Final = (
    "journal_mode=WAL",
    "synchronous=NORMAL",  # the log is written in order, and waited for in `make_durable`
    "foreign_keys=ON",
    "secure_delete=ON",  # a row that is deleted leaves no trace in the file's pages
    "wal_autocheckpoint=4000",
    f"busy_timeout={_BUSY_SECONDS * 1000}",
)


@dataclass(frozen=True)
class Document:
    """A delivered file, as its row in `load_documents` names it. `transfer` is unique; see `tables.own_tables`."""

    transfer: str
    flow: str
    partner: str
    name: str
    sha256: str
    size: int


@dataclass(frozen=True)
class Loaded:
    """What became of a document: the number of its row, the verdict, and whether an earlier look found the same."""

    document: int
    verdict: str
    reason: str | None
    records: int
    set_aside: int
    earlier: bool = False
    answered: bool = False
    same: bool = True
    """False where the row of that transfer is about other bytes: then nothing is known of this file."""


class Database:
    """One database, open. Not for two threads at once; two processes may load into one database."""

    def __init__(
        self, settings: LoadSettings, root: Path, shapes: Sequence[DocumentShape], clock: Callable[[], float]
    ) -> None:
        self._clock = clock
        self._engine = _engine(settings, root)
        self._postgresql = self._engine.dialect.name == "postgresql"
        self._mark = "%s" if self._postgresql else "?"
        self._errors: Any = self._engine.dialect.dbapi
        metadata = all_tables(shapes)
        with self._translated():
            self._connection = self._engine.connect()
            try:
                with self._connection.begin():
                    _make_tables(self._connection, metadata, shapes)
            except BaseException:
                self.close()
                raise
        self._inserts = {
            table.name: self._insert(table.name, [column.name for column in table.columns])
            for table in metadata.tables.values()
        }

    def close(self) -> None:
        with suppress(exc.SQLAlchemyError, self._errors.Error):  # the database is away: there is nothing to close
            self._connection.close()
        self._engine.dispose()

    def load(self, document: Document, rows: DocumentRows | None, schema: str | None, reason: str | None) -> Loaded:
        """Load a document's rows, or note the `reason` why it has none; once for each transfer, whoever asks how often."""
        with self._translated():
            try:
                return self._load(document, rows, schema, reason)
            except (self._errors.IntegrityError, self._errors.DataError) as error:
                # This is said of values; everything else is the database's own state.
                said = f"The database does not take a row of it ({type(error).__name__})."
                return self._load(document, None, schema, said)

    def make_durable(self) -> None:
        """Wait until everything that was loaded is on the disk."""
        connection = self._connection
        with self._translated():
            self._waiting(waiting=True)
            try:
                with connection.begin():
                    if self._postgresql:
                        connection.exec_driver_sql("SET LOCAL synchronous_commit TO on")
                    connection.exec_driver_sql(f"UPDATE {MARK} SET batches = batches + 1")  # noqa: S608  # a name of ours
            finally:
                self._waiting(waiting=False)

    def note_answered(self, documents: Sequence[int]) -> None:
        """Note that the answers about these lie in spool/outcomes, durably."""
        statement = f"UPDATE {DOCUMENTS} SET answered = {self._mark} WHERE document = {self._mark}"  # noqa: S608  # names of ours
        with self._translated(), self._connection.begin():
            self._connection.exec_driver_sql(statement, [(self._now(), document) for document in documents])

    def _load(self, document: Document, rows: DocumentRows | None, schema: str | None, reason: str | None) -> Loaded:
        verdict = REJECTED if rows is None else ACCEPTED
        records, set_aside = (0, 0) if rows is None else (rows.records, rows.set_aside)
        values = (
            *(document.transfer, document.flow, document.partner, document.name, document.sha256, document.size),
            *(schema, verdict, reason, records, set_aside, self._now()),
        )
        connection = self._connection
        with connection.begin():
            # By the driver's own cursor: a claim is rows of a dozen tables, and SQLAlchemy would take as long as the database.
            cursor = connection.connection.cursor()
            cursor.execute(self._claim, values)
            claimed = cursor.fetchone()
            if claimed is None:
                cursor.close()
                return self._found(connection, document)
            for table, found in ({} if rows is None else rows.rows).items():
                for row in found:
                    row[0] = claimed[0]
                if len(found) == 1:
                    cursor.execute(self._inserts[table], found[0])
                else:
                    cursor.executemany(self._inserts[table], found)
            cursor.close()
        return Loaded(claimed[0], verdict, reason, records, set_aside)

    @cached_property
    def _claim(self) -> str:
        """Only one transaction ever gets a number for a transfer; any other waits for it, and gets none."""
        names = (
            *("transfer", "flow", "partner", "name", "sha256", "size"),
            *("schema", "verdict", "reason", "records", "set_aside", "loaded"),
        )
        return f"{self._insert(DOCUMENTS, names)} ON CONFLICT (transfer) DO NOTHING RETURNING document"

    def _found(self, connection: Connection, document: Document) -> Loaded:
        statement = text(
            f"SELECT document, verdict, reason, records, set_aside, answered IS NOT NULL, sha256 FROM {DOCUMENTS} "  # noqa: S608
            "WHERE transfer = :transfer"
        )
        row = connection.execute(statement, {"transfer": document.transfer}).one()
        same = row[6] == document.sha256
        return Loaded(row[0], row[1], row[2], row[3], row[4], earlier=True, answered=bool(row[5]), same=same)

    def _insert(self, table: str, columns: Sequence[str]) -> str:
        quote = self._engine.dialect.identifier_preparer.quote
        names, marks = ", ".join(map(quote, columns)), ", ".join([self._mark] * len(columns))
        return f"INSERT INTO {quote(table)} ({names}) VALUES ({marks})"  # noqa: S608  # names of ours, quoted

    def _waiting(self, *, waiting: bool) -> None:
        """Whether SQLite waits for the disk at each commit; PostgreSQL is told so within a transaction."""
        if not self._postgresql:
            driver: Any = self._connection.connection.driver_connection
            driver.execute(f"PRAGMA synchronous={'FULL' if waiting else 'NORMAL'}")

    def _now(self) -> str:
        return datetime.fromtimestamp(self._clock(), UTC).isoformat(" ", "seconds")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (exc.DBAPIError, self._errors.Error) as error:
            raise LoadDatabaseUnavailable(f"{_words(error)}.") from None
        except exc.SQLAlchemyError as error:
            raise LoadDatabaseUnavailable(f"{type(error).__name__}.") from None


def _engine(settings: LoadSettings, root: Path) -> Engine:
    """The engine; for SQLite with its file, which nobody else may read."""
    path = settings.file(root)
    try:
        if path is None:
            url = settings.database.replace("postgresql://", "postgresql+psycopg://", 1)
            # Nothing is loaded at a wait for the disk but that of `make_durable`.
            arguments: Mapping[str, Any] = {"options": "-c synchronous_commit=off", "connect_timeout": _BUSY_SECONDS}
            return create_engine(url, connect_args=dict(arguments), hide_parameters=True)
        make_directory(path.parent, 0o700)
        path.touch(0o600)  # SQLite gives its -wal and -shm the rights of the file
        engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": _BUSY_SECONDS}, hide_parameters=True)
    except OSError as error:
        raise LoadDatabaseUnavailable(f"the file of the database cannot be made: {error.strerror}") from error
    except exc.ArgumentError as error:
        raise ConfigurationInvalid("[load] database of gateway.toml names no database") from error
    except ModuleNotFoundError as error:
        missing = "PostgreSQL takes the extra `postgresql` of this program, which brings psycopg"
        raise ConfigurationInvalid(missing) from error

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver's own BEGIN is never IMMEDIATE
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        driver: Any = connection.connection.driver_connection
        driver.execute("BEGIN IMMEDIATE")

    return engine


def _make_tables(connection: Connection, metadata: MetaData, shapes: Sequence[DocumentShape]) -> None:
    """Make what is missing. ConfigurationInvalid where a schema has changed under the name of a version that is there."""
    metadata.create_all(connection)
    made = connection.execute(text(f"SELECT schema, shape FROM {SCHEMAS}"))  # noqa: S608  # a name of ours
    known: dict[str, str] = {row[0]: row[1] for row in made}
    for shape in shapes:
        digest = digest_of(shape)
        if known.get(shape.schema, digest) != digest:
            told = f"the tables of {shape.schema} in the database were made from another schema of that version"
            raise ConfigurationInvalid(f"{told}: move the database away, or name another one in [load]")
        if shape.schema not in known:
            values = {"schema": shape.schema, "shape": digest}
            connection.execute(text(f"INSERT INTO {SCHEMAS} (schema, shape) VALUES (:schema, :shape)"), values)  # noqa: S608
    if connection.execute(text(f"SELECT count(*) FROM {MARK}")).scalar() == 0:  # noqa: S608  # a name of ours
        connection.execute(text(f"INSERT INTO {MARK} (mark, batches) VALUES (1, 0)"))  # noqa: S608  # a name of ours


def _words(error: Exception) -> str:
    """What the database calls it: never its own words, which quote values."""
    original = error.orig if isinstance(error, exc.DBAPIError) else error
    code = getattr(original, "sqlite_errorname", None) or getattr(original, "sqlstate", None)
    return f"the database says {type(original).__name__}{f' {code}' if code else ''}"
