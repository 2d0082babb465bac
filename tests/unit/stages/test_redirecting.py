"""Passing files on: the real stages of the sender and of the wrong authority in one process, with further partners."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from gateway.administration.looking.opening import TRANSFER, Wanted, open_payload
from gateway.assembly import reading
from gateway.daemon.recovery import tidy
from gateway.domain.decision import Decision
from gateway.domain.people import PersonRole
from gateway.domain.redirect import Holding, Original, Redirect, write
from gateway.domain.requests import Act, RequestState
from gateway.domain.states import Direction, State
from gateway.domain.xml_lines import Office
from gateway.errors import (
    ContentInvalid,
    DiskFailed,
    FileTooLarge,
    FlowNotPermitted,
    GatewayError,
    OriginalMissing,
    OriginalOther,
    PartnerUnknown,
    RightMissing,
    UsageWrong,
)
from gateway.flows.routes import routes
from gateway.ledger import requests
from gateway.ledger.audit.rows import check_rows
from gateway.ledger.queries import overview
from gateway.ledger.queries.events import chain
from gateway.ledger.tables import CONSIGNMENTS, TRANSFERS
from gateway.ledger.units import Request, Transfer
from gateway.settings.flow_settings import DEFAULT_FLOWS, FlowSettings
from gateway.settings.home import Home
from gateway.settings.model import Partner, Validation
from gateway.stages import redirecting
from gateway.stages.context import StageContext
from gateway.stages.itinerary import Role
from gateway.stages.purging import purge
from gateway.stages.redirecting import Order, Passed
from gateway.stages.timers.payloads import Payloads
from gateway.validation.contract import Finding, Report
from gateway.validation.redirect import unwrap
from gateway.validation.sandbox.pool import Job, Sandbox
from tests.acceptance.sites import claim
from tests.fakes.staff import hire
from tests.fakes.two_ledgers import Bench, Pair, PretendedReaders, two_ledgers

HERE, RIGHT, FURTHER = "E09000030", "E08000004", "E07000223"
CONTENT = b"a claim that names the wrong authority " * 100
READERS = cast("Sandbox", PretendedReaders())


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with two_ledgers(tmp_path) as made:
        yield made
        for bench in (made.dwp, made.la):
            with bench.ledger.read() as connection:
                assert list(check_rows(connection)) == []


@pytest.fixture
def context(pair: Pair) -> StageContext:
    return connected(pair.la)


def connected(bench: Bench, **flows: FlowSettings) -> StageContext:
    """The wrong authority's surroundings, with two authorities among its partners."""
    more = {code: Partner(code=code, name=code, fingerprint="C" * 40, link="none") for code in (RIGHT, FURTHER)}
    settings = replace(
        bench.settings, partners={**bench.settings.partners, **more}, flows={**bench.settings.flows, **flows}
    )
    return replace(bench.context, settings=settings, routes=routes(settings))


def order(to: str = RIGHT, given: Path | None = None, opened: str = "by-system") -> Order:
    return Order(to, "moved", opened, "moved in October", Decision("tester", "moved in October"), given)


def deliver(pair: Pair, name: str = "claim-1.xml", content: bytes = CONTENT, flow: str = "claim") -> Transfer:
    pair.dwp.submit(name, content, flow)
    pair.work()
    return row_of(pair.la, name)


def row_of(bench: Bench, name: str, direction: Direction = Direction.IN) -> Transfer:
    with bench.ledger.read() as connection:
        (row,) = [row for row in overview.transfers(connection, direction=direction) if row.name == name]
    return row


def lies(home: Home, name: str = "claim-1.xml") -> Path:
    return home.inbound / "claim" / "DWP" / name


def pass_on(context: StageContext, row: Transfer, wanted: Order | None = None) -> Passed:
    return redirecting.redirect(context, row.id, wanted or order(), READERS)


def untouched(pair: Pair, row: Transfer) -> None:
    """Nothing was decided, and nothing lies about."""
    assert row_of(pair.la, row.name) == row
    assert list(pair.la.home.custody.iterdir()) == []
    assert not any((pair.la.home.vault / "submitted").rglob("*"))
    with pair.la.ledger.read() as connection:
        assert overview.transfers(connection, direction=Direction.OUT) == []


