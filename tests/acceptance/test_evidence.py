"""Evidence of real sites, checked by a verifier that knows nothing of the gateway; and what it says of forged evidence."""

from __future__ import annotations

import hashlib
import io
import json
import random
import shutil
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import pytest

from gateway.administration.evidence import period
from gateway.domain.identity import new_id
from gateway.settings.read import load
from tests.acceptance.evidence_forgery import MANIFEST, members_of, mutated, packed, signed_again
from tests.acceptance.reading import rows
from tests.acceptance.sites import Site, claim, introduce, make_site, two_sites, wait_until
from tests.conftest import Tally
from tests.fakes.verifier import TOOL, verifier

THIRD = "E08000004"
_IN_2100 = 4_110_000_000.0


@pytest.fixture(scope="module")
def tool() -> Any:
    """The verifier as a module: a thousand files are checked in one process."""
    return verifier()


@dataclass
class Played:
    """Two sites after a day's work, at rest: units by what became of them, as the site and the id. The authority has changed
    its key since: what it signed before is verified by the certificate that was set aside.
    """

    dwp: Site
    la: Site
    out: Path
    units: dict[str, tuple[Site, str]] = field(default_factory=dict)

    pins: set[str] = field(default_factory=set)
    """The sites' fingerprints, as from telephone calls: also those of keys that were changed since."""

    def note_keys(self) -> None:
        for site in (self.dwp, self.la):
            self.pins.add(f"{site.code}={json.loads(site.gateway('card').stdout)['fingerprint']}")

    @property
    def key(self) -> str:
        """DWP's fingerprint."""
        return next(pin for pin in self.pins if pin.startswith("DWP=")).removeprefix("DWP=")

    def bundle(self, unit: str, *arguments: str) -> Path:
        """Evidence of a unit, made once."""
        site, identity = self.units[unit]
        path = self.out / f"{unit}{len(arguments)}.zip"
        if not path.exists():
            site.gateway("evidence", identity, "--out", path, *arguments)
        return path

    @cached_property
    def export(self) -> Path:
        return self.export_all(self.out / "export.zip")

    def export_all(self, path: Path) -> Path:
        """What `gateway audit export` would write down in the year 2100: days have to have ended."""
        period.export(
            load(self.dwp.home), date(2020, 1, 1), date(2099, 12, 31), path, _IN_2100, lambda _what, _count: None
        )
        return path


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    root = tmp_path_factory.mktemp("evidence")
    with two_sites(root) as (dwp, la):
        introduce(la, make_site(root, THIRD))
        done = Played(dwp, la, tmp_path_factory.mktemp("out"))
        for site in (dwp, la):
            site.edit_config("link", retry_base_seconds=0.2, retry_cap_seconds=1.0)
        locked = la.home.landing_in("DWP") / f"{new_id(1.0, bytes(10))}.pgp"
        locked.write_bytes(b"no message")
        for site in (dwp, la):
            site.start()
        for name in ("sent", "redirected", "sent last"):
            file, content = claim(len(done.units))
            dwp.drop("claim", la.code, file, content)
            identity = dwp.wait_for(file, "receipted")["id"]
            concluded = "SELECT 1 FROM transfers WHERE direction = 'out' AND id = ? AND NOT custody"
            wait_until(
                partial(rows, dwp, concluded, identity), 30, f"the end of {name}"
            )  # the next receipt confirms it
            done.units |= {name: (dwp, identity), f"{name}, received": (la, identity)}
        file, content = claim(8)
        dwp.drop("claim", la.code, file, content[:-20])
        done.units["rejected"] = (dwp, dwp.wait_for(file, "rejected")["id"])
        la.gateway("sample", "outcome", "--from", la.code, "--to", "DWP", "--count", "1", "--out", root / "outcome")
        (answer,) = (root / "outcome").iterdir()
        la.drop("outcome", "DWP", answer.name, answer.read_bytes())
        done.units["answered"] = (la, la.wait_for(answer.name, "receipted")["id"])
        wait_until(lambda: not locked.exists() and la.json("quarantine", "list"), 30, "the quarantine")
        done.units["quarantined"] = (la, locked.stem)
        for site in (dwp, la):
            site.stop()
        file, content = claim(9)
        (root / file).write_bytes(content)
        (held,) = dwp.json("submit", "claim", la.code, root / file)
        dwp.gateway("hold", held["id"], "--reason", "waits for the manager")
        done.units["held"] = (dwp, held["id"])
        made = la.json(
            "redirect", done.units["redirected, received"][1], "--to", THIRD, "--reason", "moved", "--opened", "no"
        )
        done.units["passed on"] = (la, made["redirect"])
        done.note_keys()
        la.gateway("keys", "rotate")
        done.note_keys()
        card = root / "new.card.json"
        card.write_text(la.gateway("card").stdout, encoding="utf-8")
        dwp.gateway("partner", "add", card)
        for unit in UNITS:  # before a test asks for a content: that is an event of its own, which no receipt confirms
            done.bundle(unit)
        yield done


