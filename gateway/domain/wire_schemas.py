"""The JSON Schemas of what goes over the wire, made from the models that read it; kept in `schemas/`, checked by a test.

They say what the models say of form. What a form cannot say (that an id is a UUIDv7, which fingerprint it has to be)
docs/wire-format.md does. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import orjson
from pydantic import BaseModel

from gateway.domain.card import json_schema as card_schema
from gateway.domain.manifest import Manifest
from gateway.domain.receipt import Receipt
from gateway.domain.statement import Statement

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def _of(model: type[BaseModel], version: str = "version") -> dict[str, Any]:
    # What readers take is what partners have to write. Later versions may add fields, so nothing is forbidden.
    schema = model.model_json_schema(mode="validation")
    # The model has a default for its own writing; a reader refuses a document without a version.
    schema["required"] = [version, *(name for name in schema["required"] if name != version)]
    return {"$schema": _DIALECT, "title": model.__name__, **schema}


SCHEMAS: Final[Mapping[str, Callable[[], dict[str, Any]]]] = MappingProxyType(
    {
        "card.schema.json": card_schema,
        "manifest.schema.json": lambda: _of(Manifest),
        "receipt.schema.json": lambda: _of(Receipt),
        "statement.schema.json": lambda: _of(Statement, "format"),
    }
)
"""Each schema's file in `schemas/`, and what makes it."""


def render(name: str) -> bytes:
    """The schema's text as it is kept."""
    return orjson.dumps(SCHEMAS[name](), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
