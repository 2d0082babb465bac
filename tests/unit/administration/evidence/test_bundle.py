"""Evidence of one transfer, in states that real sites come into slowly: what is in it, and that it is the same each time."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import zipfile
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.administration.evidence import bundle
from gateway.administration.evidence.contents import Made
from gateway.administration.evidence.period import export
from gateway.domain.requests import Act
from gateway.errors import ChainBroken, EnvelopeRefused, NotFound, NotPermitted, SignatureBad, SignerUnknown
from gateway.ledger import migrate, requests
from gateway.ledger.chain import GENESIS
from gateway.ledger.tables import RECEIPTS
from tests.acceptance.evidence_forgery import packed
from tests.fakes.staff import hire
from tests.fakes.two_ledgers import Bench, Pair, PretendedPgp
from tests.fakes.verifier import verifier
from tests.unit.administration.evidence.conftest import PretendedStore, Verify, lied, signed

DAY = 86_400.0


def make(bench: Bench, identity: str, out: Path) -> tuple[Made, dict[str, bytes]]:
    made = bundle.make(bench.settings, identity, out, bench.now)
    with zipfile.ZipFile(out) as archive:
        return made, {name: archive.read(name) for name in archive.namelist()}


def rechain(bench: Bench) -> None:
    """Make the whole chain anew, with right digests."""
    with closing(sqlite3.connect(bench.home.ledger)) as ledger, ledger:
        previous = GENESIS
        for row in ledger.execute("SELECT * FROM events ORDER BY sequence").fetchall():
            content = [*row[:8], previous]
            previous = hashlib.sha256(orjson.dumps(content)).hexdigest()
            ledger.execute(
                "UPDATE events SET previous = ?, sha256 = ? WHERE sequence = ?", (content[8], previous, row[0])
            )


def age(bench: Bench) -> str:
    """Make the ledger one from before the chain committed to rows, and bring it up to date. The day of that."""
    bench.sql("UPDATE events SET event = 'lane.held', detail = '{}' WHERE event = 'ledger.committed'")
    rechain(bench)
    with bench.ledger._engine.connect().execution_options(gateway_write=True) as connection, connection.begin():
        migrate._adopt(connection, bench.now)
    return datetime.fromtimestamp(bench.now, UTC).strftime("%Y-%m-%d")


def lines(members: dict[str, bytes], directory: str) -> list[Any]:
    return [json.loads(line) for name in members if name.startswith(directory) for line in members[name].splitlines()]


def test_the_same_ledger_and_time_give_the_same_bytes(pair: Pair, tmp_path: Path) -> None:
    identity = pair.dwp.submit("a.xml", b"content")
    pair.work()
    for name in ("a.zip", "b.zip"):
        make(pair.dwp, identity, tmp_path / name)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_events_begin_before_the_first_and_end_where_a_partner_confirms(
    pair: Pair, tmp_path: Path, verify: Verify
) -> None:
    pair.dwp.submit("a.xml", b"one")
    pair.work()
    identity = pair.dwp.submit("b.xml", b"two")
    pair.work()
    first, _ = make(pair.dwp, identity, tmp_path / "first.zip")
    assert first.confirmed < first.last_event
    assert any("none has come yet" in each for each in first.missing)
    assert any(line.startswith("NOT SHOWN: events") for line in verify(tmp_path / "first.zip"))
    pair.dwp.submit("c.xml", b"three")
    pair.work()
    made, members = make(pair.dwp, identity, tmp_path / "again.zip")
    assert made.by == "E09000030"
    assert made.confirmed == made.last_event >= first.last_event
    events = lines(members, "events/")
    assert [event[0] for event in events] == list(range(made.first_event, made.last_event + 1))
    (admitted,) = [event[0] for event in events if event[3] == "transfer.admitted" and event[5] == identity]
    assert made.first_event == admitted - 1
    said = verify(tmp_path / "again.zip")
    assert not any(line.startswith("NOT SHOWN: events") for line in said)


@pytest.mark.parametrize("content", [b"wrong", b"gone"])
def test_rejected_and_expired_transfers_have_evidence(
    pair: Pair, tmp_path: Path, verify: Verify, content: bytes
) -> None:
    identity = pair.dwp.submit("a.xml", content)
    pair.work_alone(pair.dwp)
    pair.dwp.now += 8 * DAY
    pair.work_alone(pair.dwp)
    _, members = make(pair.dwp, identity, tmp_path / "a.zip")
    state = "rejected" if content == b"wrong" else "expired"
    assert f"It is about {identity} of transfers: {state}." in verify(tmp_path / "a.zip")
    assert state.encode() in members["story.txt"]


@pytest.mark.parametrize("content", [b"right", b"wrong"])
def test_of_a_file_that_was_uploaded_and_checked_at_the_console_there_is_evidence(
    pair: Pair, tmp_path: Path, verify: Verify, content: bytes
) -> None:
    dwp = pair.dwp
    hire(dwp.ledger, "op1")
    identity = dwp.context.new_id()

    def asked_and_done(act: Act, kind: str, became: str) -> None:
        with dwp.ledger.write() as transaction:
            request = requests.ask(transaction, dwp.context.new_id(), act, identity, "op1", "an upload")
        with dwp.ledger.write() as transaction:
            taken = requests.take(transaction, request, "inspect")
            assert taken is not None
            requests.finish(transaction, taken, requests.Done(kind, identity, dwp.other, became))

    asked_and_done(Act.CHECK, "upload", "checked")
    dwp.submit("a.xml", content, identity=identity)
    asked_and_done(Act.SEND, "transfer", "admitted")
    pair.work()
    _, members = make(dwp, identity, tmp_path / "a.zip")
    rows = [dict(row["plain"]) for row in lines(members, "rows/") if row["table"] == "requests"]
    assert [row["act"] for row in rows] == ["send"]
    state = "rejected" if content == b"wrong" else "receipted"
    assert f"It is about {identity} of transfers: {state}." in verify(tmp_path / "a.zip")


def test_a_consignment_has_evidence_with_all_that_it_carries(pair: Pair, tmp_path: Path, verify: Verify) -> None:
    ids = [pair.dwp.submit(f"{number}.xml", bytes([number])) for number in range(3)]
    pair.work()
    with pair.dwp.ledger.read() as connection:
        (parcel,) = {row[0] for row in connection.exec_driver_sql("SELECT consignment FROM transfers")}
    _, members = make(pair.dwp, parcel, tmp_path / "a.zip")
    tables = [row["table"] for row in lines(members, "rows/")]
    assert tables == ["transfers"] * 3 + ["consignments", "receipts"]
    assert all(
        f"It carried transfer {identity}".encode() in members["story.txt"].replace(b"\n    ", b" ") for identity in ids
    )
    verify(tmp_path / "a.zip")


def test_of_what_the_chain_contradicts_no_evidence_is_made(pair: Pair, tmp_path: Path) -> None:
    identity = pair.dwp.submit("a.xml", b"one")
    pair.work()
    pair.dwp.sql("UPDATE transfers SET code = 'other'")
    with pytest.raises(ChainBroken, match="row 1 of transfers is not what the chain says of it"):
        make(pair.dwp, identity, tmp_path / "a.zip")
    with pytest.raises(NotFound):
        make(pair.dwp, "0", tmp_path / "a.zip")
    assert not list(tmp_path.glob("*.zip"))


def test_an_altered_event_in_between_is_found_while_the_file_is_made(pair: Pair, tmp_path: Path) -> None:
    identity = pair.dwp.submit("a.xml", b"one")
    pair.work()
    pair.dwp.sql("UPDATE events SET role = 'other' WHERE event = 'consignment.packed'")
    with pytest.raises(ChainBroken, match="was altered"):
        make(pair.dwp, identity, tmp_path / "a.zip")
    assert not list(tmp_path.glob("*.zip"))


def test_a_receipt_that_is_not_kept_any_more_is_said_to_be_missing(pair: Pair, tmp_path: Path, verify: Verify) -> None:
    identity = pair.dwp.submit("a.xml", b"one")
    pair.work()
    (kept,) = (pair.dwp.home.evidence / "E09000030").iterdir()
    kept.unlink()
    made, members = make(pair.dwp, identity, tmp_path / "a.zip")
    assert any("is not kept at this site any more" in each for each in made.missing)
    assert not any(name.startswith("receipts/") for name in members)
    verify(tmp_path / "a.zip")


def test_a_chain_that_was_made_anew_is_contradicted_by_what_a_partner_signed(pair: Pair, tmp_path: Path) -> None:
    identity = pair.dwp.submit("a.xml", b"one")
    pair.work()
    day = datetime.fromtimestamp(pair.dwp.now, UTC).date()
    pair.dwp.sql("UPDATE events SET at = '2026-11-18T00:00:00.000Z' WHERE sequence = 1")
    rechain(pair.dwp)
    with pytest.raises(ChainBroken, match="names another event"):
        make(pair.dwp, identity, tmp_path / "a.zip")
    with pytest.raises(ChainBroken, match="names another event"):
        export(pair.dwp.settings, day, day, tmp_path / "b.zip", pair.dwp.now + DAY, lambda _what, _count: None)
    assert not list(tmp_path.glob("*.zip"))


def test_a_receipt_whose_row_says_something_else_than_was_signed_is_found(pair: Pair, tmp_path: Path) -> None:
    identity = pair.dwp.submit("a.xml", b"one")
    pair.work()
    with pair.dwp.ledger.write() as transaction:  # so that the chain agrees with it
        (body,) = transaction.connection.exec_driver_sql("SELECT body FROM receipts").scalars()
        transaction.set(RECEIPTS, [1], body=body.replace('"outcome": "delivered"', '"outcome": "duplicate"'))
    with pytest.raises(ChainBroken, match="says something else than the ledger"):
        make(pair.dwp, identity, tmp_path / "a.zip")
    assert not list(tmp_path.glob("*.zip"))


def test_what_a_row_said_before_the_chain_adopted_it_is_told_to_be_unproven(
    pair: Pair, tmp_path: Path, verify: Verify
) -> None:
    identity = pair.dwp.submit("a.xml", b"wrong")
    pair.work_alone(pair.dwp)
    day = age(pair.dwp)
    other = pair.dwp.submit("b.xml", b"later")
    pair.work()
    words = f"1 of the rows in here said before {day}. They were adopted on that day"
    made, members = make(pair.dwp, identity, tmp_path / "a.zip")
    assert any(words in each for each in made.missing)
    assert words in " ".join(members["story.txt"].decode().split())
    export(
        pair.dwp.settings,
        date.fromisoformat(day),
        date.fromisoformat(day),
        tmp_path / "c.zip",
        pair.dwp.now + DAY,
        lambda _what, _count: None,
    )
    for name in ("a.zip", "c.zip"):
        assert any(f"NOT SHOWN: what 1 rows said before {day}." in each for each in verify(tmp_path / name))
    made, _ = make(pair.dwp, other, tmp_path / "b.zip")
    assert not any("adopted" in each for each in made.missing)
    assert not any("adopted" in each for each in verify(tmp_path / "b.zip"))


def test_of_an_adopted_row_that_its_last_event_contradicts_no_evidence_is_made(pair: Pair, tmp_path: Path) -> None:
    identity = pair.dwp.submit("a.xml", b"wrong")
    pair.work_alone(pair.dwp)
    pair.dwp.sql("UPDATE transfers SET state = 'receipted'")
    age(pair.dwp)
    with pytest.raises(ChainBroken, match="row 1 of transfers is receipted, and its last event does not say so"):
        make(pair.dwp, identity, tmp_path / "a.zip")
    assert not list(tmp_path.glob("*.zip"))


def test_what_a_site_leaves_out_of_a_bundle_is_not_shown(pair: Pair, tmp_path: Path, verify: Verify) -> None:
    identity = pair.dwp.submit("a.xml", b"one")
    pair.work()
    _, found = make(pair.dwp, identity, tmp_path / "a.zip")
    word, start = "NOT SHOWN: E09000030's own word on it.", "NOT SHOWN: how it began."
    assert not any(each.startswith((word, start)) for each in verify(tmp_path / "a.zip"))

    def told(members: dict[str, bytes]) -> list[str]:
        (tmp_path / "lie.zip").write_bytes(lied(list(members.items())))
        return verify(tmp_path / "lie.zip")

    said = told({name: content for name, content in found.items() if not name.startswith("receipts/")})
    assert any(each.startswith(word) for each in said)
    assert any(each.startswith("NOT SHOWN: what some receipts say.") for each in said)
    events = found["events/00001.jsonl"].splitlines(keepends=True)
    manifest = json.loads(found["manifest.json"])
    manifest["events"][0] += 2
    later = {"events/00001.jsonl": b"".join(events[2:]), "manifest.json": json.dumps(manifest).encode()}
    assert any(each.startswith(start) for each in told(found | later))


def test_nothing_lies_before_between_or_behind_the_members_even_if_the_site_signed_it(
    pair: Pair, tmp_path: Path, verify: Verify
) -> None:
    identity = pair.dwp.submit("a.xml", b"one")
    _, found = make(pair.dwp, identity, tmp_path / "a.zip")
    plain = packed(list(found.items()))

    directory, end = plain.index(b"PK\x01\x02"), plain.rindex(b"PK\x05\x06")
    moved = plain[: end + 16] + (directory + len(b"hidden")).to_bytes(4, "little") + plain[end + 20 :]
    (tmp_path / "true.zip").write_bytes(signed(plain))
    assert verify(tmp_path / "true.zip")
    for name, forged in {
        "before": b"hidden" + signed(plain),
        "before, signed": signed(b"hidden" + plain),
        "between": signed(moved[:directory] + b"hidden" + moved[directory:]),
        "behind": signed(plain) + b"hidden",
    }.items():
        (tmp_path / "lie.zip").write_bytes(forged)
        with pytest.raises(ValueError, match="something lies between"):
            verify(tmp_path / "lie.zip")
        assert zipfile.ZipFile(tmp_path / "lie.zip").read("story.txt") == found["story.txt"], name
    with zipfile.ZipFile(tmp_path / "small.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for each, content in found.items():
            archive.writestr(each, content)
    (tmp_path / "lie.zip").write_bytes(signed((tmp_path / "small.zip").read_bytes()))
    with pytest.raises(ValueError, match="something lies between"):
        verify(tmp_path / "lie.zip")


@pytest.mark.parametrize("error", [SignerUnknown, SignatureBad])
def test_a_receipt_that_the_partner_did_not_sign_confirms_nothing(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[EnvelopeRefused]
) -> None:
    identity = pair.dwp.submit("a.xml", b"one")
    pair.work()

    def refused(*_: object) -> bytes:
        raise error

    monkeypatch.setattr(PretendedPgp, "signed_content", refused)
    if error is SignatureBad:
        with pytest.raises(ChainBroken, match="is not signed by E09000030"):
            make(pair.dwp, identity, tmp_path / "a.zip")
        return
    made, members = make(pair.dwp, identity, tmp_path / "a.zip")
    assert (made.confirmed, made.by) == (0, None)
    assert any("could not be verified" in each for each in made.missing)
    assert not any(name.endswith(".signed") for name in members)


def test_an_account_that_may_not_use_the_keys_is_told_so(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = pair.dwp.submit("a.xml", b"one")

    def refused(*_: object) -> None:
        raise PermissionError

    with monkeypatch.context() as patch:
        patch.setattr(PretendedStore, "kept", refused)
        patch.setattr(PretendedPgp, "close", refused)
        with pytest.raises(NotPermitted):
            make(pair.dwp, identity, tmp_path / "a.zip")
    assert not list(tmp_path.glob("*.zip"))


def lie_about(pair: Pair, tmp_path: Path) -> tuple[dict[str, bytes], Callable[[dict[str, bytes]], Path]]:
    """A true bundle's members, and what packs and signs others as the site itself would."""
    identity = pair.dwp.submit("a.xml", b"one")
    pair.work()
    _, found = make(pair.dwp, identity, tmp_path / "a.zip")

    def pack(members: dict[str, bytes]) -> Path:
        (tmp_path / "lie.zip").write_bytes(lied(list(members.items())))
        return tmp_path / "lie.zip"

    return found, pack


