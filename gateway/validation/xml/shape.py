"""Derives tables from a schema: one for the document, one for each element that may be repeated, columns for what has a simple type.

What comes once in an element is a column of that element's table, named by the path to it (`claimant_name_family`). The same schema
gives the same tables in the same order. Raises ConfigurationInvalid for what has no such form: elements inside themselves,
wildcards, mixed content, attributes, and two columns of one name.
"""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import xmlschema
from xmlschema.validators import XsdElement, XsdGroup

from gateway.errors import ConfigurationInvalid
from gateway.validation.xml.catalog import SchemaSource, find_versions

KEYS: Final = ("document", "row_no", "parent_no")
"""Of every table: which document, which row of this table in it, and the row of the table above that it belongs to."""
_LONGEST: Final = 63
"""Bytes of a name that PostgreSQL keeps."""
_WORDS: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_KINDS: Final = {"decimal": "decimal", "date": "date", "dateTime": "time", "boolean": "boolean"}


class ValueKind(StrEnum):
    """What a column holds. A TIME is in UTC."""

    TEXT = "text"
    INTEGER = "integer"
    DECIMAL = "decimal"
    DATE = "date"
    TIME = "time"
    BOOLEAN = "boolean"


@dataclass(frozen=True)
class ColumnShape:
    """One column. `digits` and `fraction` are of a DECIMAL, `values` are all that the schema lets it have, where it names them.

    `collapsed` says that white space in a TEXT means one blank.
    """

    name: str
    kind: ValueKind
    required: bool
    documentation: str
    digits: int | None = None
    fraction: int | None = None
    values: tuple[str, ...] = ()
    collapsed: bool = False


@dataclass
class TableShape:
    """One table. `path` has the names of the element and of those around it, `places` says by tag what becomes of what is in the element."""

    path: tuple[str, ...]
    parent: TableShape | None
    documentation: str
    name: str = ""
    columns: list[ColumnShape] = field(default_factory=list)
    places: dict[str, Place] = field(default_factory=dict)


Place = int | dict[str, "Place"] | TableShape
"""The number of a column; what is in an element that comes once; or the table of one that is repeated."""


@dataclass(frozen=True)
class DocumentShape:
    """The tables of one version of a flow's schema, those above first."""

    schema: str
    namespace: str
    documentation: str
    tables: tuple[TableShape, ...]

    @property
    def root(self) -> TableShape:
        return self.tables[0]


def shapes_of(schema_root: Path, flow: str) -> list[DocumentShape]:
    """The tables of every version of the flow's schema, in the order of their names."""
    sources = find_versions(schema_root, flow).values()
    return [_Deriving(source).derive() for source in sorted(sources, key=lambda source: source.name)]


