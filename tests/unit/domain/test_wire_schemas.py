"""The published schemas are the models', and accept what the gateway writes."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from gateway.domain.manifest import Manifest
from gateway.domain.receipt import Receipt
from gateway.domain.wire_schemas import SCHEMAS, render
from gateway.settings.resources import resource
from tests.unit.domain import test_manifest, test_receipt

DOCUMENTS: dict[str, tuple[type[Manifest | Receipt], dict[str, Any]]] = {
    "manifest.schema.json": (Manifest, test_manifest.document()),
    "receipt.schema.json": (Receipt, test_receipt.document()),
}


@pytest.mark.parametrize("name", SCHEMAS)
def test_published_schema_is_the_models(name: str) -> None:
    assert (resource("schemas") / name).read_bytes() == render(name)
    jsonschema.Draft202012Validator.check_schema(SCHEMAS[name]())


@pytest.mark.parametrize("name", DOCUMENTS)
def test_schema_accepts_what_the_gateway_writes(name: str) -> None:
    model, document = DOCUMENTS[name]
    written = model.parse(json.dumps(document).encode()).to_bytes()
    jsonschema.validate(json.loads(written), SCHEMAS[name]())
    jsonschema.validate({**document, "later": 1}, SCHEMAS[name]())


@pytest.mark.parametrize("name", DOCUMENTS)
def test_schema_refuses_a_document_that_lacks_what_readers_need(name: str) -> None:
    _, document = DOCUMENTS[name]
    for field in sorted(document):
        less = {key: value for key, value in document.items() if key != field}
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(less, SCHEMAS[name]())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**document, "version": 2}, SCHEMAS[name]())
