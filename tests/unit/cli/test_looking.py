"""`find`, `tail`, `--csv`, `--older-than` and `--watch`: what people see who look."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pytest

from gateway.administration.views.happenings import HappeningFilter, follow, start_of
from gateway.cli import gateway, output
from gateway.domain.states import State
from gateway.ledger.queries import events, overview
from gateway.logs import KEYS
from tests.fakes.two_ledgers import Bench, Pair
from tests.unit.cli.conftest import Run

LONG_AGO = "99999w"


def parsed(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def found(run: Run, bench: Bench, *arguments: str | Path) -> list[dict[str, Any]]:
    said = run(bench, "find", *arguments, "--json")
    hits: list[dict[str, Any]] = said.data
    assert said.status == (0 if hits else 1)
    return hits


# -- find


def test_a_transfer_is_found_by_name_id_reference_and_digest(pair: Pair, run: Run) -> None:
    identity = pair.dwp.submit("Claims 50% of.xml", b"claim a")
    other = pair.dwp.submit("b.xml", b"claim b")
    pair.dwp.sql("UPDATE transfers SET reference = 'REF/7_x' WHERE id = ?", other)
    pair.work()
    digest = hashlib.sha256(b"claim a").hexdigest()
    for text, by in (("claims 50%", "name"), (identity, "id"), (identity[:-1].upper(), "id"), (digest[:8], "content")):
        (hit,) = found(run, pair.dwp, text)
        assert (hit["kind"], hit["id"], hit["by"], hit["state"]) == ("transfer", identity, by, "receipted")
    (hit,) = found(run, pair.dwp, "ref/7_")
    assert (hit["id"], hit["by"]) == (other, "reference")
    assert found(run, pair.dwp, "50_") == found(run, pair.dwp, "019z") == []


def test_the_same_bytes_are_found_at_both_ends_with_what_the_receipt_says(pair: Pair, run: Run, tmp_path: Path) -> None:
    identity = pair.dwp.submit("a.xml", b"claim a")
    pair.work()
    letter = tmp_path / "another name.pdf"
    letter.write_bytes(b"claim a")
    for bench, said in ((pair.dwp, "the partner has it"), (pair.la, "delivered to spool/inbound")):
        (hit,) = found(run, bench, "--file", letter)
        assert (hit["id"], hit["by"]) == (identity, "content")
        assert hit["said"][0].startswith(said)
        assert hit["said"][-1].endswith("says of these very bytes: delivered")
    told = run(pair.dwp, "find", "--file", letter).out
    assert told.startswith(f"{letter}: 7 B, SHA-256 {hashlib.sha256(b'claim a').hexdigest()}\n")
    assert f"claim to E09000030 on 2026-11-18 11:06:40, as a.xml: transfer {identity}" in told
    assert "E09000030's signed receipt of 2026-11-18T11:" in told
    letter.write_bytes(b"claim a.")
    nothing = run(pair.dwp, "find", "--file", letter)
    assert (nothing.status, nothing.err) == (
        1,
        "No file of these bytes was ever taken in here, came here, or was locked away here.\n",
    )


def test_sealed_files_and_what_was_locked_away_are_found_by_their_bytes(pair: Pair, run: Run, tmp_path: Path) -> None:
    pair.dwp.submit("a.xml", b"claim a")
    pair.work_alone(pair.dwp)
    (sealed,) = pair.la.home.landing_in("DWP").glob("*.pgp")
    kept = tmp_path / "kept.pgp"
    kept.write_bytes(sealed.read_bytes())
    (hit,) = found(run, pair.dwp, "--file", kept)
    assert (hit["kind"], hit["id"], hit["by"]) == ("consignment", sealed.stem, "sealed")
    sealed.write_bytes(b"{}\nnothing that anybody sealed")
    kept.write_bytes(sealed.read_bytes())
    pair.work()
    by_bytes = found(run, pair.la, "--file", kept)
    assert {"quarantine"} <= {hit["kind"] for hit in by_bytes}
    assert {hit["kind"] for hit in found(run, pair.la, sealed.stem)} >= {"quarantine"}
    assert "Locked away on" in run(pair.la, "find", "--file", kept).out


def test_find_says_what_it_lacks_and_keeps_to_its_limit(pair: Pair, run: Run, tmp_path: Path) -> None:
    for number in range(3):
        pair.dwp.submit(f"a{number}.xml", f"claim {number}".encode())
    for arguments in ((), ("x", "--file", str(tmp_path)), (" ",)):
        assert run(pair.dwp, "find", *arguments).status == 64
    assert [hit["name"] for hit in found(run, pair.dwp, "a", "--limit", "2")] == ["a1.xml", "a2.xml"]
    assert run(pair.dwp, "find", ".xml", "--limit", "2").err == "the newest 2; --limit shows more\n"
    assert run(pair.dwp, "find", ".xml").err == "3 found\n"


# -- tail


def test_tail_tells_in_words_what_happened_and_no_digests_of_rows(pair: Pair, run: Run) -> None:
    identity = pair.dwp.submit("QQ123456C.xml", b"claim a")
    pair.work()
    lines = run(pair.dwp, "tail", "--since", LONG_AGO, "--once").out.splitlines()
    assert re.split(r" {2,}", lines[0]) == [
        "2026-11-18 11:06:40",
        "E09000030",
        "claim",
        "taken into custody",
        f"transfer {identity}",
    ]
    told = "\n".join(lines)
    assert "consignment sent" in told
    assert "QQ12" not in told
    assert "committed" not in told
    assert len(run(pair.dwp, "tail", "--once").out.splitlines()) == min(10, len(lines))


def test_tail_says_only_what_log_lines_may_say(pair: Pair, run: Run) -> None:
    identity = pair.dwp.submit("a.xml", b"claim a")
    assert run(pair.dwp, "hold", identity, "--reason", "QQ 12 34 56 C rang").status == 0
    lines = [
        json.loads(line) for line in run(pair.dwp, "tail", "--since", LONG_AGO, "--once", "--json").out.splitlines()
    ]
    held = next(line for line in lines if line["event"] == "transfer.held")
    assert held["said"]["reason"] == "[masked] rang"
    assert "[masked] rang" in held["words"]
    assert held["level"] == "warning"
    assert all(set(line["said"]) <= KEYS for line in lines)


def test_tail_narrows_to_a_partner_and_a_flow_also_where_the_event_names_none(pair: Pair, run: Run) -> None:
    pair.dwp.submit("a.xml", b"claim a")
    pair.work()
    pair.la.submit("hb5900.csv", b"extract", flow="extract")
    pair.work()

    def told(*options: str) -> list[dict[str, Any]]:
        said = run(pair.dwp, "tail", "--since", LONG_AGO, "--once", "--json", *options)
        return [json.loads(line) for line in said.out.splitlines()]

    assert told("--partner", "W06000024") == []
    claims, extracts = told("--flow", "claim"), told("--flow", "extract")
    assert {"transfer.admitted", "consignment.sealed", "receipt.accepted"} <= {each["event"] for each in claims}
    assert {"consignment.opened", "transfer.delivered", "receipt.sent"} <= {each["event"] for each in extracts}
    assert {flow for each in claims for flow in each["flows"]} == {"claim"}
    assert told("--since", "2999-01-01") == []


def test_what_comes_while_somebody_follows_is_told_once(pair: Pair) -> None:
    pair.dwp.submit("a.xml", b"claim a")
    with pair.dwp.ledger.read() as connection:
        start = start_of(connection, HappeningFilter(), None, 10)
        at = start_of(connection, HappeningFilter(), pair.dwp.now + 1, 10)
        assert events.last_before(connection, "2000") == 0
    assert (start, at) == (0, 2)
    pauses = iter([True, False])

    def pause() -> bool:
        pair.dwp.submit("b.xml", b"claim b")
        return next(pauses)

    told = list(follow(pair.dwp.ledger.read, HappeningFilter(), start, pause))
    assert [each.event for each in told] == ["transfer.admitted"] * 2
    assert len({each.sequence for each in told}) == 2


# -- lists


LISTS = {
    *("transfers", "find", "quarantine list", "inbound pending", "logins", "partner list", "keys list", "authorities"),
    *("enquiries", "referrals", "faults", "calendar", "audit heads", "sample", "extract exceptions", "notify list"),
    *(
        "continuity reconcile",
        "people list",
        "tokens list",
        "checks",
        "incidents",
        "inbound case",
        "triage report",
        "nodes",
    ),
}


def commands(command: click.Command, words: tuple[str, ...], ctx: click.Context) -> Iterator[tuple[str, click.Command]]:
    yield " ".join(words), command
    if isinstance(command, click.Group):
        for name in command.list_commands(ctx):
            inner = command.get_command(ctx, name)
            assert inner is not None
            yield from commands(inner, (*words, name), ctx)


def test_every_list_is_there_as_csv_too() -> None:
    every = dict(commands(gateway, (), click.Context(gateway)))
    options = {name: {each.name for each in command.params} for name, command in every.items()}
    assert {name for name, names in options.items() if "as_csv" in names} == LISTS
    assert all("as_json" in options[name] for name in LISTS)
    # What is a list by its name is one of them.
    assert {name for name in every if name.rpartition(" ")[2] in ("list", "pending")} <= LISTS


SHOWN = (
    *(("transfers",), ("find", "xml"), ("quarantine", "list"), ("inbound", "pending"), ("logins",), ("enquiries",)),
    *(("partner", "list"), ("authorities", "4220"), ("referrals",), ("faults",), ("calendar",)),
    *(
        ("audit", "heads", "E09000030"),
        ("sample", "claim", "--list-defects"),
        ("people", "list"),
        ("checks",),
        ("incidents",),
        ("nodes",),
    ),
)


def test_a_list_has_a_line_of_headings_and_a_row_for_each_object(pair: Pair, run: Run) -> None:
    pair.dwp.submit("a.xml", b"claim a")
    pair.dwp.submit("w.xml", b"wrong")
    pair.work()
    for words in SHOWN:
        said, data = run(pair.dwp, *words, "--csv"), run(pair.dwp, *words, "--json").data
        assert said.status in (0, 1), words
        assert said.out.endswith("\r\n")
        rows = data[words[0]] if isinstance(data, dict) else data
        assert len(parsed(said.out)) == len(rows)
        heading = {name.partition(".")[0] for name in said.out.partition("\r\n")[0].split(",")}
        renamed = {"from": "since"} if words[0] == "authorities" else {}
        assert all({renamed.get(name, name) for name in row} <= heading for row in rows), words
    assert run(pair.dwp, "transfers", "--csv", "--json").status == 64


def test_csv_of_transfers_says_what_their_json_says(pair: Pair, run: Run) -> None:
    assert run(pair.dwp, "transfers", "--csv").out.startswith("id,direction,flow,partner,name,size,sha256,")
    pair.dwp.submit('ŵ, "x"\nof =1.xml', b"claim a")
    (row,) = parsed(run(pair.dwp, "transfers", "--csv").out)
    (data,) = run(pair.dwp, "transfers", "--json").data
    assert row["name"] == data["name"]
    assert (row["size"], row["in_custody"], row["exceptions.count"], row["code"]) == ("7", "true", "", "")


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠"])
def test_no_cell_is_a_formula_and_numbers_stay_numbers(capfd: pytest.CaptureFixture[str], start: str) -> None:
    @dataclass(frozen=True)
    class Row:
        name: str
        days: int
        more: tuple[str, ...]

    output.show_csv(Row, [Row(f"{start}1+cmd", -3, (f"{start}a", "b"))])
    (row,) = parsed(capfd.readouterr().out)
    shown = start if start.isprintable() else repr(start)[1:-1]
    assert row == {"name": f"'{shown}1+cmd", "days": "-3", "more": f"'{shown}a; b"}


# -- transfers


def test_transfers_are_narrowed_by_age_together_with_everything_else(pair: Pair, run: Run) -> None:
    pair.dwp.submit("old.xml", b"claim old")
    pair.work()
    pair.dwp.now += 86400
    pair.dwp.submit("new.xml", b"claim new")

    def names(*options: str) -> list[str]:
        return [row["name"] for row in run(pair.dwp, "transfers", "--json", *options).data]

    between = "2026-11-19T00:00:00Z"
    assert names("--older-than", between) == ["old.xml"]
    assert names("--newer-than", between) == ["new.xml"]
    assert names("--older-than", between, "--state", "receipted", "--flow", "claim") == ["old.xml"]
    assert names("--older-than", between, "--state", "admitted") == []
    assert names("--older-than", between, "--partner", "E09000030", "--direction", "out") == ["old.xml"]
    assert names("--newer-than", LONG_AGO, "--older-than", "2999-01-01", "--limit", "1") == ["new.xml"]
    said = run(pair.dwp, "transfers", "--older-than", "soon")
    assert (said.status, "--older-than takes a time" in said.err) == (64, True)


def test_every_combination_of_words_finds_and_counts_the_same_rows(pair: Pair) -> None:
    for number in range(6):
        pair.dwp.submit(f"{number}.xml", b"wrong" if number == 3 else f"claim {number}".encode())
        for bench in (pair.dwp, pair.la):
            bench.now += 1000
        if number % 2:
            pair.work()
    pair.la.submit("hb5900.csv", b"extract", flow="extract")
    pair.work()
    middle = pair.dwp.now - 3500
    with pair.dwp.ledger.read() as connection:
        everything = overview.transfers(connection)
        for state in (None, "receipted", "rejected", "delivered"):
            for partner in (None, "E09000030", "W06000024"):
                for direction in (None, "in", "out"):
                    for flow, since, before in ((None, None, middle), ("claim", middle, None), ("extract", None, None)):
                        named = {"state": state, "partner": partner, "direction": direction, "flow": flow}
                        expected = [
                            row.id
                            for row in everything
                            if all(value in (None, str(getattr(row, name))) for name, value in named.items())
                            and (since is None or row.created >= since)
                            and (before is None or row.created < before)
                        ]
                        meant = overview.Meant(
                            state=state, partner=partner, direction=direction, flow=flow, since=since, before=before
                        )
                        assert [row.id for row in overview.transfers(connection, **meant)] == expected
                        assert overview.count_transfers(connection, **meant) == len(expected)
    assert {row.state for row in everything} >= {State.RECEIPTED, State.REJECTED, State.DELIVERED}


def test_watching_takes_a_terminal(pair: Pair, run: Run) -> None:
    for command in ("transfers", "status"):
        said = run(pair.dwp, command, "--watch")
        assert (said.status, said.out) == (64, "")
        assert "draws on a terminal" in said.err
