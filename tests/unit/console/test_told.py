"""What pages say is so: who was told of something in quarantine, what is not set, what to do about a refusal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.console.rooms.configuration import settings_of
from gateway.domain.people import PersonRole
from gateway.domain.requests import Act
from gateway.errors import UsageWrong
from gateway.ledger import requests
from gateway.settings.notify import MailChannel, NotifySettings
from tests.fakes.browsers import Visitor, visitor, words
from tests.fakes.programs import program
from tests.fakes.two_ledgers import Pair, two_ledgers


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with two_ledgers(tmp_path) as made:
        yield made


@pytest.fixture
def reader(pair: Pair) -> Iterator[Visitor]:
    with program(pair.la) as made:
        yield visitor(made, "a.reader", PersonRole.AUDITOR)


def locked_away(pair: Pair) -> dict[str, str]:
    """The ids of what is in the authority's quarantine, by code."""
    with pair.la.ledger.read() as connection:
        return dict(connection.exec_driver_sql("SELECT code, id FROM quarantine").fetchall())


def test_a_page_of_quarantine_says_whether_the_sender_was_told_and_what_a_stray_file_is(
    pair: Pair, reader: Visitor
) -> None:
    pair.dwp.submit("first.xml", b"one")
    pair.work()
    (pair.la.home.landing_in("DWP") / "holiday.jpg").write_bytes(b"no message")
    pair.la.sql("UPDATE transfers SET id = ?", pair.dwp.submit("second.xml", b"two"))
    pair.work()
    found = locked_away(pair)
    assert set(found) == {"landing-unexpected", "replay-transfer"}
    stray = words(reader.get(f"/quarantine/{found['landing-unexpected']}"))
    assert "Its sender Not told by the gateway: call the partner" in stray
    assert "Came as stray file" in stray
    assert "Consignment" not in stray
    assert "Its sender Told by a receipt of ours" in words(reader.get(f"/quarantine/{found['replay-transfer']}"))


def test_another_file_under_the_id_of_one_that_was_answered_is_not_answered(pair: Pair, reader: Visitor) -> None:
    pair.dwp.submit("first.xml", b"one")
    pair.work()
    with pair.la.ledger.read() as connection:
        ((identity,),) = connection.exec_driver_sql("SELECT id FROM consignments").fetchall()
    pair.la.now += 5
    (pair.la.home.landing_in("DWP") / f"{identity}.pgp").write_bytes(b"other bytes")
    pair.work()
    (locked,) = locked_away(pair).values()
    assert "Its sender Not told by the gateway" in words(reader.get(f"/quarantine/{locked}"))


def test_what_is_not_set_is_said_not_to_be_and_its_example_is_an_example(pair: Pair, reader: Visitor) -> None:
    assert "public_host Not set, for example &#34;gateway.example.gov.uk&#34;" in words(reader.get("/configuration"))
    duty = MailChannel(host="mail.site.gov.uk", sender="gateway@site.gov.uk", recipients=("duty@site.gov.uk",))
    shown = settings_of(replace(pair.la.settings, notify=NotifySettings(mail={"duty": duty})))
    assert "notify.mail.operations" not in shown
    told = {each.name: each.value for each in shown["notify.mail.duty"]}
    assert (told["host"], told["user"]) == ("mail.site.gov.uk", "none")
    assert {each.value for each in shown["notify.webhook.helpdesk"]} == {None}


def test_somebody_at_the_console_is_not_sent_to_a_command(pair: Pair, reader: Visitor) -> None:
    with pair.la.ledger.write() as transaction:
        made = requests.ask(
            transaction, pair.la.context.new_id(), Act.MAKE_STATEMENT, "own", "a.reader", "for the auditor"
        )
        taken = requests.take(transaction, made, "vault")
        assert taken is not None
        error = UsageWrong("There is a statement of that day already.")
        requests.finish(transaction, taken, requests.Refused(error.code, error.reason, error.remedy))
    page = words(reader.get(f"/requests/{made.id}"))
    assert "There is a statement of that day already." in page
    assert "--help" not in page


def test_a_file_that_never_left_has_no_receipt_to_wait_for(pair: Pair) -> None:
    identity = pair.dwp.submit("first.xml", b"wrong")
    pair.work()
    with program(pair.dwp) as made:
        page = words(visitor(made, "an.operator", PersonRole.OPERATOR).get(f"/transfers/{identity}"))
    assert "There is none: it never left this site." in page
