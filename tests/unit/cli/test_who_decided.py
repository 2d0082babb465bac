"""Every command that decides something leaves an event with who it was and why, also where it was refused."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import click
import orjson
import pytest

from gateway.administration.credentials.rows import PinnedIdentity
from gateway.administration.credentials.store import Store
from gateway.cli import gateway
from gateway.crypto.gnupg.keyrings import Keyrings
from gateway.daemon.lock import held
from gateway.ledger.queries import events
from gateway.ledger.queries.quarantine import quarantined
from gateway.linux.caller import Caller, KnownBy
from gateway.settings.directories import make, partner_directories
from gateway.settings.index_templates import example_text
from gateway.settings.model import Partner
from gateway.settings.rights import Difference
from gateway.settings.write import write_partner
from gateway.validation.sandbox.pool import Sandbox
from tests.deciding import ASKED, COPIES, KEYS, LOOKS, MEDIA, NODES, RUNS, SITE
from tests.fakes.keybox import write_keybox
from tests.fakes.older_ledger import at_version
from tests.fakes.two_ledgers import ActualReaders, Bench, Pair, two_ledgers
from tests.unit.cli.conftest import Run

LA, RIGHT = "E09000030", "E08000004"
WHY = ("--reason", "because of the test")
SOMEBODY = ("hb1", "--name", "Invented", "--unit", "Revenues", "--role", "administrator")
A_TOKEN = ("back-office", "--owner", "hb1", "--right", "look", "--flow", "claim")
WHO = {"actor": "nobody", "account": "root", "known_by": "processes"}


@pytest.fixture(autouse=True)
def somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests run for the log-in `nobody`, through sudo."""
    found = Caller(0, 65534, KnownBy.PROCESSES)
    monkeypatch.setattr("gateway.administration.requests.actors.caller", lambda *_: found)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with two_ledgers(tmp_path / "sites", readers=cast("Sandbox", ActualReaders())) as made:
        for bench in (made.dwp, made.la):
            bench.configure()
            bench.now = time.time()
        yield made


def chain(bench: Bench, *names: str) -> list[tuple[str, str, dict[str, Any]]]:
    """Name, subject and detail of the events of these names; of all but the ledger's own, where none is given. A reason stands
    where the chain has its digest.
    """
    with bench.ledger.read() as connection:
        entries = [*events.chain(connection)]
        assert not any(WHY[1] in entry.detail for entry in entries), "the chain has a person's words"
        reasons = events.reasons_of(connection, entries)
    told = []
    for entry in entries:
        detail = orjson.loads(entry.detail)
        assert ("reason_sha256" in detail) == (entry.sequence in reasons)
        if detail.pop("reason_sha256", None):
            detail["reason"] = reasons[entry.sequence]
        if entry.event in names or (not names and entry.kind != "ledger"):
            told.append((entry.event, entry.subject, detail))
    return told


def leaves(command: click.Command, words: tuple[str, ...], ctx: click.Context) -> Iterator[str]:
    if not isinstance(command, click.Group):
        yield " ".join(words)
        return
    for name in command.list_commands(ctx):
        inner = command.get_command(ctx, name)
        assert inner is not None
        yield from leaves(inner, (*words, name), ctx)


def test_every_command_is_known_to_decide_or_to_look() -> None:
    found = set(leaves(gateway, (), click.Context(gateway)))
    sorts = [set(SITE), set(KEYS), set(COPIES), set(MEDIA), set(ASKED), set(NODES), LOOKS, RUNS]
    assert found == set().union(*sorts)
    assert sum(map(len, sorts)) == len(found)


def claims(tmp_path: Path) -> Path:
    path = tmp_path / "claim.xml"
    path.write_bytes(b"<claim/>")
    return path


def locked_away(pair: Pair) -> str:
    (pair.la.home.landing_in("DWP") / "01a200db-25a7-7293-8e54-d4bb0a1b0002.pgp").write_bytes(b"no message")
    pair.work_alone(pair.la)
    with pair.la.ledger.read() as connection:
        return quarantined(connection)[0].id


