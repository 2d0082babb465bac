"""The page that describes the tables: docs/formats/back-office-tables.md, written by docs/generate.py from the schemas."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import Column, MetaData, Table
from sqlalchemy.dialects import postgresql

from gateway.loading.tables import document_tables, own_tables
from gateway.validation.xml.shape import KEYS, ColumnShape, DocumentShape


def tables_page(shapes: Iterable[DocumentShape]) -> Iterator[str]:
    """The page's lines after its heading: the loader's own tables, then those of each version of a schema."""
    own = MetaData()
    own_tables(own)
    yield from ("## What became of each document", "")
    for table in own.tables.values():
        yield from _table(table, {}, [])
    for shape in shapes:
        yield from (f"## {shape.schema}", "", shape.documentation, "")
        metadata = MetaData()
        own_tables(metadata)
        document_tables(metadata, shape)
        for each in shape.tables:
            above = [] if each.parent is None else [f"`parent_no` is the `row_no` of `{each.parent.name}`.", ""]
            yield from _table(metadata.tables[each.name], {one.name: _values(one) for one in each.columns}, above)


def _values(column: ColumnShape) -> str:
    return f" One of {', '.join(f'`{value}`' for value in column.values)}." if column.values else ""


def _table(table: Table, values: Mapping[str, str], note: list[str]) -> Iterator[str]:
    yield from (f"### {table.name}", "", table.comment or "", "", *note)
    columns = [column for column in table.columns if column.name not in KEYS or table.name.startswith("load_")]
    if columns:
        yield from ("| column | type | says |", "| --- | --- | --- |")
        for column in columns:
            says = f"{column.comment or ''}{values.get(column.name, '')}".strip().replace("|", "\\|")
            yield f"| `{column.name}` | {_type(column)} | {says} |"
        yield ""


def _type(column: Column[Any]) -> str:
    """As PostgreSQL calls it; with what may be empty."""
    name = column.type.compile(dialect=postgresql.dialect()).lower()  # type: ignore[no-untyped-call]  # SQLAlchemy's
    return f"{name}, may be empty" if column.nullable else name
