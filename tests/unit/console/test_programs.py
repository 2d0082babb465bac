"""The interface for programs: what a token may see and do, what it may not, and what everybody else gets."""

from __future__ import annotations

import json
import os
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread
from typing import Any

import orjson
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from gateway.administration.credentials import tokens
from gateway.administration.views.conversation import ConversationMember, ConversationView
from gateway.assembly import reading
from gateway.console.programs.openapi import document
from gateway.console.programs.operations import OPERATIONS, PREFIX
from gateway.console.programs.rate import Buckets, Places
from gateway.console.programs.web import MOST_BYTES
from gateway.domain.decision import Decision
from gateway.domain.people import PROGRAMS, RIGHTS, PersonRole, Right
from gateway.domain.states import Direction
from gateway.errors import NotFound, RightMissing, UsageWrong
from gateway.ledger import people
from gateway.ledger.audit.rows import check_rows
from gateway.ledger.queries import overview
from gateway.ledger.queries.events import chain
from gateway.ledger.units import Transfer
from gateway.settings.model import Validation
from gateway.stages.timers.payloads import Payloads
from gateway.stages.timers.requests import INSPECT_ACTS, Requests
from tests.acceptance.sites import claim
from tests.fakes.programs import WHY, Program, program
from tests.fakes.two_ledgers import Bench, Pair, two_ledgers

NOWHERE = "01a200db-25a7-7293-8e54-d4bb0a1b0002"


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with two_ledgers(tmp_path) as made:
        yield made


@pytest.fixture
def la(pair: Pair) -> Iterator[Program]:
    """A back office of the authority, which got two claims and a referral."""
    pair.dwp.submit("a.xml", b"claim a")
    pair.dwp.submit("b.xml", b"claim b")
    pair.dwp.submit("r.xml", b"referral", flow="referral")
    pair.work()
    with program(pair.la) as made:
        made.token = made.grant("back-office", Right.LOOK, Right.ANSWER)
        yield made
        with pair.la.ledger.read() as connection:
            assert list(check_rows(connection)) == []


def came(bench: Bench, name: str, direction: Direction = Direction.IN) -> Transfer:
    with bench.ledger.read() as connection:
        (row,) = [row for row in overview.transfers(connection, direction=direction) if row.name == name]
    return row


def carry_out(pair: Pair, bench: Bench) -> None:
    """What is asked through the ledger, and what comes of it at both sites."""
    Requests(bench.context, "requests", INSPECT_ACTS).step()
    pair.work()


def told(bench: Bench, name: str) -> list[tuple[str, dict[str, Any]]]:
    with bench.ledger.read() as connection:
        return [(each.subject, orjson.loads(each.detail)) for each in chain(connection) if each.event == name]


# -- what there is


def test_the_description_is_openapi_and_has_every_operation(la: Program) -> None:
    OpenAPIV31SpecValidator(document()).validate()
    said = la.ask("GET", f"{PREFIX}/openapi.json", token="")
    assert (said.status, said.data) == (200, json.loads(json.dumps(document())))
    described = {(path, method.upper()) for path, known in said.data["paths"].items() for method in known}
    assert described == {(each.path, each.method) for each in OPERATIONS}
    assert {each.right for each in OPERATIONS} <= PROGRAMS


def test_the_list_is_of_the_tokens_flows_page_by_page(la: Program) -> None:
    first = la.get(f"{PREFIX}/transfers?direction=in&limit=1").data
    second = la.get(f"{PREFIX}/transfers?direction=in&limit=1&after={first['next']}").data
    assert [each["name"] for each in (*first["transfers"], *second["transfers"])] == ["b.xml", "a.xml"]
    assert second["next"] is None
    assert la.get(f"{PREFIX}/transfers?flow=referral").data == {"transfers": [], "next": None}
    elsewhere = la.grant("elsewhere", Right.LOOK, partners=[la.bench.other])
    assert len(la.ask("GET", f"{PREFIX}/transfers?since=2020-01-01T00:00:00Z", token=elsewhere).data["transfers"]) == 2


