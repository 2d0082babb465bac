"""Read the layouts of the Single Housing Benefit Extract from their data files, `schemas/extract/VERSION/layout.tsv`.

A layout says which field has which column, which record types use it, and what may stand in it. A new version of the extract
is a new file; files of every version are read. Raises ConfigurationInvalid where there is no layout, where one has not its
documented form, or where two have the same columns and other rules: a fault of the installation, never of an extract.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Final

from gateway.errors import ConfigurationInvalid

RECORD_TYPES: Final = ("D", "A", "C", "T", "E", "G", "P", "R", "S")
CLAIMS: Final = frozenset("DAC")
"""Record types that are a claim each; records of the others belong to one, but for G."""
_VERSION: Final = re.compile(r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)", re.ASCII)
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,3}", re.ASCII)
_MOST_UNKNOWN: Final = 100
"""Columns behind the known ones that are passed over; a file with more is of another kind."""
_INDISPENSABLE: Final = frozenset({2, 3, 4, 320})
"""The fields by which records belong together, and to a person."""
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
    POSTCODE = "postcode"
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
    """One set of columns of one version, in their order; `header` is the first row that says so.

    `unknown` are the numbers of columns that a file has behind these, and whose rules nobody here knows.
    """

    version: str
    fields: tuple[Field, ...]
    unknown: tuple[str, ...] = ()

    @property
    def header(self) -> tuple[str, ...]:
        return (*(str(field.number) for field in self.fields), *self.unknown)

    @property
    def schema(self) -> str:
        return f"extract/{self.version}"


class Layouts:
    """All variants of all versions; two versions may have one in common, which is then of the earlier."""

    def __init__(self, variants: Iterable[Variant]) -> None:
        self.variants = tuple(variants)
        self._by_header = {variant.header: variant for variant in reversed(self.variants)}

    @property
    def headers(self) -> frozenset[tuple[str, ...]]:
        return frozenset(self._by_header)

    def read(self, header: tuple[str, ...]) -> Variant | None:
        """The variant that a first row announces, with its unknown columns where others follow; None where it announces none."""
        if header in self._by_header:
            return self._by_header[header]
        known = [variant for variant in self.variants if header[: len(variant.fields)] == variant.header]
        if not known:
            return None
        nearest = max(known, key=lambda variant: len(variant.fields))
        unknown = header[len(nearest.fields) :]
        told = len(set(header)) == len(header) and all(map(_NUMBER.fullmatch, unknown))
        return replace(nearest, unknown=unknown) if told and len(unknown) <= _MOST_UNKNOWN else None


def load_layouts(schema_root: Path) -> Layouts:
    """The layouts below `schema_root`, the earliest version first, and the narrowest variant of each first."""
    versions: list[tuple[tuple[int, ...], Path]] = []
    for path in (schema_root / "extract").glob("*/layout.tsv"):
        version = _VERSION.fullmatch(path.parent.name)
        if version is None:
            raise ConfigurationInvalid(f"{path}: the directory of a layout is named by its version, such as 1.1.")
        versions.append((tuple(map(int, version.groups())), path))
    if not versions:
        raise ConfigurationInvalid(f"there is no layout of the extract in {schema_root}")
    variants: dict[tuple[str, ...], Variant] = {}
    for _, path in sorted(versions):
        for variant in _variants(path):
            earlier = variants.setdefault(variant.header, variant)
            if earlier.fields != variant.fields:
                raise ConfigurationInvalid(
                    f"{path}: it has the {len(variant.fields)} columns of version {earlier.version} and other rules for them, "
                    "so that no file could say which of the two it follows."
                )
    return Layouts(variants.values())


def _variants(path: Path) -> list[Variant]:
    """What one file says."""
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
    variants = [Variant(path.parent.name, tuple(field for field, wide in read if width in wide)) for width in widths]
    if [len(variant.fields) for variant in variants] != widths:
        raise ConfigurationInvalid(f"{path}: a variant does not have as many columns as its name says.")
    for variant in variants:
        numbers = [field.number for field in variant.fields]
        if numbers[:1] != [1] or len(set(numbers)) < len(numbers) or _INDISPENSABLE - {*numbers}:
            raise ConfigurationInvalid(
                f"{path}: field 1 is not the first, one comes twice, or one of 2, 3, 4, 320 is missing."
            )
        dates = {field.number: field.used_by for field in variant.fields if field.kind is Kind.DATE}
        for field in variant.fields:
            if field.not_before is not None and not field.used_by <= dates.get(field.not_before, frozenset()):
                raise ConfigurationInvalid(f"{path}: field {field.number} is ordered behind something that is no date.")
    return variants


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
