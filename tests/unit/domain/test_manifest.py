"""Every line of the acceptance rule that is the manifest's, alone."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.identity import from_text, to_text
from gateway.domain.manifest import CLOCK_LEEWAY, MAX_BYTES, Manifest, accept
from gateway.errors import (
    GatewayError,
    ManifestEncryptedTo,
    ManifestExpired,
    ManifestFlow,
    ManifestFromFuture,
    ManifestIdentity,
    ManifestItemTooLarge,
    ManifestMalformed,
    ManifestRecipient,
    ManifestSender,
    ManifestSigner,
    ManifestVersion,
)

ID = "019ab5f0-1c2d-7abc-8def-0123456789ab"
OTHER = "019ab5f0-1c2d-7abc-8def-0123456789ac"
CREATED = "2026-11-21T10:00:00Z"
NOW = from_text(CREATED) + 60


def document(**changes: Any) -> dict[str, Any]:
    return {
        "version": 1,
        "consignment": ID,
        "sender": "DWP",
        "recipient": "E09000030",
        "signer": "A" * 40,
        "encrypted_to": "B" * 40,
        "sequence": 42,
        "created": CREATED,
        "expires": "2026-11-28T10:00:00Z",
        "audit_head": {"sequence": 1071, "sha256": "0" * 64},
        "items": [item()],
        **changes,
    }


def item(**changes: Any) -> dict[str, Any]:
    return {
        "transfer": OTHER,
        "flow": "claim",
        "name": "claims-1.xml",
        "size": 5120,
        "sha256": "f" * 64,
        "schema": "claim/1.0",
        "reference": None,
        "redirected_from": None,
        **changes,
    }


def parse(**changes: Any) -> Manifest:
    return Manifest.parse(json.dumps(document(**changes)).encode())


def judge(manifest: Manifest, **changes: Any) -> None:
    said: dict[str, Any] = {
        "name": ID,
        "sender": "DWP",
        "recipient": "E09000030",
        "signer": "A" * 40,
        "encrypted_to": "B" * 40,
        "now": NOW,
        "permitted": lambda flow: flow == "claim",
        "max_bytes": lambda _flow: 10_000,
    }
    accept(manifest, **{**said, **changes})


def test_right_manifest_is_accepted() -> None:
    judge(parse())


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"name": OTHER}, ManifestIdentity),
        ({"recipient": "W06000024"}, ManifestRecipient),
        ({"sender": "W06000024"}, ManifestSender),
        ({"signer": "C" * 40}, ManifestSigner),
        ({"encrypted_to": "C" * 40}, ManifestEncryptedTo),
        ({"now": from_text(CREATED) - CLOCK_LEEWAY - 1}, ManifestFromFuture),
        ({"now": from_text("2026-11-28T10:00:00Z")}, ManifestExpired),
        ({"permitted": lambda _flow: False}, ManifestFlow),
        ({"max_bytes": lambda _flow: 5119}, ManifestItemTooLarge),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_manifest_that_breaks_one_line_of_the_rule_is_refused_for_it(
    changes: dict[str, Any], error: type[GatewayError]
) -> None:
    with pytest.raises(error):
        judge(parse(), **changes)


def test_more_items_than_there_may_be_are_not_read_one_by_one() -> None:
    # A million empty items are four megabytes of manifest, and were four gigabytes of reasons.
    with pytest.raises(ManifestMalformed, match="more than 10000 items"):
        Manifest.parse(b'{"version": 1, "items": [' + b"{}," * 1_000_000 + b"{}]}")


def test_clock_may_differ_by_the_leeway_and_no_more() -> None:
    judge(parse(), now=from_text(CREATED) - CLOCK_LEEWAY)
    judge(parse(), now=from_text("2026-11-28T10:00:00Z") - 0.001)


def test_wrong_recipient_is_told_before_anything_that_a_stranger_could_choose() -> None:
    with pytest.raises(ManifestRecipient):
        judge(parse(), recipient="W06000024", sender="X1", signer="C" * 40, permitted=lambda _flow: False)


def test_every_item_is_judged() -> None:
    manifest = parse(items=[item(), item(transfer=ID, flow="scan")])
    with pytest.raises(ManifestFlow, match="item 2"):
        judge(manifest)


@pytest.mark.parametrize(
    "changes",
    [
        {"consignment": ID.upper()},
        {"consignment": "../" + ID},
        {"consignment": ID.replace("7abc", "4abc")},
        {"sender": "dwp"},
        {"sender": "../x"},
        {"signer": "a" * 40},
        {"signer": "A" * 39},
        {"sequence": 0},
        {"sequence": True},
        {"sequence": "42"},
        {"sequence": 42.0},
        {"sequence": 2**53},
        {"created": "2026-11-21T10:00:00"},
        {"created": "yesterday"},
        {"expires": None},
        {"audit_head": {"sequence": -1, "sha256": "0" * 64}},
        {"audit_head": {"sequence": 2**53, "sha256": "0" * 64}},
        {"audit_head": {"sequence": 1, "sha256": "0" * 63}},
        {"audit_head": None},
        {"items": []},
        {"items": {}},
        {"items": [item(), item()]},
        {"items": [item(size=-1)]},
        {"items": [item(size="5120")]},
        {"items": [item(flow="Claim")]},
        {"items": [item(name="")]},
        {"items": [item(name="x" * 256)]},
        {"items": [item(sha256="F" * 64)]},
        {"items": [item(transfer="1")]},
        {"items": [item(redirected_from="../..")]},
    ],
    ids=lambda changes: str(changes)[:50],
)
def test_manifest_of_another_form_is_malformed(changes: dict[str, Any]) -> None:
    with pytest.raises(ManifestMalformed):
        parse(**changes)


@pytest.mark.parametrize("field", sorted(document().keys() - {"version"}))
def test_missing_field_is_malformed(field: str) -> None:
    content = document()
    del content[field]
    with pytest.raises(ManifestMalformed, match=field):
        Manifest.parse(json.dumps(content).encode())


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"{", b"\xff", b'{"version": "1"}', b'{"version": true}'])
def test_what_is_no_document_is_malformed(content: bytes) -> None:
    with pytest.raises(ManifestMalformed):
        Manifest.parse(content)


def test_too_large_document_is_not_even_read() -> None:
    with pytest.raises(ManifestMalformed, match="4 MiB"):
        Manifest.parse(b" " * (MAX_BYTES + 1))


def test_other_version_is_refused_as_such() -> None:
    with pytest.raises(ManifestVersion):
        Manifest.parse(b'{"version": 2, "anything": "else"}')


def test_unknown_fields_are_ignored() -> None:
    assert parse(later=1, items=[item(later=2)]).items[0].transfer == OTHER


def test_fault_names_the_field_and_never_the_value() -> None:
    with pytest.raises(ManifestMalformed) as caught:
        parse(items=[item(name="QQ123456C" * 30)])
    assert "name" in caught.value.reason
    assert "QQ123456C" not in caught.value.reason


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_a_manifest_or_refused(content: bytes) -> None:
    with pytest.raises((ManifestMalformed, ManifestVersion)):
        Manifest.parse(content)


@given(
    st.text(min_size=1, max_size=100).filter(lambda name: name.isprintable()),
    st.integers(0, 2**43 - 1),
    st.floats(0, 4_000_000_000),
)
def test_what_is_written_is_read_back(name: str, size: int, moment: float) -> None:
    manifest = parse(created=to_text(moment), items=[item(name=name, size=size)])
    assert Manifest.parse(manifest.to_bytes()) == manifest
    assert json.loads(manifest.to_bytes())["items"][0]["schema"] == "claim/1.0"
