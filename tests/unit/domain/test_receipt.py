"""A receipt counts only if it answers exactly what was sent."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.identity import to_text
from gateway.domain.receipt import MAX_BYTES, SENDERS_STATE, Level, Outcome, Receipt, accept
from gateway.domain.states import TRANSFER_OUT, State
from gateway.errors import (
    GatewayError,
    ReceiptForeign,
    ReceiptForOtherBytes,
    ReceiptIncomplete,
    ReceiptMalformed,
    ReceiptVersion,
)

ID = "019ab5f0-1c2d-7abc-8def-0123456789ab"
TRANSFER = "019ab5f0-1c2d-7abc-8def-0123456789ac"
SECOND = "019ab5f0-1c2d-7abc-8def-0123456789ad"
SEALED = "e" * 64
DIGEST = "f" * 64


def document(**changes: Any) -> dict[str, Any]:
    return {
        "version": 1,
        "consignment": ID,
        "sealed_sha256": SEALED,
        "sender": "E09000030",
        "recipient": "DWP",
        "level": "delivered",
        "issued": "2026-11-21T10:00:00Z",
        "audit_head": {"sequence": 88, "sha256": "0" * 64},
        "items": [answer()],
        **changes,
    }


def answer(**changes: Any) -> dict[str, Any]:
    return {"transfer": TRANSFER, "sha256": DIGEST, "outcome": "delivered", "code": None, "reason": None, **changes}


def parse(**changes: Any) -> Receipt:
    return Receipt.parse(json.dumps(document(**changes)).encode())


def judge(receipt: Receipt, **changes: Any) -> None:
    said: dict[str, Any] = {
        "name": ID,
        "sender": "E09000030",
        "recipient": "DWP",
        "sealed_sha256": SEALED,
        "items": {TRANSFER: DIGEST},
    }
    accept(receipt, **{**said, **changes})


def test_right_receipt_is_accepted() -> None:
    judge(parse())


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"name": SECOND}, ReceiptForeign),
        ({"sender": "W06000024"}, ReceiptForeign),
        ({"recipient": "W06000024"}, ReceiptForeign),
        ({"sealed_sha256": None}, ReceiptForeign),
        ({"sealed_sha256": "d" * 64}, ReceiptForOtherBytes),
        ({"items": {}}, ReceiptIncomplete),
        ({"items": {TRANSFER: DIGEST, SECOND: DIGEST}}, ReceiptIncomplete),
        ({"items": {TRANSFER: "d" * 64}}, ReceiptIncomplete),
        ({"items": {SECOND: DIGEST}}, ReceiptIncomplete),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_receipt_that_does_not_answer_what_was_sent_is_refused(
    changes: dict[str, Any], error: type[GatewayError]
) -> None:
    with pytest.raises(error):
        judge(parse(), **changes)


def test_two_answers_about_one_transfer_are_refused() -> None:
    with pytest.raises(ReceiptIncomplete):
        judge(parse(items=[answer(), answer(outcome="rejected")]))


@pytest.mark.parametrize(
    "changes",
    [
        {"level": "perhaps"},
        {"items": []},
        {"items": [answer(outcome="maybe")]},
        {"items": [answer(code="Not A Code")]},
        {"items": [answer(reason="x" * 4001)]},
        {"sealed_sha256": "E" * 64},
        {"issued": "now"},
        {"audit_head": None},
        {"audit_head": {"sequence": 2**53, "sha256": "0" * 64}},
        {"seen_head": {"sequence": 2**64, "sha256": "0" * 64}},
        {"seen_head": {"sequence": "many", "sha256": "0" * 64}},
    ],
    ids=lambda changes: str(changes)[:50],
)
def test_receipt_of_another_form_is_malformed(changes: dict[str, Any]) -> None:
    with pytest.raises(ReceiptMalformed):
        parse(**changes)


def test_too_large_receipt_is_not_even_read() -> None:
    with pytest.raises(ReceiptMalformed, match="8 MiB"):
        Receipt.parse(b" " * (MAX_BYTES + 1))


def test_other_version_is_refused_as_such() -> None:
    with pytest.raises(ReceiptVersion):
        parse(version=2)


def test_receipt_without_a_seen_head_is_read_and_written_back() -> None:
    receipt = parse()
    assert receipt.seen_head is None
    assert receipt.level is Level.DELIVERED
    assert Receipt.parse(receipt.to_bytes()) == receipt


HEADS = st.builds(
    lambda number, digest: {"sequence": number, "sha256": digest.hex()},
    st.integers(0, 2**53 - 1),
    st.binary(min_size=32, max_size=32),
)
ANSWERS = st.builds(
    lambda outcome, code, reason: answer(outcome=outcome, code=code, reason=reason),
    st.sampled_from([str(outcome) for outcome in Outcome]),
    st.none() | st.from_regex(r"[a-z0-9-]{1,60}", fullmatch=True),
    st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=200),
)


@given(
    st.lists(ANSWERS, min_size=1, max_size=4),
    HEADS,
    st.none() | HEADS,
    st.floats(0, 4_000_000_000),
    st.sampled_from([str(level) for level in Level]),
)
def test_any_receipt_that_is_written_is_read_back_the_same(
    items: list[dict[str, Any]], head: dict[str, Any], seen: dict[str, Any] | None, issued: float, level: str
) -> None:
    receipt = parse(items=items, audit_head=head, seen_head=seen, issued=to_text(issued), level=level)
    again = Receipt.parse(receipt.to_bytes())
    assert again == receipt
    assert [(each.outcome, each.code, each.reason) for each in again.items] == [
        (each["outcome"], each["code"], each["reason"]) for each in items
    ]


def test_every_outcome_of_the_gateway_leads_on_from_sent_to_a_state_of_the_sender() -> None:
    for state in SENDERS_STATE.values():
        for before in (State.SEALED, State.SENT, State.EXPIRED):
            assert state in TRANSFER_OUT[before]
    assert {Outcome.INGESTED, Outcome.REFUSED}.isdisjoint(SENDERS_STATE)
