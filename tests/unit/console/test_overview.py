"""The overview: what it counts is what its links show, each reader is told what waits for that reader, and of others only what is theirs to know."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape

import pytest

from gateway.administration.people import roster
from gateway.administration.requests import asking
from gateway.domain.decision import Decision
from gateway.domain.people import PersonRole
from gateway.domain.requests import Act
from gateway.ledger.queries.overview import transfers
from tests.fakes.browsers import Visitor, visitor, words
from tests.fakes.programs import Program, program
from tests.fakes.two_ledgers import two_ledgers


@pytest.fixture(scope="module")
def sender(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """DWP's console: of four files one was receipted, two are on the way, and one is held."""
    with two_ledgers(tmp_path_factory.mktemp("overview")) as pair:
        pair.dwp.submit("arrived.xml", b"arrived")
        pair.work()
        held = [pair.dwp.submit(f"{name}.xml", name.encode()) for name in ("one", "two", "held")][2]
        pair.dwp.sql("UPDATE transfers SET state = 'validated' WHERE name = 'two.xml'")
        pair.dwp.sql("UPDATE transfers SET state = 'held', resume = 'admitted' WHERE id = ?", held)
        with program(pair.dwp) as made:
            yield made


def _number(page: str, title: str) -> tuple[int, str]:
    """What a card counts, and where it leads."""
    found = re.search(rf'__number">([\d,]+)</span>\s*<a [^>]*href="([^"]+)">{title}</a>', page)
    assert found is not None, title
    return int(found[1]), unescape(found[2])


@pytest.mark.parametrize(
    ("title", "number"),
    [("On the way", 2), ("Arrived at partners", 1), ("Delivered here", 0), ("Held for a decision", 1)],
)
def test_card_leads_to_as_many_as_it_counts(sender: Program, title: str, number: int) -> None:
    person = visitor(sender, "op1")
    counted, path = _number(person.get("/").body.decode(), title)
    assert counted == number
    listed = person.get(path).body.decode()
    assert len(re.findall(r'href="/(?:transfers|consignments)/[0-9a-f-]{36}"', listed)) == number
    if path.startswith("/transfers"):
        lines = person.get(path.replace("/transfers", "/transfers.csv")).body.decode().splitlines()
        assert len(lines) == number + 1


def test_need_leads_to_its_page_and_names_no_command_that_a_page_replaces(sender: Program) -> None:
    page = visitor(sender, "op1").get("/").body.decode()
    assert '1 held for a decision. <a class="govuk-link" href="/waiting">Waiting</a>' in page
    assert "`" not in page
    assert "gateway release" not in page
    assert "<h1" in page
    assert ">Overview</h1>" in page


def test_overview_has_the_days_pace_and_partners_by_name_with_links(sender: Program) -> None:
    said = visitor(sender, "op1").get("/")
    assert "4 files went or came: 0.2 an hour, 4 in the last hour" in words(said)
    assert re.search(
        r"From drop to receipt: half of the last 1 file within \d+ \w+, the slowest within \d+ \w+\.", words(said)
    )
    assert f'href="/partners/{sender.bench.other}"' in said.body.decode()


def test_proposal_is_told_to_whoever_may_agree_and_to_nobody_else(sender: Program) -> None:
    asker = visitor(sender, "su8001", PersonRole.SUPERVISOR)
    second = visitor(sender, "su8002", PersonRole.SUPERVISOR)
    operator = visitor(sender, "op1")
    identity = asking.ask(
        sender.site.settings, sender.site.ledger, Act.RELEASE, sender.bench.other, "su8001", "its server is back"
    )
    link = f'href="/requests/{identity}"'

    def tells(person: Visitor) -> list[bool]:
        return [link in person.get(path).body.decode() for path in ("/", "/waiting")]

    assert (tells(second), tells(asker), tells(operator)) == ([True] * 2, [False] * 2, [False] * 2)
    assert _number(second.get("/").body.decode(), "Waiting for a second person") == (1, "/requests?state=proposed")
    path = f"/requests/{identity}"
    assert "you may be that person: agree or decline below" in words(second.get(path))
    assert "Another person with the same right has to agree. You are told here" in words(asker.get(path))
    assert "You are told here" not in words(operator.get(path))
    asking.decline(sender.site.ledger, identity, "su8002", "not now")
    assert tells(second) == [False, False]


def test_who_signed_in_is_for_auditors(sender: Program) -> None:
    visitor(sender, "hb8005", PersonRole.CHECKING_OFFICER)
    auditor = visitor(sender, "au8001", PersonRole.AUDITOR)
    assert "hb8005" in words(auditor.get("/")), "that somebody was added"
    said = words(visitor(sender, "op1").get("/"))
    assert "hb8005" not in said
    assert "What happened last" in said


def test_administrators_who_are_all_suspended_are_told(sender: Program) -> None:
    watcher, said = visitor(sender, "aud9", PersonRole.AUDITOR), "every administrator of the console is suspended"
    visitor(sender, "adm9", PersonRole.ADMINISTRATOR)
    assert said not in words(watcher.get("/"))
    why = Decision("root", "for a test")
    with sender.bench.ledger.read() as connection:
        every = [each.user for each in roster.listed(connection) if PersonRole.ADMINISTRATOR in each.roles]
    for user in every:
        roster.suspend(sender.bench.ledger, user, why)
    sender.bench.now += 60.0
    page = words(watcher.get("/"))
    assert f"{said}: nobody there can give rights back" in page
    assert "gateway people resume USER" in page
    for user in every:
        roster.resume(sender.bench.ledger, user, why)
    sender.bench.now += 60.0
    assert said not in words(watcher.get("/"))


def test_what_two_decide_about_a_file_is_asked_for_once(sender: Program) -> None:
    one, other = visitor(sender, "sup7", PersonRole.SUPERVISOR), visitor(sender, "sup8", PersonRole.SUPERVISOR)
    with sender.bench.ledger.read() as connection:
        (held,) = [row.id for row in transfers(connection) if row.state == "held"]
    path = f"/decide/release/{held}"
    asked = one.post(path, reason="seen the papers")
    assert asked.status == 303
    for person in (one, other):
        again = person.post(path, reason="seen the papers")
        assert again.status == 422
        assert "The same was asked already, and has no answer yet: look under Requests." in words(again)
    assert one.post(asked.headers["location"], decision="withdraw", reason="the wrong file").status == 303
    assert (later := other.post(path, reason="seen the papers")).status == 303
    assert other.post(later.headers["location"], decision="withdraw", reason="the wrong file").status == 303
