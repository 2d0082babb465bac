"""What people of made-up claims live on: earnings, benefits, pensions, tax credits, maintenance, savings, a bank."""

from __future__ import annotations

from datetime import date, timedelta
from enum import Enum, auto
from random import Random

from gateway.sample import people
from gateway.sample.people import Person, day_before, pounds
from gateway.sample.xml_writer import XmlWriter


class Case(Enum):
    """What a household mainly lives on."""

    PENSION_CREDIT = auto()
    ESA = auto()
    JOBSEEKER = auto()
    EMPLOYED = auto()
    SELF_EMPLOYED = auto()


class ClaimMoney:
    """The money parts of one claim, each written in the order of the schema."""

    def __init__(
        self, xml: XmlWriter, random: Random, claimed_on: date, claimant: Person, partner: Person | None
    ) -> None:
        self.xml = xml
        self.random = random
        self.claimed_on = claimed_on
        self.claimant = claimant
        self.partner = partner

    def write_incomes(self, case: Case, children: int) -> None:
        with self.xml.element("Incomes"):
            match case:
                case Case.PENSION_CREDIT:
                    self._pension_incomes()
                case Case.ESA:
                    self._benefit("EmploymentAndSupportAllowanceIncome", 60, 115, phase=True)
                case Case.JOBSEEKER:
                    self._benefit("JobseekersAllowanceIncome", 50, 105)
                case Case.EMPLOYED:
                    self._earnings()
                case Case.SELF_EMPLOYED:
                    self._self_employed()
            if children:
                self._benefit("ChildBenefit", 20, 60)
                self._tax_credit()
                if self.random.random() < 0.2:
                    self._maintenance()

    def _income(self, of: str, amount: str, period: str) -> None:
        self.xml.leaf("IncomeOf", of)
        self.xml.money("IncomeAmount", amount)
        self.xml.leaf("IncomePeriod", period)
        self.xml.day("IncomeFrom", day_before(self.random, self.claimed_on, 10, 900))

    def _earnings(self) -> None:
        xml, random = self.xml, self.random
        earner = "partner" if self.partner and random.random() < 0.5 else "claimant"
        gross = random.randint(9_000, 30_000)
        with xml.element("Income"):
            self._income(earner, f"{gross // 100}.{gross % 100:02d}", "weekly")
            with xml.element("Earnings"):
                xml.leaf("Employer", people.employer(random))
                xml.leaf("PayrollNumber", f"{random.randrange(10**5):05d}")
                xml.leaf("PaidHours", random.choice(("8", "12.5", "16", "20", "24", "37.5")))
                xml.money("IncomeTax", pounds(random, 0, 25))
                xml.money("NationalInsurance", pounds(random, 0, 20))
                for weeks in range(random.randint(1, 3), 0, -1):
                    with xml.element("PaySlip"):
                        last = self.claimed_on - timedelta(days=7 * weeks)
                        xml.day("PeriodFrom", last - timedelta(days=6))
                        xml.day("PeriodTo", last)
                        xml.leaf("GrossPay", f"{gross // 100}.{gross % 100:02d}")
                        net = gross * 9 // 10
                        xml.leaf("NetPay", f"{net // 100}.{net % 100:02d}")

    def _self_employed(self) -> None:
        xml, random = self.xml, self.random
        with xml.element("Income"):
            self._income("claimant", pounds(random, 2_000, 9_000), "yearly")
            with xml.element("SelfEmployment"):
                xml.leaf("Trade", random.choice(("Window cleaning", "Childminding", "Taxi driving", "Market stall")))
                xml.day("TradeStart", day_before(random, self.claimed_on, 200, 3000))
                xml.leaf("TradeHours", str(random.randint(10, 45)))
                xml.money("Expenses", pounds(random, 200, 1_900))

    def _benefit(self, kind: str, least: float, most: float, *, phase: bool = False) -> None:
        xml, random = self.xml, self.random
        with xml.element("Income"):
            self._income("claimant", pounds(random, least, most), "weekly")
            with xml.element("Benefit"):
                xml.leaf("BenefitKind", kind)
                if phase:
                    xml.leaf("EsaPhase", random.choice(("assessment", "work-related-activity", "support")))
                xml.leaf("AwardState", random.choice(("claimed", "in-payment", "in-payment")))

    def _pension_incomes(self) -> None:
        xml, random = self.xml, self.random
        self._benefit("StatePension", 70, 130)
        if random.random() < 0.5:
            with xml.element("Income"):
                self._income("claimant", pounds(random, 20, 400), "monthly")
                with xml.element("Pension"):
                    xml.leaf("PensionKind", random.choice(("occupational", "personal", "annuity")))
                    xml.leaf("PensionPayer", people.employer(random))
        with xml.element("Income"):
            self._income("claimant", pounds(random, 5, 70), "weekly")
            with xml.element("PensionCredit"):
                xml.leaf("CreditKind", random.choice(("guarantee", "savings", "both")))
                xml.money("AssessedIncomeFigure", pounds(random, 90, 190))
                start = day_before(random, self.claimed_on, 5, 400)
                xml.day("AssessedIncomeFrom", start)
                xml.day("AssessedIncomeTo", start + timedelta(days=5 * 365))
                xml.money("AssessedCapital", pounds(random, 0, 9_000))

    def _tax_credit(self) -> None:
        with self.xml.element("Income"):
            self._income("claimant", pounds(self.random, 20, 110), "weekly")
            with self.xml.element("TaxCredit"):
                self.xml.leaf("TaxCreditKind", self.random.choice(("working", "child")))
                self.xml.day("AwardDate", day_before(self.random, self.claimed_on, 20, 300))

    def _maintenance(self) -> None:
        with self.xml.element("Income"):
            self._income("child", pounds(self.random, 5, 60), "weekly")
            with self.xml.element("Maintenance"):
                self.xml.leaf("MaintenanceFor", "child")
                self.xml.leaf("PaidThrough", self.random.choice(("direct", "csa", "court")))

    def write_capital(self) -> None:
        xml, random = self.xml, self.random
        kinds = ("current-account", "savings-account", "cash-isa", "premium-bonds", "shares")
        with xml.element("Capital"):
            for kind in kinds[: random.choice((1, 1, 2, 3))]:
                with xml.element("Holding"):
                    xml.leaf("HeldBy", random.choice(("claimant", "joint")) if self.partner else "claimant")
                    xml.leaf("HoldingKind", kind)
                    xml.leaf("HeldWith", people.bank(random))
                    xml.money("CapitalAmount", pounds(random, 0, 5_500))
                    xml.day("ValuedOn", self.claimed_on)

    def write_bank(self) -> None:
        xml, random = self.xml, self.random
        with xml.element("Bank"):
            xml.leaf("BankName", people.bank(random))
            xml.leaf("AccountHolder", self.claimant.full_name)
            xml.leaf("SortCode", people.sort_code(random))
            xml.leaf("AccountNumber", people.account_number(random))
