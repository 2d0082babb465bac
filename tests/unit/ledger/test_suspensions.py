"""Suspensions that the ledger keeps: which partners, why, and that whoever watches notices each change once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gateway.domain.decision import Decision
from gateway.errors import SiteMissing, UsageWrong
from gateway.ledger import suspensions
from gateway.ledger.suspended import suspended_partners
from gateway.ledger.suspensions import SuspensionWatch
from gateway.settings.faults import Fault
from gateway.settings.model import Stopped
from tests.fakes.two_ledgers import two_ledgers

WHY = Decision("adm1", "their laptop was stolen")


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_each_suspension_has_one_end_and_is_noticed_once(tmp_path: Path) -> None:
    clock = Clock()
    with two_ledgers(tmp_path) as pair:
        ledger, path = pair.dwp.context.ledger, pair.dwp.context.home.ledger
        watch = SuspensionWatch(ledger, clock)
        assert watch.changed(), "who has not asked yet knows nothing"
        assert watch.reasons() == {}
        assert not watch.changed()
        with ledger.write() as transaction:
            suspensions.suspend(transaction, "E09000030", WHY)
            # A command's, whose record is the partner's file.
            transaction.record("partner.suspended", "site", "4220", "4220", **WHY.detail)
        assert not watch.changed(at_once=False), "half a second has not passed"
        clock.now += 1
        assert watch.changed(at_once=False)
        assert watch.changed()
        assert watch.reasons() == suspended_partners(path) == {"E09000030": WHY.reason}
        assert not watch.changed()
        with pytest.raises(UsageWrong, match="already"), ledger.write() as transaction:
            suspensions.suspend(transaction, "E09000030", WHY)
        with pytest.raises(UsageWrong, match="not suspended"), ledger.write() as transaction:
            suspensions.resume(transaction, "4220", WHY)
        with ledger.write() as transaction:
            suspensions.resume(transaction, "E09000030", replace(WHY, second="adm2"))
        assert watch.changed()
        assert watch.reasons() == suspended_partners(path) == {}


def test_a_suspension_outlives_the_erasure_of_its_reason(tmp_path: Path) -> None:
    with two_ledgers(tmp_path) as pair:
        ledger = pair.dwp.context.ledger
        with ledger.write() as transaction:
            suspensions.suspend(transaction, "E09000030", Decision("adm1"))
        assert "erased" in suspended_partners(pair.dwp.context.home.ledger)["E09000030"]


def test_without_a_ledger_nobody_is_taken_for_unsuspended(tmp_path: Path) -> None:
    with pytest.raises(SiteMissing):
        suspended_partners(tmp_path / "none")


def test_settings_are_with_and_without_a_suspension_what_they_were(tmp_path: Path) -> None:
    with two_ledgers(tmp_path) as pair:
        settings = pair.dwp.context.settings
    (code,) = settings.partners
    rests = settings.with_suspended({code: "why", "E09000099": "no partner"})
    assert (dict(rests.partners), rests.stopped[code].suspended, list(rests.stopped)) == ({}, "why", [code])
    assert rests.with_suspended({}) == settings
    assert rests.codes == settings.codes
    fault = Fault("f", 1, "s", "m")
    faulty = replace(settings, partners={}, stopped={code: Stopped((fault,), settings.partners[code])})
    both = faulty.with_suspended({code: "why"})
    assert (both.stopped[code].faults, both.stopped[code].suspended) == ((fault,), "why")
    assert both.with_suspended({}) == faulty
    by_file = settings.partners[code].model_copy(update={"suspended": "by the file"})
    filed = replace(settings, partners={}, stopped={code: Stopped((), by_file)})
    assert filed.with_suspended({code: "why"}).with_suspended({}) == filed
