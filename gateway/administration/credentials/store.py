"""The console's own database, `state/console/console.db`: what no other role may read, and the ledger therefore does not have.

SQLite, opened by the console and by `gateway people link`. Whoever writes has the write lock from the start of the transaction, so what
was read in it still holds. A digest of what strangers typed takes a key of this database's own: nobody can guess it back. Raises
NotPermitted, and ConsoleStoreUnavailable for whatever SQLite or the disk says. Long because every statement about this database is here.
"""

from __future__ import annotations

import hmac
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, astuple
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, delete, event, insert, or_, select, update
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.exc import SQLAlchemyError

from gateway.administration.credentials.lockout import FORGOTTEN_SECONDS, Failures
from gateway.administration.credentials.rows import (
    Challenge,
    Credential,
    Link,
    Passkey,
    PinnedIdentity,
    ProviderAttempt,
    Reply,
    SavedFilter,
    StoredSession,
    StoredToken,
)
from gateway.administration.credentials.tables import (
    CHALLENGES,
    CREDENTIALS,
    FAILURES,
    FILTERS,
    IDENTITIES,
    KEYS,
    LINKS,
    METADATA,
    PASSKEYS,
    PROVIDER_ATTEMPTS,
    PROVIDER_SESSIONS,
    REFUSALS,
    REPLIES,
    SESSIONS,
    TOKENS,
)
from gateway.errors import ConsoleStoreUnavailable, NotPermitted
from gateway.storage.durable import make_directory

_BUSY_SECONDS: Final = 30
_KEY_BYTES: Final = 32
_SOURCE: Final = "sources"
_OWN: Final = (CREDENTIALS, PASSKEYS, LINKS, FILTERS, IDENTITIES)
"""What goes with whoever goes."""
MOST_FAILURES: Final = 100_000
"""Rows about attempts that failed: with more, the oldest go, however new they are."""
CHALLENGE_SECONDS: Final = 120.0


class Store:
    """The database, open; made where it is not there. For any number of threads and processes."""

    def __init__(self, path: Path, random_bytes: Callable[[int], bytes] = os.urandom) -> None:
        self.path = path
        with _translated():
            make_directory(path.parent, 0o700)
            if not path.exists():
                path.touch(0o600)  # SQLite gives its -wal and -shm the rights of the file
                if os.geteuid() == 0:  # a command of root's: the file is the console's
                    about = path.parent.stat()
                    os.chown(path, about.st_uid, about.st_gid)
            self._engine = _engine(path)
            with self._engine.begin() as connection:
                METADATA.create_all(connection)
                made = upsert(KEYS).values(name=_SOURCE, value=random_bytes(_KEY_BYTES)).on_conflict_do_nothing()
                connection.execute(made)
                self._key: bytes = connection.execute(select(KEYS.c.value).where(KEYS.c.name == _SOURCE)).scalar_one()

    def close(self) -> None:
        self._engine.dispose()

    def digest(self, kind: str, text: str) -> str:
        """16 hex digits that stand for something typed or an address: the same for the same, and of use to nobody else."""
        return self.mac(kind, text.encode(errors="replace"))[:8].hex()

    def mac(self, kind: str, content: bytes) -> bytes:
        """32 bytes that nobody can make who has not this database: HMAC-SHA-256."""
        return hmac.digest(self._key, kind.encode() + b":" + content, "sha256")

    @contextmanager
    def read(self) -> Iterator[Records]:
        """A consistent view, which waits for nobody. Nothing is written in it."""
        with _translated(), self._engine.execution_options(reading=True).connect() as connection:
            yield Records(connection)

    @contextmanager
    def write(self) -> Iterator[Records]:
        """A transaction: committed at the end, or not at all where an exception leaves the block."""
        with _translated(), self._engine.begin() as connection:
            yield Records(connection)


_SESSIONS: Final = select(SESSIONS, PROVIDER_SESSIONS.c.sha256.is_not(None)).join(
    PROVIDER_SESSIONS, PROVIDER_SESSIONS.c.sha256 == SESSIONS.c.sha256, isouter=True
)


