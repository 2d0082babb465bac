"""What travels while processes are killed: each trip a few acts of people, and after each the roles whose turn it is."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from gateway.cli import main
from gateway.domain.identity import new_id
from gateway.domain.triage import ENDING
from gateway.sample.extract import ExtractSampler
from gateway.sample.laid import LaidSampler
from gateway.settings.resources import resource
from gateway.stages.itinerary import Role
from tests.acceptance.promises import Book
from tests.acceptance.reading import rows
from tests.acceptance.sites import Site, claim
from tests.crash.roles import carried
from tests.fakes.yesterday import begin_yesterday

LA: Final = "E09000030"
DWP: Final = "DWP"
TODAY: Final = date(2026, 11, 22)

INSPECT, VAULT, LINK = Role.INSPECT, Role.VAULT, Role.LINK
Turn = tuple[str, Role]
"""Whose turn it is: "sender" or "receiver", and the role."""


def _of(side: str, *roles: Role) -> tuple[Turn, ...]:
    return tuple((side, role) for role in roles)


OUT: Final = _of("sender", INSPECT, VAULT, LINK)
IN: Final = _of("receiver", LINK, VAULT, INSPECT, VAULT, LINK)
BACK: Final = _of("sender", LINK, VAULT, INSPECT)


@dataclass(frozen=True)
class Leg:
    """An act, and the turns that follow from it. What is not swept is there for what comes after it."""

    act: Callable[[Book], None]
    turns: tuple[Turn, ...]
    swept: bool = True


@dataclass(frozen=True)
class Trip:
    """`wire` is how sealed files get across; `settings` what the receiver's configuration says otherwise."""

    legs: tuple[Leg, ...]
    sender: str = DWP
    wire: str = "folder"
    own_agent: bool = False
    settings: Mapping[str, Mapping[str, object]] = field(default_factory=dict)

    def site(self, side: str) -> str:
        receiver = LA if self.sender == DWP else DWP
        return self.sender if side == "sender" else receiver


def _nothing(_book: Book) -> None:
    """Nobody does anything; what was begun goes on."""


def _site(book: Book, code: str) -> Site:
    return next(site for site in book.pair if site.code == code)


def _claims(book: Book, *indices: int, defect: str | None = None) -> None:
    for index in indices:
        name, content = claim(index, defect=defect)
        book.drop(_site(book, DWP), "claim", LA, name, content)


def _laid(book: Book) -> None:
    made = LaidSampler().make(sender=DWP, recipient=LA, index=0, random=random.Random(1), today=TODAY)
    book.drop(_site(book, DWP), "laid", LA, made.name, made.content)


def _extract(book: Book) -> None:
    sampler = ExtractSampler(resource("schemas"), rows=20)
    made = sampler.make(sender=LA, recipient=DWP, index=0, random=random.Random(1), today=TODAY)
    book.drop(_site(book, LA), "extract", DWP, made.name, made.content)


def _mixed(book: Book) -> None:
    """Good files of two flows, one with its marker, a file that breaks its rules, and what is no file to send at all."""
    spool = _site(book, DWP).home.outbound / "claim" / LA
    (spool / f"{claim(0)[0]}.ready").touch()
    _claims(book, 0, 1)
    _claims(book, 2, defect="wrong-authority")
    _laid(book)
    (spool / "link.xml").symlink_to("/etc/hostname")


def both_ways(book: Book) -> None:
    """Good files in both directions, and one that breaks its rules."""
    _claims(book, 0, 1)
    _claims(book, 2, defect="wrong-authority")
    _laid(book)
    _extract(book)


def _claim_and_laid(book: Book) -> None:
    _claims(book, 0)
    _laid(book)


def _in_other_bytes(book: Book) -> None:
    """The first claim with other numbers and lines, beside one that is new: triage knows the former again."""
    name, content = claim(0)
    text = re.sub(r"<MessageId>[^<]*", "<MessageId>CLM-DWP-261122-0000000000000000", content.decode()).replace(
        "\n", "\n "
    )
    text = re.sub(r"<ClaimReference>[^<]*", "<ClaimReference>HC/00000001", text)
    book.drop(_site(book, DWP), "claim", LA, f"again-{name}", text.encode())
    _claims(book, 1)


def _said_again(book: Book) -> None:
    (told,) = (_site(book, LA).home.inbound / "claim" / DWP).glob(f"*{ENDING}")
    assert json.loads(told.read_bytes())["repeats"] == 1