def rows_of(found: dict[str, bytes]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in found["rows/00001.jsonl"].splitlines()]


def as_lines(rows: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


@pytest.mark.parametrize("partner", ["DWP", ""])
def test_a_site_does_not_confirm_its_own_chain(pair: Pair, tmp_path: Path, verify: Verify, partner: str) -> None:
    found, pack = lie_about(pair, tmp_path)
    body = {"site": "DWP", "sender": partner, "recipient": "DWP", "consignment": "x", "sealed_sha256": "0", "items": []}
    own = {
        f"receipts/{partner}/x.signed": json.dumps(body).encode(),
        f"receipts/{partner}/x.pgp": b"",
        f"certificates/{partner}.asc": found["certificates/DWP.asc"],
    }
    with pytest.raises(ValueError, match="is between other sites"):
        verify(pack(found | own))


def test_a_receipt_that_is_left_out_with_its_row_is_not_shown(pair: Pair, tmp_path: Path, verify: Verify) -> None:
    found, pack = lie_about(pair, tmp_path)
    rows = as_lines([row for row in rows_of(found) if row["table"] != "receipts"])
    left = {name: content for name, content in found.items() if not name.startswith("receipts/")}
    said = verify(pack(left | {"rows/00001.jsonl": rows}))
    assert any(each.startswith("NOT SHOWN: what some receipts say.") for each in said)


def test_what_was_erased_is_said_and_hides_nothing_that_is_proven(pair: Pair, tmp_path: Path, verify: Verify) -> None:
    found, pack = lie_about(pair, tmp_path)
    rows = rows_of(found)
    for row in rows:
        content = [row["salt"], *row["personal"]]
        text = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
        row.update(salt=f"erased:{hashlib.sha256(text).hexdigest()}", personal=[["state", None], ["created", None]])
    said = verify(pack(found | {"rows/00001.jsonl": as_lines(rows)}))
    assert any(each.startswith(f"NOT SHOWN: what {len(rows)} rows said of people") for each in said)
    assert any("of transfers: receipted." in each for each in said)


def test_a_day_that_is_none_is_refused(pair: Pair, tmp_path: Path, verify: Verify) -> None:
    found, pack = lie_about(pair, tmp_path)
    manifest = json.loads(found["manifest.json"])
    for made in ("2026-11-1\u200bT10:00:00Z", "20261101  T10:00:00Z"):
        with pytest.raises(ValueError, match=r"isoformat|is none"):
            verify(pack(found | {"manifest.json": json.dumps(manifest | {"made": made}).encode()}))


def test_statements_that_contradict_each_other_do_not_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    tool = verifier()
    monkeypatch.setattr(tool, "signed_by", lambda _certificates, message, _signature: ("KEY", message))
    texts = [
        json.dumps({"site": "DWP", "day": "2026-11-02", "head": {"sequence": 5, "sha256": digest * 64}}).encode()
        for digest in "ab"
    ]
    tool.Evidence(set(), lambda _: None).read_statements("", texts[:1])
    with pytest.raises(ValueError, match="name another event 5"):
        tool.Evidence(set(), lambda _: None).read_statements("", texts)


def test_nobody_s_words_make_a_line_of_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    verifier().show("Not in here: \nEVERYTHING HOLDS.\r\x1b[8m\u202e\u00e9")
    assert capsys.readouterr().out == "Not in here: \\nEVERYTHING HOLDS.\\r\\x1b[8m\\u202e\\xe9\n"
