"""The tables that documents are loaded into, as SQLAlchemy has them: made from the schemas, and three of the loader's own.

The same schemas give the same tables. Names carry the schema's version, so that versions stand side by side and a new one changes no
table that is there. What the schema says of an element is the comment of its column.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Integer,
    MetaData,
    Numeric,
    PrimaryKeyConstraint,
    Table,
    Text,
)
from sqlalchemy.types import TypeEngine

from gateway.validation.xml.shape import KEYS, ColumnShape, DocumentShape, TableShape, ValueKind

DOCUMENTS: Final = "load_documents"
MARK: Final = "load_mark"
SCHEMAS: Final = "load_schemas"

_NUMBER: Final = BigInteger().with_variant(Integer, "sqlite")
"""SQLite numbers rows by itself only in a column that is called INTEGER."""
_MOMENT: Final = DateTime(timezone=True)
_TYPES: Final[Mapping[ValueKind, TypeEngine[Any]]] = {
    ValueKind.TEXT: Text(),
    ValueKind.INTEGER: BigInteger(),
    ValueKind.DATE: Date(),
    ValueKind.TIME: _MOMENT,
    ValueKind.BOOLEAN: Boolean(),
}
_KEY_COMMENTS: Final = (
    f"The document: {DOCUMENTS}.document.",
    "Which row of this table in the document, from 1 on, in the document's order.",
    "The row_no of the row above, in the table of the element around this one; 0 in the document's own table.",
)


def own_tables(metadata: MetaData) -> None:
    """Add the tables that say what became of each document."""
    Table(
        DOCUMENTS,
        metadata,
        Column("document", _NUMBER, primary_key=True, comment="The number of the document in this database."),
        Column(
            "transfer",
            Text,
            nullable=False,
            unique=True,
            comment="The transfer's id; where the file's name has none, `sha256:` and a digest of flow, partner, name and bytes.",
        ),
        Column("flow", Text, nullable=False, comment="The flow that brought it."),
        Column("partner", Text, nullable=False, comment="The code of the site that sent it."),
        Column("name", Text, nullable=False, comment="The name that the file had in spool/inbound."),
        Column("sha256", Text, nullable=False, comment="SHA-256 of its bytes."),
        Column("size", BigInteger, nullable=False, comment="Its size in bytes."),
        Column("schema", Text, comment="The version of its schema, where it could be told."),
        Column("verdict", Text, nullable=False, comment="accepted, or rejected: then no other table has a row of it."),
        Column("reason", Text, comment="Why it was rejected: what the sender is told."),
        Column("records", BigInteger, nullable=False, comment="How many of its records were loaded."),
        Column(
            "set_aside", BigInteger, nullable=False, comment="How many were not, for the exceptions listed with it."
        ),
        Column("loaded", _MOMENT, nullable=False, comment="When (UTC)."),
        Column("answered", _MOMENT, comment="When the answer lay in spool/outcomes (UTC); empty until then."),
        CheckConstraint("verdict IN ('accepted', 'rejected')", name="load_documents_verdict"),
        comment="One row for each document that was taken from spool/inbound.",
    )
    Table(
        MARK,
        metadata,
        Column("mark", Integer, primary_key=True, autoincrement=False, comment="1."),
        Column("batches", BigInteger, nullable=False, comment="How many groups of documents were made durable."),
        comment="Its one row is written last in each group: once that is on the disk, so is everything before it.",
    )
    Table(
        SCHEMAS,
        metadata,
        Column("schema", Text, primary_key=True, comment="The version of a schema, such as claim/1.0."),
        Column("shape", Text, nullable=False, comment="A digest of the tables that were made from it."),
        comment="The schemas that tables were made from.",
    )


def document_tables(metadata: MetaData, shape: DocumentShape) -> None:
    """Add the tables of one version of a schema."""
    for table in shape.tables:
        keys = (
            Column(
                KEYS[0],
                _NUMBER,
                ForeignKey(f"{DOCUMENTS}.document", ondelete="CASCADE"),
                nullable=False,
                comment=_KEY_COMMENTS[0],
            ),
            *(
                Column(name, BigInteger, nullable=False, comment=comment)
                for name, comment in zip(KEYS[1:], _KEY_COMMENTS[1:], strict=True)
            ),
        )
        columns = (
            Column(each.name, column_type(each), nullable=not each.required, comment=each.documentation or None)
            for each in table.columns
        )
        key = PrimaryKeyConstraint(*KEYS[:2], name=f"{table.name[:58]}_pkey")
        comment = f"{'/'.join(table.path)}: {table.documentation}".removesuffix(": ")
        Table(table.name, metadata, *keys, *columns, key, comment=comment, sqlite_with_rowid=False)


def all_tables(shapes: Iterable[DocumentShape]) -> MetaData:
    """Every table: the loader's own, and those of these schemas."""
    metadata = MetaData()
    own_tables(metadata)
    for shape in shapes:
        document_tables(metadata, shape)
    return metadata


def column_type(column: ColumnShape) -> TypeEngine[Any]:
    """What a database calls the column's type."""
    if column.kind is ValueKind.DECIMAL:
        return Numeric(column.digits, column.fraction) if column.digits is not None else Numeric()
    return _TYPES[column.kind]


def digest_of(shape: DocumentShape) -> str:
    """Tells whether tables that are there were made from this very schema: of names, types and what has to be there."""

    def told(table: TableShape) -> str:
        columns = [f"{each.name} {column_type(each)!r} {each.required}" for each in table.columns]
        return "\n".join((table.name, table.parent.name if table.parent else "", *columns))

    return hashlib.sha256("\n\n".join(map(told, shape.tables)).encode()).hexdigest()
