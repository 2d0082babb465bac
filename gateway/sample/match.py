"""What referrals and scan results have in common: a made-up claim, and facts on which the two sides differ.

Nothing is raised. Safe to hand around: see `people` on what is made up and how.
"""

from __future__ import annotations

from datetime import date
from random import Random
from typing import Final

from gateway.sample import people
from gateway.sample.people import Person, day_before, pounds
from gateway.sample.xml_writer import XmlWriter

RULES: Final = (
    ("HBTC003/CTTC003", "earnings", "paye"),
    ("HBTC011/CTTC011", "tax-credit", "tax-credits"),
    ("HBES021/CTES021", "benefit", "esa"),
    ("HBPC007/CTPC007", "pension", "pension-credit"),
    ("HBSV002", "capital", "savings"),
    ("HBDD001/CTDD001", "date-of-death", "deaths"),
    ("HBAD014", "address", "cis"),
    ("HBNI005", "nino", "cis"),
    ("HBND009", "non-dependant", "jsa"),
)
"""Rule, the fact it compares, and the system of the Department that knows it."""


class MatchWriter:
    """Writes the parts of one match, in the order of the schema."""

    def __init__(self, xml: XmlWriter, random: Random, today: date, matched: date) -> None:
        self.xml = xml
        self.random = random
        self.today = today
        self.matched = matched
        self.claimant = people.person(random, today, 19, 88)
        self.partner = people.person(random, today, 19, 88) if random.random() < 0.4 else None

    def write_claim(self) -> None:
        xml, random = self.xml, self.random
        with xml.element("Claim"):
            xml.leaf("HbReference", f"{random.randrange(10**7):07d}")
            if random.random() < 0.7:
                xml.leaf("CtbReference", f"{random.randrange(10**7):07d}")
            self._person("Claimant", self.claimant)
            if self.partner is not None:
                self._person("Partner", self.partner)
            xml.address(people.home(random))
            xml.day("InPaymentSince", day_before(random, self.matched, 60, 2500))

    def write_discrepancy(self, fact: str, held_in: str) -> None:
        xml, random = self.xml, self.random
        with xml.element("Discrepancy"):
            xml.leaf("Subject", "partner" if self.partner and random.random() < 0.3 else "claimant")
            xml.leaf("Fact", fact)
            with xml.element("Theirs"):
                xml.leaf("HeldIn", "extract")
                xml.day("AsAt", day_before(random, self.matched, 10, 40))
                if random.random() < 0.3 or fact in ("date-of-death", "non-dependant"):
                    xml.leaf("Nothing", "none-held")
                else:
                    self._value(fact)
            with xml.element("Ours"):
                xml.leaf("HeldIn", held_in)
                xml.day("AsAt", day_before(random, self.matched, 1, 40))
                self._value(fact)
            if fact in ("earnings", "tax-credit", "benefit", "pension"):
                xml.money("WeeklyDifference", pounds(random, 3, 190))

    def _person(self, role: str, person: Person) -> None:
        with self.xml.element(role):
            self.xml.leaf("Nino", person.nino)
            self.xml.name(person)
            self.xml.day("DateOfBirth", person.born)
            self.xml.leaf("Gender", person.gender)

    def _value(self, fact: str) -> None:
        xml, random = self.xml, self.random
        if fact == "nino":
            xml.leaf("Number", people.nino(random))
        elif fact == "date-of-death":
            xml.day("Day", day_before(random, self.matched, 20, 200))
        elif fact == "address":
            with xml.element("Place"):
                xml.address_parts(people.home(random))
        elif fact == "non-dependant":
            xml.leaf("Text", f"{people.person(random, self.today, 18, 60).full_name}, claims from this address")
        else:
            xml.leaf("Amount", pounds(random, 5, 400))
