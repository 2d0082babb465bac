"""Notices of version 1.1 that are about no award: assessed incomes, non-dependants, business interest.

Nothing is raised. Safe to hand around: see `people` on what is made up and how.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, timedelta
from random import Random
from types import MappingProxyType
from typing import Final

from gateway.sample import people
from gateway.sample.etd_awards import write_claim, write_person
from gateway.sample.people import day_before, pounds
from gateway.sample.xml_writer import XmlWriter

_NEIGHBOURS: Final = ("E07000223", "W06000024", "E08000035")
"""Authorities that interest may come from or go to."""
_PENSION_AGE: Final = 61
_ASSESSED_FOR: Final = timedelta(days=5 * 365)
"""The usual length of an assessed income period: five years (State Pension Credit Act 2002, section 9)."""


class OtherNotice:
    """One notice after its number, written in the order of the schema; `authority` is the one that it is for."""

    def __init__(self, xml: XmlWriter, random: Random, today: date, authority: str) -> None:
        self.xml = xml
        self.random = random
        self.today = today
        self.authority = authority
        self.decided = day_before(random, today, 0, 6)

    def write(self, event: str) -> None:
        youngest = _PENSION_AGE if event.startswith("assessment") else 25
        write_claim(self.xml, self.random)
        write_person(self.xml, self.random, people.person(self.random, self.today, youngest, 90))
        self.xml.leaf("PersonRole", "claimant")
        self.xml.day("DecidedOn", self.decided)
        _WRITERS[event](self)

    # -- Pension Credit

    def assessment(self) -> None:
        xml, random = self.xml, self.random
        begins = self.decided + timedelta(days=random.randint(-30, 6))
        with xml.element("PensionCreditAssessment"), xml.element("AssessedIncome"):
            xml.leaf("CreditKind", random.choice(("guarantee", "savings", "both")))
            xml.money("AssessedIncomeFigure", pounds(random, 90, 190))
            xml.day("AssessedIncomeFrom", begins)
            if random.random() < 0.7:
                xml.day("AssessedIncomeTo", begins + _ASSESSED_FOR)
            if random.random() < 0.5:
                xml.money("AssessedCapital", pounds(random, 6_000, 24_000))

    def assessment_end(self) -> None:
        xml, random = self.xml, self.random
        ends = self.decided + timedelta(days=random.randint(-20, 20))
        with xml.element("PensionCreditAssessment"), xml.element("AssessedIncomeEnd"):
            xml.day("AssessedIncomeFrom", ends - timedelta(days=random.randint(60, 1_700)))
            xml.day("AssessedIncomeTo", ends)
            xml.leaf("EndReason", random.choice(("no-longer-entitled", "household-changed", "death")))

    # -- the household

    def joining(self) -> None:
        self._non_dependant("HouseholdJoining", self._joins)

    def change(self) -> None:
        self._non_dependant("HouseholdChange", self._changes)

    def leaving(self) -> None:
        self._non_dependant("HouseholdLeaving", self._leaves)

    def _non_dependant(self, event: str, write: Callable[[], None]) -> None:
        xml, random = self.xml, self.random
        adult = people.person(random, self.today, 18, 60)
        with xml.element("NonDependant"):
            if random.random() < 0.6:
                xml.leaf("Nino", adult.nino)
            xml.name(adult)
            xml.day("DateOfBirth", adult.born)
            xml.leaf("AdultRelationship", random.choice(("son-or-daughter", "parent", "other-relative", "lodger")))
            with xml.element(event):
                write()

    def _joins(self) -> None:
        self.xml.day("JoinsOn", self.decided - timedelta(days=self.random.randint(0, 40)))
        self._situation("Situation")

    def _changes(self) -> None:
        self.xml.day("ChangedOn", self.decided - timedelta(days=self.random.randint(0, 40)))
        if self.random.random() < 0.5:
            self._situation("SituationBefore")
        self._situation("Situation")

    def _leaves(self) -> None:
        last = self.decided - timedelta(days=self.random.randint(0, 40))
        self.xml.day("JoinedOn", last - timedelta(days=self.random.randint(30, 2_500)))
        self.xml.day("LeavesOn", last)

    def _situation(self, name: str) -> None:
        xml, random = self.xml, self.random
        working = random.random() < 0.5
        with xml.element(name):
            xml.leaf("Circumstances", "working" if working else random.choice(("universal-credit", "sick", "student")))
            if working:
                xml.leaf("WorkHours", str(random.randint(8, 45)))
                xml.money("GrossWeekly", pounds(random, 60, 420))

    # -- business interest

    def interest_set(self) -> None:
        with self._interest("InterestSet"):
            self.xml.leaf("InterestedAuthority", self.authority)
            self.xml.day("InterestFrom", self.decided)

    def interest_transfer(self) -> None:
        xml, random = self.xml, self.random
        other = random.choice([code for code in _NEIGHBOURS if code != self.authority])
        previous, now = (other, self.authority) if random.random() < 0.5 else (self.authority, other)
        with self._interest("InterestTransfer"):
            xml.leaf("PreviousAuthority", previous)
            xml.leaf("InterestedAuthority", now)
            xml.day("InterestFrom", self.decided + timedelta(days=random.randint(-14, 14)))
            xml.leaf("TransferReason", random.choice(("moved", "moved", "boundary-changed", "set-in-error")))

    def interest_end(self) -> None:
        xml, random = self.xml, self.random
        last = self.decided - timedelta(days=random.randint(0, 20))
        with self._interest("InterestEnd"):
            xml.leaf("InterestedAuthority", self.authority)
            xml.day("InterestFrom", last - timedelta(days=random.randint(30, 2_500)))
            xml.day("InterestTo", last)
            xml.leaf("InterestEndReason", random.choice(("claim-ended", "claim-ended", "not-claimed", "death")))

    @contextmanager
    def _interest(self, event: str) -> Iterator[None]:
        with self.xml.element("BusinessInterest"):
            self.xml.leaf("InterestIn", self.random.choice(("HousingBenefit", "HousingBenefit", "CouncilTaxReduction")))
            with self.xml.element(event):
                yield


_WRITERS: Final[Mapping[str, Callable[[OtherNotice], None]]] = MappingProxyType(
    {
        "assessment": OtherNotice.assessment,
        "assessment-end": OtherNotice.assessment_end,
        "joining": OtherNotice.joining,
        "household-change": OtherNotice.change,
        "leaving": OtherNotice.leaving,
        "interest-set": OtherNotice.interest_set,
        "interest-transfer": OtherNotice.interest_transfer,
        "interest-end": OtherNotice.interest_end,
    }
)
OTHER_EVENTS: Final = tuple(_WRITERS)
