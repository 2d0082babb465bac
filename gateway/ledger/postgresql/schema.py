"""The ledger's schema in PostgreSQL: what it consists of, and what the migrations of this program make there.

What they make is made in a schema of its own, in a transaction that is rolled back: so the server itself says both in its words.
Raises what SQLAlchemy and psycopg raise; an account that may not make a schema in its database cannot compare them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

_SCRATCH: Final = "gateway_expected"

_OBJECTS: Final = """
SELECT 'table', relname, concat_ws(' ', relkind, relpersistence, relrowsecurity) FROM pg_class
    WHERE relnamespace = {here} AND relkind IN ('r', 'v', 'm', 'f', 'p', 'S')
UNION ALL
SELECT 'column', relname || '.' || attname,
    concat_ws(' ', format_type(atttypid, atttypmod), attnotnull, attcollation::regcollation, pg_get_expr(adbin, adrelid))
    FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE relnamespace = {here} AND relkind = 'r' AND attnum > 0 AND NOT attisdropped
UNION ALL
SELECT 'index', relname, concat_ws(' ', pg_get_indexdef(indexrelid), indisvalid, indisready)
    FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid WHERE relnamespace = {here}
UNION ALL
SELECT 'constraint', conrelid::regclass::text || '.' || conname, concat_ws(' ', pg_get_constraintdef(oid), convalidated)
    FROM pg_constraint WHERE connamespace = {here}
UNION ALL
SELECT 'trigger', relname || '.' || tgname, concat_ws(' ', pg_get_triggerdef(pg_trigger.oid), tgenabled)
    FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid WHERE relnamespace = {here} AND NOT tgisinternal
UNION ALL
SELECT 'function', proname, pg_get_functiondef(oid) FROM pg_proc
    WHERE pronamespace = {here} AND prokind = 'f'
    AND NOT EXISTS (SELECT 1 FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e')
UNION ALL
SELECT 'rule', relname || '.' || rulename, pg_get_ruledef(pg_rewrite.oid)
    FROM pg_rewrite JOIN pg_class ON pg_class.oid = ev_class WHERE relnamespace = {here}
""".format(here="current_schema()::regnamespace")  # noqa: S608 - constants

_CHECKING: Final = "SELECT 1 FROM pg_extension WHERE extname = 'amcheck'"
_INDICES: Final = (
    "SELECT indexrelid, relname FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid"
    " WHERE relnamespace = current_schema()::regnamespace ORDER BY relname"
)


def objects(connection: Connection) -> Mapping[tuple[str, str], str]:
    """What the current schema consists of: kind and name, and what made it."""
    here = connection.exec_driver_sql("SELECT current_schema()").scalar_one()
    rows = connection.exec_driver_sql(_OBJECTS)
    return {(kind, name): said.replace(f"{here}.", "") for kind, name, said in rows}


def expected(connection: Connection, upgrade: Callable[[Connection], None]) -> Mapping[tuple[str, str], str]:
    """What the migrations make."""
    with (
        connection.engine.connect().execution_options(gateway_write=True, gateway_head=False) as made,
        made.begin() as all_of_it,
    ):
        made.exec_driver_sql(f"CREATE SCHEMA {_SCRATCH}; SET LOCAL search_path = {_SCRATCH}")
        upgrade(made)
        found = objects(made)
        all_of_it.rollback()
    return found


def broken_indices(connection: Connection) -> Iterator[tuple[str, str]]:
    """Indices that do not agree with their tables, and how: by the extension amcheck, where the database has it."""
    if connection.exec_driver_sql(_CHECKING).first() is None:
        return
    for index, name in connection.exec_driver_sql(_INDICES).all():
        with connection.engine.connect() as apart:
            try:
                apart.exec_driver_sql(f"SELECT bt_index_check({int(index)}::regclass, true)")
            except DBAPIError as error:
                yield name, str(error.orig).partition("\n")[0]
