"""The audit chain: twelve lines in any language check it, and any change breaks it."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ChainBroken
from gateway.ledger.chain import EMPTY, GENESIS, RESTORED, ChainEntry, Head, verify

texts = st.text(max_size=30).filter(lambda text: text.isprintable())
details = st.dictionaries(texts, texts | st.integers(0, 2**50) | st.none(), max_size=3)
contents = st.lists(st.tuples(texts, texts, texts | st.none(), details), min_size=2, max_size=8)


def chain(drawn: list[tuple[str, str, str | None, dict[str, object]]]) -> list[ChainEntry]:
    entries: list[ChainEntry] = []
    previous = GENESIS
    for number, (event, subject, partner, detail) in enumerate(drawn, 1):
        text = json.dumps(detail, ensure_ascii=False, separators=(",", ":"))
        at = "2026-11-21T10:00:00.000Z"
        entry = ChainEntry(number, at, "vault", event, "transfer", subject, partner, text, previous)
        previous = entry.digest()
        entries.append(entry._replace(sha256=previous))
    return entries


@given(contents)
def test_chain_that_was_only_added_to_verifies(drawn: list[tuple[str, str, str | None, dict[str, object]]]) -> None:
    entries = chain(drawn)
    assert list(verify(entries)) == entries
    middle = len(entries) // 2
    known = Head(entries[middle - 1].sequence, entries[middle - 1].sha256)
    assert list(verify(entries[middle:], after=known)) == entries[middle:]


@given(contents, st.data())
def test_any_edit_deletion_or_exchange_breaks_it(
    drawn: list[tuple[str, str, str | None, dict[str, object]]], data: st.DataObject
) -> None:
    entries = chain(drawn)
    at = data.draw(st.integers(0, len(entries) - 2))
    spoilt = list(entries)
    match data.draw(st.sampled_from(["edit", "delete", "exchange", "repeat"])):
        case "edit":
            field = data.draw(
                st.sampled_from(["at", "role", "event", "kind", "subject", "detail", "previous", "sha256"])
            )
            spoilt[at] = spoilt[at]._replace(**{field: getattr(spoilt[at], field) + "0"})
        case "delete":
            del spoilt[at]
        case "exchange":
            spoilt[at], spoilt[at + 1] = spoilt[at + 1], spoilt[at]
        case _:
            spoilt.insert(at, spoilt[at])
    with pytest.raises(ChainBroken):
        list(verify(spoilt))


@given(contents)
def test_digest_is_what_the_documentation_says(drawn: list[tuple[str, str, str | None, dict[str, object]]]) -> None:
    """Written down anew here from docs/audit.md, with nothing but the standard library."""
    previous = "0" * 64
    for e in chain(drawn):
        fields = [e.sequence, e.at, e.role, e.event, e.kind, e.subject, e.partner, e.detail, previous]
        text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
        assert hashlib.sha256(text.encode()).hexdigest() == e.sha256
        previous = e.sha256


def test_empty_chain_verifies() -> None:
    assert list(verify([])) == []
    assert Head(0, "0" * 64) == EMPTY


def test_break_is_told_by_its_number() -> None:
    entries = chain([("a", "s", None, {}), ("b", "s", None, {}), ("c", "s", None, {})])
    with pytest.raises(ChainBroken, match="event 2 is missing"):
        list(verify([entries[0], entries[2]]))


@given(contents, st.data())
def test_only_a_restoration_leaves_numbers_out(
    drawn: list[tuple[str, str, str | None, dict[str, object]]], data: st.DataObject
) -> None:
    at, by = data.draw(st.integers(1, len(drawn) - 1)), data.draw(st.integers(1, 9))
    for name, allowed in ((RESTORED, True), ("transfer.sent", False)):
        renamed = [*drawn[:at], (name, *drawn[at][1:]), *drawn[at + 1 :]]
        entries, previous = list[ChainEntry](), GENESIS
        for number, entry in enumerate(chain(renamed)):
            moved = entry._replace(sequence=entry.sequence + (by if number >= at else 0), previous=previous)
            previous = moved.digest()
            entries.append(moved._replace(sha256=previous))
        if allowed:
            assert list(verify(entries)) == entries
        else:
            with pytest.raises(ChainBroken):
                list(verify(entries))
