"""How the ledger's tables and questions are said to PostgreSQL, so that rows and their digests are those of SQLite.

Whole numbers have 64 bits, truth values are the numbers 0 and 1, and texts compare by their bytes, whatever the database's own
order is.
"""

from __future__ import annotations

from typing import Any

from psycopg import Connection, ServerCursor
from psycopg.abc import Buffer
from psycopg.adapt import Dumper
from psycopg.postgres import types
from sqlalchemy import Column
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.base import PGDDLCompiler, PGTypeCompiler
from sqlalchemy.dialects.postgresql.psycopg import PGCompiler_psycopg, PGDialect_psycopg
from sqlalchemy.sql.elements import Null

from gateway.ledger.tables import EnumText

# ruff: noqa: ARG002, N802, N815 - names and parameters that SQLAlchemy has


class _Types(PGTypeCompiler):
    def visit_INTEGER(self, type_: Any, **kw: Any) -> str:
        return "BIGINT"

    def visit_BOOLEAN(self, type_: Any, **kw: Any) -> str:
        return "SMALLINT"

    def visit_TEXT(self, type_: Any, **kw: Any) -> str:
        return 'TEXT COLLATE "C"' if isinstance(kw.get("type_expression"), Column) else "TEXT"

    visit_VARCHAR = visit_TEXT


class _Tables(PGDDLCompiler):
    def get_column_specification(self, column: Column[Any], **kwargs: Any) -> str:
        said: str = super().get_column_specification(column, **kwargs)  # type: ignore[no-untyped-call]
        return said.replace(" SERIAL", " BIGSERIAL")


class _Questions(PGCompiler_psycopg):
    def visit_is__binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        """IS is for NULL alone; of a truth value the plain comparison says the same in a condition, and an index can answer it."""
        sign = " IS " if isinstance(binary.right, Null) else " = "
        return f"{self.process(binary.left, **kw)}{sign}{self.process(binary.right, **kw)}"

    def visit_like_op_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        """SQLite's LIKE tells no A from an a."""
        said: str = self.visit_ilike_op_binary(binary, operator, **kw)  # type: ignore[no-untyped-call]
        return said

    def visit_sum_func(self, fn: Any, **kw: Any) -> str:
        """A sum of whole numbers is one; PostgreSQL's own is a decimal."""
        return f"CAST(sum{self.function_argspec(fn, **kw)} AS BIGINT)"


class _Members(EnumText):
    """With a cast, so that PostgreSQL knows what it compares."""

    render_bind_cast = True
    cache_ok = True


class _TruthAsNumber(Dumper):
    oid = types["int2"].oid

    def dump(self, obj: Any) -> Buffer | None:
        return b"1" if obj else b"0"


class LedgerDialect(PGDialect_psycopg):
    """PostgreSQL by psycopg, with the ledger's types."""

    supports_statement_cache = True
    supports_native_boolean = False
    use_native_hstore = False
    type_compiler_cls = _Types
    ddl_compiler = _Tables
    statement_compiler = _Questions
    colspecs = {**PGDialect_psycopg.colspecs, EnumText: _Members}  # noqa: RUF012 - as SQLAlchemy has it


class _Stream(ServerCursor[Any]):
    """Whoever breaks off a stream of rows leaves it to the transaction's end, as in SQLite; psycopg would warn of it."""

    def __del__(self, _warn: Any = None, /) -> None:
        pass


def adapt(driver: Connection[Any]) -> None:
    """Let rows that go past SQLAlchemy have truth values as well, and let streams be broken off."""
    driver.adapters.register_dumper(bool, _TruthAsNumber)
    driver.server_cursor_factory = _Stream


NAME = "postgresql+ledger"
registry.register("postgresql.ledger", __name__, LedgerDialect.__name__)
