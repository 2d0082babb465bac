"""Names as people and programs make them, all the way: delivered as they are, and everything named after them fits."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.domain.states import State
from gateway.ledger.queries import overview
from gateway.settings.flow_settings import DEFAULT_FLOWS, FlowSettings
from gateway.spool.names import MAX_BYTES, with_ending
from tests.fakes.two_ledgers import Bench, Pair, two_ledgers

EVERYDAY = (
    *(
        "LAID [1].pdf",
        "claim #12.xml",
        "100%.pdf",
        "O’Neil – Jones.pdf",
        "{GUID}.pdf",
        "a\u00a0b.xml",
        "заявка.xml",
        "申請.xml",
    ),
    *("-rf", "$(reboot).xml", "{transfer}", "%s%n.xml", "a:b.xml", " a ", "[bold]a.xml", "👨‍👩‍👧.pdf", "x.bak"),
    unicodedata.normalize("NFD", "Tŷ Ŵyn.pdf"),
)
LONG = ("n" * MAX_BYTES, "n" * 251 + ".xml", "ŵ" * 125 + ".xml", "a." + "n" * 253, "n" * 242, "n" * 246)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with two_ledgers(tmp_path) as made:
        yield made


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def answer(bench: Bench, name: str, reason: bytes) -> None:
    bench.now += 2
    (bench.home.outcomes / "claim" / bench.other / name).write_bytes(reason)


def states(bench: Bench) -> dict[str, str]:
    with bench.ledger.read() as connection:
        return {row.name: row.state for row in overview.transfers(connection)}


def test_everyday_names_are_delivered_as_they_are_and_answered_by_them(pair: Pair) -> None:
    ids = {name: pair.dwp.submit(name, f"claim {name}".encode()) for name in EVERYDAY}
    pair.work()
    inbound = pair.la.home.inbound / "claim" / "DWP"
    assert {path.name: path.read_text() for path in inbound.iterdir()} == {name: f"claim {name}" for name in EVERYDAY}
    receipts = pair.dwp.home.receipts / "claim" / pair.la.code
    for name, transfer in ids.items():
        told = json.loads((receipts / f"{name}.receipt.json").read_bytes())
        assert (told["name"], told["items"][0]["transfer"]) == (name, transfer)
        answer(pair.la, f"{name}.accepted", b"")
    pair.work()
    assert states(pair.dwp) == dict.fromkeys(EVERYDAY, State.INGESTED)


@pytest.mark.parametrize("name", LONG)
def test_long_name_is_delivered_whole_and_what_is_named_after_it_fits(pair: Pair, name: str) -> None:
    transfer = pair.dwp.submit(name, b"claim")
    second = pair.dwp.submit(name, b"another claim")
    pair.work()
    inbound = pair.la.home.inbound / "claim" / "DWP"
    delivered = {path.name: path.read_bytes() for path in inbound.iterdir()}
    assert delivered[name] == b"claim"
    assert sorted(delivered.values()) == [b"another claim", b"claim"]
    receipts = pair.dwp.home.receipts / "claim" / pair.la.code
    assert with_ending(name, ".receipt.json", transfer) in names(receipts)
    assert len(names(receipts)) == 2
    # NAME.rejected may be longer than a name can be: the id says the same.
    answer(pair.la, f"{transfer}.rejected", b"no such claim")
    answer(pair.la, f"{second}.accepted", b"")
    pair.la.now += 10
    pair.work()
    pair.la.now += 10
    pair.work()
    letter = receipts / with_ending(name, ".refused.txt", transfer)
    assert "no such claim" in letter.read_text()
    assert len(names(receipts)) == 3


@pytest.mark.parametrize("name", LONG)
def test_long_name_comes_back_with_its_letter(pair: Pair, name: str) -> None:
    transfer = pair.dwp.submit(name, b"wrong")
    pair.work()
    returned = pair.dwp.home.returned / "claim" / pair.la.code
    back, letter = names(returned)
    assert letter == f"{back}.why.txt"
    assert f"~{transfer}" in back
    assert (returned / back).read_bytes() == b"wrong"
    assert (returned / letter).read_text().startswith(f"{name} was not accepted.")


def test_long_name_with_a_template_and_a_marker_is_one_that_both_fit(tmp_path: Path) -> None:
    flow = FlowSettings(inbound_name="{date}_{name}", done_marker=True)
    with two_ledgers(tmp_path, {**DEFAULT_FLOWS, "claim": flow}) as pair:
        transfer = pair.dwp.submit("ŵ" * 125 + ".xml", b"claim")
        pair.work()
        file, marker = sorted(names(pair.la.home.inbound / "claim" / "DWP"), key=len)
        assert marker == f"{file}.done"
        assert file.endswith(f"ŵ~{transfer}.xml")