def test_story_and_receipts_are_what_show_tells(la: Program) -> None:
    row = came(la.bench, "a.xml")
    story = la.get(f"{PREFIX}/transfers/{row.id}").data
    assert (story["kind"], story["id"], story["state"]) == ("transfer", row.id, "delivered")
    assert "transfer.delivered" in [each["event"] for each in story["events"]]
    receipts = la.get(f"{PREFIX}/transfers/{row.id}/receipts").data
    assert receipts == {"transfer": row.id, "receipts": story["receipts"]}
    assert receipts["receipts"][0]["content"]["items"][0]["transfer"] == row.id


@pytest.mark.parametrize(("flow", "more", "is_told"), [("claim", 0, True), ("referral", 0, False), ("claim", 1, False)])
def test_what_belongs_together_is_told_where_all_of_it_is_the_tokens(
    flow: str, more: int, la: Program, monkeypatch: pytest.MonkeyPatch, *, is_told: bool
) -> None:
    row = came(la.bench, "a.xml")
    member = ConversationMember(
        *(NOWHERE, "in", flow, la.bench.other, "c.xml", "delivered", None, None, None, None),
        asked=False,
        link="answer",
        other=row.id,
        words=None,
        events=(),
    )
    together = ConversationView((member,), more)
    monkeypatch.setattr("gateway.administration.views.story.conversation_of", lambda *_: together)
    assert (la.get(f"{PREFIX}/transfers/{row.id}").data["conversation"] is not None) == is_told


def test_another_flows_transfer_is_not_there(la: Program) -> None:
    hidden = came(la.bench, "r.xml").id
    for path in (f"/transfers/{hidden}", f"/transfers/{hidden}/receipts"):
        here, nowhere = la.get(PREFIX + path), la.get(PREFIX + path.replace(hidden, NOWHERE))
        assert (here.status, here.body) == (nowhere.status, nowhere.body)
        assert here.status == 404
    assert la.get(f"{PREFIX}/transfers/{came(la.bench, 'a.xml').id[:20]}").status == 404, "the start of an id is none"
    said = la.answer({"transfer": hidden, "outcome": "accepted"})
    assert (said.status, said.data["code"]) == (404, "not-found")
    assert told(la.bench, "token.answered") == []


# -- answers of the back office


def test_an_answer_goes_the_way_of_an_answer_file_and_is_told_to_the_sender(pair: Pair, la: Program) -> None:
    taken, wrong = came(pair.la, "a.xml"), came(pair.la, "b.xml")
    given = la.answer({"transfer": taken.id, "outcome": "accepted"})
    assert (given.status, given.data["state"]) == (202, "asked")
    finding = "Line 4: no case with NINO QQ 12 34 56 C"
    other = la.answer({"transfer": wrong.id, "outcome": "rejected", "findings": [finding, "Line 9: no date"]})
    carry_out(pair, pair.la)
    assert la.get(given.headers["location"]).data | {"updated": ""} == {
        **given.data,
        "state": "done",
        "updated": "",
    }
    assert la.get(other.headers["location"]).data["state"] == "done"
    assert came(pair.dwp, "a.xml", Direction.OUT).state == "ingested"
    refused = came(pair.dwp, "b.xml", Direction.OUT)
    assert (refused.code, refused.reason) == (
        "refused-by-back-office",
        "Line 4: no case with NINO [masked]\nLine 9: no date",
    )
    ((subject, detail),) = told(pair.la, "transfer.ingested")
    assert (subject, detail["actor"]) == (taken.id, "op1")
    assert [(name, detail["act"], detail["actor"]) for name, detail in told(pair.la, "token.answered")] == [
        ("back-office", "accept", "op1"),
        ("back-office", "reject", "op1"),
    ]
    contrary = la.answer({"transfer": taken.id, "outcome": "rejected", "findings": ["after all"]})
    assert (contrary.status, contrary.data["code"]) == (409, "outcome-contrary")


