"""Log-ins become events of the chain: each count once, whatever dies, and nothing that is no count is believed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.logins import Count, Login, Result, render
from gateway.errors import DiskFailed
from gateway.ledger.audit.chain import check_chain
from gateway.ledger.audit.rows import check_rows
from gateway.ledger.queries import events
from gateway.ledger.queries.logins import recorded
from gateway.stages.timers.login_records import LoginRecords
from tests.fakes.two_ledgers import Bench, two_ledgers

HOUR = 1_794_996_000.0
KEY = "SHA256:" + "a" * 43
LA = Login(Result.ACCEPTED, "E09000030", KEY)
WRONG = Login(Result.WRONG_KEY)


@pytest.fixture
def dwp(tmp_path: Path) -> Iterator[Bench]:
    with two_ledgers(tmp_path) as made:
        yield made.dwp


def leave(bench: Bench, count: Count | bytes) -> Path:
    path = bench.home.logins / f"{bench.context.new_id()}.logins"
    path.write_bytes(count if isinstance(count, bytes) else render(count))
    return path


def said(bench: Bench) -> list[tuple[str, str | None, dict[str, Any]]]:
    with bench.ledger.read() as connection:
        assert list(check_chain(connection)) == list(check_rows(connection)) == []
        return [(each.event, each.partner, json.loads(each.detail)) for each in events.chain(connection)]


def test_a_count_is_an_event_for_each_kind_and_its_file_is_gone(dwp: Bench) -> None:
    leave(dwp, Count(HOUR, {LA: 1}))
    leave(dwp, Count(HOUR, {LA: 40, WRONG: 1000}))
    assert LoginRecords(dwp.context).step().done == 2
    hour = "2026-11-18T10:00:00.000Z"
    assert said(dwp) == [
        ("logon.accepted", "E09000030", {"fingerprint": KEY, "count": 1, "hour": hour}),
        ("logon.accepted", "E09000030", {"fingerprint": KEY, "count": 40, "hour": hour}),
        ("logon.refused", None, {"code": "wrong-key", "count": 1000, "hour": hour}),
    ]
    assert list(dwp.home.logins.iterdir()) == []
    assert LoginRecords(dwp.context).step().done == 0


def test_a_count_whose_file_could_not_be_removed_is_recorded_once(dwp: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    leave(dwp, Count(HOUR, {LA: 3}))

    def refuse(_path: Path, *, missing_ok: bool) -> None:
        raise PermissionError(1, "not permitted")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refuse)
        with pytest.raises(DiskFailed):
            LoginRecords(dwp.context).step()
    assert len(said(dwp)) == 1
    LoginRecords(dwp.context).step()
    assert len(said(dwp)) == 1
    assert list(dwp.home.logins.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"{}", b'{"version":1,"hour":"2026-11-18T10:00:00.000Z","logins":[7]}'])
def test_what_is_no_count_is_told_as_lost_and_nothing_of_it_is_believed(dwp: Bench, content: bytes) -> None:
    leave(dwp, content)
    leave(dwp, Count(HOUR, {WRONG: 1}))
    LoginRecords(dwp.context).step()
    assert [event for event, _, _ in said(dwp)] == ["logon.lost", "logon.refused"]
    assert list(dwp.home.logins.iterdir()) == []


@pytest.mark.timeout(30)
def test_a_link_and_a_pipe_are_removed_and_what_they_lead_to_is_left(dwp: Bench, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(render(Count(HOUR, {LA: 7})))
    leave(dwp, b"").unlink()
    link, pipe = (dwp.home.logins / f"{dwp.context.new_id()}.logins" for _ in range(2))
    link.symlink_to(precious)
    os.mkfifo(pipe)
    LoginRecords(dwp.context).step()
    assert [event for event, _, _ in said(dwp)] == ["logon.lost"] * 2
    assert list(dwp.home.logins.iterdir()) == []
    assert precious.exists()


def test_the_chain_is_asked_hour_by_hour_and_kinds_are_summed_up(dwp: Bench) -> None:
    for hour, count in ((HOUR, 1), (HOUR, 40), (HOUR + 3600, 2)):
        leave(dwp, Count(hour, {LA: count, WRONG: 1}))
    leave(dwp, b"no count")
    dwp.submit("a.xml", b"claim a")
    LoginRecords(dwp.context).step()
    with dwp.ledger.read() as connection:
        found = [(each.hour[11:13], each.event, each.count) for each in recorded(connection, HOUR + 10)]
        later = [each.count for each in recorded(connection, HOUR + 3600)]
        theirs = [each.count for each in recorded(connection, HOUR, "E09000030")]
    assert found == [
        ("10", "logon.accepted", 41),
        ("10", "logon.refused", 2),
        ("11", "logon.accepted", 2),
        ("11", "logon.refused", 1),
        ("", "logon.lost", 0),
    ]
    assert (later, theirs) == ([2, 1, 0], [41, 2])
