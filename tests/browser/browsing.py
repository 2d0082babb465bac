"""A person at a browser: Debian's Chromium, driven by Playwright, which notes every complaint of a page."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import pyotp
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from gateway.administration.credentials import links
from gateway.administration.credentials.context import credentials
from gateway.administration.people import roster
from gateway.domain.decision import Decision
from gateway.domain.people import PersonRole
from gateway.logs import configure
from gateway.settings.read import load
from tests.acceptance.sites import Site
from tests.fakes.credentials import CHEAP

PASSWORD: Final = "violet harbour seventeen"  # noqa: S105 - of people that a test makes up
_ARGUMENTS: Final = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
NARROW: Final = 320
STEP: Final = 30.0
PEOPLE: Final = {
    "op1": ["operator"],
    "op2": ["operator"],
    "sup1": ["supervisor"],
    "sup2": ["supervisor"],
    "chk1": ["checking-officer"],
    "prt1": ["secure-print"],
    "aud1": ["auditor"],
    "adm1": ["administrator"],
    "adm2": ["administrator"],
}


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser; a test is skipped where there is none."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(_ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


def add_people(site: Site, people: dict[str, list[str]] = PEOPLE) -> dict[str, str]:
    """Add people who have a password, and the second factor of each by user id."""
    settings = load(site.home)
    log = configure(settings.site.code, "test", stream=sys.stderr.buffer, format="json", level="error")
    why, secrets = Decision("test", "for the test"), {}
    with credentials(settings, log, time.time, role="command", hasher=CHEAP) as context:
        for user, roles in people.items():
            details = roster.Details(f"Person {user}", "Benefits", "2026-01-05", "2026-01-06")
            roster.add(context.ledger, user, [PersonRole(role) for role in roles], details, why)
            token = links.issue(context, user, why)
            secrets[user] = links.start(context, token).secret
            earlier = pyotp.TOTP(secrets[user]).at(int(time.time() - STEP))  # so that the present one can be used yet
            links.use(context, token, PASSWORD, earlier)
    return secrets


_SHOWN_HERE: Final = """async path => {
    const answer = await fetch(path);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    document.querySelector("main").replaceWith(page.querySelector("main"));
    const looked = await axe.run({resultTypes: ["violations"], rules: {"color-contrast": {enabled: false}}});
    return [document.documentElement.scrollWidth, looked.violations.map(each => each.id + ": " + each.nodes[0].html.slice(0, 200))];
}"""


class Person:
    """Somebody at a browser of their own. What pages complained of is in `complaints`."""

    def __init__(self, browser: Browser, base: str, user: str, secret: str) -> None:
        self.base, self.user, self.secret = base, user, secret
        self.context: BrowserContext = browser.new_context(base_url=base, viewport={"width": 1200, "height": 900})
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(15_000)
        self.complaints: list[str] = []
        self.page.on("console", lambda said: self.complaints.append(f"{self.page.url}: {said.text}"))
        self.page.on("pageerror", lambda error: self.complaints.append(f"{self.page.url}: {error}"))
        self.page.on("request", self._noted)

    def _noted(self, request: Any) -> None:
        if not request.url.startswith(self.base):
            self.complaints.append(f"{self.page.url} asks {request.url}")

    def sign_in(self, after: int = 0) -> int:
        """By user id, password, and a code that was not used yet: of a time step after that one. The step whose code was used."""
        step = max(int(time.time() // STEP), after + 1)
        time.sleep(max(0.0, (step - 1) * STEP - time.time()))  # a code is taken from half a minute before its time
        self.page.goto("/sign-in")
        self.page.fill("#user", self.user)
        self.page.fill("#password", PASSWORD)
        self.page.fill("#code", pyotp.TOTP(self.secret).at(int(step * STEP)))
        self.page.click("main button")
        self.page.wait_for_load_state()
        assert "/sign-in" not in self.page.url, self.text()
        return step

    def see(self, path: str) -> int:
        """Go there; the status."""
        answer = self.page.goto(path)
        assert answer is not None
        return answer.status

    def text(self, selector: str = "main") -> str:
        return self.page.inner_text(selector)

    def violations(self) -> list[str]:
        """What axe finds on this page by WCAG 2.2 AA and its own good practice, as words."""
        found = Axe().run(self.page).response["violations"]
        return [f"{each['id']}: {each['help']}: {each['nodes'][0]['html'][:200]}" for each in found]

    def faults_of(self, paths: Iterable[str], width: int = NARROW) -> dict[str, Any]:
        """What axe finds in pages, each shown in the place of this page's main part on a screen of that width, and by how many pixels each
        is wider; of those that have either. The frame and the colours are those of this page: looking at them again takes most of the time.
        """
        size = self.page.viewport_size
        assert size is not None
        self.page.set_viewport_size({"width": width, "height": 800})
        self.page.evaluate(Axe().axe_script)
        found = {path: self.page.evaluate(_SHOWN_HERE, path) for path in paths}
        self.page.set_viewport_size(size)
        return {path: faults for path, faults in found.items() if faults != [width, []]}

    def overflow(self, width: int = NARROW) -> int:
        """By how many pixels the page is wider than a screen of that width."""
        size = self.page.viewport_size
        self.page.set_viewport_size({"width": width, "height": 800})
        wide = int(self.page.evaluate("document.documentElement.scrollWidth"))
        assert size is not None
        self.page.set_viewport_size(size)
        return wide - width

    def close(self) -> None:
        self.context.close()