def test_the_same_key_is_one_request_and_never_another_one(la: Program) -> None:
    row, other = came(la.bench, "a.xml"), came(la.bench, "b.xml")
    first = la.answer({"transfer": row.id, "outcome": "accepted"}, key="k")
    again = la.answer({"outcome": "accepted", "transfer": row.id}, key="k")
    assert (again.status, again.data["id"]) == (202, first.data["id"])
    assert len(told(la.bench, "token.answered")) == 1
    said = la.answer({"transfer": other.id, "outcome": "accepted"}, key="k")
    assert (said.status, said.data["code"]) == (422, "idempotency-key")
    mine = la.grant("another", Right.ANSWER)
    assert la.answer({"transfer": row.id, "outcome": "accepted"}, "k", mine).data["id"] != first.data["id"], "its own"
    la.bench.now += 86_401
    later = la.answer({"transfer": row.id, "outcome": "accepted"}, key="k")
    assert later.data["id"] != first.data["id"], "a day later the key is new"


def test_a_key_is_remembered_whoever_came_before_it_and_was_served_after_it(la: Program) -> None:
    """Programs at once: each request has its moment before it waits for the others. Clocks of nodes differ by more."""
    row, other = came(la.bench, "a.xml"), came(la.bench, "b.xml")
    la.bench.now += 600.0
    first = la.answer({"transfer": row.id, "outcome": "accepted"}, key="k")
    for earlier in (0.002, 300.0):
        la.bench.now -= earlier
        la.answer({"transfer": other.id, "outcome": "accepted"}, key=f"k{earlier}")
    assert la.answer({"transfer": row.id, "outcome": "accepted"}, key="k").data["id"] == first.data["id"]


def test_an_answer_is_refused_where_the_owner_may_no_more_when_it_is_carried_out(pair: Pair, la: Program) -> None:
    row = came(la.bench, "a.xml")
    given = la.answer({"transfer": row.id, "outcome": "accepted"})
    with la.bench.ledger.write() as transaction:
        people.change(transaction, "op1", WHY, roles=[PersonRole.CHECKING_OFFICER])
    carry_out(pair, pair.la)
    assert came(la.bench, "a.xml").state == "delivered"
    assert la.get(given.headers["location"]).status == 403, "nor may the token ask"
    with la.bench.ledger.write() as transaction:
        people.change(transaction, "op1", WHY, roles=[PersonRole.OPERATOR])
    said = la.get(given.headers["location"]).data
    assert (said["state"], said["code"]) == ("refused", "right-missing")


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 400, "json"),
        (b"{" * 30_000, 400, "json"),
        (f'{{"transfer": "{NOWHERE}", "outcome": "accepted", "outcome": "rejected"}}'.encode(), 422, "schema"),
        (b"[" * 200 + b"]" * 200, 422, "schema"),
        (b'{"transfer": "' + b"x" * MOST_BYTES + b'"}', 413, "too-large"),
        ({"transfer": NOWHERE, "outcome": "accepted"}, 404, "not-found"),
        ({"transfer": NOWHERE, "outcome": "accepted", "who": "me"}, 422, "schema"),
        ({"transfer": NOWHERE, "outcome": "taken"}, 422, "schema"),
        ({"transfer": NOWHERE, "outcome": "rejected"}, 422, "schema"),
        ({"transfer": NOWHERE, "outcome": "accepted", "findings": ["x"]}, 422, "schema"),
        ({"transfer": NOWHERE, "outcome": "rejected", "findings": ["x" * 501]}, 422, "schema"),
        (["QQ123456C"], 422, "schema"),
    ],
)
def test_what_does_not_fit_is_a_problem_and_is_not_repeated(content: Any, status: int, code: str, la: Program) -> None:
    said = la.answer(content)
    assert (said.status, said.data["code"]) == (status, code)
    assert (said.headers["content-type"], said.data["status"]) == ("application/problem+json", status)
    assert b"QQ123456C" not in said.body


