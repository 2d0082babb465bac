"""The lives of files as people see them in a browser: delivered, rejected, held by one and released by two, locked away."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pyotp
import pytest
from playwright.sync_api import Route

from tests.acceptance.sites import claim, wait_until
from tests.browser.browsing import PASSWORD, STEP, Person
from tests.browser.conftest import ConsoleSite
from tests.fakes.forger import place, uuid7

Enter = Callable[[ConsoleSite, str], Person]
LA = "E09000030"


def fill_reason(person: Person, text: str = "because of the test") -> None:
    person.page.fill("#reason", text)


def press(person: Person, name: str) -> None:
    person.page.get_by_role("button", name=name, exact=True).click()
    person.page.wait_for_load_state()


def reload_until(person: Person, text: str) -> None:
    def shown() -> bool:
        person.page.reload()
        return text in person.text()

    wait_until(shown, 30, f"{text!r} on {person.page.url}")


def ask_for_operator(person: Person) -> None:
    person.see("/people/hb7001/roles")
    person.page.check("#role-operator")
    fill_reason(person, "joins the team")
    press(person, "Ask for these roles")


def test_delivered_file_is_found_by_its_name_and_its_story_has_the_receipt(
    sites: tuple[ConsoleSite, ConsoleSite], enter: Enter
) -> None:
    dwp, la = sites
    name, content = claim(10)
    dwp.site.drop("claim", LA, name, content)
    dwp.site.wait_for(name, "receipted")
    person = enter(dwp, "op1")
    person.see("/transfers")
    person.page.fill("#q", name)
    press(person, "Find")
    person.page.get_by_role("link", name=name).click()
    person.page.wait_for_load_state()
    story = person.text()
    assert "Receipted" in story
    assert f"{LA}'s, accepted" in story
    assert "of these very bytes" in story
    assert person.violations() == []
    person.page.locator(".govuk-summary-list a").first.click()
    person.page.wait_for_load_state()
    assert "Consignment to" in person.text()
    assert person.violations() == []

    there = enter(la, "op1")
    there.see("/back-office")
    there.page.get_by_role("link", name=name).click()
    there.page.wait_for_load_state()
    assert "Delivered" in there.text()


def test_rejected_file_shows_its_findings(sites: tuple[ConsoleSite, ConsoleSite], enter: Enter) -> None:
    dwp = sites[0]
    name, content = claim(11, defect="date")
    dwp.site.drop("claim", LA, name, content)
    dwp.site.wait_for(name, "rejected")
    person = enter(dwp, "aud1")
    person.see("/transfers?state=rejected")
    assert name in person.text(), person.page.url + person.text()
    person.page.get_by_role("link", name=name).click()
    person.page.wait_for_load_state()
    assert "Findings" in person.text()
    assert "[date]" in person.text()
    assert "Return" not in person.text()


@pytest.fixture
def go_on(sites: tuple[ConsoleSite, ConsoleSite]) -> Iterator[Callable[[], None]]:
    """DWP's claims wait for their window, until this is called, or the test ends."""
    site, waits = sites[0].site, [True]
    begin, end = (datetime.now(ZoneInfo("Europe/London")) + timedelta(hours=hours) for hours in (6, 7))
    site.edit_config("flows.claim", windows=[f"{begin:%H:%M}-{end:%H:%M}"])
    site.gateway("reload", "--reason", "so that files wait")

    def open_window() -> None:
        if waits.pop():
            site.edit_config("flows.claim", windows=[])
            site.gateway("reload", "--reason", "the test goes on")
        waits.append(False)

    yield open_window
    open_window()


