"""The table of operations as OpenAPI 3.1. Pure."""

from __future__ import annotations

import re
from functools import cache
from http import HTTPStatus
from typing import Any, Final, Literal

from pydantic import TypeAdapter

from gateway.console.programs.operations import OPERATIONS, PREFIX, Operation
from gateway.console.programs.problems import MEDIA_TYPE, ProblemDetails

VERSION: Final = "1.0.0"
"""Of the interface, not of the program: a field more is a minor version, anything else is another address."""
FILE: Final = "application/octet-stream"
KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "A new one for each new request; the same one to repeat it. Known for a day.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}
_ID: Final = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}


@cache
def document() -> dict[str, Any]:
    """All of it, for any site: its server is the console."""
    kinds = [each for op in OPERATIONS for each in (op.gives, op.body) if each not in (None, bytes)]
    inputs: list[tuple[Any, Literal["validation"], TypeAdapter[Any]]] = [
        (kind, "validation", TypeAdapter(kind)) for kind in {*kinds, ProblemDetails}
    ]
    refs, shared = TypeAdapter.json_schemas(inputs, ref_template="#/components/schemas/{model}")
    schemas = {kind: schema for (kind, _), schema in refs.items()}
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Gateway: the interface for programs",
            "version": VERSION,
            "description": "docs/formats/api.md says how to use it.",
        },
        "servers": [{"url": PREFIX}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": shared["$defs"],
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": "`gateway tokens add`"}},
        },
    }


def _operation(operation: Operation, schemas: dict[Any, Any]) -> dict[str, Any]:
    parameters: list[dict[str, Any]] = [_ID] if re.search(r"\{id\}", operation.path) else []
    if operation.query is not None:
        parameters += _parameters(operation.query.model_json_schema())
    made: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.what,
        "description": f"Takes a token with the right to {operation.right}.",
        "responses": {
            str(operation.status): _response(
                HTTPStatus(operation.status),
                FILE if operation.gives is bytes else "application/json",
                {} if operation.gives is bytes else schemas[operation.gives],
            ),
            **{
                str(status): _response(HTTPStatus(status), MEDIA_TYPE, schemas[ProblemDetails])
                for status in sorted(operation.problems)
            },
        },
    }
    if operation.body is not None:
        parameters.append(KEY)
        made["requestBody"] = {"required": True, "content": {"application/json": {"schema": schemas[operation.body]}}}
    if operation.takes_file:
        parameters.append(KEY)
        made["requestBody"] = {"required": True, "content": {FILE: {"schema": {}}}}
    return made | ({"parameters": parameters} if parameters else {})


def _parameters(schema: dict[str, Any]) -> list[dict[str, Any]]:
    defs = schema.get("$defs", {})
    return [
        {"name": name, "in": "query", "required": name in schema.get("required", ()), "schema": _inline(field, defs)}
        for name, field in schema["properties"].items()
    ]


def _inline(field: Any, defs: dict[str, Any]) -> Any:
    """A parameter's schema without references and without null, which no query can say."""
    if isinstance(field, list):
        return [_inline(each, defs) for each in field if each != {"type": "null"}]
    if not isinstance(field, dict):
        return field
    if "$ref" in field:
        return defs[field["$ref"].rpartition("/")[2]]
    return {key: _inline(each, defs) for key, each in field.items() if (key, each) != ("default", None)}


def _response(status: HTTPStatus, media_type: str, schema: Any) -> dict[str, Any]:
    return {"description": status.phrase, "content": {media_type: {"schema": schema}}}