def test_headers_that_do_not_fit_are_problems(la: Program) -> None:
    body = orjson.dumps({"transfer": NOWHERE, "outcome": "accepted"})
    form = {"content-type": "application/x-www-form-urlencoded", "idempotency-key": "k"}
    assert la.ask("POST", f"{PREFIX}/outcomes", body, form).status == 415
    said = la.ask("POST", f"{PREFIX}/outcomes", body, {"content-type": "application/json; charset=utf-8"})
    assert (said.status, said.data["code"]) == (400, "idempotency-key-missing")
    assert la.ask("DELETE", f"{PREFIX}/outcomes").status == 405
    assert la.ask("OPTIONS", f"{PREFIX}/outcomes", headers={"origin": "https://elsewhere.example"}).status == 405
    assert la.get(f"{PREFIX}/transfers", host="elsewhere.example").status == 421
    assert la.ask("POST", f"{PREFIX}/outcomes", headers={"content-length": "70000"}).status == 413
    assert la.get(f"{PREFIX}/nothing").data["code"] == "not-found"
    for query in ("state=eaten", "limit=0", "limit=1&limit=2", "colour=red", "after=x", "since=yesterday"):
        assert la.get(f"{PREFIX}/transfers?{query}").status == 422, query
    assert la.get(f"{PREFIX}/transfers/{NOWHERE}?x=1").status == 422
    for said in (la.get(f"{PREFIX}/transfers", origin="https://elsewhere.example"), la.get("/api/v1/openapi.json")):
        assert not [name for name in said.headers if name.startswith("access-control")]
        assert "set-cookie" not in said.headers


# -- files


def payloads(bench: Bench) -> Payloads:
    settings = replace(bench.settings, validation=Validation(test_numbers=True))
    return Payloads(replace(bench.context, settings=settings), reading.plans(settings))


def test_a_file_is_submitted_once_and_goes_the_way_of_a_dropped_one(pair: Pair) -> None:
    name, content = claim(1)
    with program(pair.dwp) as asked:
        asked.token = asked.grant("sender", Right.SEND, Right.LOOK)
        path = f"{PREFIX}/transfers?flow=claim&partner={pair.dwp.other}&name={name}"
        headers = {"content-type": "application/octet-stream", "idempotency-key": "k"}
        given = asked.ask("POST", path, content, headers)
        assert (given.status, given.data["state"]) == (202, "asked")
        assert asked.ask("POST", path, content, headers).data == given.data
        assert len(list(pair.dwp.home.uploads.iterdir())) == 2, "the file and its note, of the first alone"
        for each in pair.dwp.home.uploads.iterdir():
            os.utime(each, (pair.dwp.now, pair.dwp.now))
        assert payloads(pair.dwp).step().done == 1
        became = asked.get(given.headers["location"]).data
        assert became["state"] == "done", became
        pair.work()
        sent = came(pair.dwp, name, Direction.OUT)
        assert (sent.id, sent.state) == (given.data["transfer"], "receipted")
        assert [detail["transfer"] for _, detail in told(pair.dwp, "token.submitted")] == [sent.id]
        here = f"partner={pair.dwp.other}"
        for query, body, more, status in (
            (f"flow=claim&{here}&name=x.xml", b"other", {}, 422),
            (f"flow=claim&{here}&name=x.xml", b"", {"idempotency-key": "e"}, 422),
            (f"flow=claim&{here}", b"x", {}, 422),
            ("flow=claim&partner=E09000099&name=x.xml", b"x", {"idempotency-key": "p"}, 422),
            (f"flow=referral&{here}&name=x.xml", b"x", {}, 403),
            (f"flow=claim&{here}&name=x.xml", b"x", {"content-type": "text/xml"}, 415),
            (f"flow=claim&{here}&name=x.xml", b"x", {"content-length": "99999999999"}, 413),
        ):
            said = asked.ask("POST", f"{PREFIX}/transfers?{query}", body, headers | more)
            assert said.status == status, (query, said.body)
        assert not list(pair.dwp.home.uploads.iterdir())


