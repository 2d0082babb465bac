"""Rows made anew from a partner's answer: every state that a copy may have of a file, and every outcome that the partner may tell."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.administration.backup.rebuilding import Rebuilder
from gateway.domain.identity import to_text
from gateway.domain.manifest import Item
from gateway.domain.receipt import Outcome
from gateway.domain.recovery import AnsweredConsignment, AnsweredItem, PartnerAnswer
from gateway.domain.states import Direction, State
from gateway.errors import LedgerRolledBack, UsageWrong
from gateway.ledger.audit.rows import check_rows
from gateway.ledger.queries import overview
from gateway.ledger.units import Transfer
from tests.fakes.two_ledgers import Bench, Pair, two_ledgers

CONSIGNMENT = "01a200dc-da13-796e-bc6d-46b6dcbaebcf"
LA = "E09000030"


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with two_ledgers(tmp_path / "sites") as made:
        yield made


def told(bench: Bench, transfer: str, content: bytes, outcome: Outcome, **changed: Any) -> AnsweredConsignment:
    item = Item(
        transfer=transfer, flow="claim", name="a.xml", size=len(content), sha256=hashlib.sha256(content).hexdigest()
    )
    answered = AnsweredItem(item=item, outcome=outcome, code=None if outcome is Outcome.DELIVERED else "xml-schema")
    values: dict[str, Any] = {
        "consignment": CONSIGNMENT,
        "sequence": 7,
        "sealed_sha256": "d" * 64,
        "sealed_size": 900,
        "expires": to_text(bench.now + 86400),
        "items": (answered,),
    }
    return AnsweredConsignment(**(values | changed))


def answer(bench: Bench, **lists: Any) -> PartnerAnswer:
    moment = to_text(bench.now)
    return PartnerAnswer(sender=LA, recipient="DWP", issued=moment, since=moment, sequence=7, **lists)


def apply(bench: Bench, given: PartnerAnswer) -> Rebuilder:
    with bench.ledger.write() as transaction:
        rebuilder = Rebuilder(transaction, bench.home)
        rebuilder.apply(PartnerAnswer.parse(given.to_bytes()))
    with bench.ledger.read() as connection:
        assert list(check_rows(connection)) == []
    return rebuilder


def row(bench: Bench, transfer: str) -> Transfer:
    with bench.ledger.read() as connection:
        (found,) = [each for each in overview.transfers(connection) if each.id == transfer]
    return found


@pytest.mark.parametrize("state", ["admitted", "validated", "packed", "held", "unknown"])
@pytest.mark.parametrize("outcome", [Outcome.DELIVERED, Outcome.REJECTED, Outcome.QUARANTINED])
def test_what_the_partner_has_is_not_sent_again(pair: Pair, state: str, outcome: Outcome) -> None:
    dwp = pair.dwp
    transfer = "01a200dc-d8eb-7675-bda1-f1f1eee10e97"
    if state != "unknown":
        transfer = dwp.submit("a.xml", b"claim")
        validate, pack = pair.stages_of(dwp)[:2]
        for stage in (validate, pack)[: {"validated": 1, "packed": 2}.get(state, 0)]:
            stage.step()
        if state == "held":
            dwp.sql("UPDATE transfers SET state = 'held', resume = 'admitted'")
            with dwp.ledger.write() as transaction:  # as the chain would have it
                event = transaction.record("transfer.held", "transfer", transfer, LA)
                transaction.connection.exec_driver_sql("UPDATE transfers SET event = ?", (event,))
        assert row(dwp, transfer).state == state
    known = row(dwp, transfer).consignment if state == "packed" else None
    rebuilder = apply(
        dwp, answer(dwp, received=(told(dwp, transfer, b"claim", outcome, consignment=known or CONSIGNMENT),))
    )
    after = row(dwp, transfer)
    refused = outcome in (Outcome.REJECTED, Outcome.QUARANTINED)
    if refused and state != "unknown":
        assert (after.state, after.custody, after.code) == (str(outcome), True, "xml-schema")
    else:
        assert (after.state, after.custody, after.code) == (State.EXPIRED, False, "receipt-awaited")
    assert rebuilder.sent == ([transfer] if state == "unknown" else [])
    before = after.event
    pair.work_alone(dwp)
    if refused and state != "unknown":
        (returned,) = [path for path in (dwp.home.returned / "claim" / LA).iterdir() if path.suffix == ".xml"]
        assert returned.read_bytes() == b"claim"
    assert row(dwp, transfer).event == before
    assert not list(dwp.home.sealed_out.rglob("*.pgp"))
    with dwp.ledger.write() as transaction:
        assert transaction.lane(LA).sequence == 7


def test_what_the_partner_has_is_held_where_an_operator_drops_it_again(pair: Pair) -> None:
    dwp = pair.dwp
    apply(dwp, answer(dwp, received=(told(dwp, "01a200dc-d8eb-7675-bda1-f1f1eee10e97", b"claim", Outcome.DELIVERED),)))
    again = dwp.submit("b.xml", b"claim")
    pair.work_alone(dwp)
    assert (row(dwp, again).state, row(dwp, again).code) == (State.HELD, "suspected-duplicate")


def test_what_came_before_the_loss_is_not_delivered_again(pair: Pair) -> None:
    dwp, transfer = pair.dwp, "01a200dc-d8eb-7675-bda1-f1f1eee10e97"
    rebuilder = apply(dwp, answer(dwp, sent=(told(dwp, transfer, b"outcome", Outcome.DELIVERED),)))
    assert rebuilder.delivered == [transfer]
    assert (row(dwp, transfer).state, row(dwp, transfer).direction) == (State.DELIVERED, Direction.IN)
    again = apply(dwp, answer(dwp, sent=(told(dwp, transfer, b"outcome", Outcome.DELIVERED),)))
    assert again.delivered == []


def test_partner_that_contradicts_the_copy_changes_nothing(pair: Pair) -> None:
    dwp = pair.dwp
    transfer = dwp.submit("a.xml", b"claim")
    with pytest.raises(LedgerRolledBack):
        apply(dwp, answer(dwp, received=(told(dwp, transfer, b"other", Outcome.DELIVERED),)))
    assert row(dwp, transfer).state == State.ADMITTED


@pytest.mark.parametrize("name", ["../a.xml", "/etc/passwd", "..", "a\0b"])
def test_answer_with_a_name_that_is_a_path_is_refused(pair: Pair, name: str) -> None:
    good = answer(pair.dwp, received=(told(pair.dwp, "01a200dc-d8eb-7675-bda1-f1f1eee10e97", b"x", Outcome.DELIVERED),))
    document = orjson.loads(good.to_bytes())
    document["received"][0]["items"][0]["item"]["name"] = name
    with pytest.raises(UsageWrong):
        PartnerAnswer.parse(orjson.dumps(document))
