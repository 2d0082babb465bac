"""A partner's card taken by two people of the console, with real keys: one asks, another hears the fingerprint, somebody at the machine carries it out."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.administration.people import roster
from gateway.administration.requests import asking, cards
from gateway.cli import main
from gateway.domain.decision import Decision
from gateway.domain.people import PersonRole
from gateway.domain.requests import Act, RequestState
from gateway.errors import CardRefused, RightMissing, UsageWrong
from gateway.ledger import requests
from gateway.ledger.queries import events
from gateway.ledger.store import Ledger
from gateway.ledger.units import Request
from gateway.settings.home import Home
from gateway.settings.read import load
from tests.deciding import ASKED
from tests.fakes.staff import hire

LA, WHY = "E09000030", "DWP joins"


@dataclass(frozen=True)
class Desk:
    """An authority that knows nobody, a ledger of it with three administrators, and DWP's card."""

    home: Home
    ledger: Ledger
    card: str
    call: Callable[..., tuple[int, str]]

    def ask(self, card: str | None = None, user: str = "adm1") -> str:
        return cards.ask(load(self.home), self.ledger, self.card if card is None else card, user, WHY)

    def agree(self, identity: str, user: str = "adm2", heard: str | None = None) -> Request:
        fingerprint = json.loads(self.card)["fingerprint"]
        digits = fingerprint[-8:] if heard is None else heard
        return cards.agree(load(self.home), self.ledger, identity, user, digits, "they read it out")

    def found(self, identity: str) -> Request:
        with self.ledger.read() as connection:
            return requests.find(connection, identity)

    def said(self, name: str) -> list[dict[str, Any]]:
        with self.ledger.read() as connection:
            return [json.loads(each.detail) for each in events.chain(connection) if each.event == name]


@pytest.fixture(scope="module")
def moulds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("moulds")
    for name, code in (("dwp", "DWP"), ("la", LA)):
        assert main(["init", str(root / name), "--site", code, "--sftp", f"127.0.0.1:24{len(name):02d}"]) == 0
    return root


@pytest.fixture
def desk(tmp_path: Path, moulds: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.delenv("GATEWAY_HOME", raising=False)

    def call(*arguments: str) -> tuple[int, str]:
        capfd.readouterr()
        status = main([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return status, out + err

    status, card = call("--home", str(moulds / "dwp"), "card")
    assert status == 0
    home = Home(shutil.copytree(moulds / "la", tmp_path / "la"))
    ledger = Ledger(home.ledger, clock=time.time, role="console")
    hire(ledger, "adm1", "adm2", "adm3", role=PersonRole.ADMINISTRATOR)
    hire(ledger, "sup1")
    yield Desk(home, ledger, card, lambda *words: call("--home", str(home.root), *words))
    ledger.close()


def test_two_take_a_card_and_the_machine_carries_it_out(desk: Desk) -> None:
    identity = desk.ask()
    assert desk.call("carry-out") == (0, "Nothing waits for somebody at the machine.\n")
    assert desk.call("carry-out", identity)[0] != 0, "one person alone is nobody's order"
    assert desk.agree(identity).state == RequestState.ASKED
    status, told = desk.call("carry-out")
    assert (status, load(desk.home).partners["DWP"].fingerprint) == (0, json.loads(desk.card)["fingerprint"]), told
    done = desk.found(identity)
    assert (done.state, done.unit) == (RequestState.DONE, "DWP")
    (detail,) = desk.said(ASKED["carry-out"])
    assert (detail["actor"], detail["second"]) == ("adm1", "adm2")
    assert detail["account"], "who carried it out"
    assert desk.call("audit", "verify")[0] == 0
    assert desk.call("carry-out", identity)[0] != 0


@pytest.mark.parametrize("heard", ["", "0000 0000", "\u2022" * 8, "f" * 40])
def test_who_did_not_hear_the_last_digits_does_not_agree(desk: Desk, heard: str) -> None:
    identity = desk.ask()
    with pytest.raises(UsageWrong, match="last 8 digits"):
        desk.agree(identity, heard=heard)
    assert desk.found(identity).state == RequestState.PROPOSED
    fingerprint = json.loads(desk.card)["fingerprint"]
    shown = cards.in_groups(cards.card_of(desk.card), whole=False)
    assert fingerprint[:4] in shown
    assert fingerprint[-8:] not in shown.replace(" ", "")
    spaced = f"{fingerprint[-8:-4]} {fingerprint[-4:].lower()}"
    assert desk.agree(identity, heard=spaced).state == RequestState.ASKED


def test_only_other_administrators_agree_and_not_past_the_fingerprint(desk: Desk) -> None:
    with pytest.raises(RightMissing):
        desk.ask(user="sup1")
    identity = desk.ask()
    with pytest.raises(UsageWrong):
        desk.agree(identity, "adm1")
    with pytest.raises(RightMissing):
        desk.agree(identity, "sup1")
    with pytest.raises(UsageWrong, match="in the console"):
        asking.agree(load(desk.home), desk.ledger, identity, "adm2", "seen the papers")


@pytest.mark.parametrize("text", ["", "{}", "no card", "[" * 9000, "\ud800", "x" * 70_000])
def test_what_is_no_card_cannot_be_asked_for(desk: Desk, text: str) -> None:
    with pytest.raises(CardRefused):
        desk.ask(text)


def test_who_lost_the_right_before_it_is_carried_out_pins_nothing(desk: Desk) -> None:
    identity = desk.ask()
    desk.agree(identity)
    roster.suspend(desk.ledger, "adm2", Decision("adm3", "incident"))
    assert desk.call("carry-out")[0] == 65
    assert desk.found(identity).code == "right-missing"
    assert load(desk.home).partners == {}


def test_card_whose_certificate_is_another_is_refused_with_an_answer(desk: Desk) -> None:
    forged = json.loads(desk.card) | {"fingerprint": "A" * 40}
    identity = desk.ask(json.dumps(forged))
    desk.agree(identity, heard="A" * 8)
    assert desk.call("carry-out", identity)[0] == 65
    refused = desk.found(identity)
    assert (refused.state, refused.code, refused.act) == (RequestState.REFUSED, "card", Act.TAKE_CARD)
    assert load(desk.home).partners == {}
