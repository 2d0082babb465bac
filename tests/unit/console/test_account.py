"""One's own account as the console answers for it: passkeys by the real application, reminders, and nobody else's."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import pytest

from gateway.console.role import _tidy
from gateway.console.web import csrf_of
from tests.fakes.authenticator import Device
from tests.fakes.credentials import DAY, GOOD, Desk
from tests.fakes.programs import Program, Said, program
from tests.fakes.two_ledgers import two_ledgers

LOCAL = "localhost:9640"


@dataclass
class Browser:
    """At the console's name; `token` is the session's."""

    console: Program
    desk: Desk
    token: str = ""

    def get(self, path: str) -> str:
        return self._ask("GET", path).body.decode()

    def post(self, path: str, **fields: str) -> Said:
        fields.setdefault("csrf", csrf_of(self.token) if self.token else "")
        return self._ask("POST", path, urlencode(fields).encode())

    def _ask(self, method: str, path: str, body: bytes = b"") -> Said:
        headers = {"host": LOCAL, "origin": f"http://{LOCAL}", "content-type": "application/x-www-form-urlencoded"}
        headers |= {"cookie": f"gateway-{self.console.bench.code.lower()}={self.token}"} if self.token else {}
        said = self.console.ask(method, path, body, {**headers, "content-length": str(len(body))}, "")
        if "set-cookie" in said.headers:
            self.token = said.headers["set-cookie"].partition("=")[2].partition(";")[0].strip('"')
        return said

    def begin(self) -> str:
        """Ask to add a passkey; what the page hands to the device."""
        said = self.post("/account/passkeys/begin", name="laptop", password=GOOD, code=self.desk.code("op1"))
        found = re.search(r'data-options="([^"]+)"', said.body.decode())
        assert found is not None, said.body.decode()
        return html.unescape(found[1])


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    """The operator's, signed in by password and code."""
    with two_ledgers(tmp_path) as pair, program(pair.dwp) as console:
        desk = Desk(console.site.credentials)
        made = Browser(console, desk)
        desk.now = pair.dwp.now
        desk.set_password("op1")
        pair.dwp.now = desk.now
        made.post("/sign-in", user="op1", password=GOOD, code=desk.code("op1"))
        assert made.token
        later(made, 30.0)
        yield made


def later(browser: Browser, seconds: float) -> None:
    browser.console.bench.now += seconds
    browser.desk.now = browser.console.bench.now


def test_passkey_is_added_and_signs_in_by_the_pages(browser: Browser) -> None:
    device = Device(counter=1)
    added = browser.post("/account/passkeys/add", credential=device.create(browser.begin()))
    assert (added.status, added.headers["location"]) == (303, "/account")
    assert "laptop" in browser.get("/account")
    browser.post("/sign-out")
    assert browser.post("/account/passkeys/begin").headers["location"] == "/sign-in"
    challenge = browser.post("/sign-in/challenge").body.decode()
    response = device.get(challenge)
    entered = browser.post("/sign-in/passkey", credential=response, next="/transfers")
    assert (entered.status, entered.headers["location"]) == (303, "/transfers")
    assert "Last used" in browser.get("/account")
    replayed = Browser(browser.console, browser.desk)
    assert replayed.post("/sign-in/passkey", credential=response).status == 422
    assert replayed.token == ""


def test_forms_of_the_account_take_the_sessions_own_token_and_another_persons_passkey_is_not_there(
    browser: Browser,
) -> None:
    device = Device()
    options = browser.begin()
    assert browser.post("/account/passkeys/add", credential=device.create(options), csrf="0" * 64).status == 403
    browser.post("/account/passkeys/add", credential=device.create(options))
    identity = re.search(r'name="passkey" value="([^"]+)"', browser.get("/account"))
    assert identity is not None
    assert browser.post("/account/passkeys/remove", passkey=identity[1], csrf="0" * 64).status == 403
    assert browser.post("/account/passkeys/remove", passkey="another").status == 404
    assert browser.post("/account/passkeys/remove", passkey=identity[1]).status == 303
    assert "You have none" in browser.get("/account")


def test_own_page_reminds_from_14_days_and_every_page_from_remind_days(browser: Browser) -> None:
    for days, own, every in ((15.5, False, False), (0.6, True, False), (7.4, True, True), (6.0, True, True)):
        later(browser, days * DAY)
        browser.token = ""
        browser.post("/sign-in", user="op1", password=GOOD, code=browser.desk.code("op1"))
        assert ("Your password ends" in browser.get("/account")) is own
        assert ("Your password ends" in browser.get("/transfers")) is every


def test_role_looks_once_an_hour_for_what_ends(browser: Browser) -> None:
    later(browser, 20 * DAY)
    due = _tidy(browser.console.site, 0.0)
    assert browser.console.site.now < due < browser.console.site.now + 3601.0
    later(browser, 5 * DAY)
    assert _tidy(browser.console.site, browser.console.site.now + 60.0) > browser.console.site.now
    assert [detail["days"] for *_, detail in browser.desk.told("password.expiring")] == [14]
    _tidy(browser.console.site, due)
    assert [detail["days"] for *_, detail in browser.desk.told("password.expiring")] == [14, 7]
