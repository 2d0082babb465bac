"""Every page as every role: who may see it sees it without a fault, and nobody else sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import pyotp
import pytest
from playwright.sync_api import Browser

from gateway.console.pages import PAGES, Page
from gateway.console.rooms import desk_aids
from gateway.domain.people import RIGHTS, PersonRole
from tests.acceptance.sites import claim
from tests.browser.browsing import PASSWORD, PEOPLE, STEP, Person
from tests.browser.conftest import ConsoleSite
from tests.browser.test_lives import press

ROLES: Final = {roles[0]: user for user, roles in reversed(PEOPLE.items())}
NEEDS_DWP: Final = ("/calendar", "/referrals")


@pytest.fixture(scope="module")
def dwp(sites: tuple[ConsoleSite, ConsoleSite]) -> ConsoleSite:
    """DWP's site, with a file that went, one that came back, and one that is held."""
    site = sites[0].site
    name, content = claim()
    site.drop("claim", "E09000030", name, content)
    bad, broken = claim(1, defect="nino")
    site.drop("claim", "E09000030", bad, broken)
    site.wait_for(name, "receipted")
    site.wait_for(bad, "rejected")
    return sites[0]


@pytest.fixture(scope="module")
def people(browser: Browser, dwp: ConsoleSite) -> Iterator[Callable[[str], Person]]:
    """Somebody of a role, signed in once for all tests."""
    entered: dict[str, Person] = {}

    def of(role: str) -> Person:
        if role not in entered:
            user = ROLES[role]
            entered[role] = Person(browser, dwp.base, user, dwp.secrets[user])
            entered[role].sign_in()
        return entered[role]

    yield of
    for person in entered.values():
        person.close()


def filled(page: Page, dwp: ConsoleSite) -> str:
    """An address that the page answers."""
    sent = next(row for row in dwp.site.rows() if row["state"] == "receipted")
    return page.path.format(
        id=sent["consignment"] if page.path.startswith("/consignments") else sent["id"],
        code="E09000030",
        name="quarantine",
        act="hold",
        user="op1",
        which="support",
        kind="data-query",
        subject=sent["id"],
        token="0" * 64,
    )


NEED_MORE: Final = (
    "/quarantine/{id}",
    "/quarantine/{locked}/payload",
    "/transfers/{id}/redirect",
    "/requests/{id}",
    "/checks/{id}",
    "/incidents/{id}",
    "/forms/pdf/{id}",
    "/audit/statements/{event}.asc",
    "/audit/statements/{event}.tsr",
    ".pdf",
)
"""Pages about what is not at every site: test_lives.py, test_checks.py and the acceptance tests have them."""
ASKED: Final = "{request}"
"""In the address of a page about what somebody has asked for: test_payloads.py has them."""
LOOKED_AT: Final = [
    page
    for page in PAGES
    if page.method == "GET"
    and (page.right or page.own)
    and not page.path.endswith(NEED_MORE)
    and ASKED not in page.path
]


@pytest.mark.parametrize("role", list(map(str, PersonRole)))
def test_each_page_is_for_those_who_have_its_right(
    role: str, people: Callable[[str], Person], dwp: ConsoleSite
) -> None:
    person = people(role)
    for page in LOOKED_AT:
        answer = person.context.request.get(filled(page, dwp), max_redirects=0)
        elsewhere = 303 if page.path == "/" else 403  # whoever has another first page is led there
        wanted = 200 if page.own or page.right in RIGHTS[PersonRole(role)] else elsewhere
        assert answer.status == wanted, (page.path, answer.text())
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "page", [page for page in LOOKED_AT if not page.path.endswith(".csv")], ids=lambda page: page.path
)
def test_page_is_without_fault_for_everybody_and_on_a_narrow_screen(
    page: Page, people: Callable[[str], Person], dwp: ConsoleSite
) -> None:
    person = people(next(str(role) for role in PersonRole if page.own or page.right in RIGHTS[role]))
    assert person.see(filled(page, dwp)) == 200
    assert person.violations() == []
    assert person.overflow() == 0
    assert person.complaints == []


def test_help_is_without_fault_on_a_narrow_screen(people: Callable[[str], Person]) -> None:
    person = people("operator")
    assert person.see("/help") == 200
    assert person.faults_of(f"/help/{name}" for name in desk_aids.names()) == {}
    assert person.complaints == []


def test_filter_is_saved_and_removed_without_fault_at_any_width(people: Callable[[str], Person]) -> None:
    person = people("operator")
    person.see("/transfers")
    person.page.select_option("#state", "held")
    person.page.get_by_role("button", name="Show", exact=True).click()
    person.page.wait_for_url("**/transfers?*state=held*")
    person.page.fill("#name", "x" * 41)
    person.page.get_by_role("button", name="Save", exact=True).click()
    person.page.wait_for_load_state()
    assert "There is a problem" in person.text()
    assert person.violations() == []
    person.page.fill("#name", "W" * 40)
    person.page.get_by_role("button", name="Save", exact=True).click()
    person.page.wait_for_load_state()
    assert person.violations() == []
    assert person.overflow() == 0
    person.see("/transfers")
    person.page.get_by_role("link", name="W" * 40).click()
    person.page.wait_for_url("**/transfers?state=held")
    person.page.get_by_role("button", name=f"Remove the filter {'W' * 40}").click()
    person.page.wait_for_load_state()
    assert person.page.get_by_role("link", name="W" * 40).count() == 0
    person.complaints = [each for each in person.complaints if "422" not in each]


