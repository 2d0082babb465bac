"""A partner without a gateway: one message a file, which ends at `sent`, and everywhere it is said that nobody confirmed it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.administration.views.search import find
from gateway.administration.views.story import TransferStory, story
from gateway.daemon.recovery import tidy
from gateway.domain.decision import Decision
from gateway.domain.retention import Clock, Kind, rules
from gateway.domain.states import State
from gateway.errors import UsageWrong
from gateway.flows.routes import flows_of
from gateway.ledger import retention
from gateway.ledger.audit.files import Area, Listing, check_files
from gateway.ledger.audit.rows import check_rows
from gateway.ledger.queries import figures, overview
from gateway.ledger.queries.lanes import all_lanes
from gateway.ledger.units import Transfer
from gateway.stages.decisions import retry
from gateway.stages.itinerary import Role
from gateway.stages.outbound.send import Send
from gateway.transport.folder import FolderTransport
from tests.fakes.two_ledgers import Bench, Pair, two_ledgers

LA = "E09000030"
DAY = 86400.0
WHO = Decision(actor="somebody", reason="asked")


@pytest.fixture
def there(tmp_path: Path) -> Path:
    """The directory that the partner's SFTP server shows."""
    (tmp_path / "there").mkdir()
    return tmp_path / "there"


@pytest.fixture
def pair(tmp_path: Path, there: Path) -> Iterator[Pair]:
    with two_ledgers(tmp_path, line=FolderTransport(there), envelope="plain") as sites:
        yield sites


def rows(bench: Bench) -> dict[str, Transfer]:
    with bench.ledger.read() as connection:
        return {row.id: row for row in overview.transfers(connection)}


def content(path: Path) -> bytes:
    return path.read_bytes().partition(b"\n")[2]


def custody(bench: Bench) -> list[Path]:
    return list(bench.home.custody.iterdir())


def test_each_file_goes_by_itself_under_its_own_name_and_ends_at_sent(pair: Pair, there: Path) -> None:
    dwp = pair.dwp
    files = {f"{number}.xml": f"claim {number}".encode() for number in range(3)}
    ids = [dwp.submit(name, sent) for name, sent in files.items()]
    pair.work_alone(dwp)
    assert {path.name: content(path) for path in there.iterdir()} == {
        f"{name}.pgp": sent for name, sent in files.items()
    }
    found = rows(dwp)
    assert {found[each].state for each in ids} == {State.SENT}
    assert all(found[each].is_unconfirmed for each in ids)
    assert custody(dwp) == []
    assert not any((dwp.home.sealed_out / LA).iterdir())


def test_the_operator_the_views_and_the_figures_say_that_nobody_confirmed_it(pair: Pair) -> None:
    dwp = pair.dwp
    identity = dwp.submit("a.xml", b"a claim")
    pair.work_alone(dwp)
    (letter,) = (dwp.home.receipts / "claim" / LA).iterdir()
    assert letter.name == "a.xml.sent.txt"
    assert letter.read_text().startswith("a.xml was sent. Nobody confirms that it arrived.")
    assert "under the name a.xml.pgp" in letter.read_text()
    assert not any((dwp.home.returned / "claim" / LA).iterdir())
    with dwp.ledger.read() as connection:
        told = story(dwp.settings, connection, identity, dwp.now)
        (hit,) = find(connection, identity, None).hits
        assert overview.oldest_waiting(connection) is None
        assert figures.waiting_transfers(connection) == []
        assert figures.overdue_receipts(connection, dwp.now + DAY) == {}
        assert all_lanes(connection).get(LA) is None, "it takes no number of the lane's"
    assert isinstance(told, TransferStory)
    assert told.transfer.unconfirmed
    assert told.transfer.expires is None
    assert "transfer.unconfirmed" in {event.event for event in told.events}
    assert "nobody confirms that it arrived" in hit.said[0]


def test_no_time_moves_it_and_the_audit_finds_nothing_wrong(pair: Pair, there: Path) -> None:
    dwp = pair.dwp
    identity = dwp.submit("a.xml", b"a claim")
    pair.work_alone(dwp)
    sealed = {path.name: path.stat().st_mtime_ns for path in there.iterdir()}
    for _ in range(20):
        dwp.now += DAY
        pair.work_alone(dwp)
    assert rows(dwp)[identity].state == State.SENT
    assert {path.name: path.stat().st_mtime_ns for path in there.iterdir()} == sealed, "nothing is sent again"
    with dwp.ledger.read() as connection:
        assert list(check_rows(connection)) == []
        assert check_files(connection, Listing({area: {} for area in Area})).faults == []


def test_nobody_can_have_it_sent_again_since_its_bytes_are_gone(pair: Pair) -> None:
    dwp = pair.dwp
    identity = dwp.submit("a.xml", b"a claim")
    pair.work_alone(dwp)
    with pytest.raises(UsageWrong), dwp.ledger.write() as transaction:
        retry(dwp.context, transaction, identity, WHO)


def test_a_second_file_of_a_name_goes_under_another_though_both_are_sealed_to_the_same_size(
    pair: Pair, there: Path
) -> None:
    dwp = pair.dwp
    dwp.submit("a.xml", b"claim one")
    pair.work_alone(dwp)
    second = dwp.submit("a.xml", b"claim two")
    # Whatever the first became of meanwhile.
    dwp.sql("UPDATE transfers SET state = 'expired' WHERE id != ?", second)
    pair.work_alone(dwp)
    assert {path.name: content(path) for path in there.iterdir()} == {
        "a.xml.pgp": b"claim one",
        f"a~{second}.xml.pgp": b"claim two",
    }


