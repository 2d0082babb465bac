"""What people ask of a site: submit, hold, release, retry, return, audit, sample, validate."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from gateway.administration.requests import actors
from gateway.daemon.lock import held
from gateway.domain.identity import is_id
from gateway.ledger.queries import overview
from tests.fakes.two_ledgers import Pair
from tests.unit.cli.conftest import Run

WHY = ("--reason", "because of the test")


def state(pair: Pair, identity: str) -> str:
    with pair.dwp.ledger.read() as connection:
        return next(str(row.state) for row in overview.transfers(connection) if row.id == identity)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    made = []
    for name in ("a.xml", "b.xml"):
        path = tmp_path / name
        path.write_bytes(f"claim {name}".encode())
        made.append(path)
    return made


# -- submit


def test_submitted_files_are_in_custody_and_in_the_ledger_and_stay_where_they_were(
    pair: Pair, run: Run, files: list[Path]
) -> None:
    said = run(pair.dwp, "submit", "claim", "E09000030", *files, "--reference", "batch 7")
    assert said.status == 0
    ids = said.out.split()
    assert len(ids) == 2
    for identity, path in zip(ids, files, strict=True):
        assert is_id(identity)
        assert (pair.dwp.home.custody / identity).read_bytes() == path.read_bytes()
        assert (pair.dwp.home.custody / identity).stat().st_mode & 0o777 == 0o600
    assert "Not running" in said.err
    assert list((pair.dwp.home.vault / "submitted").iterdir()) == []
    rows = run(pair.dwp, "transfers", "--json").data
    assert [(row["name"], row["state"], row["reference"]) for row in rows] == [
        ("a.xml", "admitted", "batch 7"),
        ("b.xml", "admitted", "batch 7"),
    ]
    pair.work()
    assert {path.name for path in (pair.la.home.inbound / "claim" / "DWP").iterdir()} == {"a.xml", "b.xml"}
    assert run(pair.dwp, "audit", "verify", "--deep").status == 0


def test_every_fault_is_told_and_nothing_is_taken(pair: Pair, run: Run, files: list[Path], tmp_path: Path) -> None:
    (tmp_path / "empty.xml").write_bytes(b"")
    (tmp_path / ".hidden.xml").write_bytes(b"x")
    (tmp_path / "link.xml").symlink_to(files[0])
    (tmp_path / "directory").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with (tmp_path / "large.xml").open("wb") as large:
        large.truncate(pair.dwp.settings.flows["claim"].max_bytes + 1)
    wrong = ["empty.xml", ".hidden.xml", "link.xml", "directory", "pipe", "large.xml", "missing.xml"]
    said = run(pair.dwp, "submit", "claim", "E09000030", *files, *(tmp_path / name for name in wrong))
    assert (said.status, said.out) == (65, "")
    for name, code in zip(
        wrong,
        ("file-empty", "file-name", "file-unsafe", "file-unsafe", "file-unsafe", "file-too-large", "not-found"),
        strict=True,
    ):
        assert any(name in line and f"[{code}]" in line for line in said.err.splitlines()), name
    assert "7 of 9 files cannot be submitted; none was taken." in said.err
    assert list(pair.dwp.home.custody.iterdir()) == []
    assert run(pair.dwp, "transfers", "--json").data == []


@pytest.mark.parametrize(
    ("flow", "partner", "status"),
    [("letters", "E09000030", 65), ("claim", "W06000024", 65), ("extract", "E09000030", 65)],
)
def test_flow_and_partner_must_be_permitted(
    pair: Pair, run: Run, files: list[Path], flow: str, partner: str, status: int
) -> None:
    assert run(pair.dwp, "submit", flow, partner, *files).status == status
    assert run(pair.dwp, "transfers", "--json").data == []


def test_waiting_ends_with_the_receipt(pair: Pair, run: Run, files: list[Path]) -> None:
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            pair.work()

    worker = threading.Thread(target=work)
    worker.start()
    try:
        said = run(pair.dwp, "submit", "claim", "E09000030", *files, "--wait", "--timeout", "30", "--json")
    finally:
        stop.set()
        worker.join()
    assert said.status == 0
    assert [row["state"] for row in said.data] == ["receipted", "receipted"]


@pytest.mark.parametrize(("content", "status", "word"), [(b"wrong", 65, "rejected"), (b"claim a.xml", 69, "held")])
def test_waiting_ends_with_what_did_not_arrive(
    pair: Pair, run: Run, files: list[Path], tmp_path: Path, content: bytes, status: int, word: str
) -> None:
    pair.dwp.submit("first.xml", files[0].read_bytes())
    pair.work()
    (tmp_path / "last.xml").write_bytes(content)
    timer = threading.Timer(0.5, pair.work)
    timer.start()
    said = run(pair.dwp, "submit", "claim", "E09000030", tmp_path / "last.xml", "--wait", "--timeout", "30")
    timer.join()
    assert said.status == status
    assert f"last.xml is {word}" in said.err


def test_waiting_gives_up_when_the_time_is_over(pair: Pair, run: Run, files: list[Path]) -> None:
    said = run(pair.dwp, "submit", "claim", "E09000030", files[0], "--wait", "--timeout", "0.1")
    assert said.status == 75
    assert len(said.out.split()) == 1


def test_what_a_killed_command_left_is_cleared_and_never_taken(pair: Pair, run: Run, files: list[Path]) -> None:
    left = pair.dwp.home.vault / "submitted" / "01a200db-25a7-7293-8e54-d4bb0a1b0002"
    left.mkdir(parents=True)
    (left / "01a200db-25a7-7293-8e54-d4bb0a1b0003").write_bytes(b"half")
    assert run(pair.dwp, "submit", "claim", "E09000030", *files).status == 0
    assert not left.exists()
    assert len(list(pair.dwp.home.custody.iterdir())) == 2


# -- decisions


def test_held_transfer_waits_until_it_is_released(pair: Pair, run: Run) -> None:
    identity = pair.dwp.submit("a.xml", b"claim a")
    assert run(pair.dwp, "hold", identity[:20], *WHY).status == 0
    pair.work()
    assert state(pair, identity) == "held"
    assert run(pair.dwp, "release", identity, *WHY, "--json").data["state"] == "admitted"
    pair.work()
    assert state(pair, identity) == "receipted"
    events = run(pair.dwp, "show", identity, "--json").data["events"]
    decided = [event["detail"] for event in events if "actor" in event["detail"]]
    assert [each["reason"] for each in decided] == ["because of the test"] * 2
    assert {each["actor"] for each in decided} == {actors.decision().actor}


def test_returned_transfer_comes_back_with_the_reason(pair: Pair, run: Run) -> None:
    identity = pair.dwp.submit("a.xml", b"claim a")
    assert run(pair.dwp, "return", identity, *WHY).status == 0
    pair.work()
    back = pair.dwp.home.returned / "claim" / "E09000030"
    assert (back / "a.xml").read_bytes() == b"claim a"
    assert "because of the test" in (back / "a.xml.why.txt").read_text()


@pytest.mark.parametrize("steps", [2, 3, 4])
def test_transfer_that_the_partner_may_have_is_not_given_back(pair: Pair, run: Run, steps: int) -> None:
    """Packed, sealed, sent: it would lie with its operator and be delivered as well."""
    identity = pair.dwp.submit("a.xml", b"claim a")
    for stage in pair.stages_of(pair.dwp)[:steps]:
        stage.step()
    pair.dwp.let_send_end()
    said = run(pair.dwp, "return", identity, *WHY)
    assert said.status == 64
    assert "on its way" in said.err
    pair.work()
    assert state(pair, identity) == "receipted"
    assert not list((pair.dwp.home.returned / "claim" / "E09000030").iterdir())


@pytest.mark.parametrize("command", ["hold", "release", "retry", "return"])
def test_what_is_past_deciding_is_told_and_left(pair: Pair, run: Run, command: str) -> None:
    identity = pair.dwp.submit("a.xml", b"claim a")
    pair.work()
    said = run(pair.dwp, command, identity, *WHY)
    assert said.status == 64
    assert "receipted" in said.err
    assert state(pair, identity) == "receipted"


@pytest.mark.parametrize("command", [["hold", "x"], ["release", "x"], ["quarantine", "discard", "x"]])
def test_decision_without_a_reason_is_refused(pair: Pair, run: Run, command: list[str]) -> None:
    assert run(pair.dwp, *command).status == 64
    assert run(pair.dwp, *command, "--reason", "  ").status == 64


def test_national_insurance_number_in_a_reason_is_masked(pair: Pair, run: Run) -> None:
    identity = pair.dwp.submit("a.xml", b"claim a")
    run(pair.dwp, "hold", identity, "--reason", "ask QQ 12 34 56 C about it")
    assert "12 34 56" not in run(pair.dwp, "show", identity, "--json").out


def test_what_cannot_be_decided_any_more_is_told_where_it_stands_and_what_can_be_done(pair: Pair, run: Run) -> None:
    def refused(act: str, identity: str) -> str:
        said = run(pair.dwp, act, identity, *WHY)
        assert said.status == 64
        assert ("unit-state" in said.err, "`gateway show ID`" in said.err, "--help" in said.err) == (True, True, False)
        return said.err

    kept, sent = pair.dwp.submit("a.xml", b"claim a"), pair.dwp.submit("b.xml", b"claim b")
    assert "is admitted, and cannot be released: it can be held or returned" in refused("release", kept)
    assert run(pair.dwp, "hold", kept, *WHY).status == 0
    assert "is held, and cannot be held: it can be released or returned" in refused("hold", kept), "another was first"
    pair.work()
    for act, done in (("hold", "held"), ("return", "returned"), ("release", "released"), ("retry", "tried again")):
        assert f"and cannot be {done}" in refused(act, sent)
    assert "only the partner can give it back" in refused("return", sent)
    assert run(pair.dwp, "return", kept, *WHY).status == 0
    assert "it was given back, and is in spool/returned" in refused("return", kept)


def test_held_lane_is_released_by_its_partners_code(pair: Pair, run: Run) -> None:
    assert run(pair.dwp, "release", "E09000030", *WHY).status == 64
    with pair.dwp.ledger.write() as transaction:
        transaction.set_lane("E09000030", held=True, failures=1, code="link-host-key", reason="another host key")
    assert run(pair.dwp, "retry", "E09000030", *WHY).status == 64
    assert run(pair.dwp, "release", "E09000030", *WHY).status == 0
    assert run(pair.dwp, "status", "--json").data["lanes"][0]["state"] == "open"
    assert run(pair.dwp, "retry", "E09000030", *WHY).status == 0


# -- audit


def test_audit_of_a_spoilt_ledger_tells_all_and_ends_with_70(pair: Pair, run: Run) -> None:
    pair.dwp.submit("a.xml", b"claim a")
    pair.work()
    assert run(pair.dwp, "audit", "verify").status == 0
    pair.dwp.sql("UPDATE events SET detail = '{}' WHERE sequence IN (1, 3)")
    said = run(pair.dwp, "audit", "verify", "--json")
    assert (said.status, said.data["ok"]) == (70, False)
    assert {fault["subject"] for fault in said.data["faults"]} >= {"event 1", "event 3"}
    assert "event 1 was altered" in run(pair.dwp, "audit", "verify").out


def test_heads_that_a_partner_exports_are_compared(pair: Pair, run: Run, tmp_path: Path) -> None:
    pair.dwp.submit("a.xml", b"claim a")
    pair.work()
    exported = tmp_path / "heads.json"
    exported.write_text(run(pair.la, "audit", "heads", "DWP", "--json").out)
    known = json.loads(exported.read_text())
    assert known
    assert {row["partner"] for row in known} == {"DWP"}
    assert run(pair.dwp, "audit", "verify", "--heads", exported).status == 0
    exported.write_text(json.dumps([{"sequence": 10**6, "sha256": "0" * 64}]))
    said = run(pair.dwp, "audit", "verify", "--heads", exported)
    assert said.status == 70
    assert "its tail was cut" in said.out


def test_every_partner_that_holds_another_head_is_named(pair: Pair, run: Run, tmp_path: Path) -> None:
    pair.dwp.submit("a.xml", b"claim a")
    given: list[str | Path] = []
    for code in ("E09000030", "W06000024"):
        path = tmp_path / f"{code}.json"
        path.write_text(json.dumps([{"sequence": 1, "sha256": "1" * 64, "partner": "DWP", "held_by": code}]))
        given += ["--heads", path]
    said = run(pair.dwp, "audit", "verify", *given)
    assert said.status == 70
    for code in ("E09000030", "W06000024"):
        assert f"{code} holds another event 1 than our chain has" in said.out


def test_heads_of_another_site_or_no_heads_at_all_are_refused(pair: Pair, run: Run, tmp_path: Path) -> None:
    path = tmp_path / "heads.json"
    path.write_text(json.dumps([{"sequence": 1, "sha256": "0" * 64, "partner": "W06000024"}]))
    assert run(pair.dwp, "audit", "verify", "--heads", path).status == 64
    path.write_text("{")
    assert run(pair.dwp, "audit", "verify", "--heads", path).status == 64
    assert run(pair.dwp, "audit", "heads", "W06000024").status == 65


def test_file_left_by_a_crash_is_no_fault(pair: Pair, run: Run) -> None:
    (pair.dwp.home.custody / "01a200db-25a7-7293-8e54-d4bb0a1b0002").write_bytes(b"half")
    said = run(pair.dwp, "audit", "verify", "--json")
    assert (said.status, len(said.data["left_over"])) == (0, 1)


def test_a_broken_configuration_is_told_with_its_line_and_with_what_a_running_gateway_does(
    pair: Pair, run: Run
) -> None:
    toml = pair.dwp.home.gateway_toml
    toml.write_text(toml.read_text() + "\n[nonsense\n")
    line = len(toml.read_text().splitlines())
    for command in (("status",), ("transfers",), ("show", "0199"), ("audit", "verify")):
        said = run(pair.dwp, *command)
        assert (said.status, f"config/gateway.toml:{line}: " in said.err, "goes on" in said.err) == (78, True, False)
        with held(pair.dwp.home.run, "gateway"):
            said = run(pair.dwp, *command)
        assert (said.status, "goes on with the settings that it read" in said.err) == (78, True)


def test_reload_of_what_does_not_run_says_so(pair: Pair, run: Run) -> None:
    said = run(pair.dwp, "reload")
    assert said.status == 69
    assert "does not run" in said.err


# -- samples


@pytest.mark.parametrize("flow", ["claim", "laid", "referral"])
def test_samples_are_valid_and_their_defects_are_found(run: Run, tmp_path: Path, flow: str) -> None:
    out = tmp_path / "out"
    made = run(None, "sample", flow, "--to", "E09000030", "--count", "2", "--out", out, "--seed", "5")
    paths = made.out.splitlines()
    assert (made.status, len(paths)) == (0, 2)
    assert run(None, "validate", flow, *paths, "--to", "E09000030").status == 0
    defects = [row for row in run(None, "sample", flow, "--list-defects", "--json").data if row["defect"] != "empty"]
    wanted = defects[0]
    spoilt = run(None, "sample", flow, "--to", "E09000030", "--out", out / "d", "--defect", wanted["defect"], "--json")
    said = run(None, "validate", flow, *spoilt.data, "--to", "E09000030", "--json")
    assert said.status == 65
    assert wanted["code"] in {finding["code"] for finding in said.data[0]["findings"]}


def test_same_seed_makes_the_same_bytes_and_nothing_is_overwritten(run: Run, tmp_path: Path) -> None:
    arguments = ("sample", "claim", "--to", "E09000030", "--count", "2", "--seed", "9", "--date", "2026-11-22", "--out")
    first = run(None, *arguments, tmp_path / "1").out.splitlines()
    second = run(None, *arguments, tmp_path / "2").out.splitlines()
    assert [Path(path).read_bytes() for path in first] == [Path(path).read_bytes() for path in second]
    assert run(None, *arguments, tmp_path / "1").status == 64
    assert run(None, *arguments, tmp_path / "1", "--force").status == 0


def test_defects_are_listed_by_flow(run: Run) -> None:
    rows = run(None, "sample", "--list-defects", "--json").data
    found = {(row["flow"], row["defect"]) for row in rows}
    assert {("laid", "javascript"), ("claim", "nino"), ("claim", "wrong-authority"), ("claim", "doctype")} <= found
    assert {flow for flow, _ in found} >= {"laid", "claim", "referral", "extract"}


def test_samples_follow_the_version_that_is_asked_for_and_both_are_fine(run: Run, tmp_path: Path) -> None:
    for version, schema in (("1.0", "etd/1.0"), ("1.1", "etd/1.1"), (None, "etd/1.1")):
        asked = () if version is None else ("--schema", version)
        made = run(
            None, "sample", "etd", "--to", "4220", "--out", tmp_path / str(version), "--seed", "5", *asked, "--json"
        )
        told = run(None, "validate", "etd", *made.data, "--json").data
        assert [(each["valid"], each["schema"]) for each in told] == [(True, schema)]
    of = {
        version: {
            row["defect"] for row in run(None, "sample", "etd", "--list-defects", "--schema", version, "--json").data
        }
        for version in ("1.0", "1.1")
    }
    assert of["1.0"] < of["1.1"]
    for wrong in (("etd", "--schema", "2.0"), ("claim", "--schema", "1.1"), ("--list-defects", "--schema", "1.0")):
        assert run(None, "sample", *wrong, "--to", "4220", "--out", tmp_path / "wrong").status == 64
    later = run(
        None, "sample", "etd", "--to", "4220", "--out", tmp_path, "--schema", "1.0", "--defect", "periods-overlap"
    )
    assert later.status == 64
    assert not (tmp_path / "wrong").exists()


def test_sample_says_what_it_lacks(run: Run, tmp_path: Path) -> None:
    assert run(None, "sample", "claim", "--out", tmp_path).status == 64
    assert run(None, "sample", "letter", "--to", "E09000030", "--out", tmp_path).status == 64
    assert run(None, "sample", "claim", "--to", "../x", "--out", tmp_path).status == 64
    assert run(None, "sample", "claim", "--to", "E09000030", "--out", tmp_path, "--defect", "rust").status == 64
    assert list(tmp_path.iterdir()) == []
