"""What administrators ask about a partner in the console, between two sites that run: its link tried, suspended by one at once, resumed by two."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from gateway.administration.people import roster
from gateway.administration.requests import about_partners, asking
from gateway.domain.decision import Decision
from gateway.domain.people import PersonRole
from gateway.domain.requests import Act, RequestState
from gateway.errors import NotFound, RightMissing, UsageWrong
from gateway.ledger import requests
from gateway.ledger.queries.trials import last_tried
from gateway.ledger.store import Ledger
from gateway.ledger.units import Request
from gateway.preflight import load
from gateway.settings.model import Settings
from tests.acceptance.sites import Site, claim, two_sites, wait_until
from tests.fakes.staff import hire

LA, WHY = "E09000030", "their incident 12, by telephone"


@dataclass(frozen=True)
class Desk:
    """DWP's console, as its people use it, and the authority at the other end."""

    dwp: Site
    la: Site
    ledger: Ledger

    @property
    def settings(self) -> Settings:
        return load(self.dwp.home)

    def ask(self, act: Act, user: str = "adm1", code: str = LA) -> str:
        return about_partners.ask(self.settings, self.ledger, act, code, user, WHY)

    def found(self, identity: str) -> Request:
        with self.ledger.read() as connection:
            return requests.find(connection, identity)

    def answered(self, identity: str, seconds: float = 60) -> Request:
        wait_until(lambda: self.found(identity).state is not RequestState.ASKED, seconds, "the answer")
        return self.found(identity)

    def steps(self, identity: str) -> list[tuple[str, str]]:
        with self.ledger.read() as connection:
            from gateway.administration.views.requests import story  # noqa: PLC0415 - the view that the page has

            told = [each.detail for each in story(self.settings, connection, identity).events]
        return [(each["stage"], each["outcome"]) for each in told if "stage" in each]

    def roles(self) -> list[int | None]:
        return [self.dwp.role(role) for role in ("inspect", "vault", "link")]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with two_sites(tmp_path_factory.mktemp("acts")) as (dwp, la):
        ledger = Ledger(dwp.home.ledger, clock=time.time, role="console")
        hire(ledger, "adm1", "adm2", "adm3", role=PersonRole.ADMINISTRATOR)
        hire(ledger, "sup1")
        dwp.start()
        la.start()
        yield Desk(dwp, la, ledger)
        ledger.close()


def reached(site: Site, partner: str) -> bool:
    return site.gateway("partner", "test", partner, check=False).returncode == 0


def test_link_is_tried_by_the_role_that_has_the_key_and_each_step_is_told(desk: Desk) -> None:
    identity = desk.ask(Act.TEST_LINK)
    done = desk.answered(identity)
    assert (done.state, done.unit, done.became) == (RequestState.DONE, LA, "works"), done.refusal
    steps = desk.steps(identity)
    assert steps[:2] == [("log in", "worked"), ("directory", "worked")]
    assert ("right to remove", "not tried") in steps, "at another gateway a trial leaves nothing behind"
    assert {each["role"] for each in desk.dwp.events("link.stepped")} == {"link"}
    with desk.ledger.read() as connection:
        (tried,) = last_tried(connection, LA, 5)
    assert (tried.request, tried.actor, tried.outcome) == (identity, "adm1", "works")

    desk.la.stop()
    try:
        failed = desk.answered(desk.ask(Act.TEST_LINK))
        assert (failed.state, failed.became) == (RequestState.DONE, "fails: link-unreachable"), "tried, and told so"
        with desk.ledger.read() as connection:
            newest, _ = last_tried(connection, LA, 5)
        assert newest.outcome == "fails"
        assert newest.reason
    finally:
        desk.la.start()


