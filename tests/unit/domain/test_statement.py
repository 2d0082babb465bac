"""The form of a statement: one signed line of canonical JSON, and nothing else that gpg might pass over."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest

from gateway.domain.statement import FORM, MAX_BYTES, Statement, evidence_name, file_name, read
from gateway.domain.wire_schemas import SCHEMAS
from gateway.errors import ContentInvalid

HEAD = {"sequence": 1071, "sha256": "a" * 64}
TAIL = b"\n-----BEGIN PGP SIGNATURE-----\n\n" + b"iHUEARYIAB0WIQ==\n=abcd\n-----END PGP SIGNATURE-----\n"


def document() -> dict[str, Any]:
    return {
        "format": 1,
        "site": "E09000030",
        "day": "2026-11-20",
        "made": "2026-11-21T00:00:05.000Z",
        "head": HEAD,
        "counts": {"claim": {"in": {"delivered": 12, "rejected": 1}}},
        "previous": {"day": "2026-11-19", "sha256": "b" * 64, "head": {"sequence": 1000, "sha256": "c" * 64}},
    }


def signed(line: bytes | None = None) -> bytes:
    text = json.dumps(document()).encode() if line is None else line
    return b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n" + text + TAIL


def test_what_is_written_is_read_and_is_canonical() -> None:
    statement = read(signed())
    written = statement.to_bytes()
    assert written == json.dumps(document(), sort_keys=True, separators=(",", ":")).encode()
    assert read(signed(written)) == statement
    jsonschema.validate(json.loads(written), SCHEMAS["statement.schema.json"]())
    first = Statement.model_validate(document() | {"previous": None, "counts": {}})
    assert read(signed(first.to_bytes())) == first


def test_names_say_the_site_and_the_day() -> None:
    assert file_name("E09000030", "2026-11-20") == "statement-E09000030-2026-11-20.asc"
    assert evidence_name("2026-11-20", "0123456789abcdef" * 4) == "2026-11-20.0123456789abcdef.asc"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: b"An order to pay.\n" + text,
        lambda text: text + b"An order to pay.\n",
        lambda text: text.replace(b"\n\n{", b"\nCharset: UTF-7\n\n{", 1),
        lambda text: text.replace(b"SHA256", b"SHA1"),
        lambda text: text.replace(b"}\n-----", b"}\n{}\n-----"),
        lambda text: text.replace(b"}\n-----", b"} \n-----"),
        lambda text: text.replace(b"claim", b"cl\xc3\xa4im"),
        lambda text: text.replace(b"\n", b"\r\n"),
        lambda text: text.replace(b"{", b"[", 1),
        lambda text: text.partition(b"-----BEGIN PGP SIGNATURE")[0],
        lambda _: signed(b'{"site":"' + b"A" * MAX_BYTES + b'"}'),
        lambda _: b"",
    ],
    ids=[*("before", "after", "header", "weak", "two-lines", "blank", "not-ascii", "crlf", "no-object", "unsigned"), "large", "none"],
)  # fmt: skip
def test_anything_but_one_signed_line_is_refused(spoil: Callable[[bytes], bytes]) -> None:
    with pytest.raises(ContentInvalid) as refused:
        read(spoil(signed()))
    assert refused.value.finding == FORM


@pytest.mark.parametrize(
    "change",
    [
        *(
            {"format": 2},
            {"site": "e09"},
            {"day": "2026-02-30"},
            {"day": "20261120"},
            {"made": "yesterday"},
            {"head": None},
        ),
        *({"head": {**HEAD, "sequence": -1}}, {"head": {**HEAD, "sha256": "A" * 64}}, {"previous": {}}, {"counts": []}),
        *(
            {"counts": {"claim": {"up": {}}}},
            {"counts": {"claim": {"in": {"delivered": "12"}}}},
            {"counts": {"CLAIM": {}}},
        ),
    ],
    ids=str,
)
def test_document_that_says_something_else_is_refused_without_its_value(change: dict[str, Any]) -> None:
    with pytest.raises(ContentInvalid) as refused:
        read(signed(json.dumps(document() | change).encode()))
    assert refused.value.finding == FORM
    assert "12" not in refused.value.reason


@pytest.mark.parametrize("field", sorted(document()))
def test_document_that_lacks_a_field_is_refused(field: str) -> None:
    less = {key: value for key, value in document().items() if key != field}
    with pytest.raises(ContentInvalid):
        read(signed(json.dumps(less).encode()))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(less, SCHEMAS["statement.schema.json"]())


def test_field_of_a_later_version_is_passed_over() -> None:
    assert read(signed(json.dumps(document() | {"later": 1}).encode())) == read(signed())