def test_what_one_holds_two_release_and_neither_can_do_both(
    sites: tuple[ConsoleSite, ConsoleSite], go_on: Callable[[], None], enter: Enter
) -> None:
    dwp = sites[0]
    name, content = claim(12)
    dwp.site.drop("claim", LA, name, content)
    waiting = dwp.site.wait_for(name, "validated")
    operator, one, other = enter(dwp, "op1"), enter(dwp, "sup1"), enter(dwp, "sup2")

    operator.see(f"/transfers/{waiting['id']}")
    operator.page.get_by_role("button", name="Hold").click()
    operator.page.wait_for_load_state()
    fill_reason(operator, "no")
    press(operator, "Hold")
    assert "3 to 300 characters" in operator.text()
    assert operator.violations() == []
    fill_reason(operator)
    press(operator, "Hold")
    reload_until(operator, "Done")
    assert operator.violations() == []
    assert operator.see(f"/decide/release/{waiting['id']}") == 404, "an operator may not release"

    one.see("/waiting")
    one.page.get_by_role("link", name=f"Release transfer {waiting['id'][-8:]}").click()
    one.page.wait_for_load_state()
    fill_reason(one, "the authority has called")
    press(one, "Release")
    assert "Proposed" in one.text()
    assert one.page.get_by_role("button", name="Agree").count() == 0, "whoever asks does not agree"
    assert one.violations() == []

    other.see("/requests?state=proposed")
    assert other.page.get_by_role("link", name="Release").count() == 1, other.page.url + other.text()
    other.page.get_by_role("link", name="Release").click()
    other.page.wait_for_load_state()
    fill_reason(other, "I called them too")
    press(other, "Agree")
    reload_until(other, "Done")
    assert other.violations() == []
    assert dwp.site.wait_for(name, "validated")
    story = dwp.site.json("show", waiting["id"])
    released = next(each for each in story["events"] if each["event"] == "transfer.released")
    assert (released["detail"]["actor"], released["detail"]["second"]) == ("sup1", "sup2")

    go_on()
    dwp.site.wait_for(name, "receipted")
    operator.complaints = [each for each in operator.complaints if "404" not in each and "422" not in each]


def test_what_is_locked_away_is_seen_and_discarded_by_two(sites: tuple[ConsoleSite, ConsoleSite], enter: Enter) -> None:
    la = sites[1]
    place(la.site.home.landing_in("DWP"), f"{uuid7()}.gwc", b"no envelope at all")
    wait_until(lambda: la.site.json("quarantine", "list"), 30, "something in quarantine")
    one, other = enter(la, "sup1"), enter(la, "sup2")
    one.see("/quarantine")
    one.page.locator(".govuk-table__body a").first.click()
    one.page.wait_for_load_state()
    assert one.violations() == []
    assert one.overflow() == 0
    one.page.get_by_role("button", name="Discard").click()
    one.page.wait_for_load_state()
    fill_reason(one, "a stranger's file")
    press(one, "Discard")
    request = one.page.url
    other.page.goto(request)
    fill_reason(other, "yes, it is")
    press(other, "Agree")
    reload_until(other, "Done")
    assert la.site.json("quarantine", "list") == []


def banners(person: Person) -> str:
    return " ".join(person.page.locator(".govuk-notification-banner").all_inner_texts())


def test_continuity_is_invoked_and_ended_by_two_and_every_page_says_so(
    sites: tuple[ConsoleSite, ConsoleSite], enter: Enter
) -> None:
    dwp, la = sites
    one, other, operator = enter(dwp, "sup1"), enter(dwp, "sup2"), enter(dwp, "op1")
    assert operator.see("/continuity") == 403
    one.see("/continuity")
    fill_reason(one, "no network since 9:00")
    press(one, "Ask to invoke it")
    asked = one.page.url
    operator.see("/transfers")
    assert banners(operator) == "", "one person alone invokes nothing"
    other.page.goto(asked)
    fill_reason(other, "seen it too")
    press(other, "Agree")
    reload_until(other, "Done")
    other.page.get_by_role("link", name="Go to continuity").click()
    other.page.wait_for_load_state()
    assert other.violations() == []
    assert other.overflow() == 0
    for path in ("/", "/transfers", "/help"):
        operator.see(path)
        assert "Invoked here since" in banners(operator), path
    assert operator.violations() == []
    other.page.get_by_role("button", name="Told Duty manager").click()
    other.page.wait_for_load_state()
    reload_until(other, "Done")
    assert [each["told"] for each in dwp.site.json("continuity", "told", "2")["tell"]] == [True, True]
    other.see("/continuity")
    fill_reason(other, "the carrier says 15:00")
    press(other, "Say how it stands")
    reload_until(other, "Done")
    other.see("/continuity")
    assert "the carrier says 15:00" in other.text()

    name, content = claim(20)
    dwp.site.drop("claim", LA, name, content)
    dwp.site.wait_for(name, "receipted")
    there = enter(la, "aud1")

    def told() -> bool:
        there.see("/")
        return "Invoked at DWP" in banners(there)

    wait_until(told, 30, "the partner's banner")
    assert there.violations() == []
    other.see("/continuity")
    fill_reason(other, "the network is back")
    press(other, "Ask to end it")
    one.page.goto(other.page.url)
    fill_reason(one, "yes, it is")
    press(one, "Agree")
    reload_until(one, "Done")
    operator.see("/transfers")
    assert banners(operator) == ""
    operator.complaints = [said for said in operator.complaints if "403" not in said]