def test_one_suspends_at_once_and_two_resume_without_anybody_at_the_machine(desk: Desk) -> None:
    dwp, la = desk.dwp, desk.la
    name, content = claim(1, seed=8)
    dwp.drop("claim", LA, name, content)
    dwp.wait_for(name, "receipted", 60)
    roles = desk.roles()

    done = desk.answered(desk.ask(Act.SUSPEND_PARTNER), 20)
    assert (done.state, done.became) == (RequestState.DONE, "suspended"), done.refusal
    wait_until(lambda: not reached(la, "DWP"), 20, "the server shuts it out")
    wait_until(lambda: dwp.events("partner.left-out"), 20, "the log says so")
    later, content = claim(2, seed=8)
    dropped = dwp.drop("claim", LA, later, content)
    refused = dwp.gateway("submit", "claim", LA, dropped, check=False)
    assert (refused.returncode, "partner-suspended" in refused.stderr) == (69, True)
    assert f"partner {LA} is suspended: {WHY}" in dwp.gateway("status", check=False).stdout
    (listed,) = [each for each in dwp.json("partner", "list") if each["code"] == LA]
    assert listed["suspended"] == WHY
    assert "suspended" not in (dwp.home.partners_d / f"{LA}.toml").read_text().replace("# suspended", "")
    assert dropped.exists(), "what waits stays"
    refused_test = desk.dwp.gateway("partner", "test", LA, check=False)
    assert refused_test.returncode == 69
    for again in (Act.SUSPEND_PARTNER, Act.TEST_LINK):
        with pytest.raises(UsageWrong, match="suspended"):
            desk.ask(again)

    identity = desk.ask(Act.RESUME_PARTNER)
    assert desk.found(identity).state is RequestState.PROPOSED, "to resume takes two"
    with pytest.raises(UsageWrong):
        asking.agree(desk.settings, desk.ledger, identity, "adm1", "myself")
    with pytest.raises(RightMissing):
        asking.agree(desk.settings, desk.ledger, identity, "sup1", "for them")
    dwp.stop()
    dwp.start()  # a role that starts knows it
    time.sleep(1)
    assert dropped.exists()
    assert not reached(la, "DWP")
    roles = desk.roles()
    asking.agree(desk.settings, desk.ledger, identity, "adm2", "it is over")
    resumed = desk.answered(identity, 20)
    assert (resumed.state, resumed.became, resumed.decider) == (RequestState.DONE, "resumed", "adm2")
    dwp.wait_for(later, "receipted", 60)
    wait_until(lambda: reached(la, "DWP"), 20, "the server lets it in")
    assert desk.roles() == roles, "no process was started anew"
    dwp.gateway("audit", "verify")


def test_the_command_ends_what_the_console_began(desk: Desk) -> None:
    desk.answered(desk.ask(Act.SUSPEND_PARTNER), 20)
    assert desk.dwp.gateway("partner", "suspend", LA, "--reason", "once more", check=False).returncode == 64
    desk.dwp.gateway("partner", "resume", LA, "--reason", "it is over")
    assert LA in desk.settings.partners
    wait_until(lambda: reached(desk.la, "DWP"), 20, "the server lets it in")

    desk.dwp.gateway("partner", "suspend", LA, "--reason", "by the file")
    try:
        with pytest.raises(UsageWrong, match="at the machine"):
            desk.ask(Act.RESUME_PARTNER)
    finally:
        desk.dwp.gateway("partner", "resume", LA, "--reason", "it is over")


@pytest.mark.parametrize("code", ["", "E09000099", "../DWP", "x" * 5000, "\x00", "suspension/x"])
def test_nobody_asks_about_what_is_no_partner(desk: Desk, code: str) -> None:
    for act in about_partners.ACTS:
        with pytest.raises(NotFound):
            desk.ask(act, code=code)


def test_who_may_not_or_may_no_more_is_refused(desk: Desk) -> None:
    for act in (Act.TEST_LINK, Act.SUSPEND_PARTNER):
        for user in ("sup1", "nobody"):
            with pytest.raises(RightMissing):
                desk.ask(act, user)
    with pytest.raises(NotFound):
        about_partners.ask(desk.settings, desk.ledger, Act.TAKE_CARD, LA, "adm1", WHY)
    desk.dwp.stop()
    try:
        identity = desk.ask(Act.SUSPEND_PARTNER, "adm3")
        with pytest.raises(UsageWrong, match="already"):
            desk.ask(Act.SUSPEND_PARTNER)
        roster.suspend(desk.ledger, "adm3", Decision("adm1", "left in the night"))
    finally:
        desk.dwp.start()
    answer: Any = desk.answered(identity, 20)
    assert (answer.state, answer.code) == (RequestState.REFUSED, "right-missing")
    assert LA in desk.settings.partners