class Records:
    """What is known, within one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    # -- passwords and second factors

    def credential(self, user: str) -> Credential | None:
        row = self._connection.execute(select(CREDENTIALS).where(CREDENTIALS.c.user == user)).first()
        return None if row is None else Credential(*row)

    def credentials(self) -> list[Credential]:
        """Everybody's."""
        return [Credential(*row) for row in self._connection.execute(select(CREDENTIALS))]

    def keep_credential(self, credential: Credential) -> None:
        """Instead of the one before."""
        self._replace(CREDENTIALS, credential)

    def use_step(self, user: str, step: int) -> bool:
        """Use up a time step: False where it, or a later one, was used before."""
        query = update(CREDENTIALS).where(CREDENTIALS.c.user == user, CREDENTIALS.c.step < step).values(step=step)
        return self._connection.execute(query).rowcount == 1

    def users(self) -> set[str]:
        """Whose credentials, passkeys, links, filters or pinned identities are here."""
        return {user for table in _OWN for user in self._connection.execute(select(table.c.user)).scalars()}

    def forget(self, user: str) -> None:
        """Remove somebody's credential, passkeys, link, filters and pinned identities."""
        for table in _OWN:
            self._connection.execute(delete(table).where(table.c.user == user))

    # -- saved filters

    def filters(self, user: str) -> list[SavedFilter]:
        """All that somebody has saved, by name."""
        query = select(FILTERS).where(FILTERS.c.user == user).order_by(FILTERS.c.name)
        return [SavedFilter(*row) for row in self._connection.execute(query)]

    def keep_filter(self, kept: SavedFilter) -> None:
        """Instead of the one of that name."""
        self._replace(FILTERS, kept)

    def remove_filter(self, user: str, path: str, name: str) -> None:
        meant = FILTERS.c.user == user, FILTERS.c.path == path, FILTERS.c.name == name
        self._connection.execute(delete(FILTERS).where(*meant))

    # -- passkeys, and the challenges that they sign

    def passkey(self, identity: str) -> Passkey | None:
        row = self._connection.execute(select(PASSKEYS).where(PASSKEYS.c.id == identity)).first()
        return None if row is None else Passkey(*row)

    def passkeys(self, user: str) -> list[Passkey]:
        """Somebody's, the oldest first."""
        query = select(PASSKEYS).where(PASSKEYS.c.user == user).order_by(PASSKEYS.c.added, PASSKEYS.c.id)
        return [Passkey(*row) for row in self._connection.execute(query)]

    def keep_passkey(self, passkey: Passkey) -> None:
        """A new one, or as it is after a use."""
        self._replace(PASSKEYS, passkey)

    def remove_passkey(self, user: str, identity: str) -> bool:
        """False where it is not there, or not that person's."""
        query = delete(PASSKEYS).where(PASSKEYS.c.id == identity, PASSKEYS.c.user == user)
        return self._connection.execute(query).rowcount == 1

    def keep_challenge(self, challenge: Challenge) -> bool:
        """A new one; those past their time go. False where it is here already."""
        over = CHALLENGES.c.created <= challenge.created - CHALLENGE_SECONDS
        self._connection.execute(delete(CHALLENGES).where(over))
        made = upsert(CHALLENGES).values(asdict(challenge)).on_conflict_do_nothing()
        return self._connection.execute(made).rowcount == 1

    def take_challenge(self, sha256: str, about: str, now: float) -> Challenge | None:
        """Use up a challenge: None where it is not there any more, past its time, or about something else."""
        query = delete(CHALLENGES).where(CHALLENGES.c.sha256 == sha256, CHALLENGES.c.about == about)
        row = self._connection.execute(query.returning(CHALLENGES)).first()
        return None if row is None or not 0 <= now - row.created < CHALLENGE_SECONDS else Challenge(*row)

    # -- one-time links

    def keep_link(self, link: Link) -> None:
        """Instead of the person's link before."""
        self._replace(LINKS, link)

    def link(self, sha256: str) -> Link | None:
        row = self._connection.execute(select(LINKS).where(LINKS.c.sha256 == sha256)).first()
        return None if row is None else Link(*row)

    def use_link(self, sha256: str) -> bool:
        """Use up a link: False where it is not there any more."""
        return self._connection.execute(delete(LINKS).where(LINKS.c.sha256 == sha256)).rowcount == 1

    # -- sessions

    def start_session(self, session: StoredSession) -> None:
        values = asdict(session)
        if values.pop("by_provider"):
            self._connection.execute(insert(PROVIDER_SESSIONS).values(sha256=session.sha256))
        self._connection.execute(insert(SESSIONS).values(values))

    def session(self, sha256: str) -> StoredSession | None:
        row = self._connection.execute(_SESSIONS.where(SESSIONS.c.sha256 == sha256)).first()
        return None if row is None else StoredSession(*row)

    def sessions(self, user: str | None = None) -> list[StoredSession]:
        """All sessions, or those of one person, the oldest first."""
        query = _SESSIONS.order_by(SESSIONS.c.started)
        rows = self._connection.execute(query if user is None else query.where(SESSIONS.c.user == user))
        return [StoredSession(*row) for row in rows]

    def see_session(self, sha256: str, now: float) -> None:
        self._connection.execute(update(SESSIONS).where(SESSIONS.c.sha256 == sha256).values(seen=now))

    def end_session(self, sha256: str) -> bool:
        """False where it has ended already."""
        self._connection.execute(delete(PROVIDER_SESSIONS).where(PROVIDER_SESSIONS.c.sha256 == sha256))
        return self._connection.execute(delete(SESSIONS).where(SESSIONS.c.sha256 == sha256)).rowcount == 1

    # -- the identity provider

    def keep_attempt(self, attempt: ProviderAttempt) -> None:
        self._replace(PROVIDER_ATTEMPTS, attempt)

    def take_attempt(self, sha256: str) -> ProviderAttempt | None:
        """Use an attempt up; None where it is not there any more."""
        columns = PROVIDER_ATTEMPTS.c
        row = self._connection.execute(select(PROVIDER_ATTEMPTS).where(columns.sha256 == sha256)).first()
        self._connection.execute(delete(PROVIDER_ATTEMPTS).where(columns.sha256 == sha256))
        return None if row is None else ProviderAttempt(*row)

    def clear_attempts(self, before: float, after: float) -> None:
        """Forget those of before a moment, of after one to come, which were made before the clock was set back, and the oldest of too many."""
        created = PROVIDER_ATTEMPTS.c.created
        self._connection.execute(delete(PROVIDER_ATTEMPTS).where(or_(created < before, created > after)))
        oldest = self._connection.execute(
            select(created).order_by(created.desc()).offset(MOST_FAILURES).limit(1)
        ).scalar()
        if oldest is not None:
            self._connection.execute(delete(PROVIDER_ATTEMPTS).where(created <= oldest))

    def pinned(self, issuer: str, user: str, subject: str) -> list[PinnedIdentity]:
        """What is known of that user id, and of that subject."""
        columns = IDENTITIES.c
        either = or_(columns.user == user, columns.subject == subject)
        rows = self._connection.execute(select(IDENTITIES).where(columns.issuer == issuer, either))
        return [PinnedIdentity(*row) for row in rows]

    def pin(self, identity: PinnedIdentity) -> None:
        self._connection.execute(insert(IDENTITIES).values(asdict(identity)))

    def unpin(self, user: str) -> bool:
        """At all issuers; False where nothing was pinned."""
        return self._connection.execute(delete(IDENTITIES).where(IDENTITIES.c.user == user)).rowcount > 0

    # -- tokens of programs, and their idempotency keys

    def keep_token(self, token: StoredToken) -> None:
        self._replace(TOKENS, token)

    def token(self, sha256: str) -> StoredToken | None:
        row = self._connection.execute(select(TOKENS).where(TOKENS.c.sha256 == sha256)).first()
        return None if row is None else StoredToken(*row)

    def tokens(self) -> list[StoredToken]:
        """All of them, by name."""
        return [StoredToken(*row) for row in self._connection.execute(select(TOKENS).order_by(TOKENS.c.name))]

    def see_token(self, name: str, now: float) -> None:
        self._connection.execute(update(TOKENS).where(TOKENS.c.name == name).values(used=now))

    def remove_token(self, name: str) -> bool:
        """With its idempotency keys; False where there is none of that name."""
        self._connection.execute(delete(REPLIES).where(REPLIES.c.token == name))
        return self._connection.execute(delete(TOKENS).where(TOKENS.c.name == name)).rowcount == 1

    def keep_reply(self, reply: Reply) -> None:
        self._replace(REPLIES, reply)

    def reply(self, token: str, key: str) -> Reply | None:
        row = self._connection.execute(select(REPLIES).where(REPLIES.c.token == token, REPLIES.c.key == key)).first()
        return None if row is None else Reply(*row)

    def clear_replies(self, before: float, after: float) -> None:
        """Forget those of before a moment, and those of after one to come, which were kept before the clock was set back."""
        over = or_(REPLIES.c.created < before, REPLIES.c.created > after)
        self._connection.execute(delete(REPLIES).where(over))

    # -- attempts that failed

    def failures(self, who: str) -> Failures:
        columns = FAILURES.c.count, FAILURES.c.free_at, FAILURES.c.last
        row = self._connection.execute(select(*columns).where(FAILURES.c.who == who)).first()
        return Failures() if row is None else Failures(*row)

    def keep_failures(self, who: str, failures: Failures) -> None:
        self._replace(FAILURES, failures, who=who)

    def forget_failures(self, who: str) -> None:
        self._connection.execute(delete(FAILURES).where(FAILURES.c.who == who))

    def clear_failures(self, now: float) -> None:
        """Forget attempts of long ago, and the oldest of too many."""
        self._connection.execute(delete(FAILURES).where(FAILURES.c.last < now - FORGOTTEN_SECONDS))
        newest = select(FAILURES.c.last).order_by(FAILURES.c.last.desc()).offset(MOST_FAILURES).limit(1)
        oldest = self._connection.execute(newest).scalar()
        if oldest is not None:
            self._connection.execute(delete(FAILURES).where(FAILURES.c.last <= oldest))

    # -- refusals that the chain is told of together

    def refusals(self, what: str) -> tuple[float, int] | None:
        """When the chain was last told of such refusals, and how many there were since."""
        columns = REFUSALS.c.since, REFUSALS.c.count
        row = self._connection.execute(select(*columns).where(REFUSALS.c.what == what)).first()
        return None if row is None else (row[0], row[1])

    def keep_refusals(self, what: str, named: str, since: float, count: int) -> None:
        values = {"what": what, "event": named, "since": since, "count": count}
        self._connection.execute(delete(REFUSALS).where(REFUSALS.c.what == what))
        self._connection.execute(insert(REFUSALS).values(values))

    def take_refusals(self, before: float) -> dict[str, int]:
        """Remove what the chain was told of before then; by event, how many refusals it was not told of."""
        over = REFUSALS.c.since <= before
        rows = self._connection.execute(select(REFUSALS.c.event, REFUSALS.c.count).where(over))
        found: dict[str, int] = {}
        for named, count in rows:
            found[named] = found.get(named, 0) + count
        self._connection.execute(delete(REFUSALS).where(over))
        return {named: count for named, count in found.items() if named and count}

    def _replace(self, table: Any, record: Any, **key: str) -> None:
        values = dict(zip(record.__dataclass_fields__, astuple(record), strict=True)) | key
        made = upsert(table).values(values)
        primary = list(table.primary_key.columns)
        self._connection.execute(made.on_conflict_do_update(index_elements=primary, set_=values))


def _engine(path: Path) -> Engine:
    # Connections as in ledger.engine: nobody waits for one.
    engine = create_engine(
        f"sqlite:///{path}", connect_args={"timeout": _BUSY_SECONDS}, hide_parameters=True, max_overflow=-1
    )

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver's own BEGIN is never IMMEDIATE
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "secure_delete=ON",
            f"busy_timeout={_BUSY_SECONDS * 1000}",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN" if connection.get_execution_options().get("reading") else "BEGIN IMMEDIATE")

    return engine


@contextmanager
def _translated() -> Iterator[None]:
    """Never the database's own words, which may quote values."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:
        named = getattr(getattr(error, "orig", error), "sqlite_errorname", type(error).__name__)
        raise ConsoleStoreUnavailable(f"the console's database says {named}") from None
    except PermissionError as error:
        raise NotPermitted("You may not open the console's database.") from error
    except OSError as error:
        raise ConsoleStoreUnavailable(f"the console's database: {error.strerror}") from error