def test_legal_hold_is_placed_by_one_and_disposal_asked_by_two_is_done_by_the_next_run(
    sites: tuple[ConsoleSite, ConsoleSite], enter: Enter
) -> None:
    dwp = sites[0]
    name, content = claim(21)
    dwp.site.drop("claim", LA, name, content)
    sent = dwp.site.wait_for(name, "receipted")
    one, other = enter(dwp, "sup1"), enter(dwp, "sup2")
    one.see("/retention?due=yes")
    assert "No row is over its time" in one.text()
    fill_reason(one, "appeal, case 2027/14")
    press(one, "Place a legal hold")
    assert "Give the whole id" in one.text()
    assert one.violations() == []
    one.page.fill("#subject", sent["id"])
    fill_reason(one, "appeal, case 2027/14")
    press(one, "Place a legal hold")
    reload_until(one, "Done")
    one.page.get_by_role("link", name="Go to retention").click()
    one.page.wait_for_load_state()
    assert "appeal, case 2027/14" in one.text()
    assert one.violations() == []
    assert one.overflow() == 0
    one.page.get_by_role("link", name="Ask to end it").click()
    one.page.wait_for_load_state()
    fill_reason(one, "appeal decided")
    press(one, "End a legal hold")
    assert "Proposed" in one.text()

    one.see("/retention")
    one.page.get_by_role("button", name="Ask to dispose").click()
    one.page.wait_for_load_state()
    fill_reason(one, "the year is over")
    press(one, "Dispose")
    other.page.goto(one.page.url)
    fill_reason(other, "I looked at the plan")
    press(other, "Agree")
    assert "The next run of gateway retention does it" in other.text()
    assert other.violations() == []
    dwp.site.gateway("retention")
    reload_until(other, "nothing was over its time")
    one.complaints = [said for said in one.complaints if "422" not in said]


def test_card_is_taken_by_two_who_hear_the_fingerprint_and_a_third_at_the_machine(
    sites: tuple[ConsoleSite, ConsoleSite], enter: Enter
) -> None:
    dwp, la = sites
    card = la.site.gateway("card").stdout
    fingerprint = json.loads(card)["fingerprint"]
    one, other = enter(dwp, "adm1"), enter(dwp, "adm2")
    one.see("/partners")
    one.page.get_by_role("link", name="Take a partner's card").click()
    one.page.wait_for_load_state()
    one.page.fill("#card", "no card")
    fill_reason(one, "they send it anew")
    press(one, "Ask to take it")
    assert "not JSON" in one.text()
    assert one.violations() == []
    one.page.fill("#card", card)
    press(one, "Ask to take it")
    assert fingerprint in "".join(one.text().split()), "who asks compares all of it"
    assert one.overflow() == 0

    other.page.goto(one.page.url)
    shown = "".join(other.text().split())
    assert fingerprint[:-8] in shown
    assert fingerprint not in shown
    fill_reason(other, "they read it out")
    other.page.fill("#heard", "0000 0000")
    press(other, "Agree")
    assert "These are not the last 8 digits" in other.text()
    assert other.violations() == []
    assert other.overflow() == 0
    other.page.fill("#heard", fingerprint[-8:])
    press(other, "Agree")
    assert "Somebody at the machine carries it out" in other.text()
    assert "gateway carry-out" in other.text()
    one.see("/")
    reload_until(one, "Waiting at the machine")
    assert "waiting for somebody at the machine: `gateway carry-out`" in dwp.site.gateway("status", check=False).stdout
    dwp.site.gateway("carry-out")
    reload_until(other, "Done")
    assert other.page.get_by_role("link", name="Go to the partner").count() == 1
    for each in (one, other):
        each.complaints = [said for said in each.complaints if "422" not in said]


