"""What people see of enquiries and of the board, and the commands that make them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from gateway.validation.sandbox.pool import Sandbox
from tests.fakes.two_ledgers import ActualReaders, Pair, two_ledgers
from tests.unit.cli.conftest import Run

LA = "E09000030"


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    """Two sites that are configured, whose stages read files as real ones do."""
    with two_ledgers(tmp_path / "sites", readers=cast("Sandbox", ActualReaders())) as made:
        for bench in (made.dwp, made.la):
            bench.configure()
            bench.now = time.time()
        yield made


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text("Is it Quillfeather's?\n", "utf-8")
    return path


def today() -> str:
    return datetime.now(UTC).date().isoformat()


def lines(run: Run, bench: Any, *options: str) -> list[dict[str, Any]]:
    said = run(bench, "enquiries", "--json", *options)
    assert said.status == 0, said.err
    return cast("list[dict[str, Any]]", said.data)


def test_round_by_command_empties_what_is_outstanding(pair: Pair, run: Run, text: Path, tmp_path: Path) -> None:
    sent = run(pair.dwp, "enquiry", "send", "award", LA, "--text", text, "--reference", "HBE-1")
    assert (sent.status, sent.out) == (0, "HBE-1\n"), sent.err
    pair.work()
    (ours,), (theirs,) = lines(run, pair.dwp, "--outstanding"), lines(run, pair.la, "--outstanding")
    assert (ours["way"], theirs["way"]) == ("sent", "received")
    assert (ours["kind"], ours["partner"], ours["reference"], ours["state"]) == ("award", LA, "HBE-1", "open")
    document = pair.la.home.inbound / "enquiry" / "DWP" / "enquiry-HBE-1.xml"
    read = run(pair.la, "enquiry", "unpack", document, "--out", tmp_path / "out")
    assert (read.status, read.out) == (0, "Is it Quillfeather's?\n")
    assert run(pair.la, "enquiry", "reply", "HBE-1", "--text", text, "--json").status == 0
    pair.work()
    assert lines(run, pair.dwp, "--outstanding") == lines(run, pair.la, "--outstanding") == []
    (done,) = lines(run, pair.dwp)
    assert (done["state"], done["answered"] is not None) == ("answered", True)
    assert "1 enquiries: 0 outstanding" in run(pair.dwp, "enquiries").err
    found = {(hit["flow"], hit["direction"]) for hit in run(pair.dwp, "find", "hbe-1", "--json").data}
    assert found == {("enquiry", "out"), ("reply", "in")}
    assert "Quillfeather" not in run(pair.dwp, "enquiries").out


def test_status_names_what_is_overdue_until_it_is_closed(pair: Pair, run: Run, text: Path) -> None:
    run(pair.dwp, "enquiry", "send", "award", LA, "--text", text, "--reference", "HBE-1", "--reply-by", today())
    pair.work()
    assert run(pair.dwp, "status", "--json").data["enquiries"] == {"outstanding": 1, "overdue": []}
    told = json.dumps({"reference": "HBE-1", "kind": "award", "reply_by": "2026-01-01"})
    for bench in (pair.dwp, pair.la):
        bench.sql("UPDATE transfers SET facts = ? WHERE flow = 'enquiry'", told)
    for bench, said in ((pair.dwp, "has not answered our enquiry HBE-1"), (pair.la, "we have not answered")):
        status = run(bench, "status")
        assert status.status == 69
        assert said in status.out
        closed = run(bench, "enquiry", "close", "HBE-1", "--reason", "answered by telephone")
        assert closed.status == 0, closed.err
        assert said not in run(bench, "status").out
    assert [line["state"] for line in lines(run, pair.dwp)] == ["closed"]


def test_document_that_is_not_right_is_not_unpacked(run: Run, tmp_path: Path) -> None:
    (wrong := tmp_path / "wrong.xml").write_bytes(b'<Enquiry xmlns="urn:gateway:enquiry:1.0"/>')
    said = run(None, "enquiry", "unpack", wrong, "--out", tmp_path / "out")
    assert said.status == 65
    assert not (tmp_path / "out").exists()


def test_text_that_is_not_utf_8_is_refused_and_nothing_is_sent(pair: Pair, run: Run, tmp_path: Path) -> None:
    (wrong := tmp_path / "latin.txt").write_bytes("Siân".encode("latin-1"))
    said = run(pair.dwp, "enquiry", "send", "award", LA, "--text", wrong)
    assert said.status == 65
    assert "UTF-8" in said.err
    assert lines(run, pair.dwp) == []


def test_board_is_shown_by_faults_and_status_at_both_ends(pair: Pair, run: Run) -> None:
    assert run(pair.la, "faults").err == "no board of known faults yet\n"
    order = ("faults", "add", "etd-7", "--what", "Notices came twice.", "--since", today(), "--workaround", "Wait.")
    added = run(pair.dwp, *order, "--json")
    assert added.data["issue"] == 1, added.err
    assert list(added.data["transfers"]) == [LA]
    pair.work()
    wanted = [{"id": "ETD-7", "what": "Notices came twice.", "since": today(), "workaround": "Wait.", "state": "open"}]
    for bench in (pair.dwp, pair.la):
        assert run(bench, "faults", "--json").data["faults"] == wanted
        assert "known fault ETD-7: Notices came twice." in run(bench, "status").out
        assert run(bench, "status", "--json").data["faults"]["open"] == [{"id": "ETD-7", "what": "Notices came twice."}]
    assert "1 have it" in run(pair.dwp, "faults").err
    later = run(pair.dwp, "faults", "close", "ETD-7", "--no-publish")
    assert "`gateway faults publish`" in later.err
    assert run(pair.la, "faults", "--json").data["faults"] == wanted
    assert run(pair.dwp, "faults", "publish").status == 0
    pair.work()
    assert run(pair.la, "faults", "--json").data["faults"] == []
    assert [fault["state"] for fault in run(pair.la, "faults", "--all", "--json").data["faults"]] == ["closed"]


def test_authority_keeps_no_board(pair: Pair, run: Run) -> None:
    said = run(pair.la, "faults", "add", "ETD-7", "--what", "Twice.", "--since", today())
    assert said.status == 64
    assert "system-fault" in said.err


@pytest.mark.parametrize("flow", ["enquiry", "reply"])
def test_validate_at_an_authority_takes_letters_to_other_authorities(
    pair: Pair, run: Run, tmp_path: Path, flow: str
) -> None:
    made = run(None, "sample", flow, "--from", LA, "--to", "E08000004", "--out", tmp_path / "made")
    (path,) = made.out.split()
    assert run(pair.la, "validate", flow, path).status == 0
    assert run(pair.la, "validate", flow, path, "--to", "E07000223").status == 65