def _same_again(book: Book) -> None:
    """The bytes of the first claim under another name: held, since they may have been sent before."""
    book.drop(_site(book, DWP), "claim", LA, "again.xml", claim(0)[1])


def _release(book: Book) -> None:
    site = _site(book, DWP)
    for row in rows(site, "SELECT id FROM transfers WHERE state = 'held'"):
        assert main(["--home", str(site.home.root), "release", row["id"], "--reason", "sent twice on purpose"]) == 0


def _carried_again(book: Book) -> None:
    """The partner's consignment comes once more, as after a receipt that was lost."""
    site = _site(book, LA)
    for path in sorted(carried(site).glob("*.pgp")):
        if not path.name.endswith(".receipt.pgp"):
            (site.home.landing_in(DWP) / path.name).write_bytes(path.read_bytes())


def _rubbish(book: Book) -> None:
    """What a partner's account can leave in the landing and is no consignment: no message, no name, no file."""
    landing = _site(book, LA).home.landing_in(DWP)
    (landing / f"{new_id(1_800_000_000, b'0123456789')}.pgp").write_bytes(b"no message")
    (landing / f"{new_id(1_800_000_001, b'0123456789')}.receipt.pgp").write_bytes(b"no receipt")
    (landing / "unasked.txt").write_bytes(b"no name")
    (landing / "folder").mkdir()


def _words(book: Book) -> None:
    """The back office takes one file in and refuses the other."""
    home = _site(book, LA).home
    said = home.outcomes / "claim" / DWP
    said.mkdir(parents=True, exist_ok=True)
    first, second = (claim(index)[0] for index in (0, 1))
    (said / f"{first}.accepted").touch()
    (said / f"{second}.rejected").write_bytes(b"No such tenancy.\n")


def _stated(book: Book) -> None:
    """DWP's statement of yesterday is signed: the same bytes, however often somebody has to begin anew."""
    home = _site(book, DWP).home
    begin_yesterday(home, LA)
    assert main(["--home", str(home.root), "audit", "statement"]) == 0


TRIPS: Final[Mapping[str, Trip]] = {
    "claim": Trip((Leg(lambda book: _claims(book, 0), OUT + IN + BACK),), own_agent=True),
    "mixed": Trip((Leg(_mixed, OUT + IN + BACK),)),
    "wire": Trip((Leg(_extract, OUT + IN + BACK),), sender=LA, wire="sftp"),
    "refused": Trip(
        (
            Leg(_claim_and_laid, OUT + IN[:2], swept=False),
            Leg(_nothing, IN[2:] + BACK),
        ),
        settings={"validation": {"test_numbers": False}},
    ),
    "held": Trip(
        (
            Leg(lambda book: _claims(book, 0), OUT + IN + BACK, swept=False),
            Leg(_same_again, _of("sender", INSPECT)),
            Leg(_release, OUT),
            Leg(_nothing, IN + BACK, swept=False),
        ),
    ),
    "triaged": Trip(
        (
            Leg(lambda book: _claims(book, 0), OUT + IN + BACK, swept=False),
            Leg(_in_other_bytes, OUT[:1]),
            Leg(_nothing, OUT[1:] + IN[:2], swept=False),
            Leg(_nothing, IN[2:3]),
            Leg(_nothing, IN[3:] + BACK, swept=False),
            Leg(_said_again, (), swept=False),
        ),
    ),
    "repeated": Trip(
        (
            Leg(lambda book: _claims(book, 0), OUT + IN + BACK, swept=False),
            Leg(_carried_again, _of("receiver", LINK, VAULT, LINK) + BACK),
        ),
    ),
    "rubbish": Trip((Leg(_rubbish, _of("receiver", LINK, VAULT)),)),
    "statement": Trip(
        (
            Leg(_stated, _of("sender", INSPECT)),
            Leg(_nothing, OUT[1:] + IN[:1], swept=False),
            Leg(_nothing, IN[1:2]),
            Leg(_nothing, IN[2:] + BACK, swept=False),
        ),
    ),
    "words": Trip(
        (
            Leg(lambda book: _claims(book, 0, 1), OUT + IN + BACK, swept=False),
            Leg(_words, _of("receiver", INSPECT, VAULT, LINK) + BACK),
        ),
    ),
}