def test_administrator_tries_a_link_and_suspends_a_partner_and_two_resume_it(
    sites: tuple[ConsoleSite, ConsoleSite], enter: Enter
) -> None:
    dwp = sites[0]
    one, other, operator = enter(dwp, "adm1"), enter(dwp, "adm2"), enter(dwp, "op1")
    operator.see(f"/partners/{LA}")
    assert operator.page.get_by_role("button", name="Suspend").count() == 0
    forged = {"csrf": operator.page.locator("input[name=csrf]").first.input_value(), "decision": "suspend"}
    ours = {"origin": dwp.base, "sec-fetch-site": "same-origin"}
    answer = operator.context.request.post(
        f"/partners/{LA}", form={**forged, "reason": "as an operator"}, headers=ours, max_redirects=0
    )
    assert answer.status == 403
    assert "may not see this page" in answer.text(), "it is the right that is missing"

    one.see(f"/partners/{LA}")
    for words in ("Quota of a day", "In use", "Nobody has tried it from here", "config/partners.d/E09000030.toml"):
        assert words in one.text()
    press(one, "Try the link")
    assert "3 to 300 characters" in one.text()
    assert one.violations() == []
    fill_reason(one, "they have a new server")
    press(one, "Try the link")
    reload_until(one, "Done")
    for words in ("Log in: Worked", "Directory: Worked", "Right to remove: Not tried", "works"):
        assert words in one.text()
    assert one.violations() == []
    assert one.overflow() == 0
    one.page.get_by_role("link", name="Go to the partner").click()
    one.page.wait_for_load_state()
    assert one.page.locator("main tbody a", has_text=":").count() == 1, "the last trials"

    fill_reason(one, "suspected misuse")
    press(one, "Suspend")
    reload_until(one, "Done")
    try:
        one.see(f"/partners/{LA}")
        assert "Suspended: suspected misuse" in one.text()
        assert one.page.get_by_role("button", name="Try the link").count() == 0
        assert one.violations() == []
        assert one.overflow() == 0
    finally:
        fill_reason(one, "it was a mistake")
        press(one, "Ask to resume")
        assert "Proposed" in one.text()
        assert one.page.get_by_role("button", name="Agree").count() == 0, "whoever asks does not agree"
        other.page.goto(one.page.url)
        fill_reason(other, "I have called them")
        press(other, "Agree")
        reload_until(other, "Done")
    one.see(f"/partners/{LA}")
    assert "Suspended" not in one.text()
    name, content = claim(77)
    dwp.site.drop("claim", LA, name, content)
    dwp.site.wait_for(name, "receipted")
    one.complaints = [said for said in one.complaints if "422" not in said]
    operator.complaints = [said for said in operator.complaints if "403" not in said]


def test_administrators_add_somebody_who_starts_by_the_link_and_is_suspended_by_one_at_once(
    sites: tuple[ConsoleSite, ConsoleSite], enter: Enter
) -> None:
    dwp = sites[0]
    administrator, other = enter(dwp, "adm1"), enter(dwp, "adm2")
    administrator.see("/people/add")
    for field, text in {"user": "hb7001", "name": "Assessor 7", "unit": "Assessment"}.items():
        administrator.page.fill(f"#{field}", text)
    fill_reason(administrator)
    press(administrator, "Add")
    assert "Assessor 7" in administrator.text()
    ask_for_operator(administrator)
    assert "agreement and training" in administrator.text(), "who sees payloads has signed and was trained"
    assert administrator.violations() == []
    assert administrator.overflow() == 0
    administrator.see("/people/hb7001")
    administrator.page.fill("#agreement", "2026-01-05")
    administrator.page.fill("#training", "2026-01-06")
    fill_reason(administrator, "joins the team")
    press(administrator, "Record this")
    ask_for_operator(administrator)
    assert "Proposed" in administrator.text()
    assert administrator.page.get_by_role("button", name="Agree").count() == 0, "whoever asks does not agree"

    other.page.goto(administrator.page.url)
    assert other.violations() == []
    assert other.overflow() == 0
    fill_reason(other, "I asked the manager")
    press(other, "Agree")
    assert "Done" in other.text()
    other.page.get_by_role("link", name="Go to hb7001").click()
    other.page.wait_for_load_state()
    assert "operator" in other.text()
    added = next(each for each in dwp.site.json("people", "list") if each["user"] == "hb7001")
    assert added["roles"] == ["operator"]

    administrator.see("/people/hb7001")
    fill_reason(administrator, "first password")
    press(administrator, "Ask for a one-time link")
    administrator, other = other, administrator
    administrator.page.goto(other.page.url)
    fill_reason(administrator, "they stand beside me")
    press(administrator, "Agree")
    link = administrator.page.inner_text(".govuk-notification-banner .console-mono").strip()
    assert administrator.violations() == []

    newcomer = Person(administrator.context.browser, dwp.base, "hb7001", "")  # type: ignore[arg-type]
    try:
        newcomer.page.goto(link)
        secret = "".join(newcomer.page.locator("main p.console-mono").inner_text().split())
        assert newcomer.violations() == []
        newcomer.page.fill("#password", PASSWORD)
        newcomer.page.fill("#again", PASSWORD)
        newcomer.page.fill("#code", pyotp.TOTP(secret).at(int(time.time() - STEP)))
        press(newcomer, "Set the password")
        newcomer.secret = secret
        newcomer.sign_in()
        assert newcomer.see("/transfers") == 200
        assert newcomer.see("/people") == 403

        administrator.see("/people/hb7001")
        fill_reason(administrator, "suspected misuse")
        press(administrator, "Suspend")
        assert "Suspended" in administrator.text()
        newcomer.see("/transfers")
        assert "/sign-in" in newcomer.page.url, "rights and session end at once"
    finally:
        newcomer.close()
    for each in (administrator, other):
        each.complaints = [said for said in each.complaints if "422" not in said]


