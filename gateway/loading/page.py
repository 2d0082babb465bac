"""The page that describes the tables: docs/formats/back-office-tables.md, written by docs/generate.py from the schemas."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import Column, MetaData, Table
from sqlalchemy.dialects import postgresql

from gateway.loading.tables import document_tables, own_tables
from gateway.validation.xml.shape import KEYS, DocumentShape


def tables_page(shapes: Iterable[DocumentShape]) -> Iterator[str]:
    """The page's lines after its heading: the loader's own tables, then those of each version of a schema."""
    own = MetaData()
    own_tables(own)
    yield from ("## What became of each document", "")
    for table in own.tables.values():
        yield from _table(table, lambda column: column.comment or "", [])
    for shape in shapes:
        values = {
            (table.name, column.name): f" One of {', '.join(f'`{value}`' for value in column.values)}."
            for table in shape.tables
            for column in table.columns
            if column.values
        }
        metadata = MetaData()
        own_tables(metadata)
        document_tables(metadata, shape)
        yield from (f"## {shape.schema}", "", shape.documentation, "")
        for table in (metadata.tables[each.name] for each in shape.tables):
            above = next(each.parent for each in shape.tables if each.name == table.name)
            note = [] if above is None else [f"`parent_no` is the `row_no` of `{above.name}`.", ""]
            yield from _table(
                table,
                lambda column: f"{column.comment or ''}{values.get((column.table.name, column.name), '')}".strip(),
                note,
            )


def _table(table: Table, says: Any, note: list[str]) -> Iterator[str]:
    yield from (f"### {table.name}", "", table.comment or "", "", *note)
    columns = [column for column in table.columns if column.name not in KEYS or table.name.startswith("load_")]
    if columns:
        yield from ("| column | type | says |", "| --- | --- | --- |")
        yield from (
            f"| `{column.name}` | {_type(column)} | {says(column).replace('|', chr(92) + '|')} |" for column in columns
        )
        yield ""


def _type(column: Column[Any]) -> str:
    """As PostgreSQL calls it; with what may be empty."""
    name = column.type.compile(dialect=postgresql.dialect()).lower()  # type: ignore[no-untyped-call]  # SQLAlchemy's
    return f"{name}, may be empty" if column.nullable else name