def test_redirected_file_waits_in_custody_with_its_history_and_leaves_the_spool(
    pair: Pair, context: StageContext
) -> None:
    row = deliver(pair)
    passed = pass_on(context, row)
    holdings, original = unwrap((pair.la.home.custody / passed.redirect).read_bytes())
    assert original == Original("claim", row.name, CONTENT)
    day = holdings[0].passed
    assert holdings == (
        Holding(HERE, "DWP", row.id, day, "by-system", "moved", day, RIGHT, "moved in October"),
    )  # fmt: skip
    assert not lies(pair.la.home).exists()
    sent = row_of(pair.la, passed.document, Direction.OUT)
    assert (sent.partner, sent.flow, sent.state, sent.redirected_from) == (RIGHT, "redirect", "admitted", "DWP")
    assert sent.sha256 == passed.document_sha256
    came = row_of(pair.la, row.name)
    assert (came.state, came.code, came.redirected_to, came.purge_name) == (
        "delivered", "redirected", passed.redirect, None
    )  # fmt: skip


def test_sender_is_told_that_it_was_refused_and_where_it_went(pair: Pair, context: StageContext) -> None:
    row = deliver(pair)
    passed = pass_on(context, row)
    # Only the receipt is to travel: the road to the right authority is none of this test's.
    pair.la.sql("UPDATE transfers SET due = 9e9 WHERE id = ?", passed.redirect)
    pair.work()
    sent = row_of(pair.dwp, row.name, Direction.OUT)
    assert (sent.state, sent.code) == ("receipted", "redirected")
    assert sent.reason == f"It belongs to {RIGHT} (moved), and was passed on to it as transfer {passed.redirect}."


def test_dry_run_says_what_would_happen_and_changes_nothing(pair: Pair, context: StageContext) -> None:
    row = deliver(pair)
    passed = redirecting.redirect(context, row.id[:30], order(), READERS, dry_run=True)
    assert (passed.transfer, passed.removed, passed.holders) == (row.id, row.name, (HERE,))
    assert lies(pair.la.home).read_bytes() == CONTENT
    untouched(pair, row)


def test_second_redirect_is_refused(pair: Pair, context: StageContext) -> None:
    row = deliver(pair)
    passed = pass_on(context, row)
    with pytest.raises(UsageWrong, match=passed.redirect):
        pass_on(context, row, order(FURTHER))


def test_answered_file_cannot_be_redirected(pair: Pair, context: StageContext) -> None:
    row = deliver(pair)
    word = pair.la.home.outcomes / "claim" / "DWP" / f"{row.name}.accepted"
    word.write_bytes(b"")
    pair.la.now += 60
    pair.work()
    assert row_of(pair.la, row.name).state == State.INGESTED
    with pytest.raises(UsageWrong, match="answered"):
        pass_on(context, row)


def test_word_of_the_back_office_after_a_redirect_changes_nothing(pair: Pair, context: StageContext) -> None:
    row = deliver(pair)
    passed = pass_on(context, row)
    pair.la.sql("UPDATE transfers SET due = 9e9 WHERE id = ?", passed.redirect)
    before = row_of(pair.la, row.name)
    outcomes = pair.la.home.outcomes / "claim" / "DWP"
    for ending in ("rejected", "accepted"):
        (outcomes / f"{row.name}.{ending}").write_bytes(b"not ours" if ending == "rejected" else b"")
    for _ in range(3):
        pair.la.now += 60
        pair.work()
    returned = pair.la.home.returned / "claim" / "DWP"
    assert {path.name for path in returned.iterdir()} == {
        f"{row.name}.accepted", f"{row.name}.accepted.why.txt"
    }  # fmt: skip
    after = row_of(pair.la, row.name)
    assert (after.state, after.code, after.is_answered) == (before.state, before.code, before.is_answered)
    assert row_of(pair.dwp, row.name, Direction.OUT).code == "redirected"


