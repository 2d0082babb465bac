"""No request takes a connection to the ledger while it has one: those who do wait for each other for ever, once there are many of them.

`program` holds every test of a console to that; here every page is asked for.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.console.pages import PAGES
from gateway.console.programs.operations import OPERATIONS, PREFIX
from gateway.domain.decision import Decision
from gateway.domain.people import RIGHTS, PersonRole, Right
from gateway.ledger import suspensions
from gateway.ledger.queries import transfer_pages
from gateway.ledger.queries.transfer_pages import Order
from gateway.ledger.units import Transfer
from tests.fakes.browsers import visitor
from tests.fakes.connections import one_at_a_time
from tests.fakes.programs import Program, program
from tests.fakes.two_ledgers import Bench, two_ledgers


def _filled(path: str, row: Transfer) -> str:
    return path.format(
        id=row.consignment if path.startswith("/consignments") else row.id,
        code=row.partner,
        name="quarantine",
        act="hold",
        user="op1",
        which="support",
        kind="data-query",
        subject=row.id,
        token="0" * 64,
        request=row.id,
        locked=row.id,
        page="1",
        event="1",
    )


def _transfer(bench: Bench) -> Transfer:
    with bench.ledger.read() as connection:
        return transfer_pages.page(connection, Order(), 1).rows[0]


def _ask_all(console: Program, row: Transfer) -> None:
    people = {role: visitor(console, f"p{number}", role) for number, role in enumerate(PersonRole)}
    kind = console.site.settings.site.kind
    seen = set()
    for page in PAGES:
        if page.only in (None, kind) and not page.takes_file:
            role = next(role for role in PersonRole if page.right is None or page.right in RIGHTS[role])
            path = _filled(page.path, row)
            said = people[role].get(path) if page.method == "GET" else people[role].post(path, reason="to see")
            assert said.status < 500, (page.method, path, said.body)
            seen.add(said.status)
            if path == "/sign-out" and page.method == "POST":
                people[role] = visitor(console, f"again-{role}", role)
    assert {200, 303, 404} <= seen
    for operation in OPERATIONS:
        if operation.method == "GET" and operation.gives is not bytes and "stream" not in operation.name:
            said = console.get(PREFIX + _filled(operation.path, row))
            assert said.status in (200, 403, 404), (operation.path, said.body)


def test_every_page_and_operation_has_one_connection_at_a_time(tmp_path: Path) -> None:
    with two_ledgers(tmp_path) as pair:
        pair.dwp.submit("claim.xml", b"claim")
        pair.work()
        for bench in (pair.dwp, pair.la):
            with program(bench) as console:
                console.token = console.grant("all", Right.LOOK, Right.SEND, Right.ANSWER)
                with bench.ledger.write() as transaction:
                    suspensions.suspend(transaction, next(iter(bench.settings.partners)), Decision("adm1", "a test"))
                _ask_all(console, _transfer(bench))


def test_who_takes_a_second_one_is_found(console: Program) -> None:
    ledger = console.bench.ledger
    with one_at_a_time(ledger), ledger.read(), pytest.raises(AssertionError, match="already"), ledger.read():
        pass


def test_the_settings_read_nothing_and_each_request_has_them_anew(console: Program) -> None:
    site, ledger = console.site, console.bench.ledger
    person = visitor(console, "late", PersonRole.OPERATOR)
    (partner,) = site.settings.partners
    with ledger.write() as transaction:
        suspensions.suspend(transaction, partner, Decision("adm1", "lost laptop"))
        assert partner in site.settings.partners
    try:
        assert b"lost laptop" in person.get(f"/partners/{partner}").body
        assert partner in site.settings.stopped
    finally:
        with ledger.write() as transaction:
            suspensions.resume(transaction, partner, Decision("adm1", "found"))
    assert b"lost laptop" not in person.get(f"/partners/{partner}").body