def test_menu_leads_only_where_its_reader_may_go(people: Callable[[str], Person], dwp: ConsoleSite) -> None:
    for role in PersonRole:
        person = people(str(role))
        person.see("/help" if role is not PersonRole.SECURE_PRINT else "/")
        for item in person.page.query_selector_all(".govuk-service-navigation__link"):
            path = item.get_attribute("href")
            page = next(page for page in PAGES if page.path == path)
            assert page.right in RIGHTS[role], (role, path)


def test_nobody_sees_a_page_without_signing_in(browser: Browser, dwp: ConsoleSite) -> None:
    stranger = Person(browser, dwp.base, "nobody", "A" * 32)
    try:
        for page in LOOKED_AT:
            stranger.see(filled(page, dwp))
            assert "/sign-in" in stranger.page.url, page.path
        assert stranger.violations() == []
    finally:
        stranger.close()


@pytest.fixture
def owner(browser: Browser, dwp: ConsoleSite) -> Iterator[Person]:
    """Somebody at the console's name, which is no IP address, with a device that knows passkeys and whose finger is on it."""
    person = Person(browser, dwp.base.replace("127.0.0.1", "localhost"), "op2", dwp.secrets["op2"])
    yield person
    person.close()


def test_somebody_adds_a_passkey_signs_in_by_it_alone_and_removes_it(owner: Person, dwp: ConsoleSite) -> None:
    device = owner.context.new_cdp_session(owner.page)
    device.send("WebAuthn.enable")
    options = {"protocol": "ctap2", "transport": "internal", "automaticPresenceSimulation": True}
    able = dict.fromkeys(("hasResidentKey", "hasUserVerification", "isUserVerified"), True)
    known = device.send("WebAuthn.addVirtualAuthenticator", {"options": options | able})["authenticatorId"]
    step = owner.sign_in()
    owner.page.get_by_role("link", name="Person op2").click()
    owner.page.wait_for_url("**/account")
    assert "You have none" in owner.text()
    owner.page.fill("#name", "laptop <b>at</b> work")
    owner.page.fill("#password", PASSWORD)
    owner.page.fill("#code", pyotp.TOTP(owner.secret).at(int((step + 1) * STEP)))
    press(owner, "Go on")
    assert (owner.violations(), owner.overflow()) == ([], 0)
    press(owner, "Use this device or a key")
    owner.page.wait_for_url("**/account")
    assert "laptop <b>at</b> work" in owner.text()
    assert "Not used yet" in owner.text()
    assert (owner.violations(), owner.overflow()) == ([], 0)

    press(owner, "Sign out")
    assert (owner.violations(), owner.overflow()) == ([], 0)
    device.send("WebAuthn.setUserVerified", {"authenticatorId": known, "isUserVerified": False})
    press(owner, "Sign in with a passkey")
    owner.page.get_by_text("No passkey was used").wait_for()
    assert owner.violations() == []
    device.send("WebAuthn.setUserVerified", {"authenticatorId": known, "isUserVerified": True})
    press(owner, "Sign in with a passkey")
    owner.page.wait_for_url(f"{owner.base}/")
    assert owner.see("/transfers") == 200
    assert dwp.site.events("signin.accepted")[-1]["act"] == "passkey"
    owner.see("/account")
    assert "Last used" in owner.text()

    without = owner.context.browser.new_context(base_url=owner.base, java_script_enabled=False)  # type: ignore[union-attr]
    without.add_cookies(owner.context.cookies())  # type: ignore[arg-type]
    plain = without.new_page()
    plain.goto("/account")
    assert "takes JavaScript" in plain.inner_text("main")
    assert plain.get_by_role("button", name="Go on").count() == 0
    without.close()

    press(owner, "Remove laptop <b>at</b> work")
    assert "You have none" in owner.text()
    press(owner, "Sign out")
    press(owner, "Sign in with a passkey")
    owner.page.get_by_text("The passkey was not taken").wait_for()
    assert (owner.violations(), owner.overflow()) == ([], 0)
    owner.complaints = [said for said in owner.complaints if "422" not in said]
    assert owner.complaints == []


def test_at_an_ip_address_the_page_says_where_passkeys_work(people: Callable[[str], Person], dwp: ConsoleSite) -> None:
    person = people("auditor")
    person.see("/account")
    there = dwp.base.replace("127.0.0.1", "localhost")
    assert f"Passkeys work where this console is opened as {there}" in person.text()
    assert person.page.get_by_role("button", name="Go on").count() == 0
