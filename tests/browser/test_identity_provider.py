"""Signing in and out by an identity provider, as a person at a browser does it: with JavaScript and without."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlencode

import pytest
import requests
from playwright.sync_api import Browser, Page

from gateway.administration.access import writing
from gateway.administration.people import roster
from gateway.domain.decision import Decision
from gateway.domain.people import PersonRole
from gateway.linux.landlock import confine_connections
from gateway.logs import configure
from gateway.settings.read import load
from tests.acceptance import sites
from tests.acceptance.copies import copied_pair
from tests.acceptance.forked import daemon
from tests.acceptance.sites import Site, free_port, wait_until
from tests.browser.browsing import Person
from tests.fakes.identity_provider import CLIENT, SECRET, Account, Provider, identity_provider, post

WHY = Decision("test", "for the test")


@dataclass
class Console:
    site: Site
    base: str
    provider: Provider


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """DWP's console alone, with an operator who has no password, and somebody at the provider whom it does not know."""
    with (
        identity_provider() as provider,
        copied_pair(tmp_path_factory.mktemp("console")) as (site, _),
    ):
        listen = f"127.0.0.1:{free_port()}"
        base = f"http://{listen}"
        provider.returns = [f"{base}/sign-in/provider/return"]
        provider.accounts = {"op1": Account.of("op1"), "stranger": Account.of("stranger")}
        site.edit_config("console", listen=listen)
        site.edit_config("console.identity_provider", issuer=provider.address, client_id=CLIENT, amr=["mfa"])
        settings = load(site.home)
        site.home.console.mkdir(mode=0o700, exist_ok=True)
        secret = site.home.console / "identity-provider.secret"
        secret.touch(0o600)
        secret.write_text(f"{SECRET}\n")
        log = configure(settings.site.code, "test", stream=sys.stderr.buffer, format="json", level="error")
        with writing(settings, log) as ledger:
            details = roster.Details("Person op1", "Benefits", "2026-01-05", "2026-01-06")
            roster.add(ledger, "op1", [PersonRole.OPERATOR], details, WHY)
        with site.log.open("ab") as lines:
            process = daemon("--home", str(site.home.root), "console", env=sites.ENVIRONMENT, log=lines)
        try:
            wait_until(lambda: site.role("console"), 60, "the start of the console")
            # The provider's document is known and kept: later it is answers about people alone that come out too long.
            assert requests.get(f"{base}/sign-in/provider", allow_redirects=False, timeout=20).is_redirect
            yield Console(site, base, provider)
        finally:
            process.terminate()
            assert process.wait(20) == 0


@contextmanager
def at(browser: Browser, console: Console, *, script: bool = True) -> Iterator[Page]:
    """A browser of somebody's own, whose console is empty at the end."""
    context = browser.new_context(base_url=console.base, java_script_enabled=script)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(f"{page.url}: {said.text}"))
    page.on("pageerror", lambda error: complaints.append(f"{page.url}: {error}"))
    yield page
    context.close()
    refusals = [each for each in complaints if "status of 403" in each or "status of 503" in each]
    assert complaints == refusals  # the browser says so of each page that is none


def go_in(page: Page, user: str, onward: str = "/") -> None:
    go_to_provider(page, onward)
    fill_in(page, user)


def go_to_provider(page: Page, onward: str = "/") -> None:
    page.goto(f"/sign-in?next={onward}")
    page.click("text=Sign in with your work account")


def fill_in(page: Page, user: str) -> None:
    page.fill("#user", user)
    page.fill("#password", f"{user}'s own")
    page.click("button")


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_somebody_goes_to_the_provider_and_back_and_signs_out_at_both(
    browser: Browser, console: Console, *, script: bool
) -> None:
    ended = console.provider.ended
    with at(browser, console, script=script) as page:
        page.goto("/transfers")
        assert page.url == f"{console.base}/sign-in?next=/transfers"
        go_in(page, "op1", "/transfers")
        page.wait_for_url(f"{console.base}/transfers")
        assert page.inner_text(".console-header__account") == "Person op1"
        cookies = {each["name"]: each for each in page.context.cookies(console.base)}
        assert list(cookies) == ["gateway-dwp"], "what was needed on the way is gone"
        assert (cookies["gateway-dwp"]["sameSite"], cookies["gateway-dwp"]["httpOnly"]) == ("Strict", True)
        page.click("text=Sign out")
        page.wait_for_url(f"{console.provider.address}/end**")
        page.click("button")
        page.wait_for_url(f"{console.base}/sign-in")
        page.goto("/transfers")
        assert "/sign-in" in page.url
    assert console.provider.ended == ended + 1


def test_the_pages_on_the_way_are_without_fault(browser: Browser, console: Console) -> None:
    person = Person(browser, console.base, "op1", "")
    try:
        person.see("/sign-in")
        assert person.violations() == []
        assert person.overflow() == 0
        assert not person.page.is_visible("#password"), "the way for administrators is folded up"
    finally:
        person.close()
    with at(browser, console) as page:
        go_in(page, "stranger")
        assert "You are not signed in" in page.inner_text("h1")
        assert "added by an administrator" in page.inner_text("main")
        person.page = page
        assert person.violations() == []
        assert person.overflow() == 0
    console.provider.huge = True
    try:
        with at(browser, console) as page:
            go_in(page, "op1")
            assert "cannot be asked now" in page.inner_text("h1")
            person.page = page
            assert person.violations() == []
            page.click("main a")
            page.click("text=Administrators: sign in with a password")
            assert page.is_visible("#password")
    finally:
        console.provider.huge = False


def test_an_answer_that_somebody_else_s_browser_got_lets_nobody_in(browser: Browser, console: Console) -> None:
    """Somebody sends a link by which another one would work under the sender's name."""
    begun = requests.get(f"{console.base}/sign-in/provider", allow_redirects=False, timeout=20)
    answer = post(begun.headers["location"], {"user": "op1", "password": "op1's own"}, console.provider.returns[0])
    with at(browser, console) as page:
        go_to_provider(page)
        other = page.context.new_page()  # this browser is on its way too
        other.goto(f"{console.provider.returns[0]}?{urlencode(answer)}")
        assert "did not begin this sign-in" in other.inner_text("main")
        other.goto("/")
        assert "/sign-in" in other.url
        other.close()
        fill_in(page, "op1")
        page.wait_for_url(f"{console.base}/")


def test_the_console_says_what_it_may_connect_to_and_what_failed_and_names_nobody(
    browser: Browser, console: Console
) -> None:
    console.provider.huge = True
    try:
        with at(browser, console) as page:
            go_in(page, "op1")
    finally:
        console.provider.huge = False
    port = console.provider.address.rpartition(":")[2]
    said = console.site.log_text()
    told = f"connects to port {port} alone" if has_ports() else "connects anywhere"
    assert told in said
    assert '"code":"identity-provider"' in said
    assert "subject-of" not in said
    assert "work account" not in said


def has_ports() -> bool:
    """Whether this kernel's Landlock knows ports: asked in a process that ends, since it cannot be undone."""
    child = os.fork()
    if child == 0:
        os._exit(0 if confine_connections([1]) else 1)
    return os.waitpid(child, 0)[1] == 0