def test_nobody_sees_or_decides_about_themselves_or_what_is_not_their_business(
    sites: tuple[ConsoleSite, ConsoleSite], enter: Enter
) -> None:
    dwp = sites[0]
    one, other, operator = enter(dwp, "adm1"), enter(dwp, "adm2"), enter(dwp, "op1")
    assert one.see("/people/adm1/roles") == 422
    one.see("/people/adm1")
    assert one.page.get_by_role("button", name="Suspend").count() == 0
    one.see("/people/adm2/roles")
    one.page.uncheck("#role-administrator")
    fill_reason(one, "moves to another office")
    press(one, "Ask for these roles")
    request = one.page.url
    other.page.goto(request)
    assert other.page.get_by_role("button", name="Agree").count() == 0
    assert operator.see(request) == 404
    operator.see("/requests")
    assert "Change roles" not in operator.text()
    fill_reason(one, "they stay")
    press(one, "Withdraw")
    assert "Withdrawn" in one.text()
    for each in (one, operator):
        each.complaints = [said for said in each.complaints if "422" not in said and "404" not in said]


def test_open_page_shows_what_happens_and_says_when_the_session_has_ended(
    sites: tuple[ConsoleSite, ConsoleSite], enter: Enter
) -> None:
    dwp = sites[0]
    person = enter(dwp, "op1")
    person.see("/transfers")
    name, content = claim(78)
    dwp.site.drop("claim", LA, name, content)
    person.page.get_by_role("link", name=name).wait_for(timeout=30_000)
    assert not person.page.get_by_text("You are signed out").is_visible()
    other = person.page.context.new_page()
    other.goto(f"{dwp.base}/")
    other.get_by_role("button", name="Sign out").click()
    other.close()
    person.page.get_by_text("You are signed out").wait_for(timeout=40_000)
    assert person.violations() == []


def test_open_page_that_could_not_renew_itself_tries_again_though_nothing_else_happens(
    sites: tuple[ConsoleSite, ConsoleSite], enter: Enter
) -> None:
    dwp = sites[0]
    person = enter(dwp, "op1")
    person.see("/transfers")
    failed: list[str] = []

    def fail(route: Route) -> None:
        if "x-live" not in route.request.headers:
            route.continue_()
            return
        failed.append(route.request.url)
        route.abort()

    person.page.route("**/transfers", fail)
    name, content = claim(79)
    dwp.site.drop("claim", LA, name, content)
    dwp.site.wait_for(name, "receipted")
    person.page.wait_for_timeout(2_000)  # the last that happened is told within a second
    assert failed
    assert person.page.get_by_role("link", name=name).count() == 0
    person.page.unroute("**/transfers")
    person.page.get_by_role("link", name=name).wait_for(timeout=15_000)
    person.complaints = [said for said in person.complaints if "ERR_FAILED" not in said]
