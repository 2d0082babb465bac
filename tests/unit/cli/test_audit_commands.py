"""`gateway audit verify`: from an anchor on, and what `gateway status` tells of the last audit."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing

from gateway.errors import ChainBroken
from gateway.ledger.chain import EMPTY, ChainEntry, Head
from gateway.ledger.head_file import HeadFile
from tests.fakes.two_ledgers import Bench, Pair
from tests.unit.cli.conftest import Run

COLUMNS = list(ChainEntry._fields)


def test_an_audit_is_on_record_where_it_is_asked_for_and_the_next_one_goes_on_from_it(pair: Pair, run: Run) -> None:
    site = pair.dwp
    site.submit("a.xml", b"claim a")
    pair.work()
    assert run(site, "status", "--json").data["audit"] is None
    assert run(site, "audit", "verify", "--since", "last").status == 64
    assert run(site, "audit", "verify").status == 0
    assert not site.home.audit.exists()
    whole = run(site, "audit", "verify", "--record", "--json").data
    assert (whole["ok"], whole["since"]) == (True, 0)
    told = run(site, "status", "--json").data["audit"]
    assert (told["since"], told["events"], told["faults"]) == (0, whole["events"], 0)
    assert f"as far as event {whole['events']}, no faults" in run(site, "status").out
    site.submit("b.xml", b"claim b")
    pair.work()
    site.sql("UPDATE transfers SET reference = 'other' WHERE name = 'a.xml'")
    assert run(site, "audit", "verify", "--record", "--since", "last", "--json").data["since"] == whole["events"]
    assert run(site, "status", "--json").data["audit"]["events"] > whole["events"]
    spoilt = run(site, "audit", "verify", "--record", "--json")
    assert (spoilt.status, len(spoilt.data["faults"])) == (ChainBroken.exit_status, 1)
    status = run(site, "status")
    assert (status.status, "found 1 fault: `gateway audit verify`" in status.out) == (69, True)
    assert run(site, "audit", "verify", "--since", "last").status == 64, "no audit goes on from a faulty one"


def test_an_anchor_is_an_event_of_this_chain(pair: Pair, run: Run) -> None:
    site = pair.dwp
    site.submit("a.xml", b"claim a")
    known = run(site, "audit", "verify", "--json").data
    anchor = f"{known['events']}:{known['head']}"
    assert f"anchor of this audit: {anchor}" in run(site, "audit", "verify").err
    assert run(site, "audit", "verify", "--since", anchor).status == 0
    for wrong in (
        "yesterday",
        "0:" + known["head"],
        f"{known['events']}:ff",
        f"{known['events']}:{known['head'].upper()}",
    ):
        assert run(site, "audit", "verify", "--since", wrong).status == 64, wrong
    for other in (f"{known['events']}:{'f' * 64}", f"{known['events'] + 5}:{known['head']}"):
        found = run(site, "audit", "verify", "--since", other, "--json")
        assert found.status == ChainBroken.exit_status
        assert any(fault["subject"] == "--since" for fault in found.data["faults"])


def test_an_audit_needs_no_key_and_no_spool(pair: Pair, run: Run) -> None:
    """The nightly one sees neither: `systemd/gateway-audit.service` hides them."""
    site = pair.dwp
    site.submit("a.xml", b"claim a")
    pair.work()
    for hidden in (
        site.home.keyrings,
        site.home.ssh,
        site.home.sshd,
        site.home.logins,
        site.home.spool,
        site.home.landing,
    ):
        shutil.rmtree(hidden, ignore_errors=True)
        hidden.mkdir(mode=0o000)
    assert run(site, "audit", "verify", "--record").status == 0


def test_no_edit_ends_an_audit_before_its_end(pair: Pair, run: Run) -> None:
    """Each is told, and all that was told of chain, rows and schema before."""
    site = pair.dwp
    for name in ("a.xml", "b.xml"):
        site.submit(name, name.encode())
    pair.work()
    pair.la.submit("hbE09000030.csv", b"extract", flow="extract")
    pair.work()
    so_far: set[str] = set()
    for edit, told in (
        ("UPDATE consignments SET head_sequence = 7, head_sha256 = NULL WHERE direction = 'in'", "row consignment"),
        ("UPDATE receipts SET sealed_sha256 = NULL WHERE direction = 'in'", "row receipt"),
        ("UPDATE receipts SET body = CAST(x'ff41' AS TEXT) WHERE direction = 'in'", "row receipt"),
        ("UPDATE consignments SET head_sequence = 'x', head_sha256 = x'00' WHERE direction = 'out'", "head"),
        ("UPDATE events SET sha256 = 'x' WHERE sequence = (SELECT max(sequence) FROM events)", "chain event"),
        ("ALTER TABLE receipts RENAME COLUMN level TO other", "schema table receipts"),
        ("DROP TABLE quarantine", "schema table quarantine"),
    ):
        site.sql(edit)
        found = run(site, "audit", "verify", "--json", "--record")
        assert found.status == ChainBroken.exit_status, edit
        faults = {f"{fault['check']} {fault['subject']}" for fault in found.data["faults"]}
        assert any(fault.startswith(told) for fault in faults), edit
        assert so_far <= faults, edit
        so_far = {fault for fault in faults if fault.startswith(("chain ", "row ", "schema "))}
    assert "row transfer" not in "".join(so_far), "what nobody edited is read to the end"


def test_a_head_file_that_was_removed_or_damaged_is_told(pair: Pair, run: Run) -> None:
    site = pair.dwp
    assert not site.home.ledger_head.exists()
    assert run(site, "audit", "verify").status == 0, "nothing has happened yet"
    site.home.ledger_head.touch()  # as `gateway rights` does
    assert run(site, "audit", "verify").status == 0
    site.submit("a.xml", b"claim a")
    assert run(site, "audit", "verify").status == 0
    whole = site.home.ledger_head.read_text()
    for spoilt, said in (
        (None, "is not there"),
        ("", "is not there"),
        ("garbage\n", "damaged"),
        (whole[:-2] + "g\n", "damaged"),
    ):
        site.home.ledger_head.unlink(missing_ok=True)
        if spoilt is not None:
            site.home.ledger_head.write_text(spoilt)
        (fault,) = run(site, "audit", "verify", "--json").data["faults"]
        assert (fault["check"], fault["subject"], said in fault["message"]) == ("head", "state/ledger-head", True)
    assert "1 fault in " in run(site, "audit", "verify").err


def test_the_last_audit_contradicts_a_chain_that_was_made_anew_and_stays_on_record(pair: Pair, run: Run) -> None:
    site = pair.dwp
    site.submit("a.xml", b"claim a")
    first = run(site, "audit", "verify", "--record", "--json").data
    rewritten = rewrite(site)
    site.home.ledger_head.unlink()
    HeadFile(site.home.ledger_head).remember(rewritten)
    for _ in range(2):
        found = run(site, "audit", "verify", "--record", "--json")
        assert found.status == ChainBroken.exit_status
        assert [fault["subject"] for fault in found.data["faults"]] == ["state/audit.json"]
    kept = json.loads(site.home.audit.read_text())
    assert (kept["head"], kept["faults"]) == (first["head"], 1)
    assert run(site, "audit", "verify", "--since", f"{rewritten.sequence}:{rewritten.sha256}").status == 70


def test_status_tells_of_an_audit_that_does_not_run_any_more_and_of_a_damaged_record(pair: Pair, run: Run) -> None:
    site = pair.dwp
    site.submit("a.xml", b"claim a")
    assert run(site, "audit", "verify", "--record").status == 0
    assert "audit" not in "".join(run(site, "status", "--json").data["needs"])
    record = json.loads(site.home.audit.read_text())
    site.home.audit.write_text(json.dumps(record | {"verified": "2026-01-05T02:31:00.000Z"}))
    assert "the nightly audit has not run since 2026-01-05" in "".join(run(site, "status", "--json").data["needs"])
    for garbage in ("{", json.dumps(record | {"verified": "lately"}), json.dumps(record | {"head": "ff"})):
        site.home.audit.write_text(garbage)
        assert "state/audit.json, is damaged" in run(site, "status").out
        assert run(site, "audit", "verify", "--since", "last").status == 64
        (fault,) = run(site, "audit", "verify", "--json").data["faults"]
        assert fault["subject"] == "state/audit.json"


def rewrite(site: Bench) -> Head:
    """Make the chain anew, with right digests and another role in every event."""
    with closing(sqlite3.connect(site.home.ledger)) as ledger, ledger:
        head = EMPTY
        for row in ledger.execute(f"SELECT {', '.join(COLUMNS)} FROM events ORDER BY sequence").fetchall():  # noqa: S608
            entry = ChainEntry(*row)._replace(role="nobody", previous=head.sha256)
            head = Head(entry.sequence, entry.digest())
            changed = (entry.role, entry.previous, head.sha256, entry.sequence)
            ledger.execute("UPDATE events SET role = ?, previous = ?, sha256 = ? WHERE sequence = ?", changed)
    return head