def verified(file: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", str(TOOL), str(file), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


UNITS = (
    *("sent", "redirected", "sent last", "sent, received", "redirected, received", "rejected", "answered"),
    *("quarantined", "held", "passed on"),
)


WHOLE = ("sent", "redirected")
"""What a partner signed for, with a later receipt that confirms the events."""


@pytest.mark.parametrize("unit", UNITS)
def test_a_true_bundle_is_accepted(played: Played, unit: str) -> None:
    file = played.bundle(unit)
    names = zipfile.ZipFile(file).namelist()
    named = [pin for pin in sorted(played.pins) if any(f"/{pin.partition('=')[0]}." in name for name in names)]
    done = verified(file, *(f"--known={pin}" for pin in named))
    assert done.returncode == 0, done.stdout
    assert f"It is about {played.units[unit][1]}" in done.stdout
    assert "NOT SHOWN: how it began" not in done.stdout
    assert ("EVERYTHING HOLDS.\n" in done.stdout) == (unit in WHOLE), done.stdout
    assert {"story.txt", "story.pdf", "rows/00001.jsonl", "events/00001.jsonl", MANIFEST} <= set(names)


def test_a_partners_signature_is_told_and_so_is_what_nobody_confirms(played: Played) -> None:
    told = verified(played.bundle("sent")).stdout
    assert f"{played.la.code} signed at" in told
    assert "Confirmed by a receipt that E09000030 signed" in told
    assert f"NOT SHOWN: that this is DWP's key. Ask DWP, then give --known DWP={played.key}" in told
    told = verified(played.bundle("held")).stdout
    assert "Confirmed by nobody else yet." in told
    assert "NOT SHOWN: events" in told


def test_a_bundle_has_the_reasons_of_its_own_decisions_and_of_no_others(played: Played) -> None:
    """In what is not compressed: rows, events, the page of text."""
    for unit in UNITS:
        assert (b"waits for the manager" in played.bundle(unit).read_bytes()) == (unit == "held"), unit


def test_another_key_than_the_reader_knows_is_refused(played: Played) -> None:
    for code in (played.dwp.code, played.la.code):
        done = verified(played.bundle("sent"), f"--known={code}={'A' * 40}")
        assert done.returncode == 1
        assert f"is not the key that you know of {code}" in done.stdout


def test_days_that_have_not_ended_are_refused(played: Played, tmp_path: Path) -> None:
    days = ("--from", "2020-01-01", "--to", "2099-12-31")
    done = played.dwp.gateway("audit", "export", *days, "--out", tmp_path / "a.zip", check=False)
    assert (done.returncode, "has to have ended" in done.stderr) == (64, True)


def test_a_true_export_is_accepted(played: Played) -> None:
    done = verified(played.export, *(f"--known={pin}" for pin in sorted(played.pins)))
    assert done.returncode == 0, done.stdout
    assert "Every receipt bears one good signature" in done.stdout
    assert "what the chain says of them last; 0 changed after the period, and are not in here." in done.stdout


def test_the_page_tells_who_when_and_what(played: Played) -> None:
    members = dict(members_of(played.bundle("sent").read_bytes()))
    page = " ".join(members["story.txt"].decode().split())
    (row,) = rows(played.dwp, "SELECT * FROM transfers WHERE id = ?", played.units["sent"][1])
    for words in (row["name"], row["sha256"], "One file from DWP to Tower Hamlets (E09000030)", "consignment sent"):
        assert words in page
    signed = f"Tower Hamlets (E09000030) signed at {json.loads(row_body(played))['issued']}, of transfer {row['id']}"
    assert f"{signed}, SHA-256 {row['sha256']}: delivered, whole and checked." in page
    assert all(f"--known {pin}" in page for pin in played.pins)
    assert members["story.pdf"].startswith(b"%PDF-")


@contextmanager
def change(site: Site) -> Iterator[sqlite3.Connection]:
    """Somebody's hand in the ledger."""
    with closing(sqlite3.connect(site.home.ledger)) as connection, connection:
        yield connection


def row_body(played: Played) -> str:
    consignment = "SELECT consignment FROM transfers WHERE id = ? AND direction = 'out'"
    query = f"SELECT body FROM receipts WHERE direction = 'in' AND consignment = ({consignment})"  # noqa: S608 - ours
    return str(rows(played.dwp, query, played.units["sent"][1])[0]["body"])


# -- forgeries


def refused(tool: Any, content: bytes, pins: set[str]) -> str | None:
    """Why the verifier refuses it; None where it does not."""
    try:
        tool.Evidence(pins, lambda _: None).check(io.BytesIO(content))
    except Exception as error:  # noqa: BLE001 - as the program does it
        return f"{error} ({type(error).__name__})"
    return None


def all_are_found(tool: Any, played: Played, file: Path, other: Path, number: int, tally: Tally) -> None:
    content, against = file.read_bytes(), other.read_bytes()
    assert refused(tool, content, played.pins) is None
    draw = random.Random(f"{file.name} {number}")
    missed = []
    for _ in range(number):
        what, forged = mutated(content, against, draw)
        if refused(tool, forged, played.pins) is None:
            missed.append(what)
    tally("mutations of evidence", tried=number, lost=len(missed))
    assert missed == []


NUMBER = 200


def test_every_mutation_of_a_bundle_is_found(tool: Any, played: Played, tally: Tally) -> None:
    all_are_found(tool, played, played.bundle("sent"), played.bundle("sent last"), NUMBER, tally)


def test_every_mutation_of_an_export_is_found(tool: Any, played: Played, tally: Tally) -> None:
    all_are_found(tool, played, played.export, played.bundle("sent"), NUMBER, tally)


@pytest.mark.torture
@pytest.mark.timeout(900)
@pytest.mark.parametrize("what", ["bundle", "export"])
def test_every_one_of_a_thousand_mutations_is_found(tool: Any, played: Played, what: str, tally: Tally) -> None:
    file = played.export if what == "export" else played.bundle("sent")
    all_are_found(tool, played, file, played.bundle("sent last"), 1000, tally)


class Liar:
    """DWP itself, with its own key: what it signs anew, it signs well."""

    def __init__(self, tool: Any, played: Played, file: Path) -> None:
        self.tool, self.played = tool, played
        self.members = members_of(file.read_bytes())
        self.home = played.dwp.home.keyrings / "own"

    def lines(self, name: str) -> list[Any]:
        return [json.loads(line) for line in dict(self.members)[name].splitlines()]

    def put(self, name: str, content: bytes) -> None:
        self.members = [(each, content if each == name else held) for each, held in self.members]

    def put_lines(self, name: str, lines: list[Any]) -> None:
        self.put(name, b"".join(compact(line) + b"\n" for line in lines))

    def manifest(self, **changes: Any) -> None:
        self.put(MANIFEST, json.dumps(json.loads(dict(self.members)[MANIFEST]) | changes).encode())

    def refused(self) -> str | None:
        return refused(self.tool, self.signed(), self.played.pins)

    def signed(self) -> bytes:
        return packed(signed_again(self.members, self.home, self.played.key))

    def lacks(self) -> list[str]:
        """What is not shown."""
        evidence = self.tool.Evidence(self.played.pins, lambda _: None)
        evidence.check(io.BytesIO(self.signed()))
        return list(evidence.lacks)


def compact(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def digest(value: Any) -> str:
    return hashlib.sha256(compact(value)).hexdigest()


ROWS, EVENTS = "rows/00001.jsonl", "events/00001.jsonl"


@pytest.fixture
def liar(tool: Any, played: Played) -> Iterator[Liar]:
    yield Liar(tool, played, played.bundle("sent"))
    subprocess.run(["gpgconf", "--homedir", str(played.dwp.home.keyrings / "own"), "--kill", "gpg-agent"], check=False)


def test_a_site_that_signs_again_what_is_true_is_believed(liar: Liar) -> None:
    assert liar.refused() is None


def test_a_stranger_who_signs_again_is_not_the_site_that_the_reader_knows(
    tool: Any, liar: Liar, tmp_path: Path
) -> None:
    """He makes a key in the site's name, puts its certificate in the place of the site's, and signs everything."""
    home = tmp_path / "gnupg"
    home.mkdir(mode=0o700)
    gpg = ["gpg", "--homedir", str(home), "--batch", "--passphrase", ""]
    try:
        subprocess.run(
            [*gpg, "--quick-gen-key", "DWP <gateway@dwp.example>", "ed25519", "sign"], check=True, capture_output=True
        )
        listed = subprocess.run(
            [*gpg, "--list-keys", "--with-colons"], check=True, capture_output=True, text=True
        ).stdout
        key = next(line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr:"))
        certificate = subprocess.run([*gpg, "--armor", "--export", key], check=True, capture_output=True).stdout
        liar.put("certificates/DWP.asc", certificate)
        forged = packed(signed_again(liar.members, home, key))
    finally:
        subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "gpg-agent"], check=False)
    assert f"{key} is not the key that you know of DWP" in str(refused(tool, forged, liar.played.pins))
    said: list[str] = []
    tool.Evidence(set(), said.append).check(io.BytesIO(forged))
    assert f"NOT SHOWN: that this is DWP's key. Ask DWP, then give --known DWP={key}" in said


@pytest.mark.parametrize("part", ["plain", "personal"])
def test_a_site_cannot_change_any_column_of_a_row(liar: Liar, part: str) -> None:
    lines = liar.lines(ROWS)
    for number, line in enumerate(lines):
        for at, (name, value) in enumerate(line[part]):
            forged = json.loads(json.dumps(lines))
            forged[number][part][at][1] = "other" if value is None or isinstance(value, str) else value + 1
            liar.put_lines(ROWS, forged)
            assert "is not what the chain says of it" in str(liar.refused()), name


def test_a_site_cannot_rewrite_what_a_partner_has_seen(liar: Liar) -> None:
    """The whole chain is made anew with right digests, and so are the rows' commitments: the partner's receipt contradicts."""
    events, previous = liar.lines(EVENTS), None
    for event in events:
        if event[3] == "transfer.validated":
            event[1] = "2026-01-01T00:00:00.000Z"
        event[8] = previous or event[8]
        event[9] = previous = digest(event[:9])
    liar.put_lines(EVENTS, events)
    assert "a receipt that E09000030 signed names another event" in str(liar.refused())


def test_a_site_cannot_cut_events_out(liar: Liar) -> None:
    events = liar.lines(EVENTS)
    liar.put_lines(EVENTS, [*events[:3], *events[4:]])
    assert "is missing, or does not follow" in str(liar.refused())
    liar.put_lines(EVENTS, events[:-1])
    assert "end elsewhere than the manifest says" in str(liar.refused())


def test_a_site_cannot_pass_one_receipt_off_as_another(liar: Liar) -> None:
    """The receipt of another consignment lies in the place of this one's."""
    other = dict(members_of(liar.played.bundle("sent last").read_bytes()))
    (signed,) = [content for name, content in other.items() if name.endswith(".signed")][:1]
    (row,) = [line for line in liar.lines(ROWS) if line["table"] == "receipts"]
    (mine,) = [
        name for name, content in liar.members if name.endswith(".signed") and row_of(row)["consignment"] in name
    ]
    liar.put(mine, signed)
    assert "the row of a receipt is not what E09000030 signed" in str(liar.refused())


def row_of(line: dict[str, Any]) -> dict[str, Any]:
    return dict(line["plain"])


def test_a_site_cannot_make_a_partners_receipt(liar: Liar, tmp_path: Path) -> None:
    (name,) = [name for name, _ in liar.members if name.endswith(".signed")][:1]
    body = json.dumps({"sender": "E09000030", "recipient": "DWP", "items": []}).encode()
    command = ["gpg", "--homedir", str(liar.home), "--batch", "--local-user", liar.played.key, "--sign"]
    liar.put(name, subprocess.run(command, input=body, capture_output=True, check=True).stdout)
    assert "gpg does not find one good signature" in str(liar.refused())


def test_a_site_cannot_leave_a_row_out_of_an_export(tool: Any, liar: Liar) -> None:
    lying = Liar(tool, liar.played, liar.played.export)
    lines = lying.lines(ROWS)
    lying.put_lines(ROWS, lines[1:])
    (told,) = [each for each in lying.lacks() if each.startswith("what")]
    key, table = lines[0]["plain"][0][1], lines[0]["table"]
    assert told.startswith("what 1 rows of the period say. No event after it changes")
    assert f"{key} of {table}" in told
    lying.put_lines(ROWS, [*lines, lines[0]])
    assert "is not what the chain says of it" in str(lying.refused())


def test_an_erased_row_is_accepted_and_cannot_be_filled_again(liar: Liar) -> None:
    lines = liar.lines(ROWS)
    (row,) = [line for line in lines if line["table"] == "transfers"]
    was = json.loads(json.dumps(row["personal"]))
    row["salt"] = f"erased:{digest([row['salt'], *row['personal']])}"
    row["personal"] = [[name, "" if name == "name" else None] for name, _ in was]
    liar.put_lines(ROWS, lines)
    assert liar.refused() is None
    row["personal"] = was
    liar.put_lines(ROWS, lines)
    assert "is not what the chain says of it" in str(liar.refused())


# -- statements


@pytest.fixture
def stated(tool: Any, played: Played) -> Iterator[bytes]:
    """A daily statement of DWP with the head of its chain as it is."""
    (head,) = rows(played.dwp, "SELECT sequence, sha256 FROM events ORDER BY sequence DESC LIMIT 1")
    said = {"counts": {}, "day": "2026-11-27", "format": 1, "head": head, "made": "2026-11-28T00:00:05.000Z"}
    yield statement(played, {**said, "previous": None, "site": "DWP"})
    subprocess.run(["gpgconf", "--homedir", str(played.dwp.home.keyrings / "own"), "--kill", "gpg-agent"], check=False)


def statement(played: Played, body: dict[str, Any]) -> bytes:
    command = [
        "gpg",
        "--homedir",
        str(played.dwp.home.keyrings / "own"),
        "--batch",
        "--digest-algo",
        "SHA256",
        "--clearsign",
    ]
    return subprocess.run(command, input=compact(body) + b"\n", capture_output=True, check=True).stdout


def test_a_statement_confirms_and_no_change_of_it_says_anything_else(
    tool: Any, played: Played, stated: bytes, tmp_path: Path, tally: Tally
) -> None:
    kept = played.dwp.home.evidence / "statements" / "DWP" / f"2026-11-27.{hashlib.sha256(stated).hexdigest()[:16]}.asc"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(stated)
    try:
        file = tmp_path / "held.zip"
        played.dwp.gateway("evidence", played.units["held"][1], "--out", file)
    finally:
        shutil.rmtree(kept.parent.parent)
    done = verified(file)
    assert done.returncode == 0, done.stdout
    assert "Statement of 2026-11-27: DWP signed that the head of its chain was" in done.stdout
    assert "Confirmed by nobody else yet." in done.stdout  # it is the site's own word until a partner shows its copy

    own, certificate = tmp_path / "copy.asc", tmp_path / "DWP.asc"
    own.write_bytes(stated)
    export = played.export_all(tmp_path / "export.zip")
    assert "Confirmed by the copy that you have of the statement" in verified(export, own).stdout
    assert "Confirmed by the copy that you have of the statement" in verified(file, own).stdout
    (held,) = [content for name, content in members_of(file.read_bytes()) if name.startswith("certificates/DWP.")]
    certificate.write_bytes(held)
    assert verified(own, "--certificate", certificate).returncode == 0

    def read(content: bytes) -> Any:
        said: list[str] = []
        tool.Evidence(played.pins, said.append, held).read_statements("", [content])
        return said

    assert "2026-11-27" in read(stated)[0]
    draw, tried, lost = random.Random(1), 25, 0
    for at in draw.sample(range(len(stated)), tried):
        forged = stated[:at] + bytes([stated[at] ^ 1 << draw.randrange(7)]) + stated[at + 1 :]
        try:
            lost += read(forged) != read(stated)
        except Exception:  # noqa: BLE001, S112 - refused, as the program does it
            continue
    tally("mutations of a statement", tried=tried, lost=lost)
    assert lost == 0


def test_a_statement_with_another_head_contradicts_the_chain(played: Played, stated: bytes, tmp_path: Path) -> None:
    (head,) = rows(played.dwp, "SELECT sequence, sha256 FROM events ORDER BY sequence LIMIT 1 OFFSET 4")
    other = statement(played, {"day": "2026-11-27", "head": head | {"sha256": "0" * 64}, "site": "DWP"})
    (tmp_path / "statement.asc").write_bytes(other)
    done = verified(played.export, tmp_path / "statement.asc")
    assert done.returncode == 1
    assert f"names another event {head['sequence']}" in done.stdout


# -- the command


def test_content_is_given_out_for_a_reason_that_the_chain_keeps(played: Played, tmp_path: Path) -> None:
    site, identity = played.units["held"]
    out = tmp_path / "held.zip"
    done = site.gateway("evidence", identity, "--out", out, "--with-payload", check=False)
    assert done.returncode == 64
    site.gateway("evidence", identity, "--out", out, "--with-payload", "--reason", "court order 12/2026")
    members = dict(members_of(out.read_bytes()))
    (row,) = rows(site, "SELECT * FROM transfers WHERE id = ?", identity)
    assert hashlib.sha256(members["payload/content"]).hexdigest() == row["sha256"]
    (event,) = rows(site, "SELECT * FROM events WHERE event = 'transfer.disclosed'")
    assert event["subject"] == identity
    assert "court order 12/2026" not in event["detail"]
    kept = [json.loads(line) for name in members if name.startswith("rows/") for line in members[name].splitlines()]
    (why,) = [each for each in kept if each["plain"] == [["sequence", event["sequence"]]]]
    assert why["personal"] == [["text", "court order 12/2026"]]
    assert json.loads(event["detail"])["reason_sha256"] == digest([why["salt"], *why["personal"]])
    assert b"court order 12/2026" in members["story.txt"]
    assert verified(out).returncode == 0
    site.gateway("audit", "verify")


def test_content_that_is_gone_is_said_to_be_gone_and_nothing_is_written(played: Played, tmp_path: Path) -> None:
    site, identity = played.units["sent"]
    out = tmp_path / "sent.zip"
    done = site.gateway("evidence", identity, "--out", out, "--with-payload", "--reason", "asked for", check=False)
    assert done.returncode == 65
    assert "not at this site any more" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_received_content_is_taken_from_where_it_was_delivered(played: Played, tmp_path: Path) -> None:
    site, identity = played.units["sent, received"]
    out = tmp_path / "received.zip"
    made = json.loads(
        site.gateway("evidence", identity, "--out", out, "--with-payload", "--reason", "asked for", "--json").stdout
    )
    assert made["file"] == str(out)
    (row,) = rows(site, "SELECT sha256 FROM transfers WHERE id = ?", identity)
    assert hashlib.sha256(dict(members_of(out.read_bytes()))["payload/content"]).hexdigest() == row["sha256"]


def test_nothing_is_overwritten_and_unclear_ids_are_refused(played: Played, tmp_path: Path) -> None:
    site, identity = played.units["sent"]
    taken = tmp_path / "taken.zip"
    taken.write_bytes(b"mine")
    assert site.gateway("evidence", identity, "--out", taken, check=False).returncode == 64
    assert taken.read_bytes() == b"mine"
    for unclear in ("", "0", "ffffffff"):
        done = site.gateway("evidence", unclear, "--out", tmp_path / "new.zip", check=False)
        assert done.returncode == 65, unclear
    assert [path.name for path in tmp_path.iterdir()] == ["taken.zip"]


def test_of_a_row_or_receipt_that_was_changed_no_evidence_is_made(played: Played, tmp_path: Path) -> None:
    site, identity = played.units["sent"]
    out = tmp_path / "out.zip"
    with change(site) as connection:
        connection.execute("UPDATE transfers SET reference = 'other' WHERE id = ?", (identity,))
    done = site.gateway("evidence", identity, "--out", out, check=False)
    assert (done.returncode, "is not what the chain says of it" in done.stderr) == (70, True)
    with change(site) as connection:
        connection.execute("UPDATE transfers SET reference = NULL WHERE id = ?", (identity,))
    (row,) = rows(site, "SELECT consignment FROM transfers WHERE id = ?", identity)
    kept = site.home.evidence / played.la.code / f"{row['consignment']}.receipt.pgp"
    (other,) = [path for path in kept.parent.iterdir() if path != kept][:1]
    content = kept.read_bytes()
    kept.write_bytes(other.read_bytes())
    try:
        done = site.gateway("evidence", identity, "--out", out, check=False)
        assert (done.returncode, "is not the one that came" in done.stderr) == (70, True)
    finally:
        kept.write_bytes(content)
    assert not out.exists()