def test_a_delivered_file_is_fetched_with_its_digest_and_an_event_before(la: Program) -> None:
    row = came(la.bench, "a.xml")
    token = la.grant("fetcher", Right.OPEN)
    stage, done = payloads(la.bench), Event()

    def work() -> None:
        while not done.wait(0.05):
            stage.step()

    worker = Thread(target=work)
    worker.start()
    try:
        said = la.ask("GET", f"{PREFIX}/transfers/{row.id}/payload", token=token)
        hidden = la.ask("GET", f"{PREFIX}/transfers/{came(la.bench, 'r.xml').id}/payload", token=token)
    finally:
        done.set()
        worker.join()
    assert (said.status, said.body) == (200, b"claim a")
    assert said.headers["repr-digest"] == f"sha-256=:{b64encode(bytes.fromhex(row.sha256)).decode()}:"
    assert hidden.status == 404
    assert told(la.bench, "token.fetched")[0][1]["transfer"] == row.id
    with la.bench.ledger.write() as transaction:
        people.change(transaction, "op1", WHY, roles=[])
    assert la.ask("GET", f"{PREFIX}/transfers/{row.id}/payload", token=token).status == 403


# -- who may


def filled(path: str, row: Transfer) -> str:
    return PREFIX + path.replace("{id}", row.id)


@pytest.mark.parametrize("right", sorted(PROGRAMS))
def test_each_operation_takes_its_right(right: Right, la: Program) -> None:
    row = came(la.bench, "a.xml")
    owner = "aud1" if right is Right.AUDIT else "op1"
    token = la.grant("one-right", right, owner=owner)
    for operation in OPERATIONS:
        if operation.right is right and operation.gives is bytes:
            continue  # takes a role that runs
        said = la.ask(operation.method, filled(operation.path, row), token=token)
        assert (said.status == 403) == (operation.right is not right), (operation.name, said.status)
        assert la.ask(operation.method, filled(operation.path, row), token="").status in (401, 429)


def test_nobody_learns_why_a_token_does_not_count(la: Program) -> None:
    path = f"{PREFIX}/transfers"
    assert la.get(path).status == 200
    said = la.ask("GET", path, token="gwt_" + "0" * 64)
    assert (said.status, said.headers["www-authenticate"]) == (401, "Bearer")
    with la.bench.ledger.write() as transaction:
        people.suspend(transaction, "op1", WHY)
    assert la.get(path).body == said.body
    with la.bench.ledger.write() as transaction:
        people.resume(transaction, "op1", WHY)
    assert la.get(path).status == 200
    cookie = {"cookie": "gateway-x=" + "0" * 64}
    assert la.ask("GET", path, headers=cookie, token="").body == said.body, "cookies are not read"
    tokens.revoke(la.site.credentials, "back-office", Decision("tester", "replaced"))
    assert la.get(path).body == said.body
    ending = la.grant("ending", Right.LOOK, days=1)
    la.bench.now += 86_400
    assert la.ask("GET", path, token=ending).body == said.body
    assert told(la.bench, "token.refused")[0] == (
        "console",
        {**told(la.bench, "token.refused")[0][1], "act": "list-transfers", "right": "look", "count": 1},
    )
    assert "gwt_" not in str(told(la.bench, "token.added"))


def test_tokens_are_for_what_their_owner_may_and_what_there_is(la: Program) -> None:
    for rights, more, error in (
        ([Right.AUDIT], {}, RightMissing),
        ([Right.RELEASE], {}, UsageWrong),
        ([], {}, UsageWrong),
        ([Right.LOOK], {"flows": []}, UsageWrong),
        ([Right.LOOK], {"flows": ["nothing"]}, UsageWrong),
        ([Right.LOOK], {"partners": ["E09000099"]}, UsageWrong),
    ):
        with pytest.raises(error):
            la.grant("wrong", *rights, **more)
    with pytest.raises(UsageWrong):
        la.grant("back-office", Right.LOOK)
    with pytest.raises(UsageWrong):
        la.grant("Not a name", Right.LOOK)
    with pytest.raises(NotFound):
        tokens.revoke(la.site.credentials, "wrong", WHY)
    (view,) = tokens.listed(la.site.credentials)
    assert (view.name, view.rights, view.flows, view.partners, view.state) == (
        *("back-office", ("answer", "look"), ("claim",), (), "active"),
    )
    assert set(PROGRAMS) <= set().union(*RIGHTS.values())


