"""Listening for wake-ups of other nodes: Procrastinate's worker in a thread, and the schema that its tables lie in.

A job is done when this node's roles are told to look, and is removed then. Whatever is lost while nobody listens, or in the hands of a
process that was killed, is made good by one look at everything when listening begins. So a start removes what waits for the node, and
whatever ends the worker is told once and followed by another start.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from contextlib import suppress
from importlib.metadata import version
from typing import Any, Final

import psycopg
from procrastinate import App, PsycopgConnector
from procrastinate.exceptions import ProcrastinateException
from procrastinate.schema import SchemaManager

from gateway.errors import GatewayError, LedgerAway
from gateway.ledger.dispatch import Count, Ring
from gateway.ledger.fence import SESSION
from gateway.ledger.postgresql.connecting import settings_of
from gateway.ledger.postgresql.dispatch import SCHEMA, TASK, Trouble
from gateway.ledger.postgresql.errors import translate

_POLL_SECONDS: Final = 0.5
"""The worker may miss a notification that comes while it looks at an empty queue; then it looks after so long."""
_PAUSE_SECONDS: Final = 1.0
_ANSWER_SECONDS: Final = 2.0
_PATIENCE_SECONDS: Final = 5.0
_BEAT_SECONDS: Final = 60.0
"""How often the worker says that it is there. Nobody asks: what a killed worker had in hand is removed by the node's next start."""

_SESSION: Final = (
    "SELECT set_config('search_path', %s, false), set_config('application_name', %s, false),"
    " set_config('synchronous_commit', 'off', false)"  # what a crash of the server takes back is a wake-up more
)
_VERSION: Final = f"SELECT obj_description(to_regnamespace('{SCHEMA}'), 'pg_namespace')"
_ONE_AT_A_TIME: Final = "SELECT pg_advisory_xact_lock(hashtext('gateway dispatch'))"
_ANEW: Final = f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE; CREATE SCHEMA {SCHEMA}; SET LOCAL search_path = {SCHEMA}"
_FUNCTIONS: Final = f"""
DO $$
DECLARE
    each regprocedure;
BEGIN
    FOR each IN SELECT oid FROM pg_proc WHERE pronamespace = '{SCHEMA}'::regnamespace LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = {SCHEMA}, pg_temp', each);
    END LOOP;
END $$
"""  # noqa: S608 - a constant
"""The engine's functions name its tables without a schema, and are called by connections of the ledger."""
_TIDY: Final = (
    f"DELETE FROM {SCHEMA}.procrastinate_jobs WHERE queue_name = %s OR queue_name NOT IN (SELECT name FROM nodes)"  # noqa: S608 - a constant
)


class Listening:
    """While it is open, `ring` is called when another node wakes node `me`, and `count` is told `heard`; `trouble` notes what keeps wake-ups from
    coming.
    """

    def __init__(self, url: str, me: str, ring: Ring, trouble: Trouble, count: Count) -> None:
        self._url = url
        self._me = me
        self._ring = ring
        self._count = count
        self._trouble = trouble
        self._ending = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._work: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, name="wake-ups", daemon=True)

    def __enter__(self) -> None:
        for library in ("procrastinate", "psycopg.pool"):  # what they have to say is told once, and not at each try
            logging.getLogger(library).setLevel(logging.CRITICAL)
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        if self._loop is not None and self._work is not None:
            with suppress(RuntimeError):  # it has ended by itself
                self._loop.call_soon_threadsafe(self._work.cancel)
        self._thread.join(_PATIENCE_SECONDS)

    def _run(self) -> None:
        while not self._ending.is_set():
            try:
                prepare(self._url, self._me)
                asyncio.run(self._listen())
            except asyncio.CancelledError:
                return
            except psycopg.Error as error:
                self._note(translate(error))
            except (ProcrastinateException, OSError) as error:
                cause = error.__cause__
                away = LedgerAway(f"the worker for wake-ups: {type(error).__name__}")
                self._note(translate(cause) if isinstance(cause, psycopg.Error) else away)
            else:
                self._note(LedgerAway("the worker for wake-ups has lost its connection"))
            self._ending.wait(_PAUSE_SECONDS)

    async def _listen(self) -> None:
        """Until the worker ends, which it does by itself where the server is away."""
        asyncio.get_running_loop().set_exception_handler(
            lambda _loop, _about: None
        )  # of jobs that a lost connection broke off
        self._ring()
        connector = PsycopgConnector(
            conninfo=self._url,
            kwargs=settings_of(self._url),
            min_size=1,
            max_size=1,
            timeout=_ANSWER_SECONDS,
            configure=self._configure,
        )
        app = App(connector=connector)
        app.task(name=TASK, queue=self._me)(self._look)
        async with app.open_async():
            # From here on it can be ended: a pool that is cancelled while it opens never ends.
            self._loop, self._work = asyncio.get_running_loop(), asyncio.current_task()
            if self._ending.is_set():
                return
            self._loop.call_later(_PATIENCE_SECONDS, self._note, None)
            await app.run_worker_async(
                queues=[self._me],
                delete_jobs="always",
                fetch_job_polling_interval=_POLL_SECONDS,
                update_heartbeat_interval=_BEAT_SECONDS,
                stalled_worker_timeout=10 * _BEAT_SECONDS,
                install_signal_handlers=False,
            )

    async def _look(self, lanes: list[str]) -> None:  # noqa: ARG002 - for whoever looks into the table
        self._note(None)
        self._count("heard", 1)
        self._ring()

    def _note(self, error: GatewayError | None) -> None:
        self._trouble.note("coming", error)

    async def _configure(self, connection: psycopg.AsyncConnection[Any]) -> None:
        await connection.set_autocommit(True)
        await connection.execute(_SESSION, (SCHEMA, f"{SESSION}{self._me}"))


def prepare(url: str, me: str) -> None:
    """Make the engine's tables where there are none, or older ones than this program's; remove what waits for node `me`, and for nodes that
    there are no more. Raises what psycopg raises.
    """
    here = version("procrastinate")
    with psycopg.connect(url, **settings_of(url)) as connection:
        connection.execute(_ONE_AT_A_TIME)
        (there,) = connection.execute(_VERSION).fetchone() or (None,)
        if there is None or _number(there) < _number(here):
            # All that is lost are wake-ups. Nodes of an older program find their tables gone for a moment, or for good, and rescan.
            connection.execute(_ANEW)
            connection.execute(SchemaManager.get_schema().encode())
            connection.execute(_FUNCTIONS)
            connection.execute(f"COMMENT ON SCHEMA {SCHEMA} IS '{here}'")
    with psycopg.connect(url, **settings_of(url)) as connection:
        connection.execute(_TIDY, (me,))


def _number(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdecimal())
