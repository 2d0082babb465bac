"""Read the layout of the Single Housing Benefit Extract from its data file, `schemas/extract/VERSION/layout.tsv`.

Which field has which column, which record types use it, and what may stand in it: all of that is data, so that a new version of the
extract is a new file. Raises ConfigurationInvalid where the file is missing or not of its documented form: that is a fault
of the installation, never of an extract.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from gateway.errors import ConfigurationInvalid

RECORD_TYPES: Final = ("D", "A", "C", "T", "E", "G", "P", "R", "S")
VERSION: Final = "1.0"
_COLUMNS: Final = ["field", "name", "used_by", "kind", "values", "required_by", "variants", "not_before"]
_ALL: Final = frozenset(RECORD_TYPES)


class Kind(StrEnum):
    """What may stand in a field."""

    RECORD_TYPE = "record-type"
    NINO = "nino"
    DATE = "date"
    INTEGER = "integer"
    DECIMAL = "decimal"
    CODE = "code"
    TEXT = "text"


@dataclass(frozen=True)
class Field:
    """One column. `values` are the permitted values of a code; `used_by` and `required_by` are record types.

    A date with `not_before` may not be earlier than the one in the field of that number.
    """

    number: int
    name: str
    kind: Kind
    values: frozenset[str]
    used_by: frozenset[str]
    required_by: frozenset[str]
    not_before: int | None = None


@dataclass(frozen=True)
class Variant:
    """One set of columns, in their order; `header` is the first row that says so."""

    fields: tuple[Field, ...]

    @property
    def header(self) -> tuple[str, ...]:
        return tuple(str(field.number) for field in self.fields)


def load_variants(schema_root: Path) -> tuple[Variant, ...]:
    """The variants of the layout below `schema_root`, the narrowest first."""
    path = schema_root / "extract" / VERSION / "layout.tsv"
    try:
        lines = path.read_text("utf-8").splitlines()
        if lines[0].split("\t") != _COLUMNS:
            raise ConfigurationInvalid(f"{path}: the first line does not name the columns of a layout.")
        read = [_field(line) for line in lines[1:]]
    except OSError as error:
        raise ConfigurationInvalid(f"{path}: the layout of the extract cannot be read.") from error
    except (ValueError, IndexError) as error:
        raise ConfigurationInvalid(f"{path}: not a layout of the extract.") from error
    widths = sorted({width for _, variants in read for width in variants})
    variants = [Variant(tuple(field for field, wide in read if width in wide)) for width in widths]
    if [len(variant.fields) for variant in variants] != widths:
        raise ConfigurationInvalid(f"{path}: a variant does not have as many columns as its name says.")
    for variant in variants:
        dates = {field.number: field.used_by for field in variant.fields if field.kind is Kind.DATE}
        for field in variant.fields:
            if field.not_before is not None and not field.used_by <= dates.get(field.not_before, frozenset()):
                raise ConfigurationInvalid(f"{path}: field {field.number} is ordered behind something that is no date.")
    return tuple(variants)


def _field(line: str) -> tuple[Field, frozenset[int]]:
    number, name, used_by, kind, values, required_by, variants, earlier = line.split("\t")
    not_before = None if earlier == "-" else int(earlier)
    field = Field(int(number), name, Kind(kind), _values(values), _types(used_by), _types(required_by), not_before)
    return field, frozenset(int(width) for width in variants.split(","))


def _types(text: str) -> frozenset[str]:
    if text in ("all", "-"):
        return _ALL if text == "all" else frozenset()
    types = frozenset(text.split(","))
    if not types <= _ALL:
        raise ValueError("a record type that does not exist")
    return types


def _values(text: str) -> frozenset[str]:
    values: set[str] = set()
    for part in text.split() if text != "-" else []:
        low, dash, high = part.partition("-")
        values.update(str(value) for value in range(int(low), int(high) + 1)) if dash else values.add(part)
    return frozenset(values)