def asked(pair: Pair, run: Run, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("Is it paid?")
    sent = run(pair.dwp, "enquiry", "send", "award", LA, "--text", tmp_path / "text.txt", "--reference", "HBE-1")
    assert sent.status == 0, sent.err


def delivered(pair: Pair, run: Run, tmp_path: Path) -> str:
    """A file that came to the authority and belongs to another, which is its partner too."""
    run(None, "sample", "claim", "--to", LA, "--out", tmp_path / "made", "--seed", "5")
    (path,) = (tmp_path / "made").iterdir()
    pair.dwp.submit(path.name, path.read_bytes())
    pair.work()
    home = pair.la.home
    write_partner(home, Partner(code=RIGHT, name=RIGHT, fingerprint="C" * 40, link="none"))
    make(partner_directories(home, RIGHT, ["redirect"], ["redirect"]))
    write_keybox(Keyrings(home.keyrings).partner_ring(RIGHT), "C" * 40)
    (row,) = run(pair.la, "transfers", "--json").data
    return str(row["id"])


def index_by_reference(bench: Bench) -> None:
    """The site has a document system, whose index is to hold what the sender wrote."""
    toml = bench.home.gateway_toml
    toml.write_text(f'{toml.read_text()}\n[flows.laid]\ninbound_name = "{{transfer}}{{ext}}"\n')
    bench.home.index.mkdir()
    example = example_text("csv")
    (bench.home.index / "laid.toml").write_text(re.sub(r"(?m)^# (?=\[|\w+ = )", "", example))


def older(pair: Pair) -> None:
    pair.dwp.ledger.close()
    for path in pair.dwp.home.ledger.parent.glob(f"{pair.dwp.home.ledger.name}*"):
        path.unlink()
    at_version(pair.dwp.home.ledger, "0001")


def do(command: str, pair: Pair, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Bench, str | None]:
    """Carry the command out, after what it needs; where, and the reason that the event has to have."""
    words = command.split()
    why: str | None = WHY[1]
    board = ("add", "ETD-7", "--what", "They came twice.", "--since", "2026-11-01", "--no-publish")
    match command:
        case "submit":
            said, why = run(pair.dwp, "submit", "claim", LA, claims(tmp_path)), None
        case "hold" | "retry" | "return":
            said = run(pair.dwp, command, pair.dwp.submit("a.xml", b"claim a"), *WHY)
        case "release":
            held = pair.dwp.submit("a.xml", b"claim a")
            run(pair.dwp, "hold", held, *WHY)
            said = run(pair.dwp, "release", held, *WHY)
        case "redirect pass":
            identity = delivered(pair, run, tmp_path)
            said = run(pair.la, *words, identity, "--to", RIGHT, "--reason", "moved", "--note", WHY[1])
            assert said.status == 0, said.err
            return pair.la, why
        case "quarantine discard":
            said = run(pair.la, *words, locked_away(pair), *WHY)
            assert said.status == 0, said.err
            return pair.la, why
        case "enquiry send":
            asked(pair, run, tmp_path)
            return pair.dwp, None
        case "enquiry reply":
            asked(pair, run, tmp_path)
            pair.work()
            said = run(pair.la, *words, "HBE-1", "--text", tmp_path / "text.txt")
            assert said.status == 0, said.err
            return pair.la, None
        case "enquiry close":
            asked(pair, run, tmp_path)
            pair.work()
            said = run(pair.dwp, *words, "HBE-1", *WHY)
        case "faults add":
            said = run(pair.dwp, "faults", *board, *WHY)
        case "faults change" | "faults close" | "faults publish":
            run(pair.dwp, "faults", *board)
            given = {"change": ("ETD-7", "--what", "Thrice.", "--no-publish"), "close": ("ETD-7", "--no-publish")}
            said = run(pair.dwp, *words, *given.get(words[1], ()), *WHY)
        case "hold-retention":
            said = run(pair.dwp, command, pair.dwp.submit("a.xml", b"claim a"), *WHY)
        case "release-retention":
            run(pair.dwp, "hold-retention", "--partner", LA, *WHY)
            said = run(pair.dwp, command, "--partner", LA, *WHY)
        case "reload":
            monkeypatch.setattr("gateway.administration.site.reload.take_over", lambda _settings: None)
            said = run(pair.dwp, "reload", *WHY)
        case "rights":
            monkeypatch.setattr(os, "geteuid", lambda: 0)
            toml = pair.dwp.home.gateway_toml
            toml.write_text(re.sub(r"(?m)^(# )?split = false", "split = true", toml.read_text()))
            changed = [Difference(pair.dwp.home.vault, "0755", "0750")]
            monkeypatch.setattr("gateway.settings.rights.apply", lambda _settings: changed)
            said = run(pair.dwp, "rights", "--apply", *WHY)
        case "doctor":
            older(pair)
            run(pair.dwp, "doctor", "--migrate", *WHY)
            return pair.dwp, why
        case "recover":
            moment = "2026-11-21T10:00:00.000Z"
            pair.dwp.home.restored.write_text(json.dumps({"taken": moment, "restored": moment}))
            said = run(pair.dwp, "recover", "--without", LA, *WHY)
        case "partner suspend":
            said = run(pair.dwp, *words, LA, *WHY)
        case "partner resume":
            run(pair.dwp, "partner", "suspend", LA, *WHY)
            said = run(pair.dwp, *words, LA, *WHY)
        case "partner import":
            (tmp_path / "table.csv").write_text(f"code,day_bytes\n{LA},4096\n")
            said = run(pair.dwp, *words, tmp_path / "table.csv", *WHY)
        case "index approve":
            index_by_reference(pair.la)
            said = run(pair.la, *words, "laid", *WHY)
            assert said.status == 0, said.err
            return pair.la, why
        case "continuity invoke":
            said = run(pair.dwp, *words, *WHY)
        case "continuity update" | "continuity told" | "continuity end":
            toml = pair.dwp.home.gateway_toml
            toml.write_text(toml.read_text().replace("# tell = []", 'tell = ["Duty manager, 020 7946 0001"]'))
            run(pair.dwp, "continuity", "invoke", "--reason", "first")
            said = run(pair.dwp, *words, *(("1",) if words[1] == "told" else ()), *WHY)
        case "people add":
            said = run(pair.dwp, *words, *SOMEBODY, *WHY)
        case "people role" | "people suspend" | "people remove" | "people link":
            run(pair.dwp, "people", "add", *SOMEBODY, "--reason", "first")
            said = run(pair.dwp, *words, "hb1", *(("--unit", "Other") if words[1] == "role" else ()), *WHY)
        case "people unpin":
            run(pair.dwp, "people", "add", *SOMEBODY, "--reason", "first")
            with closing(Store(pair.dwp.home.console_store)) as store, store.write() as records:
                records.pin(PinnedIdentity("hb1", "https://login.example.gov.uk", "0" * 64))
            said = run(pair.dwp, *words, "hb1", *WHY)
        case "people resume":
            run(pair.dwp, "people", "add", *SOMEBODY, "--reason", "first")
            run(pair.dwp, "people", "suspend", "hb1", "--reason", "second")
            said = run(pair.dwp, *words, "hb1", *WHY)
        case "tokens add" | "tokens revoke":
            dates = ("--agreement", "2026-01-05", "--training", "2026-01-06")
            run(pair.dwp, "people", "add", *SOMEBODY[:-1], "operator", *dates, "--reason", "first")
            said = run(pair.dwp, "tokens", "add", *A_TOKEN, *(WHY if words[1] == "add" else ("--reason", "first")))
            if words[1] == "revoke":
                said = run(pair.dwp, *words, "back-office", *WHY)
        case _:
            raise AssertionError(f"nobody tries {command}")
    assert said.status == 0, said.err
    return pair.dwp, why


@pytest.mark.parametrize("command", SITE)
def test_a_decision_is_an_event_with_who_and_why(
    command: str, pair: Pair, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where, why = do(command, pair, run, tmp_path, monkeypatch)
    *_, (_, _, detail) = chain(where, SITE[command])
    assert {key: detail.get(key) for key in WHO} == WHO
    assert detail.get("reason") == why
    assert not chain(where, "decision.refused")


# -- refused


Arguments = Callable[[str], tuple[str, ...]]
"""By the id of a transfer that was receipted."""

REFUSED: dict[str, tuple[Arguments, str, str | None]] = {
    "submit": (lambda _: ("extract", LA, "/dev/null"), "flow-not-permitted", None),
    "hold": (lambda known: (known[:30], *WHY), "unit-state", WHY[1]),
    "release": (lambda known: (known, *WHY), "unit-state", WHY[1]),
    "retry": (lambda known: (known, *WHY), "unit-state", WHY[1]),
    "return": (lambda _: ("0000", *WHY), "not-found", WHY[1]),
    "redirect pass": (lambda known: (known, "--to", RIGHT, "--reason", "moved"), "usage", None),
    "quarantine discard": (lambda _: ("0000", *WHY), "not-found", WHY[1]),
    "enquiry send": (lambda _: ("award", RIGHT, "--text", "/dev/null"), "partner-unknown", None),
    "enquiry reply": (lambda _: ("HBE-9", "--text", "/dev/null"), "not-found", None),
    "enquiry close": (lambda _: ("HBE-9", *WHY), "not-found", WHY[1]),
    "faults add": (lambda _: ("ETD-7", "--what", "Twice.", "--since", "2099-01-01"), "usage", "keeping the board"),
    "faults change": (lambda _: ("ETD-7", "--what", "Thrice."), "not-found", "keeping the board"),
    "faults close": (lambda _: ("ETD-7", *WHY), "not-found", WHY[1]),
    "faults publish": (lambda _: WHY, "usage", WHY[1]),
    "keys confirm": (lambda _: (LA, *WHY), "not-found", WHY[1]),
    "keys retire": (lambda _: WHY, "crypto-own-key", WHY[1]),
    "keys revoke": (lambda _: ("--old", *WHY), "not-found", WHY[1]),
    "partner add": (lambda _: ("/dev/null",), "card", "the card that the partner sent"),
    "partner add-plain": (
        lambda _: (LA, "/dev/null", "--name", "Tower Hamlets", "--fingerprint", "0" * 40),
        "usage",
        "a partner that has no gateway",
    ),
    "partner revoke": (lambda _: (RIGHT, *WHY), "not-found", WHY[1]),
    "partner suspend": (lambda _: (RIGHT, *WHY), "not-found", WHY[1]),
    "partner resume": (lambda _: (LA, *WHY), "usage", WHY[1]),
    "partner import": (lambda _: ("/dev/null", *WHY), "usage", WHY[1]),
    "partner answer": (lambda _: (RIGHT, "--since", "1h", "--out", "nowhere/0", *WHY), "not-found", WHY[1]),
    "evidence": (lambda _: ("0000", "--with-payload", "--out", "nowhere/0.zip", *WHY), "not-found", WHY[1]),
    "hold-retention": (lambda _: ("0000", *WHY), "not-found", WHY[1]),
    "release-retention": (lambda known: (known, *WHY), "usage", WHY[1]),
    "reload": (lambda _: WHY, "not-running", WHY[1]),
    "rights": (lambda _: ("--apply", *WHY), "usage", WHY[1]),
    "recover": (lambda _: WHY, "usage", WHY[1]),
    "export": (lambda _: (RIGHT, "--to", "nowhere/0", *WHY), "not-found", WHY[1]),
    "import": (lambda _: ("nowhere/0", *WHY), "waybill", WHY[1]),
    "index approve": (lambda _: ("0000", *WHY), "not-found", WHY[1]),
    "continuity update": (lambda _: WHY, "usage", WHY[1]),
    "continuity told": (lambda _: ("1", *WHY), "usage", WHY[1]),
    "continuity end": (lambda _: WHY, "usage", WHY[1]),
    "people add": (lambda _: (*SOMEBODY, "--role", "operator", *WHY), "roles-apart", WHY[1]),
    "people role": (lambda _: ("hb1", "--role", "auditor", *WHY), "person-unknown", WHY[1]),
    "people suspend": (lambda _: ("hb1", *WHY), "person-unknown", WHY[1]),
    "people resume": (lambda _: ("hb1", *WHY), "person-unknown", WHY[1]),
    "people remove": (lambda _: ("hb1", *WHY), "person-unknown", WHY[1]),
    "people link": (lambda _: ("hb1", *WHY), "person-unknown", WHY[1]),
    "people unpin": (lambda _: ("hb1", *WHY), "person-unknown", WHY[1]),
    "tokens add": (lambda _: (*A_TOKEN, *WHY), "person-unknown", WHY[1]),
    "tokens revoke": (lambda _: ("back-office", *WHY), "not-found", WHY[1]),
}


def test_what_was_refused_is_an_event_and_show_tells_it(pair: Pair, run: Run) -> None:
    known = pair.dwp.submit("a.xml", b"claim a")
    pair.dwp.sql("UPDATE transfers SET state = 'receipted'")
    for command, (arguments, code, why) in REFUSED.items():
        before = len(chain(pair.dwp))
        said = run(pair.dwp, *command.split(), *arguments(known))
        assert said.status != 0, command
        ((name, subject, detail),) = chain(pair.dwp)[before:]
        act = command.rpartition(" ")[2] if command == "quarantine discard" else command
        expected = {**WHO, "act": act, "code": code, **({"reason": why} if why else {})}
        assert (name, detail) == ("decision.refused", expected), command
        assert subject in {known, LA, RIGHT, "0000", "unnamed"}, command
    told = run(pair.dwp, "show", known).out
    assert (
        "a person's decision was refused, or failed: hold, by nobody as root: because of the test [unit-state]" in told
    )
    assert set(SITE) | set(KEYS) | set(MEDIA) == set(REFUSED) | {
        "doctor",
        "keys rotate",
        "retention",
        "continuity invoke",
    }, "these are refused below, or by the disk alone"


def test_quarantine_show_tells_who_discarded_and_what_was_refused(pair: Pair, run: Run) -> None:
    locked = locked_away(pair)
    for _ in range(2):
        run(pair.la, "quarantine", "discard", locked, *WHY)
    told = run(pair.la, "quarantine", "show", locked).out
    assert re.search("decided .*by nobody as root: because of the test\n", told)
    assert "refused, or failed: discard, by nobody as root: because of the test [unit-state]" in told


@pytest.mark.parametrize("known_by", KnownBy)
def test_show_says_what_the_log_in_is_known_by_where_that_is_not_sure(
    known_by: KnownBy, pair: Pair, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.administration.requests.actors.caller", lambda *_: Caller(0, 65534, known_by))
    known = pair.dwp.submit("a.xml", b"claim a")
    run(pair.dwp, "hold", known, *WHY)
    said = "" if known_by == KnownBy.PROCESSES else f" (known by {known_by})"
    assert f"by nobody as root{said}: because of the test" in run(pair.dwp, "show", known).out


def test_files_that_cannot_be_submitted_are_an_attempt(pair: Pair, run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty.xml").write_bytes(b"")
    assert run(pair.dwp, "submit", "claim", LA, tmp_path / "empty.xml").status == 65
    ((_, subject, detail),) = chain(pair.dwp)
    assert (subject, detail) == (LA, {**WHO, "act": "submit", "code": "file-empty"})


def test_an_overlap_that_is_too_short_and_a_migration_beside_a_gateway_are_attempts(pair: Pair, run: Run) -> None:
    assert run(pair.dwp, "keys", "rotate", "--overlap", "1", *WHY).status == 64
    with held(pair.dwp.home.run, "gateway"):
        assert run(pair.dwp, "doctor", "--migrate", *WHY).status == 69
    acts = [(detail["act"], detail["code"]) for _, _, detail in chain(pair.dwp)]
    assert acts == [("keys rotate", "usage"), ("doctor", "site-busy")]


def test_whoever_may_write_to_the_ledger_and_may_not_change_keys_is_recorded_too(
    pair: Pair, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    toml = pair.dwp.home.gateway_toml
    toml.write_text(re.sub(r"(?m)^(# )?split = false", "split = true", toml.read_text()))
    monkeypatch.setattr(os, "geteuid", lambda: 990)
    assert run(pair.dwp, "keys", "rotate", *WHY).status == 77
    ((_, _, detail),) = chain(pair.dwp, "decision.refused")
    assert (detail["act"], detail["code"], detail["reason"]) == ("keys rotate", "not-permitted", WHY[1])


def test_whoever_may_not_open_the_ledger_gets_the_same_answer_and_leaves_no_event(
    pair: Pair, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(*_: object) -> None:
        raise PermissionError(13, "Permission denied", "ledger")

    with monkeypatch.context() as patch:
        patch.setattr("gateway.assembly.roles.stage_context", closed)
        assert run(pair.dwp, "submit", "claim", LA, "/dev/null").status == 77
        assert run(pair.dwp, "partner", "add", "/dev/null").status == 65, "the first error counts"
    assert chain(pair.dwp) == []


def test_words_that_are_no_id_stay_out_of_the_chain(pair: Pair, run: Run) -> None:
    for words in ("John Example", "QQ 12 34 56 C", "claim-example.xml"):
        assert run(pair.dwp, "hold", words, *WHY).status == 65
    assert {(name, subject) for name, subject, _ in chain(pair.dwp)} == {("decision.refused", "unnamed")}


def test_a_dry_run_is_no_decision(pair: Pair, run: Run) -> None:
    known = pair.dwp.submit("a.xml", b"claim a")
    before = chain(pair.dwp)
    assert run(pair.dwp, "redirect", "pass", known, "--to", RIGHT, "--reason", "moved", "--dry-run").status == 64
    assert run(pair.dwp, "keys", "retire", "--dry-run", *WHY).status == 65
    assert chain(pair.dwp) == before
