"""What was held back or came to the wrong authority, as people see it: looked at with a reason, released or discarded by two, passed on."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.acceptance.sites import claim, introduce, make_site, wait_until
from tests.browser.browsing import Person
from tests.browser.conftest import ConsoleSite
from tests.browser.test_lives import fill_reason, press, reload_until
from tests.browser.test_payloads import look, nothing_of
from tests.fakes.clamd import MARK, NAME, needs_clamd, running_clamd
from tests.fakes.forger import place, uuid7

Enter = Callable[[ConsoleSite, str], Person]
LA, RIGHT = "E09000030", "E08000004"
SEALED = b"\x84\x5e\x03" + bytes(range(1, 9)) + b"\x01" + bytes(200)
"""As a message begins that is encrypted for the key 0102030405060708."""


def acknowledge(person: Person) -> None:
    """One look in a hundred draws a check."""
    if (drawn := person.page.query_selector(".console-check__button")) is not None:
        drawn.click()
        person.page.wait_for_load_state()


def follow(person: Person, link: str) -> None:
    person.page.get_by_role("link", name=link).first.click()
    person.page.wait_for_load_state()


def examine(person: Person, locked: str, reason: str) -> str:
    """Ask to see something in quarantine, and wait for it; the address."""
    acknowledge(person)
    person.see(f"/quarantine/{locked}/payload")
    assert person.violations() == []
    fill_reason(person, reason)
    press(person, "Look")
    wait_until(lambda: "Preparing" not in person.text(), 30, "what is in quarantine")
    assert person.violations() == []
    assert person.overflow() == 0
    return person.page.url


def log_lines(person: Person, reason: str) -> list[str]:
    person.see("/access-log")
    return [line for line in person.text().splitlines() if reason in line]


def newest(site: ConsoleSite) -> str:
    return str(site.site.json("quarantine", "list")[-1]["id"])


def discard_by_two(one: Person, other: Person, locked: str, why: str) -> None:
    """One asks, and the other sees why it was held back before they agree."""
    for person in (one, other):
        acknowledge(person)
    one.see(f"/quarantine/{locked}")
    one.page.get_by_role("button", name="Discard").click()
    one.page.wait_for_load_state()
    assert why in one.text()
    assert one.violations() == []
    fill_reason(one, "settled with the partner")
    press(one, "Discard")
    other.page.goto(one.page.url)
    assert "Why it was held back" in other.text()
    assert why in other.text()
    assert other.violations() == []
    assert other.overflow() == 0
    fill_reason(other, "I looked at it too")
    press(other, "Agree")
    reload_until(other, "Done")
    follow(other, "Go to what is in quarantine")
    assert "Discarded" in other.text()


def test_a_sealed_file_is_looked_at_in_words_and_discarded_by_two(
    sites: tuple[ConsoleSite, ConsoleSite], enter: Enter
) -> None:
    la = sites[1]
    place(la.site.home.landing_in("DWP"), f"{uuid7()}.pgp", SEALED)
    wait_until(lambda: la.site.json("quarantine", "list"), 30, "something in quarantine")
    locked = newest(la)
    one, other, operator = enter(la, "sup1"), enter(la, "sup2"), enter(la, "op1")
    path = examine(one, locked, "who sent us this")
    assert "encrypted for the key 0102030405060708" in one.text()
    assert SEALED[:16].hex(" ") in one.text()
    assert one.context.request.get(path).headers["cache-control"] == "no-store"

    # What one opens is for that one alone; an operator opens nothing in quarantine, nor does whoever names it otherwise.
    request = path.rpartition("/")[2]
    assert other.context.request.get(path).status == 404
    assert operator.context.request.get(path).status == 403
    assert operator.context.request.get(f"/quarantine/{locked}/payload").status == 403
    assert operator.context.request.get(f"/requests/{request}").status == 404
    assert other.context.request.get(f"/requests/{request}").status == 404
    own = one.context.request.get(f"/requests/{request}")
    assert own.status == 200
    assert "0102030405060708" not in own.text(), "it is shown with its opening alone"
    for wrong in (locked[:8], uuid7(), "..%2F..%2Fkeyrings", f"{locked}:1"):
        assert one.context.request.get(f"/quarantine/{wrong}/payload").status == 404, wrong
        assert one.context.request.get(f"/quarantine/{wrong}/payload/{request}").status == 404, wrong
        assert one.context.request.get(f"/transfers/{wrong}/payload/{request}").status == 404, wrong
    assert one.context.request.get(f"{path}/1.png").status == 404
    forged = one.context.request.post(
        f"/quarantine/{locked}/payload", form={"csrf": "0" * 64, "reason": "forged"}, headers={"origin": la.base}
    )
    assert forged.status == 403

    assert len(log_lines(one, "who sent us this")) == 1, "once, however often it is loaded"
    discard_by_two(one, other, locked, "envelope")
    one.see(f"/quarantine/{locked}")
    assert "Look at" not in one.text()


@contextmanager
def scanning(site: ConsoleSite) -> Iterator[None]:
    """The site shows its claims to a real clamd."""
    with tempfile.TemporaryDirectory(prefix="clamd-") as directory:
        socket = Path(directory) / "clamd.sock"
        with running_clamd(socket):
            site.site.edit_config("antivirus", socket=str(socket))
            site.site.edit_config("flows.claim", scan=True)
            site.site.gateway("reload", "--reason", "a scanner is there")
            try:
                yield
            finally:
                site.site.edit_config("flows.claim", scan=False)
                site.site.gateway("reload", "--reason", "the scanner is gone")


@needs_clamd
def test_an_infected_file_is_looked_at_as_a_rendering_and_discarded_by_two(
    sites: tuple[ConsoleSite, ConsoleSite], enter: Enter
) -> None:
    dwp, la = sites
    name, content = claim(41)
    end = content.rindex(b"</")
    with scanning(la):
        dwp.site.drop("claim", LA, name, content[:end] + b"<!--" + MARK + b"-->" + content[end:])
        la.site.wait_for(name, "quarantined", direction="in")
        wait_until(lambda: la.site.json("quarantine", "list"), 30, "something in quarantine")
    locked = newest(la)
    one, other = enter(la, "sup1"), enter(la, "sup2")
    path = examine(one, locked, "is it a false alarm")
    text = one.text()
    assert NAME in text
    assert "Nothing but what it was locked away for" in text
    assert "Date of birth" in text
    assert MARK.decode() not in one.page.content()
    assert "<!--" not in one.page.inner_html(".console-form")
    assert other.context.request.get(path).status == 404
    assert len(log_lines(one, "is it a false alarm")) == 1
    discard_by_two(one, other, locked, NAME)
    assert not (la.site.home.infected / locked).exists()


def test_a_held_file_is_looked_at_and_released_by_two_who_both_see_why_it_was_held(
    sites: tuple[ConsoleSite, ConsoleSite], enter: Enter
) -> None:
    dwp = sites[0]
    name, content = claim(42)
    dwp.site.drop("claim", LA, name, content)
    first = dwp.site.wait_for(name, "receipted")
    dwp.site.drop("claim", LA, f"again-{name}", content)
    held = dwp.site.wait_for(f"again-{name}", "held")
    why = f"the same bytes as transfer {first['id']}"
    one, other = enter(dwp, "sup1"), enter(dwp, "sup2")
    look(one, held["id"], "is it really the same")
    assert "Claim 1 of 1" in one.text()
    acknowledge(one)
    one.see(f"/decide/release/{held['id']}")
    assert why in one.text()
    assert one.violations() == []
    fill_reason(one, "they ask for it again")
    press(one, "Release")
    other.page.goto(one.page.url)
    assert why in other.text()
    assert other.violations() == []
    follow(other, "All about it")
    assert "Held" in other.text()
    other.page.goto(one.page.url)
    fill_reason(other, "I called them too")
    press(other, "Agree")
    reload_until(other, "Done")
    dwp.site.wait_for(f"again-{name}", "receipted")


@pytest.fixture
def right(sites: tuple[ConsoleSite, ConsoleSite], tmp_path: Path) -> None:
    """The authority knows another one, to which its file belongs."""
    la = sites[1].site
    introduce(la, make_site(tmp_path, RIGHT))
    la.gateway("reload", "--reason", "a new partner")


@pytest.mark.usefixtures("right")
def test_a_file_for_another_authority_is_passed_on_from_its_page_and_both_stories_say_so(
    sites: tuple[ConsoleSite, ConsoleSite], enter: Enter
) -> None:
    dwp, la = sites
    name, content = claim(43)
    dwp.site.drop("claim", LA, name, content)
    dwp.site.wait_for(name, "receipted")
    row = la.site.wait_for(name, "delivered", direction="in")
    person = enter(la, "op1")
    acknowledge(person)
    person.see("/back-office")
    assert person.violations() == []
    person.page.locator("tr", has_text=name).get_by_role("link", name="Pass on").click()
    person.page.wait_for_load_state()
    assert person.page.url.endswith(f"/transfers/{row['id']}/redirect")
    assert person.violations() == []
    assert person.overflow() == 0
    press(person, "Pass it on")
    assert "Choose the authority that it belongs to" in person.text()
    assert "Choose why it belongs there" in person.text()
    assert person.text().count("3 to 250 characters") == 3, "the summary, the hint and the fault"
    assert person.violations() == []
    nothing_of(person, "422")
    options = person.page.locator("#to option").all_inner_texts()
    assert len(options) == 2, "the Department is no authority"
    assert RIGHT in options[1]
    assert not options[1].startswith(RIGHT), "by name"
    person.page.select_option("#to", RIGHT)
    person.page.select_option("#why", "moved")
    fill_reason(person, "moved there in October")
    press(person, "Pass it on")
    reload_until(person, "Done")
    assert person.violations() == []
    follow(person, "Go to the transfer")
    assert f"To {RIGHT}, as" in person.text()
    assert "by op1" in person.text()
    assert person.page.get_by_role("button", name="Pass on").count() == 0
    assert person.page.get_by_role("button", name="Accept").count() == 0
    assert person.violations() == []
    follow(person, f"To {RIGHT}, as")
    assert f"From DWP, as {row['id']}" in person.text()
    assert "by op1" in person.text()
    assert person.violations() == []
    assert name not in la.site.inbound("claim", "DWP")

    # Its sender sees where it went.
    wait_until(lambda: any(each["id"] == row["id"] and each["code"] for each in dwp.site.rows()), 30, "the answer")
    sender = enter(dwp, "op1")
    acknowledge(sender)
    sender.see(f"/transfers/{row['id']}")
    assert f"It belongs to {RIGHT} (moved), and was passed on to it" in sender.text()

    # Nobody passes it on again, or to where it came from, or without the right; DWP has no such page.
    person.see(f"/transfers/{row['id']}/redirect")
    csrf = person.page.get_attribute("input[name=csrf]", "value") or ""

    def post(to: str, asker: Person = person, transfer: str = row["id"], **more: str) -> int:
        given: dict[str, str | float | bool] = {
            "csrf": csrf,
            "to": to,
            "why": "moved",
            "opened": "by-officer",
            "reason": "moved there",
            **more,
        }
        at = {"origin": la.base}
        answer = asker.context.request.post(f"/transfers/{transfer}/redirect", form=given, headers=at, max_redirects=0)
        return answer.status

    assert [post("DWP"), post(LA), post("../x"), post(RIGHT, why="x"), post(RIGHT, opened="x")] == [422] * 5
    assert [post(RIGHT, reason="x" * 251), post(RIGHT, reason="no")] == [422, 422]
    assert post(RIGHT, transfer=uuid7()) == 404
    assert post(RIGHT, csrf="0" * 64) == 403
    assert [
        enter(la, user).context.request.get(f"/transfers/{row['id']}/redirect").status for user in ("chk1", "aud1")
    ] == [403] * 2
    assert sender.context.request.get(f"/transfers/{row['id']}/redirect").status == 404
    assert post(RIGHT) == 303
    person.see("/requests")
    person.page.get_by_role("link", name="Pass on to the right authority").first.click()
    person.page.wait_for_load_state()
    reload_until(person, "Refused")
    assert "was passed on before" in person.text()