class _Deriving:
    """One schema on its way to tables."""

    def __init__(self, source: SchemaSource) -> None:
        self._source = source
        try:
            # Not held against the schema of schemas: libxml2 does that wherever documents are read, in a fiftieth of the time.
            self._schema = xmlschema.XMLSchema10(source.to_bytes().decode(), allow="none", validation="skip")
        except xmlschema.XMLSchemaException as error:
            raise ConfigurationInvalid(f"the schema {source.name} is none: {type(error).__name__}") from error
        self._prefix = re.sub(r"[^a-z0-9]+", "_", source.name.lower())
        self._tables: list[TableShape] = []

    def derive(self) -> DocumentShape:
        roots = list(self._schema.elements.values())
        if len(roots) != 1:
            raise self._strange("documents that may begin with several elements")
        self._table(roots[0], None, ())
        for table in self._tables:
            table.name = self._table_name(table.path)
        if len({table.name for table in self._tables}) < len(self._tables):
            raise self._strange("two tables of one name")
        documentation = _prose(self._schema.annotations[0]) if self._schema.annotations else ""
        return DocumentShape(self._source.name, self._source.namespace, documentation, tuple(self._tables))

    def _table(self, element: Any, parent: TableShape | None, path: tuple[str, ...]) -> TableShape:
        here = (*path, element.local_name)
        table = TableShape(here, parent, _documentation(element))
        self._tables.append(table)
        if element.type.is_simple():
            table.places[""] = self._column(table, element, (element.local_name,), required=True)
        else:
            table.places = self._places(table, element, here, (), required=True)
        names = [column.name for column in table.columns]
        if len(set(names)) < len(names):
            raise self._strange(f"two columns of one name in {'/'.join(here)}")
        return table

    def _places(
        self, table: TableShape, element: Any, path: tuple[str, ...], within: tuple[str, ...], *, required: bool
    ) -> dict[str, Place]:
        """What becomes of everything in an element that comes once, `within` the element of the table."""
        if element.type.attributes or element.type.mixed or not isinstance(element.type.content, XsdGroup):
            raise self._strange(f"attributes, or text between elements, in {'/'.join(path)}")
        places: dict[str, Place] = {}
        for child, (least, most) in _occurrences(element.type.content).items():
            if not isinstance(child, XsdElement):
                raise self._strange(f"a wildcard in {'/'.join(path)}")
            if child.local_name in path:
                raise self._strange(f"{child.local_name} inside itself")
            names = (*within, child.local_name)
            if most > 1:
                places[child.name] = self._table(child, table, path)
            elif child.type.is_simple():
                places[child.name] = self._column(table, child, names, required=required and least > 0)
            else:
                inner = (*path, child.local_name)
                places[child.name] = self._places(table, child, inner, names, required=required and least > 0)
        return places

    def _column(self, table: TableShape, element: Any, names: tuple[str, ...], *, required: bool) -> int:
        simple = element.type
        name = "_".join(map(_snake, names))
        name = _short(f"{name}_" if name in KEYS else name)
        primitive = getattr(simple, "primitive_type", None)
        kind = ValueKind(_KINDS.get(primitive.local_name if primitive is not None else "", "text"))
        if kind is ValueKind.DECIMAL and simple.is_derived(self._schema.maps.types[f"{_XSD}integer"]):
            kind = ValueKind.INTEGER
        decimal = kind is ValueKind.DECIMAL
        table.columns.append(
            ColumnShape(
                name,
                kind,
                required,
                _documentation(element),
                digits=_facet(simple, "totalDigits") if decimal else None,
                fraction=_facet(simple, "fractionDigits") if decimal else None,
                values=tuple(map(str, simple.enumeration or ())),
                collapsed=simple.white_space == "collapse",
            )
        )
        return len(table.columns) - 1

    def _table_name(self, path: tuple[str, ...]) -> str:
        """The schema's name and the element's, with as many of those around it as no other table has alike."""
        others = [table.path for table in self._tables if table.path != path]
        alone = (n for n in range(1, len(path)) if all(other[-n:] != path[-n:] for other in others))
        return _short("_".join((self._prefix, *map(_snake, path[-next(alone, len(path)) :]))))

    def _strange(self, what: str) -> ConfigurationInvalid:
        return ConfigurationInvalid(f"the schema {self._source.name} has no form in tables: {what}")


_XSD: Final = "{http://www.w3.org/2001/XMLSchema}"


def _occurrences(group: Any) -> dict[Any, tuple[float, float]]:
    """How often each element, or wildcard, may stand in a group, by the first declaration of its name: at least, at most.

    A schema gives one name one type there (XML Schema 1.0 part 1, section 3.8.6, "Element Declarations Consistent").
    """
    first: dict[Any, Any] = {}
    found: dict[Any, tuple[float, float]] = {}
    among = [_occurrences(part) if isinstance(part, XsdGroup) else {part: _bounds(part)} for part in group]
    choice = group.model == "choice"
    for part, bounds in ((part, bounds) for each in among for part, bounds in each.items()):
        known = first.setdefault(part.name or part, part)
        least, most = found.get(known, (0, 0))
        found[known] = (0, max(most, bounds[1])) if choice else (least + bounds[0], most + bounds[1])
    least, most = _bounds(group)
    return {part: (low * least, high and high * most) for part, (low, high) in found.items()}


def _bounds(part: Any) -> tuple[float, float]:
    return part.min_occurs, math.inf if part.max_occurs is None else part.max_occurs


def _facet(simple: Any, name: str) -> int | None:
    facet = simple.get_facet(f"{_XSD}{name}")
    return None if facet is None else int(facet.value)


def _snake(name: str) -> str:
    return _WORDS.sub("_", name).lower().replace("-", "_").replace(".", "_")


def _short(name: str) -> str:
    """The name as every database keeps it; one that is too long keeps its beginning, and a digest of the whole."""
    if len(name) <= _LONGEST:
        return name
    return f"{name[: _LONGEST - 7]}_{hashlib.sha256(name.encode()).hexdigest()[:6]}"


def _documentation(component: Any) -> str:
    return "" if component.annotation is None else _prose(component.annotation)


def _prose(annotation: Any) -> str:
    return " ".join(" ".join("".join(part.itertext()).split()) for part in annotation.documentation)