def test_a_name_that_something_of_others_has_there_is_left_to_it(pair: Pair, there: Path) -> None:
    """No gateway would ever take that away, so waiting for it would be waiting for the expiry."""
    dwp = pair.dwp
    (there / "a.xml.pgp").write_bytes(b"something of others")
    first = dwp.submit("a.xml", b"claim one")
    pair.work_alone(dwp)
    second = dwp.submit("a.xml", b"claim two, longer")
    pair.work_alone(dwp)
    assert (there / "a.xml.pgp").read_bytes() == b"something of others"
    found = rows(dwp)
    for identity, sent in ((first, b"claim one"), (second, b"claim two, longer")):
        assert found[identity].delivered_name == f"a~{identity}.xml.pgp"
        assert content(there / f"a~{identity}.xml.pgp") == sent
    letters = [path.read_text() for path in (dwp.home.receipts / "claim" / LA).iterdir()]
    assert all(any(f"under the name a~{identity}.xml.pgp" in letter for letter in letters) for identity in found)
    with dwp.ledger.read() as connection:
        assert list(check_rows(connection)) == []


def test_a_name_without_room_for_the_endings_is_shortened(pair: Pair, there: Path) -> None:
    dwp = pair.dwp
    dwp.submit("x" * 248 + ".xml", b"a claim")
    pair.work_alone(dwp)
    (path,) = there.iterdir()
    assert len(path.name) <= 250
    assert path.name.endswith(".xml.pgp")


def test_a_crash_between_the_upload_and_the_commit_sends_nothing_twice(pair: Pair, there: Path) -> None:
    dwp = pair.dwp
    identity = dwp.submit("a.xml", b"a claim")
    for stage in pair.stages_of(dwp)[:3]:
        stage.step()
    (sealed,) = (dwp.home.sealed_out / LA).iterdir()
    (there / "a.xml.pgp").write_bytes(sealed.read_bytes())
    before = (there / "a.xml.pgp").stat()
    pair.work_alone(dwp)
    assert rows(dwp)[identity].is_unconfirmed
    assert [path.name for path in there.iterdir()] == ["a.xml.pgp"]
    assert (there / "a.xml.pgp").stat().st_mtime_ns == before.st_mtime_ns


def test_a_crash_after_the_commit_leaves_a_sealed_file_that_the_next_start_removes(pair: Pair) -> None:
    dwp = pair.dwp
    dwp.submit("a.xml", b"a claim")
    pair.work_alone(dwp)
    with dwp.ledger.read() as connection:
        (consignment,) = {row.consignment for row in overview.transfers(connection)}
    left = dwp.home.sealed_out / LA / f"{consignment}.pgp"
    left.write_bytes(b"sealed")
    tidy(dwp.home, dwp.ledger, Role.VAULT)
    assert not left.exists()


def test_its_rows_are_erased_when_their_time_is_over(pair: Pair) -> None:
    dwp = pair.dwp
    identity = dwp.submit("a.xml", b"a claim")
    pair.work_alone(dwp)
    with dwp.ledger.read() as connection:
        over = next(rule for rule in rules(dict.fromkeys(Clock, 0), dwp.now + DAY) if rule.kind is Kind.TRANSFERS)
        assert [each.subject for each in retention.due(connection, over)] == [identity]


def test_a_file_that_cannot_be_sent_in_time_comes_back(tmp_path: Path) -> None:
    with two_ledgers(tmp_path, line=FolderTransport(tmp_path / "away"), envelope="plain") as pair:
        dwp = pair.dwp
        identity = dwp.submit("a.xml", b"a claim")
        pair.work_alone(dwp)
        dwp.now += 8 * DAY
        pair.work_alone(dwp)
        assert rows(dwp)[identity].state == State.EXPIRED
        assert (dwp.home.returned / "claim" / LA / "a.xml").read_bytes() == b"a claim"


def test_nothing_comes_from_it_and_nothing_that_has_to_be_answered_goes_there(pair: Pair) -> None:
    outgoing, incoming = flows_of(pair.dwp.settings, pair.dwp.settings.partners[LA])
    assert incoming == ()
    assert set(outgoing) == {"laid", "claim", "referral", "scan", "etd"}


def test_what_was_sealed_for_the_envelope_before_waits_and_says_so(pair: Pair, there: Path) -> None:
    dwp = pair.dwp
    identity = dwp.submit("a.xml", b"a claim")
    pair.seal_alone(dwp)
    partner = dwp.settings.partners[LA].model_copy(update={"envelope": "gateway"})
    changed = replace(dwp.settings, partners={**dwp.settings.partners, LA: partner})
    send = Send(replace(dwp.context, settings=changed), {LA: FolderTransport(there)}, lambda: None)
    try:
        assert send.step().done == 1
        assert send.step().done == 0
    finally:
        send.close()
    assert list(there.iterdir()) == []
    with dwp.ledger.read() as connection:
        told = story(dwp.settings, connection, identity, dwp.now)
    assert isinstance(told, TransferStory)
    assert told.transfer.state == "sealed"
    assert told.carried_by is not None
    assert told.carried_by.code == "envelope-changed"
    dwp.now += DAY
    pair.work_alone(dwp)  # the settings are as they were
    assert [path.name for path in there.iterdir()] == ["a.xml.pgp"]
