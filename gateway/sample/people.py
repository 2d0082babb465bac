"""Made-up people, homes and numbers, such as no living person has.

NINOs start with the test prefix of the table of prefixes (QQ). Telephone numbers lie in the ranges that Ofcom keeps for drama,
postcodes in an area (ZZ) that does not exist, without its district 99, which says that somebody has no postcode. E-mail
addresses end in example.org, sort codes start with 00. Everything follows from the `Random` that is passed in. Nothing is raised.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from random import Random
from typing import Final

from gateway.settings.resources import resource
from gateway.validation.nino_prefixes import load_prefixes

MALE: Final = "1"
FEMALE: Final = "2"

_WOMEN: Final = (
    "Mary", "Agnes", "Zofia", "Siân", "Fatima", "Grace", "Eirlys", "Chloë", "Patricia", "Gwên", "Nadia", "Sinéad",
    "Hannah", "Joyce", "Ifeoma", "Renée", "Mairead", "Tẹmitọpẹ", "Branwen", "Ângharad", "Doris", "Zoë",
)  # fmt: skip
_MEN: Final = (
    "John", "Llŷr", "Mohammed", "Seán", "Piotr", "Albert", "Iolo", "Desmond", "Kwame", "Ciarán", "Harold", "Dafydd",
    "José", "Tomos", "Gruffudd", "Hywel", "Kenneth", "Łukasz", "André", "Siôn", "Rhŷs", "Tariq",
)  # fmt: skip
_FAMILIES: Final = (
    "Ashworth", "Byrne", "Cŵper", "Dunphy", "Eccleston", "ap Gwilym", "Greenhalgh", "Hussain", "Iwu", "Jenkins",
    "Kowalczyk", "Llŵyd", "MacAulay", "Nuttall", "O'Rourke", "Prŷs-Jones", "Quayle", "Rahman", "Sørensen", "Tûdor",
    "Uddin", "Vaughan", "Winterbottom", "Yates", "Żak", "Brontë-Hill",
)  # fmt: skip
_STREETS: Final = (
    "Mill Lane", "Station Road", "Chapel Street", "Heol y Môr", "Larch Close", "Victoria Terrace", "Ffordd yr Ŵyl",
    "Canal Bank", "Corporation Street", "Orchard Way", "Stryd y Tŵr", "Jubilee Crescent", "Coronation Avenue",
)  # fmt: skip
_LOCALITIES: Final = ("Nether Edge", "Pant-y-dŵr", "Hollins", "Moorside", "Cwm-bach", "Highfield", "Low Town")
_TOWNS: Final = ("Oldborough", "Llanfair-ar-y-bryn", "Westhaven", "Tower Reach", "Marlbridge", "Pen-y-bont Fach")
_HOUSE_NAMES: Final = ("Tŷ Gwyn", "The Old Bakery", "Rose Cottage", "Bryn Môr", "Flat above the shop")
_LANDLORDS: Final = (
    "Castell Homes Ltd", "J & K Lettings", "Northern Star Housing", "Mrs E. Tŵr", "Peel Estates (Lettings) Ltd",
    "Harbour View Properties", "Cymdeithas Tai Môr a Mynydd", "St Anne's Housing Association", "Whitegate Homes",
)  # fmt: skip
_EMPLOYERS: Final = (
    "Marlbridge Bakery", "Oldborough Bus Company", "Westhaven School Meals", "Tŵr Cleaning Services", "Crown Garage",
    "Hollins Care Home", "Moorside Farm Shop", "Pier Hotel", "Quayside Fish & Chips", "Canal Street Nursery",
)  # fmt: skip
_BANKS: Final = ("Marlbridge Building Society", "Northern Provincial Bank", "Banc y Bryn", "Westhaven Savings Bank")


@dataclass(frozen=True)
class Person:
    """Somebody made up. `gender` is 1 or 2, as in the GovTalk type."""

    title: str
    given: tuple[str, ...]
    family: str
    gender: str
    born: date
    nino: str

    @property
    def full_name(self) -> str:
        return f"{self.given[0]} {self.family}"


@dataclass(frozen=True)
class Home:
    """An address: as in BS 7666 where `street` is set, otherwise in plain lines."""

    lines: tuple[str, ...]
    postcode: str
    flat: str | None = None
    house: str | None = None
    street: str | None = None
    locality: str | None = None
    town: str | None = None
    uprn: str | None = None


@cache
def specimen_prefix() -> str:
    """The first two letters of numbers that belong to nobody."""
    return load_prefixes(resource("schemas")).test


def nino(random: Random) -> str:
    suffix = random.choice("ABCD" * 5 + " ")
    return f"{specimen_prefix()}{random.randrange(1_000_000):06d}{suffix}"


def day_before(random: Random, day: date, nearest: int, furthest: int) -> date:
    """A day between `nearest` and `furthest` days before `day`."""
    return day - timedelta(days=random.randint(nearest, furthest))


def person(random: Random, today: date, youngest: int, oldest: int, family: str | None = None) -> Person:
    """A person whose age in years lies between `youngest` and `oldest`."""
    gender = random.choice((MALE, FEMALE))
    names = _MEN if gender == MALE else _WOMEN
    given = tuple(random.sample(names, 2 if random.random() < 0.4 else 1))
    adult = youngest >= 16
    title = random.choice(("Mr", "Mr", "Dr") if gender == MALE else ("Mrs", "Miss", "Ms", "Dr")) if adult else ""
    born = day_before(random, today, youngest * 366, (oldest + 1) * 365 - 1)
    return Person(title, given, family or random.choice(_FAMILIES), gender, born, nino(random))


def home(random: Random) -> Home:
    number = str(random.randint(1, 240)) if random.random() < 0.8 else random.choice(_HOUSE_NAMES)
    flat = f"Flat {random.randint(1, 60)}" if random.random() < 0.3 else None
    street, town = random.choice(_STREETS), random.choice(_TOWNS)
    locality = random.choice(_LOCALITIES) if random.random() < 0.5 else None
    front = (f"{number} {street}",) if number.isdecimal() else (number, street)
    lines = tuple(filter(None, (flat, *front, locality, town)))
    if random.random() < 0.35:
        return Home(lines, postcode(random))
    uprn = str(random.randint(1, 999_999_999_999)) if random.random() < 0.6 else None
    return Home(lines, postcode(random), flat, number, street, locality, town, uprn)


def postcode(random: Random) -> str:
    letters = "ABDEFGHJLNPQRSTUWXYZ"
    return f"ZZ{random.randint(1, 98)} {random.randint(0, 9)}{random.choice(letters)}{random.choice(letters)}"


def telephone(random: Random) -> str:
    drama = ("01632 960", "07700 900", "020 7946 0", "029 2018 0")
    return f"{random.choice(drama)}{random.randrange(1000):03d}"


def sort_code(random: Random) -> str:
    return f"00{random.randrange(10_000):04d}"


def account_number(random: Random) -> str:
    return f"{random.randrange(100_000_000):08d}"


def landlord(random: Random) -> str:
    return random.choice(_LANDLORDS)


def employer(random: Random) -> str:
    return random.choice(_EMPLOYERS)


def bank(random: Random) -> str:
    return random.choice(_BANKS)


def pounds(random: Random, least: float, most: float) -> str:
    """An amount with two decimals."""
    pence = random.randint(round(least * 100), round(most * 100))
    return f"{pence // 100}.{pence % 100:02d}"