# -- how often


def test_a_program_that_asks_too_often_waits_and_others_do_not(pair: Pair) -> None:
    with program(pair.la, token_requests=2) as asked:
        asked.token, other = asked.grant("one", Right.LOOK), asked.grant("two", Right.LOOK)
        path = f"{PREFIX}/transfers"
        assert [asked.get(path).status for _ in range(3)] == [200, 200, 429]
        said = asked.get(path)
        assert (said.data["code"], said.headers["retry-after"]) == ("too-often", "30")
        assert asked.ask("GET", path, token=other).status == 200
        pair.la.now += 30
        assert asked.get(path).status == 200
        strangers = [asked.ask("GET", path, token=PREFIX).status for _ in range(12)]
        assert strangers == [401] * 10 + [429] * 2
        assert len(told(pair.la, "token.refused")) == 1, "the chain is told once a minute"
        assert asked.ask("GET", path, token=other).status == 200, "who has a token is not held up by strangers"


def test_a_bucket_fills_with_time_alone() -> None:
    buckets = Buckets(60)
    assert [buckets.take("a", 0.0) for _ in range(60)] == [0.0] * 60
    assert buckets.take("a", 0.0) == 1.0
    assert buckets.take("a", -100.0) == 1.0, "a clock that was set back"
    assert buckets.take("b", 0.0) == 0.0
    for number in range(10_000):
        buckets.take(str(number), 0.0)
    assert buckets.take("a", 0.0) == 0.0, "forgotten, not kept for ever"


def test_places_are_given_back() -> None:
    places = Places(2, 3)
    assert [places.take("a"), places.take("a"), places.take("a")] == [True, True, False]
    assert [places.take("b"), places.take("c")] == [True, False]
    places.give_back("a")
    assert places.take("c")


# -- the feed


def test_the_feed_has_the_tokens_transfers_alone_and_waits(pair: Pair, la: Program) -> None:
    found = la.get(f"{PREFIX}/events").data
    assert {flow for each in found["events"] for flow in each["flows"]} == {"claim"}
    assert la.get(f"{PREFIX}/events?after={found['next']}&wait=1").data == {"events": [], "next": found["next"]}
    first = la.get(f"{PREFIX}/events?limit=1").data
    assert (len(first["events"]), first["next"]) == (1, first["events"][0]["sequence"])
    auditor = la.grant("auditor", Right.AUDIT, Right.LOOK, owner="aud1")
    site = la.ask("GET", f"{PREFIX}/events?limit=1000", token=auditor).data["events"]
    assert {"person.added", "token.added"} <= {each["event"] for each in site}
    assert not any("referral" in each["flows"] for each in site)


def test_the_feed_is_a_stream_of_server_sent_events_until_the_token_ends(la: Program, monkeypatch: Any) -> None:
    monkeypatch.setattr("gateway.console.programs.events.LOOK_SECONDS", 0.001)
    monkeypatch.setattr("gateway.console.programs.events._LONGEST_LOOKS", 25)
    last = la.get(f"{PREFIX}/events").data["events"][-2]["sequence"]
    said = la.get(f"{PREFIX}/events", accept="text/event-stream", last_event_id=str(last))
    assert said.headers["content-type"].startswith("text/event-stream")
    (line,) = [line for line in said.body.splitlines() if line.startswith(b"data: ")]
    each = orjson.loads(line[6:])
    assert b"id: %d\nevent: %s\n" % (each["sequence"], each["event"].encode()) in said.body
    assert said.body.endswith(b": here\n\n")
