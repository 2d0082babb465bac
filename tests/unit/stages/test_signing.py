"""Which key signs while ours is being changed: the old one until the partner knows the new one, and never too long."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.errors import KeyUnconfirmed
from gateway.ledger.queries import events
from gateway.settings.model import KeySettings
from gateway.stages.context import StageContext
from gateway.stages.signing import Signing, note_use
from tests.fakes.two_ledgers import FINGERPRINTS, Pair, two_ledgers

LA = "E09000030"
OLD = "C" * 40
NEW = FINGERPRINTS["DWP"]
DAY = 86_400.0


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with two_ledgers(tmp_path) as made:
        yield made


@pytest.fixture
def until(pair: Pair) -> float:
    return float(int(pair.dwp.now)) + 30 * DAY


@pytest.fixture
def context(pair: Pair, until: float) -> StageContext:
    """DWP's surroundings, after its key was changed."""
    keys = KeySettings(old_openpgp=OLD, old_openpgp_until=datetime.fromtimestamp(until, UTC))
    return replace(pair.dwp.context, settings=replace(pair.dwp.settings, keys=keys))


def confirmations(context: StageContext) -> list[tuple[str, str | None]]:
    with context.ledger.read() as connection:
        return [(entry.subject, entry.partner) for entry in events.chain(connection) if entry.event == "key.confirmed"]


def test_without_a_change_the_one_key_signs_and_nothing_is_noted(pair: Pair) -> None:
    context = pair.dwp.context
    assert Signing(context).signer(LA, pair.dwp.now + 1000 * DAY) == NEW
    with context.ledger.write() as transaction:
        note_use(transaction, context.settings, LA, NEW)
    assert confirmations(context) == []


def test_old_key_signs_until_the_partner_has_sealed_to_the_new_one(context: StageContext) -> None:
    signing = Signing(context)
    assert signing.signer(LA) == OLD
    with context.ledger.write() as transaction:
        note_use(transaction, context.settings, LA, OLD)
    assert signing.signer(LA) == OLD
    for _ in range(2):
        with context.ledger.write() as transaction:
            note_use(transaction, context.settings, LA, NEW)
    assert confirmations(context) == [(f"{LA}/{NEW}", LA)]
    assert signing.signer(LA) == NEW
    assert Signing(context).signer("W06000024") == OLD, "another partner's word says nothing of this one"


def test_what_could_be_underway_at_the_end_date_is_not_signed_with_the_old_key(
    pair: Pair, context: StageContext, until: float
) -> None:
    signing = Signing(context)
    assert signing.signer(LA, until) == OLD
    with pytest.raises(KeyUnconfirmed):
        signing.signer(LA, until + 1)
    pair.dwp.now = until - 1
    assert signing.signer(LA) == OLD
    pair.dwp.now = until
    with pytest.raises(KeyUnconfirmed):
        signing.signer(LA)


def test_revoked_key_signs_for_nobody_from_the_first_moment(context: StageContext) -> None:
    keys = context.settings.keys.model_copy(update={"revoked_openpgp": (OLD,)})
    revoked = replace(context, settings=replace(context.settings, keys=keys))
    with pytest.raises(KeyUnconfirmed):
        Signing(revoked).signer(LA)
    with context.ledger.write() as transaction:
        note_use(transaction, revoked.settings, LA, NEW)
    assert Signing(revoked).signer(LA) == NEW
