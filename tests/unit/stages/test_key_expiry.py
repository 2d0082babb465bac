"""Ends of keys are told at 30, 14, 7 and 1 days and when they come: each once, by this site's own clock."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import orjson
import pytest

from gateway.crypto.contract import Certificate, OpenPgp
from gateway.errors import PartnerKeyUnusable
from gateway.ledger.queries import events
from gateway.ledger.queries.keys import stage_of
from gateway.settings.model import KeySettings
from gateway.stages.context import StageContext
from gateway.stages.key_ends import noted_key_ends
from gateway.stages.signing import note_use
from gateway.stages.timers.key_expiry import KeyExpiry
from tests.fakes.two_ledgers import FINGERPRINTS, Pair, two_ledgers

LA = "E09000030"
DAY = 86_400.0
FAR = 1000 * DAY


@dataclass
class Ends:
    """What the stage asks an engine for: when keys end. A key that is None here is missing."""

    own: float
    theirs: float | None
    asked: list[str] = field(default_factory=list)

    def own_certificate(self) -> Certificate:
        return self._certificate(FINGERPRINTS["DWP"], self.own)

    def partner_certificate(self, partner: str) -> Certificate:
        self.asked.append(partner)
        if self.theirs is None:
            raise PartnerKeyUnusable
        return self._certificate(FINGERPRINTS[LA], self.theirs)

    def close(self) -> None:
        pass

    @staticmethod
    def _certificate(fingerprint: str, expires: float) -> Certificate:
        return Certificate(fingerprint, "", 0.0, expires, revoked=False, can_sign=True, can_encrypt=True, algorithm="x")


class Clock:
    """A clock that stands."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with two_ledgers(tmp_path) as made:
        yield made


@pytest.fixture
def clock(pair: Pair) -> Clock:
    return Clock(float(int(pair.dwp.now)))


@pytest.fixture
def context(pair: Pair, clock: Clock) -> StageContext:
    return replace(pair.dwp.context, clock=clock)


def told(context: StageContext) -> list[tuple[str, str, Any]]:
    """What the chain has about the ends of keys: event, whose, days."""
    with context.ledger.read() as connection:
        return [
            (entry.event, entry.subject.partition("/")[0], orjson.loads(entry.detail).get("days"))
            for entry in events.chain(connection)
            if entry.kind == "key"
        ]


def key_expiry(context: StageContext, ends: Ends) -> KeyExpiry:
    return KeyExpiry(context, cast("OpenPgp", ends))


@pytest.mark.parametrize(
    ("left", "days"),
    [
        (30 * DAY + 1, None),
        (30 * DAY, 30),
        (14 * DAY + 1, 30),
        (14 * DAY, 14),
        (7 * DAY + 1, 14),
        (7 * DAY, 7),
        (DAY + 1, 7),
        (DAY, 1),
        (1, 1),
        (0, 0),
        (-FAR, 0),
    ],
)
def test_warnings_are_due_at_exactly_30_14_7_and_1_days_and_at_the_end(left: float, days: int | None) -> None:
    assert stage_of(left) == days


def test_each_warning_is_told_once_at_its_moment(context: StageContext, clock: Clock) -> None:
    end = clock.now + 31 * DAY
    stage = key_expiry(context, Ends(own=end, theirs=end + FAR))
    for days in (30, 14, 7, 1, 0):
        before = len(told(context))
        clock.now = end - days * DAY - 1
        due = stage.step().due
        assert len(told(context)) == before
        assert due == end - days * DAY, "it comes back at the moment, and not an hour later"
        clock.now = due
        for _ in range(3):
            stage.step()
        key_expiry(context, Ends(own=end, theirs=end + FAR)).step()  # and after a restart
        assert told(context)[before:] == [("key.expired" if days == 0 else "key.expiring", "own", days)]


def test_ends_of_keys_are_noted_for_metrics_and_a_key_that_is_missing_is_not(
    context: StageContext, clock: Clock
) -> None:
    run = context.home.run
    assert noted_key_ends(run) is None
    key_expiry(context, Ends(own=clock.now + FAR, theirs=clock.now - 1)).step()
    assert noted_key_ends(run) == {"own": clock.now + FAR, LA: clock.now - 1}
    key_expiry(context, Ends(own=clock.now + FAR, theirs=None)).step()
    assert noted_key_ends(run) == {"own": clock.now + FAR}
    (run / "key-ends").write_bytes(b"[]")
    assert noted_key_ends(run) is None


def test_gateway_that_was_stopped_tells_only_what_holds_now(context: StageContext, clock: Clock) -> None:
    key_expiry(context, Ends(own=clock.now + 5 * DAY, theirs=clock.now - 1)).step()
    assert told(context) == [("key.expiring", "own", 7), ("key.expired", LA, 0)]


def test_key_that_was_extended_is_told_as_renewed_once(context: StageContext, clock: Clock) -> None:
    key_expiry(context, Ends(own=clock.now + DAY, theirs=clock.now + FAR)).step()
    for _ in range(2):
        key_expiry(context, Ends(own=clock.now + FAR, theirs=clock.now + FAR)).step()
    assert [event for event, _, _ in told(context)] == ["key.expiring", "key.renewed"]
    key_expiry(context, Ends(own=clock.now + 2 * DAY, theirs=clock.now + FAR)).step()
    assert told(context)[-1] == ("key.expiring", "own", 7)


def test_key_that_is_missing_has_no_end(context: StageContext, clock: Clock) -> None:
    ends = Ends(own=clock.now + FAR, theirs=None)
    key_expiry(context, ends).step()
    assert (told(context), ends.asked) == ([], [LA])


def test_end_of_an_overlap_is_told_while_a_partner_has_not_confirmed(context: StageContext, clock: Clock) -> None:
    until = datetime.fromtimestamp(clock.now + 14 * DAY, UTC)
    keys = KeySettings(old_openpgp="C" * 40, old_openpgp_until=until)
    context = replace(context, settings=replace(context.settings, keys=keys))
    stage = key_expiry(context, Ends(own=clock.now + FAR, theirs=clock.now + FAR))
    stage.step()
    assert told(context) == [("key.expiring", "own", 14)]
    with context.ledger.write() as transaction:
        note_use(transaction, context.settings, LA, context.settings.openpgp.fingerprint)
    clock.now += 13.5 * DAY
    stage.step()
    assert [event for event, _, _ in told(context)] == ["key.expiring", "key.confirmed"]


def test_key_is_warned_of_after_the_clock_was_set_back(context: StageContext, clock: Clock) -> None:
    ends = Ends(own=clock.now + FAR, theirs=clock.now + FAR)
    stage = key_expiry(context, ends)
    stage.step()
    clock.now -= 7 * DAY
    ends.own = clock.now + 5 * DAY
    stage.step()
    assert told(context) == [("key.expiring", "own", 7)]
