"""Fixtures of the browser tests: DWP and an authority at work, each with a console and its people, and a browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from playwright.sync_api import Browser, Error

from tests.acceptance.copies import copied_pair
from tests.acceptance.sites import Site, free_port, wait_until
from tests.browser.browsing import Person, add_people, chromium


@dataclass(frozen=True)
class ConsoleSite:
    """A site whose console answers at `base`, and the second factors of its people."""

    site: Site
    base: str
    secrets: dict[str, str]
    steps: dict[str, int] = field(default_factory=dict)
    """The time step of the last code that each has used."""
    jars: dict[str, list[Any]] = field(default_factory=dict)
    """The cookies of who has signed in, by user id: a code can be used once, and the next one comes after half a minute."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for a module's tests."""
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ConsoleSite, ConsoleSite]]:
    """DWP and an authority, at work."""
    with copied_pair(tmp_path_factory.mktemp("consoles")) as pair:
        prepared = []
        for site in pair:
            listen = f"127.0.0.1:{free_port()}"
            site.edit_config("console", listen=listen)
            site.edit_config("continuity", tell=["Duty manager, 020 7946 0001", "Service desk, 020 7946 0002"])
            prepared.append(ConsoleSite(site, f"http://{listen}", add_people(site)))
        for each in prepared:
            each.site.start()
        for each in prepared:
            wait_until(partial(each.site.role, "console"), 30, "the start of the console")
        yield prepared[0], prepared[1]


def stands(person: Person) -> str:
    """Whether the session of somebody's cookies lasts or is `ended`; nothing while the console does not answer."""
    try:
        answer = person.context.request.get("/", max_redirects=0)
    except Error:
        return ""
    return "ended" if answer.headers.get("location", "").startswith("/sign-in") else "lasts"


@pytest.fixture
def enter(browser: Browser) -> Iterator[Callable[[ConsoleSite, str], Person]]:
    """Somebody at a browser, signed in; signed out again at the end, and nothing complained."""
    entered: list[Person] = []

    def make(site: ConsoleSite, user: str) -> Person:
        person = Person(browser, site.base, user, site.secrets[user])
        entered.append(person)
        if user in site.jars:
            person.context.add_cookies(site.jars[user])
        # A change of the person, which another test made, ends the session. After a reload the console is away for a moment.
        if wait_until(partial(stands, person), 30, "an answer of the console") == "ended":
            person.context.clear_cookies()
            site.steps[user] = person.sign_in(after=site.steps.get(user, 0))
            site.jars[user] = person.context.cookies()
        return person

    yield make
    for person in entered:
        person.close()
        assert person.complaints == []
