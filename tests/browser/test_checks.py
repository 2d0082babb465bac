"""A management check from the opening to the incident, and the report of the day on paper."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from gateway.administration.access import writing
from gateway.administration.looking.opening import TRANSFER, Opened, Wanted, open_payload
from gateway.console.pages import PAGES
from gateway.ledger.head_file import HeadFile
from gateway.ledger.store import Ledger
from gateway.logs import configure
from gateway.settings.read import load
from tests.acceptance.sites import claim
from tests.browser.browsing import Person
from tests.browser.conftest import ConsoleSite

Enter = Callable[[ConsoleSite, str], Person]
WARNING = "Warning test check! Refer papers to the Checking Officer"


def press(person: Person, name: str) -> None:
    person.page.get_by_role("button", name=name, exact=True).click()
    person.page.wait_for_load_state()


def opened(site: ConsoleSite, user: str, transfer: str, ago: float = 0.0) -> Opened:
    """An opening that draws a check: the random number is 0."""
    settings = load(site.site.home)
    log = configure(settings.site.code, "test", stream=sys.stderr.buffer, format="json", level="error")
    wanted = Wanted(TRANSFER, transfer, "a telephone call")
    if not ago:
        with writing(settings, log, "console") as ledger:
            return open_payload(settings, ledger, user, wanted, (), random=bytes)
    head = HeadFile(settings.home.ledger_head)
    earlier = Ledger(settings.home.ledger, clock=lambda: time.time() - ago, role="console", head_file=head)
    try:
        return open_payload(settings, earlier, user, wanted, (), random=bytes)
    finally:
        earlier.close()


def test_check_is_acknowledged_explained_and_decided_and_ends_in_an_incident(
    sites: tuple[ConsoleSite, ConsoleSite], enter: Enter
) -> None:
    dwp = sites[0]
    name, content = claim(20)
    dwp.site.drop("claim", "E09000030", name, content)
    transfer = dwp.site.wait_for(name, "receipted")["id"]
    check = opened(dwp, "op2", transfer).check
    assert check is not None
    opener, officer, supervisor = enter(dwp, "op2"), enter(dwp, "chk1"), enter(dwp, "sup1")

    for path in ("/", "/transfers", f"/transfers/{transfer}", "/help"):
        opener.see(path)
        assert WARNING in opener.text("body"), path
        assert opener.violations() == []
    assert opener.overflow() == 0
    officer.see("/transfers")
    assert WARNING not in officer.text("body"), "it is the opener's"
    press(opener, "Acknowledge")
    assert WARNING not in opener.text("body")
    opener.page.fill("#reason", "the caller's letter of 3 November")
    press(opener, "Send LAST 1")
    assert "the caller's letter" in opener.text()
    assert opener.page.get_by_role("button", name="The evidence supports it").count() == 0

    officer.see("/checks")
    officer.page.click(f'main a[href="/checks/{check.id}"]')
    officer.page.wait_for_load_state()
    assert officer.violations() == []
    press(officer, "It does not: LAST 3")
    assert "There is a problem" in officer.text()
    assert officer.violations() == []
    officer.page.fill("#reason", "no such letter is on file")
    press(officer, "It does not: LAST 3")
    assert "suspends op2 at once" in officer.text()
    assert officer.violations() == []
    press(officer, "Suspend and open the incident")
    assert "no: LAST 3" in officer.text()
    opener.see("/transfers")
    assert "/sign-in" in opener.page.url, "who it is about is suspended at once"

    supervisor.see("/incidents")
    assert supervisor.violations() == []
    supervisor.page.locator(".govuk-table__body a").first.click()
    supervisor.page.wait_for_load_state()
    assert "no such letter is on file" in supervisor.text()
    supervisor.page.fill("#reason", "talked to the person")
    press(supervisor, "Add to the trail")
    supervisor.page.fill("#reason", "the letter was in another file")
    supervisor.page.select_option("#outcome", "mistake")
    press(supervisor, "Close")
    assert "mistake" in supervisor.text()
    assert supervisor.violations() == []
    officer.complaints = [each for each in officer.complaints if "422" not in each]
    opener.complaints = [each for each in opener.complaints if "401" not in each]


def test_report_of_a_day_is_printed_once_and_again_with_a_reason(
    sites: tuple[ConsoleSite, ConsoleSite], enter: Enter
) -> None:
    dwp = sites[0]
    name, content = claim(21)
    dwp.site.drop("claim", "E09000030", name, content)
    opened(dwp, "sup2", dwp.site.wait_for(name, "receipted")["id"], ago=2 * 86_400.0)
    printer = enter(dwp, "prt1")
    printer.see("/")
    assert printer.page.url.endswith("/print"), "all that there is for whoever prints"
    assert printer.violations() == []
    with printer.page.expect_download() as started:
        printer.page.get_by_role("button", name="Print the report of").click()
    assert started.value.path().read_bytes().startswith(b"%PDF-")
    printer.see("/print")
    assert "No report waits." in printer.text()
    day = printer.page.locator(".govuk-table__body td").first.inner_text()
    printer.page.fill("#day", day)
    press(printer, "Print again")
    assert "There is a problem" in printer.text()
    assert printer.violations() == []
    printer.complaints = [each for each in printer.complaints if "422" not in each]


def test_forms_go_into_the_ledger_and_out_as_pdf(sites: tuple[ConsoleSite, ConsoleSite], enter: Enter) -> None:
    person = enter(sites[1], "op1")
    person.see("/forms/system-fault")
    assert person.violations() == []
    press(person, "Send")
    assert "There is a problem" in person.text()
    for field in ("when", "what", "doing"):
        person.page.fill(f"#field-{field}", "this morning")
    press(person, "Send")
    person.page.wait_for_url("**/forms")
    assert "System fault (LAST 5a)" in person.text()
    path = person.page.locator(".govuk-table__body a").first.get_attribute("href")
    answer = person.context.request.get(f"{person.base}{path}")
    assert answer.body().startswith(b"%PDF-")
    other = enter(sites[1], "op2").context.request.get(f"{person.base}{path}")
    assert other.status == 404, "another's form"
    person.complaints = [each for each in person.complaints if "422" not in each]


def test_every_page_is_in_the_table_once_and_changes_nothing_without_a_right() -> None:
    assert len({(page.method, page.path) for page in PAGES}) == len(PAGES)
    for page in PAGES:
        assert (
            page.right is not None
            or page.own
            or page.path.split("/")[1] in {"sign-in", "sign-out", "start", "password"}
        ), page
