"""Cards: what is taken, what is refused, and the published schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.card import MAX_BYTES, Card, json_schema, parse, signed_text
from gateway.errors import CardRefused
from gateway.settings.resources import resource

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE9IsG3CW+wK1L9oAq77MqOfikOezj2XeB2osiHEoghX"
GOOD: dict[str, Any] = {
    "version": 1,
    "site": "E09000030",
    "name": "Cyngor Sir Ynys Môn",
    "openpgp": "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDME\n-----END PGP PUBLIC KEY BLOCK-----\n",
    "fingerprint": "0123456789ABCDEF0123456789ABCDEF01234567",
    "ssh_key": KEY,
    "host_key": KEY,
    "endpoint": {"host": "gateway.example", "port": 22, "user": "gateway", "path": "in"},
}


def encoded(**changes: Any) -> bytes:
    return json.dumps(GOOD | changes).encode()


def test_a_card_reads_back_as_it_was_written() -> None:
    card = parse(encoded())
    assert parse(card.to_json()) == card
    assert json.loads(card.to_json()) == GOOD


@given(
    name=st.from_regex(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,120}", fullmatch=True),
    host=st.from_regex(r"[A-Za-z0-9:._-]{1,253}", fullmatch=True),
    port=st.integers(1, 65535),
    has_server=st.booleans(),
)
def test_any_card_that_is_written_is_read_back_the_same(name: str, host: str, port: int, has_server: bool) -> None:  # noqa: FBT001 - drawn
    endpoint = GOOD["endpoint"] | {"host": host, "port": port} if has_server else None
    card = parse(encoded(name=name, endpoint=endpoint, host_key=KEY if has_server else None))
    assert card.name == name
    assert parse(card.to_json()) == card
    assert json.loads(card.to_json())["endpoint"] == endpoint


def test_fields_of_later_versions_are_ignored() -> None:
    assert parse(encoded(colour="pink", endpoint=GOOD["endpoint"] | {"fast": True})) == parse(encoded())


def test_a_site_without_a_server_has_no_endpoint() -> None:
    card = parse(encoded(host_key=None, endpoint=None))
    assert (card.host_key, card.endpoint) == (None, None)


FULL: dict[str, Any] = GOOD | {
    "issued": "2026-11-25T10:00:00.000Z",
    "before": {
        "openpgp": {"fingerprint": "A" * 40, "openpgp": GOOD["openpgp"], "until": "2026-12-25T10:00:00.000Z"},
        "ssh_key": {"key": KEY, "until": "2026-12-25T10:00:00.000Z"},
    },
    "revoked": [GOOD["openpgp"]],
    "signatures": {"A" * 40: "-----BEGIN PGP SIGNATURE-----"},
}


def test_a_card_of_a_site_that_changes_its_keys_reads_back_too() -> None:
    card = parse(json.dumps(FULL).encode())
    assert json.loads(card.to_json()) == FULL
    jsonschema.validate(FULL, json_schema())


def test_the_signed_text_is_the_card_without_signatures_in_canonical_form_fields_of_later_versions_included() -> None:
    data = json.dumps(FULL | {"colour": "pink é"}, indent=7).encode()
    first, _, rest = signed_text(data).partition(b"\n")
    assert first == b"gateway-card-1"
    values = {name: value for name, value in FULL.items() if name != "signatures"} | {"colour": "pink é"}
    # RFC 8785 of what has no numbers but small whole ones: sorted, no white space, UTF-8.
    assert rest == json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    made = parse(json.dumps(FULL).encode())
    assert made.signed_text() == signed_text(made.to_json()) == made.signed_by({}).signed_text()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("issued", "yesterday"),
        ("issued", "2026-11-25T10:00:00"),
        ("before", {"openpgp": {"fingerprint": "A" * 40, "openpgp": "x", "until": "2026-12-25T10:00:00Z"}}),
        ("before", {"ssh_key": {"key": KEY}}),
        ("before", {"host_key": {"key": "no key", "until": "2026-12-25T10:00:00Z"}}),
        ("revoked", [GOOD["openpgp"]] * 17),
        ("revoked", "all"),
        ("signatures", {"A" * 39: "x"}),
        ("signatures", {f"{number:040d}": "x" for number in range(5)}),
        ("signatures", {"A" * 40: "x" * 9000}),
    ],
)
def test_what_a_card_says_of_other_keys_has_a_form_and_a_limit(field: str, value: object) -> None:
    with pytest.raises(CardRefused, match=field):
        parse(encoded(**{field: value}))


@pytest.mark.parametrize("version", [2, 0, "1", None, True, 1.0, 10**30])
def test_an_unknown_version_is_refused(version: object) -> None:
    with pytest.raises(CardRefused, match="version"):
        parse(encoded(version=version))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("site", "../up"),
        ("site", "dwp"),
        ("site", "DWP\n"),
        ("name", "two\nlines"),
        ("name", ""),
        ("openpgp", "-----BEGIN PGP PRIVATE KEY BLOCK-----"),
        ("fingerprint", "0" * 39),
        ("fingerprint", "a" * 40),
        ("ssh_key", f'command="sh" {KEY}'),
        ("ssh_key", f"{KEY}\n{KEY}"),
        ("ssh_key", None),
        ("host_key", "rsa"),
        ("endpoint", {"host": "a b", "port": 22, "user": "u", "path": "in"}),
        ("endpoint", {"host": "h", "port": "22", "user": "u", "path": "in"}),
        ("endpoint", {"host": "h", "port": 70000, "user": "u", "path": "in"}),
        ("endpoint", {"host": "h", "port": 22, "user": "u; sh", "path": "in"}),
        ("endpoint", {"host": "h", "port": 22, "user": "u", "path": "in;out"}),
        ("endpoint", "here"),
    ],
)
def test_a_wrong_field_is_named_and_its_value_is_not(field: str, value: object) -> None:
    with pytest.raises(CardRefused, match=field) as caught:
        parse(encoded(**{field: value}))
    assert not isinstance(value, str) or len(value) < 8 or value not in caught.value.reason


@pytest.mark.parametrize("field", list(GOOD))
def test_every_field_must_be_there(field: str) -> None:
    with pytest.raises(CardRefused):
        parse(json.dumps({key: value for key, value in GOOD.items() if key != field}).encode())


def test_a_card_is_bounded() -> None:
    with pytest.raises(CardRefused, match="larger"):
        parse(encoded(colour="x" * MAX_BYTES))


@given(
    st.binary(max_size=400)
    | st.recursive(st.none() | st.text() | st.floats(), st.lists).map(lambda x: json.dumps(x).encode())
)
def test_anything_else_is_refused_and_nothing_breaks(data: bytes) -> None:
    with pytest.raises(CardRefused):
        parse(data)


def test_the_published_schema_is_the_models() -> None:
    published: Path = resource("schemas") / "card.schema.json"
    assert json.loads(published.read_text("utf-8")) == json_schema()
    jsonschema.Draft202012Validator.check_schema(json_schema())
    jsonschema.validate(GOOD, json_schema())
    assert set(json_schema()["properties"]) == set(Card.model_fields)


def test_more_addresses_stand_beside_the_first_where_older_readers_pass_over_them() -> None:
    endpoint = GOOD["endpoint"] | {"others": [{"host": "2001:db8::7", "port": 2222}]}
    card = parse(encoded(endpoint=endpoint))
    assert card.endpoint is not None
    assert card.endpoint.addresses == (("gateway.example", 22), ("2001:db8::7", 2222))
    assert json.loads(card.to_json())["endpoint"] == endpoint
    assert "others" not in json.loads(parse(encoded()).to_json())["endpoint"]


@pytest.mark.parametrize(
    "others",
    [
        [{"host": "a b", "port": 22}],
        [{"host": "a", "port": 0}],
        [{"host": "a", "port": True}],
        [{"host": "a"}],
        [{"host": "a", "port": 22}] * 8,
        "a:22",
    ],
)
def test_addresses_that_nobody_could_call_are_refused(others: Any) -> None:
    with pytest.raises(CardRefused, match="endpoint"):
        parse(encoded(endpoint=GOOD["endpoint"] | {"others": others}))