def test_purge_that_broke_off_is_finished_at_the_next_start(
    pair: Pair, context: StageContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = deliver(pair)
    calls = []

    def broken(*arguments: Any) -> None:
        calls.append(arguments)
        if len(calls) == 2:
            raise DiskFailed("as if the process had died here")
        purge(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr("gateway.stages.redirecting.purge", broken)
        with pytest.raises(DiskFailed):
            pass_on(context, row)
    assert lies(pair.la.home).read_bytes() == CONTENT
    assert row_of(pair.la, row.name).purge_name == row.name
    tidy(pair.la.home, pair.la.ledger, Role.INSPECT)
    assert not lies(pair.la.home).exists()
    assert row_of(pair.la, row.name).purge_name is None


def test_purge_leaves_what_is_not_the_delivered_file(pair: Pair, context: StageContext) -> None:
    row = deliver(pair)
    pass_on(context, row)
    lies(pair.la.home).write_bytes(CONTENT[:-1] + b"!")
    (elsewhere := pair.la.home.root / "elsewhere").write_bytes(CONTENT)
    lies(pair.la.home, "link.xml").symlink_to(elsewhere)
    pair.la.sql("UPDATE transfers SET purge_name = ? WHERE id = ?", "link.xml", row.id)
    tidy(pair.la.home, pair.la.ledger, Role.INSPECT)
    assert lies(pair.la.home).exists()
    assert elsewhere.read_bytes() == CONTENT


def test_marker_goes_with_its_file(pair: Pair, context: StageContext) -> None:
    row = deliver(pair)
    marker = lies(pair.la.home, f"{row.name}.done")
    marker.touch()
    pass_on(context, row)
    assert not marker.exists()


def test_of_two_files_with_the_same_bytes_its_own_goes(pair: Pair, context: StageContext) -> None:
    row = deliver(pair)
    own = lies(pair.la.home, f"claim-1~{row.id}.xml")
    own.write_bytes(CONTENT)
    pair.la.sql("UPDATE transfers SET delivered_name = NULL WHERE id = ?", row.id)
    assert pass_on(context, row).removed == own.name
    assert not own.exists()
    assert lies(pair.la.home).exists()


def test_file_that_was_taken_away_has_to_be_given_byte_for_byte(
    pair: Pair, context: StageContext, tmp_path: Path
) -> None:
    row = deliver(pair)
    lies(pair.la.home).unlink()
    with pytest.raises(OriginalMissing):
        pass_on(context, row)
    given = tmp_path / "exported.xml"
    for wrong in (CONTENT + b"!", CONTENT[:-1] + b"!"):
        given.write_bytes(wrong)
        with pytest.raises(OriginalOther):
            pass_on(context, row, order(given=given))
    with pytest.raises(OriginalOther):
        pass_on(context, row, order(given=tmp_path / "nowhere.xml"))
    given.write_bytes(CONTENT)
    with pytest.raises(UsageWrong, match="--opened"):
        pass_on(context, row, order(given=given, opened="no"))
    untouched(pair, row)
    assert pass_on(context, row, order(given=given)).removed is None
    assert given.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("to", "error"),
    [("E06000001", PartnerUnknown), (HERE, UsageWrong), ("DWP", UsageWrong)],
    ids=["unknown", "itself", "no authority"],
)
def test_wrong_addressee_is_refused(pair: Pair, context: StageContext, to: str, error: type[GatewayError]) -> None:
    row = deliver(pair)
    with pytest.raises(error):
        pass_on(context, row, order(to))
    untouched(pair, row)


def test_flow_that_is_not_permitted_to_the_partner_is_refused(pair: Pair, context: StageContext) -> None:
    row = deliver(pair)
    closed = replace(context.routes, outgoing={**context.routes.outgoing, "redirect": frozenset({FURTHER})})
    with pytest.raises(FlowNotPermitted):
        pass_on(replace(context, routes=closed), row)
    untouched(pair, row)


def test_file_that_would_be_too_large_is_refused(pair: Pair) -> None:
    row = deliver(pair)
    small = DEFAULT_FLOWS["redirect"].model_copy(update={"max_bytes": len(CONTENT)})
    with pytest.raises(FileTooLarge):
        pass_on(connected(pair.la, redirect=small), row)
    untouched(pair, row)


def test_what_was_sent_from_here_cannot_be_passed_on(pair: Pair, context: StageContext) -> None:
    row = deliver(pair)
    with pytest.raises(UsageWrong, match="Only an authority"):
        redirecting.redirect(pair.dwp.context, row.id, order(), READERS)
    passed = pass_on(context, row)
    with pytest.raises(UsageWrong, match="sent from here"):
        redirecting.redirect(context, passed.redirect, order(), READERS)


def test_document_that_breaks_its_rules_goes_nowhere(pair: Pair, context: StageContext) -> None:
    class Strict:
        def validate(self, jobs: Sequence[Job]) -> Iterator[tuple[Job, Report]]:
            for job in jobs:
                yield job, Report("redirect/1.0", (Finding("code", "line 5", "Not right."),), 1)

    row = deliver(pair)
    with pytest.raises(ContentInvalid, match="line 5"):
        redirecting.redirect(context, row.id, order(), cast("Sandbox", Strict()))
    assert lies(pair.la.home).exists()
    untouched(pair, row)


def received(bench: Bench, sender: str, holdings: Sequence[Holding]) -> str:
    """A redirect document from another authority, as delivered; the transfer's id."""
    made = Redirect("RED-00000001", Office("HB01", "Oldborough"), holdings_day(), holdings, ORIGINAL)
    content = write(made)
    transfer, consignment = bench.context.new_id(), bench.context.new_id()
    directory = bench.home.inbound / "redirect" / sender
    directory.mkdir(parents=True)
    (directory / "redirect-1.xml").write_bytes(content)
    common = {"direction": "in", "partner": sender, "state": "delivered"}
    with bench.ledger.write() as transaction:
        event = transaction.record("consignment.landed", "consignment", consignment, sender, state="delivered")
        transaction.insert(CONSIGNMENTS, [{"id": consignment, **common, "event": event}])
        event = transaction.record("transfer.delivered", "transfer", transfer, sender)
        row = {
            "id": transfer,
            "flow": "redirect",
            "name": "redirect-1.xml",
            "delivered_name": "redirect-1.xml",
            **common,
        }
        size, sha256 = len(content), hashlib.sha256(content).hexdigest()
        more = {"size": size, "sha256": sha256, "consignment": consignment, "position": 1, "event": event}
        transaction.insert(TRANSFERS, [row | more])
    return transfer


ORIGINAL = Original("etd", "awards.xml", b"<Awards/>" * 400)
FIRST = "019aa049-7c00-7d02-8a5e-3b1f0c9d2e71"


def holdings_day() -> datetime:
    return datetime(2026, 11, 17, 9, 30, tzinfo=UTC)


def held(by: str, since: str, to: str) -> Holding:
    day = date(2026, 11, 16)
    return Holding(
        by, since, FIRST if since == "DWP" else "019aa049-7c00-7d02-8a5e-3b1f0c9d2e72", day, "no", "other", day, to
    )


def test_redirect_of_a_redirect_carries_the_history_on(pair: Pair, context: StageContext) -> None:
    transfer = received(pair.la, RIGHT, [held(RIGHT, "DWP", HERE)])
    passed = redirecting.redirect(context, transfer, order(FURTHER), READERS)
    assert passed.holders == (RIGHT, HERE)
    holdings, original = unwrap((pair.la.home.custody / passed.redirect).read_bytes())
    assert original == ORIGINAL
    assert holdings[0] == held(RIGHT, "DWP", HERE)
    assert (holdings[1].received_from, holdings[1].transfer, holdings[1].passed_to) == (RIGHT, transfer, FURTHER)
    assert row_of(pair.la, passed.document, Direction.OUT).redirected_from == RIGHT
    assert list((pair.la.home.inbound / "redirect" / RIGHT).iterdir()) == []


def test_file_does_not_go_round_in_circles(pair: Pair, context: StageContext) -> None:
    transfer = received(pair.la, RIGHT, [held(FURTHER, "DWP", RIGHT), held(RIGHT, FURTHER, HERE)])
    for to in (RIGHT, FURTHER):
        with pytest.raises(UsageWrong, match="telephone"):
            redirecting.redirect(context, transfer, order(to), READERS)


def test_file_does_not_go_round_in_circles_under_another_code(pair: Pair) -> None:
    digits = [Partner(code=code, name=code, fingerprint="C" * 40, link="none") for code in ("4220", "3805")]
    context = connected(pair.la)
    more = {each.code: each for each in digits}
    settings = replace(context.settings, partners={**context.settings.partners, **more})
    context = replace(context, settings=settings, routes=routes(settings))
    transfer = received(pair.la, RIGHT, [held(FURTHER, "DWP", RIGHT), held(RIGHT, FURTHER, HERE)])
    for to in ("4220", "3805"):
        with pytest.raises(UsageWrong, match="telephone"):
            redirecting.redirect(context, transfer, order(to), READERS)


# -- asked for in the console


def asked(pair: Pair, subject: str, argument: str | None, user: str = "j.smith") -> Request:
    """What becomes of the request, carried out by inspect with real readers."""
    bench = pair.la
    context = connected(bench)
    with bench.ledger.write() as transaction:
        text = "moved in October"
        wanted = requests.ask(
            transaction, context.new_id(), Act.REDIRECT, subject, user, text, argument=argument
        )  # fmt: skip
    settings = replace(context.settings, validation=Validation(test_numbers=True))
    with closing(Payloads(replace(context, settings=settings), reading.plans(settings))) as at_work:
        until = time.monotonic() + 30
        while time.monotonic() < until:
            at_work.step()
            with bench.ledger.read() as connection:
                answer = requests.find(connection, wanted.id)
            if answer.state is not RequestState.ASKED:
                return answer
            time.sleep(0.02)
    raise AssertionError("no answer")


@pytest.fixture
def staffed(pair: Pair) -> Pair:
    hire(pair.la.ledger, "j.smith", role=PersonRole.OPERATOR)
    hire(pair.la.ledger, "a.audit", role=PersonRole.AUDITOR)
    pair.la.home.shown.mkdir(parents=True, exist_ok=True)
    pair.la.home.uploads.mkdir(parents=True, exist_ok=True)
    return pair


def test_a_person_of_the_console_passes_a_file_on_and_both_stories_name_them(staffed: Pair) -> None:
    name, content = claim(1)
    row = deliver(staffed, name, content)
    done = asked(staffed, row.id, f"{RIGHT} moved by-system")
    assert (done.state, done.kind, done.unit, done.became) == (
        RequestState.DONE, "transfer", row.id, "redirected"
    ), done  # fmt: skip
    assert not lies(staffed.la.home, name).exists()
    came = row_of(staffed.la, name)
    assert came.redirected_to is not None
    holdings, original = unwrap((staffed.la.home.custody / came.redirected_to).read_bytes())
    assert original == Original("claim", name, content)
    assert (holdings[0].passed_to, holdings[0].opened, holdings[0].explanation) == (
        RIGHT, "by-system", "moved in October"
    )  # fmt: skip
    with staffed.la.ledger.read() as connection:
        told = [json.loads(each.detail) for each in chain(connection) if each.event == "transfer.redirected"]
    assert {each["actor"] for each in told} == {"j.smith"}
    assert {each.get("passed_as") or each.get("came_as") for each in told} == {row.id, came.redirected_to}
    again = asked(staffed, row.id, f"{FURTHER} moved by-system")
    assert (again.state, again.code) == (RequestState.REFUSED, "usage")


@pytest.mark.parametrize(
    ("argument", "code"),
    [
        (None, "usage"),
        ("", "usage"),
        (f"{RIGHT} because by-officer", "usage"),
        (f"{RIGHT} moved by-nobody", "usage"),
        (f"{RIGHT} moved by-officer more", "usage"),
        ("DWP moved by-officer", "usage"),
        (f"{HERE} moved by-officer", "usage"),
        ("E06000001 moved by-officer", "partner-unknown"),
        ("../../etc moved by-officer", "partner-unknown"),
    ],
)
def test_what_nobody_can_ask_for_is_refused_and_changes_nothing(staffed: Pair, argument: str | None, code: str) -> None:
    row = deliver(staffed)
    refused = asked(staffed, row.id, argument)
    assert (refused.state, refused.code) == (RequestState.REFUSED, code)
    untouched(staffed, row)


def test_who_may_not_answer_for_the_back_office_passes_nothing_on(staffed: Pair) -> None:
    row = deliver(staffed)
    with pytest.raises(RightMissing):
        asked(staffed, row.id, f"{RIGHT} moved by-officer", "a.audit")
    untouched(staffed, row)


def test_nobody_says_that_it_was_not_opened_where_the_access_log_knows_better(staffed: Pair) -> None:
    name, content = claim(1)
    row = deliver(staffed, name, content)
    open_payload(staffed.la.settings, staffed.la.ledger, "j.smith", Wanted(TRANSFER, row.id, "to see whose it is"), [])
    refused = asked(staffed, row.id, f"{RIGHT} moved no")
    assert (refused.state, refused.code) == (RequestState.REFUSED, "usage")
    assert "System Access Log" in (refused.refusal or "")
    untouched(staffed, row)
    assert asked(staffed, row.id, f"{RIGHT} moved by-officer").state is RequestState.DONE
