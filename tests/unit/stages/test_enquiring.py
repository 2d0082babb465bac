"""Asking, answering and forgetting nothing: the real stages and readers of two sites in one process."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest

from gateway.domain.decision import Decision
from gateway.domain.enquiries import Enquiry
from gateway.errors import ContentInvalid, FileUnsafe, GatewayError, NotFound, PartnerUnknown, UsageWrong
from gateway.ledger.audit.rows import check_rows
from gateway.ledger.queries import events, known_faults, overview
from gateway.ledger.queries.enquiries import everything
from gateway.sample.laid import LaidSampler
from gateway.stages import enquiring, fault_board
from gateway.stages.enquiring import Question, Reply, Submitted
from gateway.stages.timers.overdue_enquiries import OverdueEnquiries
from gateway.validation.enquiry import read_letter
from gateway.validation.sandbox.pool import Sandbox
from tests.fakes.two_ledgers import ActualReaders, Bench, Pair, two_ledgers

LA = "E09000030"
READERS = cast("Sandbox", ActualReaders())
CANARY = "Quillfeather, QQ123456A"
BY_TELEPHONE = Decision("tester", "answered by telephone")


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with two_ledgers(tmp_path, readers=READERS) as made:
        made.dwp.now, made.la.now = time.time(), time.time()
        yield made
        for bench in (made.dwp, made.la):
            with bench.ledger.read() as connection:
                assert list(check_rows(connection)) == []


def laid(directory: Path, defect: str | None = None, name: str = "form.pdf") -> Path:
    made = LaidSampler().make(
        sender="DWP", recipient=LA, index=1, random=random.Random(1), today=date(2026, 11, 20), defect=defect
    )
    path = directory / name
    path.write_bytes(made.content)
    return path


def today() -> date:
    return datetime.now(UTC).date()


def ask(bench: Bench, text: str = CANARY, **more: object) -> Submitted:
    question = Question(**{"kind": "award", "partner": bench.other, "text": text, **more})  # type: ignore[arg-type]
    return enquiring.send(bench.context, question, READERS, BY_TELEPHONE)


def answer(bench: Bench, reference: str, *, again: bool = False) -> Submitted:
    return enquiring.reply(bench.context, Reply(reference, "It is paid.", again=again), READERS, BY_TELEPHONE)


def all_of(bench: Bench) -> list[Enquiry]:
    with bench.ledger.read() as connection:
        return list(everything(connection, bench.settings.codes).enquiries)


def outstanding(bench: Bench) -> list[str]:
    return [each.asking.reference for each in all_of(bench) if each.outstanding]


def nothing_submitted(bench: Bench) -> None:
    assert list(bench.home.custody.iterdir()) == []
    assert not any((bench.home.vault / "submitted").rglob("*"))
    with bench.ledger.read() as connection:
        assert overview.transfers(connection) == []


# -- asking and answering


@pytest.mark.parametrize("asker", ["dwp", "la"])
def test_enquiry_is_outstanding_at_both_ends_until_its_reply_has_gone(pair: Pair, asker: str) -> None:
    asks, asked = (pair.dwp, pair.la) if asker == "dwp" else (pair.la, pair.dwp)
    done = ask(asks)
    pair.work()
    assert outstanding(asks) == outstanding(asked) == [done.reference]
    answer(asked, done.reference)
    pair.work()
    assert outstanding(asks) == outstanding(asked) == []
    (ours,), (theirs,) = all_of(asks), all_of(asked)
    assert (ours.sent, theirs.sent) == (True, False)
    assert ours.answer is not None
    assert theirs.answer is not None
    assert ours.answer.transfer == theirs.answer.transfer


def test_document_says_what_was_asked_and_carries_the_pdf_byte_for_byte(pair: Pair, tmp_path: Path) -> None:
    pdf = laid(tmp_path)
    done = ask(pair.dwp, f"First line\n\n{CANARY}", attachments=[pdf], reply_by=today() + timedelta(days=3))
    pair.work()
    letter = read_letter((pair.la.home.inbound / "enquiry" / "DWP" / done.document).read_bytes())
    assert (letter.reference, letter.kind, letter.reply_by) == (done.reference, "award", done.reply_by)
    assert letter.paragraphs == ("First line", CANARY)
    assert [(each.name, each.content) for each in letter.attachments] == [("form.pdf", pdf.read_bytes())]


def test_what_is_said_is_in_neither_ledger(pair: Pair, tmp_path: Path) -> None:
    done = ask(pair.dwp, CANARY, attachments=[laid(tmp_path, name="Quillfeather.pdf")])
    pair.work()
    answer(pair.la, done.reference)
    pair.work()
    for bench in (pair.dwp, pair.la):
        bench.snapshot(copy := tmp_path / f"{bench.code}.copy")
        assert b"Quillfeather" not in copy.read_bytes()
        assert done.reference.encode() in copy.read_bytes()


def test_reply_that_comes_back_leaves_the_enquiry_outstanding(pair: Pair) -> None:
    done = ask(pair.dwp)
    pair.work()
    replied = answer(pair.la, done.reference)
    assert pair.la.sql("UPDATE transfers SET state = 'rejected', custody = 0 WHERE id = ?", replied.transfer) == 1
    assert outstanding(pair.la) == [done.reference]
    pair.la.sql("UPDATE transfers SET state = 'admitted', custody = 1 WHERE id = ?", replied.transfer)


def test_hostile_pdf_goes_nowhere(pair: Pair, tmp_path: Path) -> None:
    with pytest.raises(ContentInvalid, match="attachment 1, ") as refused:
        ask(pair.dwp, attachments=[laid(tmp_path, "javascript")])
    assert refused.value.finding == "pdf-javascript"
    nothing_submitted(pair.dwp)


def test_what_is_no_pdf_of_its_own_is_not_attached(pair: Pair, tmp_path: Path) -> None:
    pdf = laid(tmp_path)
    (link := tmp_path / "link.pdf").symlink_to(pdf)
    (other := tmp_path / "form.exe").write_bytes(pdf.read_bytes())
    (folder := tmp_path / "folder").mkdir()
    wrong: list[tuple[list[Path], type[GatewayError]]] = [
        ([link], FileUnsafe), ([other], UsageWrong), ([tmp_path / "nowhere.pdf"], NotFound),
        ([pdf] * 6, UsageWrong), ([pdf, laid(folder)], UsageWrong),
    ]  # fmt: skip
    for attachments, error in wrong:
        with pytest.raises(error):
            ask(pair.dwp, attachments=attachments)
    nothing_submitted(pair.dwp)


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"kind": "complaint"}, UsageWrong),
        ({"partner": "E06000001"}, PartnerUnknown),
        ({"reference": "QQ-12-34-56"}, UsageWrong),
        ({"reference": "Ashworth"}, UsageWrong),
        ({"reply_by": date(2020, 1, 1)}, UsageWrong),
        ({"text": " \n"}, ContentInvalid),
        ({"text": "a\u202eb"}, ContentInvalid),
    ],
)
def test_what_cannot_be_asked_is_refused_before_anything_is_changed(
    pair: Pair, wrong: dict[str, object], error: type[GatewayError]
) -> None:
    with pytest.raises(error):
        ask(pair.dwp, **wrong)  # type: ignore[arg-type]
    nothing_submitted(pair.dwp)


def test_reference_of_ones_own_serves_once_for_each_partner(pair: Pair) -> None:
    ask(pair.dwp, reference="HBE-2026/117")
    pair.work()
    with pytest.raises(UsageWrong, match="HBE-2026/117"):
        ask(pair.dwp, reference="HBE-2026/117")
    assert ask(pair.la, reference="HBE-2026/117").document == "enquiry-HBE-2026-117.xml"


def test_second_reply_needs_to_be_meant(pair: Pair) -> None:
    done = ask(pair.dwp)
    pair.work()
    answer(pair.la, done.reference)
    pair.work()
    with pytest.raises(UsageWrong, match="answered"):
        answer(pair.la, done.reference)
    answer(pair.la, done.reference, again=True)
    pair.work()
    assert len(list((pair.dwp.home.inbound / "reply" / LA).iterdir())) == 2


def test_reply_to_what_nobody_asked_is_refused(pair: Pair) -> None:
    done = ask(pair.dwp)
    pair.work()
    for bench, reference in ((pair.la, "HBE-1"), (pair.dwp, done.reference)):
        with pytest.raises(NotFound):
            answer(bench, reference)


# -- overdue


def said(bench: Bench) -> list[tuple[str, str]]:
    with bench.ledger.read() as connection:
        told = [entry for entry in events.chain(connection) if entry.event.startswith("enquiry.")]
        reasons = events.reasons_of(connection, told)
    return [(entry.event, reasons.get(entry.sequence) or json.loads(entry.detail)["reason"]) for entry in told]


def later(pair: Pair, days: int) -> None:
    for bench in (pair.dwp, pair.la):
        bench.now += days * 86400


def test_overdue_enquiry_is_alarmed_once_at_both_ends(pair: Pair) -> None:
    done = ask(pair.dwp, reply_by=datetime.fromtimestamp(pair.dwp.now, UTC).date())
    pair.work()
    stages = [OverdueEnquiries(bench.context) for bench in (pair.dwp, pair.la)]
    assert [stage.step().done for stage in stages] == [0, 0]
    later(pair, 1)
    assert [stage.step().done for stage in stages] == [1, 1]
    later(pair, 1)
    assert [stage.step().done for stage in stages] == [0, 0]
    assert [OverdueEnquiries(bench.context).step().done for bench in (pair.dwp, pair.la)] == [0, 0]
    ((event, ours),), ((_, theirs),) = said(pair.dwp), said(pair.la)
    assert event == "enquiry.overdue"
    assert ours.startswith(f"{LA} has not answered our enquiry {done.reference}")
    assert theirs.startswith(f"we have not answered the enquiry {done.reference} of DWP")


def test_answered_and_closed_enquiries_are_never_alarmed(pair: Pair) -> None:
    today = datetime.fromtimestamp(pair.dwp.now, UTC).date()
    first, second = ask(pair.dwp, reply_by=today), ask(pair.dwp, reply_by=today)
    pair.work()
    answer(pair.la, first.reference)
    pair.work()
    for bench in (pair.dwp, pair.la):
        enquiring.close(bench.context, second.reference, None, BY_TELEPHONE)
    later(pair, 30)
    for bench in (pair.dwp, pair.la):
        assert OverdueEnquiries(bench.context).step().done == 0
        assert outstanding(bench) == []
        assert said(bench) == [("enquiry.closed", "answered by telephone")]
    with pytest.raises(NotFound):
        enquiring.close(pair.dwp.context, second.reference, None, BY_TELEPHONE)


# -- the board


def publish(pair: Pair) -> int:
    return fault_board.publish(pair.dwp.context, READERS, BY_TELEPHONE).issue


def add(pair: Pair, identity: str, what: str = "Notices came twice.") -> None:
    fault_board.add(pair.dwp.context, identity, what, date(2026, 11, 1), None, BY_TELEPHONE)


def shown(bench: Bench, *, own: bool = False) -> tuple[int, list[str]]:
    with bench.ledger.read() as connection:
        board = known_faults.shown_board(connection, own=own, now=bench.now)
    return board.issue, [fault.id for fault in board.open]


def test_board_reaches_the_partner_and_stays_when_the_back_office_takes_the_file(pair: Pair) -> None:
    assert shown(pair.la) == (0, [])
    add(pair, "etd-7")
    publish(pair)
    pair.work()
    for path in (pair.la.home.inbound / "faults" / "DWP").iterdir():
        path.unlink()
    assert shown(pair.la) == shown(pair.dwp, own=True) == (1, ["ETD-7"])
    fault_board.close(pair.dwp.context, "ETD-7", BY_TELEPHONE)
    assert publish(pair) == 2
    pair.work()
    assert shown(pair.la) == (2, [])


def test_older_board_that_comes_last_does_not_count(pair: Pair) -> None:
    add(pair, "ETD-7")
    publish(pair)
    pair.dwp.now += 60
    # Kept back by a window, say: the newer one overtakes it.
    pair.dwp.sql("UPDATE transfers SET due = 9e9")
    add(pair, "LAID-2")
    publish(pair)
    pair.la.now += 60
    pair.work()
    assert shown(pair.la) == (2, ["ETD-7", "LAID-2"])
    pair.dwp.sql("UPDATE transfers SET due = 0 WHERE state = 'admitted'")
    pair.work()
    assert len(list((pair.la.home.inbound / "faults" / "DWP").iterdir())) == 2
    assert shown(pair.la) == (2, ["ETD-7", "LAID-2"])


def test_board_is_kept_at_dwp_alone_and_holds_nobodys_number(pair: Pair) -> None:
    with pytest.raises(UsageWrong, match="kept at DWP"):
        fault_board.add(pair.la.context, "ETD-7", "Twice.", date(2026, 11, 1), None, BY_TELEPHONE)
    with pytest.raises(UsageWrong, match="National Insurance"):
        add(pair, "ETD-7", "The award of QQ123456A came twice.")
    with pytest.raises(UsageWrong, match="nothing to send"):
        publish(pair)
    add(pair, "ETD-7")
    with pytest.raises(UsageWrong, match="on the board"):
        add(pair, "ETD-7")
    with pytest.raises(NotFound):
        fault_board.close(pair.dwp.context, "ETD-8", BY_TELEPHONE)
    board = fault_board.change(pair.dwp.context, "ETD-7", None, "Ignore them.", BY_TELEPHONE)
    assert [(fault.what, fault.workaround) for fault in board.faults] == [("Notices came twice.", "Ignore them.")]
    with pytest.raises(UsageWrong, match="says already"):
        fault_board.change(pair.dwp.context, "ETD-7", None, "Ignore them.", BY_TELEPHONE)


def test_board_of_an_authority_never_counts(pair: Pair) -> None:
    assert pair.la.context.routes.outgoing.get("faults", frozenset()) == frozenset()
    assert pair.dwp.context.routes.incoming.get("faults", frozenset()) == frozenset()
