"""Files that travel with exceptions, between the ledgers, spools and receipts of two sites."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import DiskFailed
from gateway.ledger.queries import events, overview
from gateway.ledger.queries.facts import exceptions_in
from gateway.ledger.units import Transfer
from gateway.settings.flow_settings import DEFAULT_FLOWS, FlowSettings, RecordsSettings
from gateway.spool import markers, publication
from gateway.spool.exception_lists import ENDING, from_csv
from gateway.spool.names import second_name
from gateway.stages import receipt_files
from gateway.stages.inbound import deliver
from gateway.stages.inbound.deliver import Deliver
from tests.fakes.two_ledgers import Bench, Pair, odd, two_ledgers

LA = "E09000030"
NAME = f"hb{LA}_SHBE_555086k November 2026.csv"


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with two_ledgers(tmp_path) as made:
        yield made


def set_flow(bench: Bench, flow: str, settings: FlowSettings) -> None:
    bench.context.settings.flows[flow] = settings  # type: ignore[index]


@pytest.fixture(autouse=True)
def own_flows(pair: Pair) -> None:
    for bench in (pair.dwp, pair.la):
        object.__setattr__(bench.context.settings, "flows", dict(DEFAULT_FLOWS))


def row_of(bench: Bench, name: str) -> Transfer:
    with bench.ledger.read() as connection:
        (row,) = [row for row in overview.transfers(connection) if row.name == name]
    return row


def files(directory: Path) -> Mapping[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir() if not path.name.startswith(".")}


def inbound(bench: Bench, flow: str = "extract") -> Mapping[str, bytes]:
    return files(bench.home.inbound / flow / bench.other)


def receipts(bench: Bench, flow: str = "extract") -> Mapping[str, bytes]:
    return files(bench.home.receipts / flow / bench.other)


def detail(bench: Bench, event: str) -> Mapping[str, Any]:
    with bench.ledger.read() as connection:
        (found,) = [json.loads(each.detail) for each in events.chain(connection) if each.event == event]
    return dict(found)


def test_file_travels_unchanged_with_the_same_list_at_both_ends_and_counts_in_receipt_chain_and_ledger(
    pair: Pair,
) -> None:
    content = odd([7, 9, 9], 400, "the rows themselves")
    identity = pair.la.submit(NAME, content, "extract")
    pair.work()
    assert inbound(pair.dwp)[NAME] == content
    listed = inbound(pair.dwp)[f"{NAME}{ENDING}"]
    assert [each.row for each in from_csv(listed)] == [7, 9, 9]
    told = receipts(pair.la)
    assert set(told) == {f"{NAME}.receipt.json", f"{NAME}{ENDING}"}
    assert told[f"{NAME}{ENDING}"] == listed
    assert json.loads(told[f"{NAME}.receipt.json"])["items"] == [
        {
            "transfer": identity,
            "sha256": row_of(pair.la, NAME).sha256,
            "outcome": "delivered",
            "code": None,
            "reason": None,
            "exceptions": {"count": 3, "records": 2},
        }
    ]
    for bench, event in ((pair.la, "validated"), (pair.la, "receipted"), (pair.dwp, "delivered")):
        said = detail(bench, f"transfer.{event}")
        assert (said["exceptions"], said["faulty_records"]) == (3, 2)
        assert exceptions_in(row_of(bench, NAME).facts) == (3, 2)


def test_file_without_exceptions_has_no_list_and_no_word_of_them_in_its_receipt(pair: Pair) -> None:
    pair.la.submit(NAME, b'facts {"records": "400"}', "extract")
    pair.work()
    assert set(inbound(pair.dwp)) == {NAME}
    (told,) = receipts(pair.la).values()
    assert "exceptions" not in json.loads(told)["items"][0]


@pytest.mark.parametrize("faulty", [8, 9])
def test_from_the_share_on_the_file_comes_back_and_its_letter_says_so(pair: Pair, faulty: int) -> None:
    pair.la.submit(NAME, odd(range(2, 2 + faulty), 400), "extract")
    pair.work()
    row = row_of(pair.la, NAME)
    assert (row.state, row.code, row.consignment) == ("rejected", "extract-date", None)
    letter = files(pair.la.home.returned / "extract" / "DWP")[f"{NAME}.why.txt"].decode()
    assert "row 2, field 8" in letter
    assert f"{faulty} of 400 records: with fewer than 2 percent" in letter


def test_a_receiver_that_refuses_exceptions_rejects_what_a_sender_reports(pair: Pair) -> None:
    set_flow(pair.dwp, "extract", DEFAULT_FLOWS["extract"].model_copy(update={"exceptions": "refuse"}))
    pair.la.submit(NAME, odd([7], 400), "extract")
    pair.work()
    assert (row_of(pair.la, NAME).state, row_of(pair.la, NAME).code) == ("rejected", "extract-date")
    assert row_of(pair.dwp, NAME).state == "rejected"
    assert inbound(pair.dwp) == {}
    assert set(files(pair.la.home.returned / "extract" / "DWP")) == {NAME, f"{NAME}.why.txt"}


def test_batches_of_other_flows_come_back_unless_both_sites_say_report(pair: Pair) -> None:
    pair.dwp.submit("a.xml", odd([3], 10), "claim")
    pair.work()
    assert row_of(pair.dwp, "a.xml").state == "rejected"
    for bench in (pair.dwp, pair.la):
        set_flow(bench, "claim", RecordsSettings(exceptions="report"))
    pair.dwp.submit("b.xml", odd([3], 10, "again"), "claim")
    pair.dwp.submit("all.xml", odd(range(1, 11), 10), "claim")
    pair.work()
    assert set(inbound(pair.la, "claim")) == {"b.xml", f"b.xml{ENDING}"}
    assert inbound(pair.la, "claim")[f"b.xml{ENDING}"] == receipts(pair.dwp, "claim")[f"b.xml{ENDING}"]
    assert row_of(pair.dwp, "all.xml").state == "rejected"


def test_exceptions_do_not_spare_a_file_from_being_held(pair: Pair) -> None:
    content = odd([7], 400)
    pair.la.submit(NAME, content, "extract")
    pair.work()
    again = NAME.replace("555086k", "555087k")
    pair.la.submit(again, content, "extract")
    pair.work()
    assert (row_of(pair.la, again).state, row_of(pair.la, again).code) == ("held", "suspected-duplicate")


# -- names


def lay(bench: Bench, name: str, content: bytes = b"another's", flow: str = "extract") -> Path:
    directory = bench.home.inbound / flow / bench.other
    directory.mkdir(parents=True, exist_ok=True)
    (directory / name).write_bytes(content)
    return directory / name


@pytest.mark.parametrize("taken", ["", ENDING])
def test_file_and_list_keep_together_where_either_s_name_is_taken(pair: Pair, taken: str) -> None:
    other = lay(pair.dwp, f"{NAME}{taken}")
    identity = pair.la.submit(NAME, odd([7], 400), "extract")
    pair.work()
    second = second_name(NAME, identity)
    assert set(inbound(pair.dwp)) == {other.name, second, f"{second}{ENDING}"}
    assert other.read_bytes() == b"another's"
    assert row_of(pair.dwp, NAME).delivered_name == second


def test_two_files_of_one_name_have_a_list_each(pair: Pair) -> None:
    contents = [odd([7], 400, "one"), odd([9], 400, "two"), b'facts {"records": "400"}']
    ids = [pair.la.submit(NAME, content, "extract") for content in contents]
    pair.work()
    names = [NAME, second_name(NAME, ids[1]), second_name(NAME, ids[2])]
    found = inbound(pair.dwp)
    assert set(found) == {*names, *(f"{name}{ENDING}" for name in names[:2])}
    assert [[each.row for each in from_csv(found[f"{name}{ENDING}"])] for name in names[:2]] == [[7], [9]]
    told = receipts(pair.la)
    assert [each.row for each in from_csv(told[f"{NAME}{ENDING}"])] == [7]
    assert [each.row for each in from_csv(told[f"{names[1]}{ENDING}"])] == [9]
    assert json.loads(told[f"{names[1]}.receipt.json"])["items"][0]["transfer"] == ids[1]


@pytest.mark.parametrize("length", [239, 240, 241, 242, 243, 255])
def test_names_without_room_for_the_list_s_ending_are_cut_alike_at_both_ends(pair: Pair, length: int) -> None:
    name = f"hb{LA}_".ljust(length - 4, "x") + ".csv"
    assert len(name) == length
    identity = pair.la.submit(name, odd([7], 400), "extract")
    pair.work()
    stem = name if length + len(ENDING) <= 255 else second_name(name, identity)
    assert set(inbound(pair.dwp)) == {stem, f"{stem}{ENDING}"}
    assert set(receipts(pair.la)) == {f"{stem}.receipt.json", f"{stem}{ENDING}"}


def test_a_list_that_lies_beside_another_receipt_is_not_overwritten(pair: Pair) -> None:
    directory = pair.la.home.receipts / "extract" / "DWP"
    (directory / f"{NAME}{ENDING}").write_bytes(b"a note")
    identity = pair.la.submit(NAME, odd([7], 400), "extract")
    pair.work()
    second = second_name(NAME, identity)
    assert set(receipts(pair.la)) == {f"{NAME}{ENDING}", f"{second}{ENDING}", f"{second}.receipt.json"}
    assert receipts(pair.la)[f"{NAME}{ENDING}"] == b"a note"


def test_marker_comes_after_file_and_list(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    set_flow(pair.dwp, "extract", DEFAULT_FLOWS["extract"].model_copy(update={"done_marker": True}))
    seen: list[set[str]] = []
    real = markers.mark

    def mark(paths: Iterator[Path]) -> None:
        seen.append(set(inbound(pair.dwp)))
        real(paths)

    monkeypatch.setattr(deliver, "mark", mark)
    pair.la.submit(NAME, odd([7], 400), "extract")
    pair.work()
    assert seen[0] == {NAME, f"{NAME}{ENDING}"}
    assert set(inbound(pair.dwp)) == {NAME, f"{NAME}{ENDING}", f"{NAME}.done"}


# -- crashes


class Killed(BaseException):
    """What no stage catches."""


def stage_of(pair: Pair, bench: Bench) -> Deliver:
    (found,) = [each for each in pair.stages_of(bench) if isinstance(each, Deliver)]
    return found


@pytest.mark.parametrize("at", ["publish", "write_new_file", "mark", "facts_to_keep", "listed", "after"])
def test_delivery_that_was_killed_ends_with_one_file_and_one_list_when_it_is_done_again(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    content = odd([7, 8], 400)
    pair.la.submit(NAME, content, "extract")
    pair.work_alone(pair.la)

    def die(*_args: object, **_keys: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        if at == "after":
            patch.setattr(Deliver, "_judge", die)
        else:
            patch.setattr(deliver, at, die)
        with pytest.raises(Killed):
            pair.work()
    assert row_of(pair.dwp, NAME).state == "opened"
    assert (NAME in inbound(pair.dwp)) is (at in ("mark", "after"))
    pair.work()
    assert set(inbound(pair.dwp)) == {NAME, f"{NAME}{ENDING}"}
    assert inbound(pair.dwp)[NAME] == content
    assert inbound(pair.dwp)[f"{NAME}{ENDING}"] == receipts(pair.la)[f"{NAME}{ENDING}"]
    assert json.loads(receipts(pair.la)[f"{NAME}.receipt.json"])["items"][0]["exceptions"] == {"count": 2, "records": 2}


def test_what_the_back_office_took_before_the_row_said_delivered_does_not_come_again(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair.la.submit(NAME, odd([7], 400), "extract")
    pair.work_alone(pair.la)

    def die(*_args: object, **_keys: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Deliver, "_judge", die)
        with pytest.raises(Killed):
            pair.work()
    for name in inbound(pair.dwp):
        (pair.dwp.home.inbound / "extract" / LA / name).unlink()
    pair.work()
    assert row_of(pair.dwp, NAME).state == "delivered"
    assert inbound(pair.dwp) == {}


def test_no_row_speaks_of_a_list_that_is_not_durable(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    pair.la.submit(NAME, odd([7], 400), "extract")

    def fail(*_args: object, **_keys: object) -> None:
        raise DiskFailed("writing files: Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr("gateway.spool.exception_lists.write_files", fail)
        with pytest.raises(DiskFailed):
            pair.work_alone(pair.la)
    row = row_of(pair.la, NAME)
    assert (row.state, row.facts) == ("admitted", None)
    pair.work()
    assert row_of(pair.la, NAME).state == "receipted"


def test_a_file_that_takes_the_name_in_between_gets_no_list_beside_it(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = pair.la.submit(NAME, odd([7], 400), "extract")
    pair.work_alone(pair.la)
    real: Callable[..., Any] = publication.publish

    def publish(placements: Any, disk: Any) -> Any:
        lay(pair.dwp, NAME)
        return real(placements, disk)

    with monkeypatch.context() as patch:
        patch.setattr(deliver, "publish", publish)
        pair.work()
    second = second_name(NAME, identity)
    assert set(inbound(pair.dwp)) == {NAME, second, f"{second}{ENDING}"}


def test_the_list_is_handed_over_again_after_a_crash_between_receipt_and_custody(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair.la.submit(NAME, odd([7], 400), "extract")

    def die(*_args: object, **_keys: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(receipt_files, "write_files", die)
        with pytest.raises(Killed):
            pair.work()
    assert receipts(pair.la) == {}
    pair.work()
    assert set(receipts(pair.la)) == {f"{NAME}.receipt.json", f"{NAME}{ENDING}"}
    assert not list(pair.la.home.custody.iterdir())


def test_the_back_office_s_word_keeps_the_list_beside_the_receipt(pair: Pair) -> None:
    pair.la.submit(NAME, odd([7], 400), "extract")
    pair.work()
    before = receipts(pair.la)
    (pair.dwp.home.outcomes / "extract" / LA / f"{NAME}.accepted").touch()
    pair.dwp.now += 100
    for _ in range(3):
        pair.work()
        pair.dwp.now += 100
    assert row_of(pair.la, NAME).state == "ingested"
    assert receipts(pair.la)[f"{NAME}{ENDING}"] == before[f"{NAME}{ENDING}"]
