"""Who is told what and when: at once or collected, once, through restarts and servers that are down, and never a name."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.administration.notify.memory import recall
from gateway.administration.notify.noted import Noted, note, noted
from gateway.administration.notify.notice import DESK_AIDS, MOST_LINES, Notice
from gateway.administration.notify.telling import Means, Teller
from gateway.errors import DiskFull, NoticeFailed
from gateway.events import Event
from gateway.logs import configure
from gateway.settings.model import Settings
from gateway.settings.notify import Channel, NotifySettings
from tests.fakes.two_ledgers import Bench, two_ledgers

LA = "E09000030"
MAIL = {"host": "mail.example", "sender": "gateway@example.gov.uk", "recipients": ["a@example.gov.uk"]}
OPS = "mail-ops"
MINUTE = 60.0
MIDDAY = 1_795_003_200.0 - 1_795_003_200.0 % 86400 + 43200


@dataclass
class Site:
    """A site with channels, on a clock that the test sets; what was sent, and whether the server is down."""

    bench: Bench
    sent: list[tuple[str, Notice]] = field(default_factory=list)
    tried: int = 0
    down: bool = False
    matters: frozenset[tuple[str, str]] = frozenset()
    leads: bool = True
    log: io.BytesIO = field(default_factory=io.BytesIO)
    settings: Settings = field(init=False)

    def __post_init__(self) -> None:
        self.bench.now = MIDDAY
        self.asks()

    def asks(self, mail: dict[str, object] | None = None, **said: object) -> None:
        """Configure one channel, and beside that what `said` has."""
        about = {"mail": {"ops": MAIL | (mail or {})}, "least_minutes": 5.0, "digest_minutes": 60.0} | said
        self.settings = replace(self.bench.settings, notify=NotifySettings.model_validate(about))

    def _deliver(self, _channel: Channel, name: str, notice: Notice, _now: float) -> int:
        self.tried += 1
        if self.down:
            raise NoticeFailed("no connection: Connection refused")
        self.sent.append((name, notice))
        return 0

    def teller(self) -> Teller:
        counter = itertools.count()
        means = Means(
            deliver=self._deliver,
            matters=lambda: self.matters,
            random_bytes=lambda size: next(counter).to_bytes(size, "big"),
            random_float=lambda: 1.0,
            leads=lambda _connection: self.leads,
        )
        return Teller(self.settings, self.bench.ledger, means, configure("DWP", "notify", stream=self.log, strict=True))

    def happens(self, event: str, subject: str = "x", partner: str | None = LA, code: str | None = None) -> None:
        with self.bench.ledger.write() as transaction:
            transaction.record(event, "lane", subject, partner, code=code)

    def passes(self, minutes: float) -> None:
        self.bench.now += minutes * MINUTE

    def told(self) -> list[tuple[str, list[tuple[str, int]]]]:
        """Of each notice its kind, and the events that it counts."""
        return [(notice.kind, [(line.event, line.count) for line in notice.lines]) for _, notice in self.sent]

    def lines(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.log.getvalue().splitlines()]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with two_ledgers(tmp_path) as pair:
        yield Site(pair.dwp)


def test_an_error_is_told_at_once_and_a_warning_with_others_after_its_time(site: Site) -> None:
    site.happens("lane.stuck")  # before anybody was to be told
    teller = site.teller()
    teller.look()
    site.happens("lane.deferred")
    site.happens("lane.held", code="link-host-key")
    site.happens("lane.recovered")  # an info, below the channel's level
    teller.look()
    assert site.told() == [("urgent", [("lane.held", 1)])]
    (line,) = site.sent[0][1].lines
    assert (line.partner, line.code, line.desk_aid) == (LA, "link-host-key", "docs/operators/host-key.md")
    site.passes(40)
    site.happens("lane.deferred")
    teller.look()
    site.passes(20.1)
    teller.look()
    teller.look()
    assert site.told()[1:] == [("digest", [("lane.deferred", 2)])]
    assert [line["event"] for line in site.lines()] == ["notice.sent", "notice.sent"]


def test_nothing_is_told_twice_or_left_out_over_a_restart(site: Site) -> None:
    site.teller().close()
    site.happens("lane.held")
    site.teller().look()
    site.happens("lane.stuck")
    site.passes(5.1)
    site.teller().look()
    site.teller().look()
    assert site.told() == [("urgent", [("lane.held", 1)]), ("urgent", [("lane.stuck", 1)])]


def test_of_several_nodes_one_tells_what_is_in_the_chain_and_who_takes_over_leaves_nothing_out(site: Site) -> None:
    """Each tells what is the matter with its own machine."""
    site.leads = False
    teller = site.teller()
    teller.look()
    site.happens("lane.held")
    site.happens("lane.deferred")
    site.passes(10)
    teller.look()
    site.matters = frozenset({("role.died", "vault")})
    teller.look()
    assert site.told() == [("urgent", [("role.died", 1)])]
    site.happens("lane.stuck")
    site.passes(1)
    teller.look()
    site.leads = True  # the node that told until now is gone, and nobody knows whether it had told the last
    site.passes(5)
    teller.look()
    assert site.told()[1:] == [("urgent", [("lane.stuck", 1)])]
    site.passes(60)
    teller.look()
    assert site.told()[2:] == [("digest", [("lane.deferred", 1)])]


def test_a_crash_after_sending_sends_the_same_notice_again_under_the_same_id(site: Site) -> None:
    teller = site.teller()
    site.happens("lane.held")
    file = site.settings.home.notify / "told.json"
    real = teller._means.deliver
    kept: list[bytes] = []

    def deliver(channel: Channel, name: str, notice: Notice, now: float) -> int:
        kept.append(file.read_bytes())  # what is there when the process ends
        return real(channel, name, notice, now)

    teller._means = replace(teller._means, deliver=deliver)
    teller.look()
    file.write_bytes(kept[0])
    site.happens("lane.stuck")
    site.passes(1)
    site.teller().look()
    assert len(site.sent) == 2
    assert site.sent[0] == site.sent[1]


def test_a_server_that_is_down_is_asked_seldomer_and_loses_nothing(site: Site) -> None:
    teller = site.teller()
    site.down = True
    site.happens("lane.held")
    for number in range(6 * 60 * 8):
        teller.look()
        site.passes(1 / 6)
        if number % 600 == 0:
            site.happens("lane.held")
    assert 30 <= site.tried <= 50, "about every quarter of an hour"
    memory = teller.memory[OPS]
    assert (memory.failures, memory.urgent.code) == (site.tried, "notice-failed")
    note(site.settings.home.run, teller.memory)
    assert noted(site.settings.home.run) == {OPS: Noted(0, site.tried)}
    site.down = False
    site.passes(15.1)
    teller.look()
    site.passes(5.1)
    teller.look()
    assert site.told() == [("urgent", [("lane.held", 1)]), ("urgent", [("lane.held", 5)])]
    assert teller.memory[OPS].failures == 0
    first = site.lines()[0]
    assert (first["event"], first["channel"], first["code"], first["attempt"]) == (
        "notice.deferred", OPS, "notice-failed", 1,
    )  # fmt: skip


def test_a_channel_that_is_down_keeps_no_other_from_being_told(site: Site) -> None:
    site.asks(webhook={"desk": {"url": "https://desk.example/x"}})
    teller = site.teller()
    real = teller._means.deliver

    def deliver(channel: Channel, name: str, notice: Notice, now: float) -> int:
        site.down = name == OPS
        return real(channel, name, notice, now)

    teller._means = replace(teller._means, deliver=deliver)
    site.happens("lane.held")
    teller.look()
    assert [name for name, _ in site.sent] == ["webhook-desk"]


def test_in_quiet_hours_errors_alone_are_told_and_the_rest_when_they_end(site: Site) -> None:
    site.asks(quiet_hours=["11:00-13:00"], digest_minutes=10.0)
    teller = site.teller()
    site.happens("lane.deferred")
    for _ in range(4):
        teller.look()
        site.passes(14)
    site.happens("lane.held")
    teller.look()
    site.happens("lane.deferred")
    assert site.told() == [("urgent", [("lane.held", 1)])]
    site.passes(8)
    teller.look()
    assert site.told()[1:] == [("digest", [("lane.deferred", 2)])]


def test_what_could_not_be_told_before_quiet_hours_is_not_told_in_them(site: Site) -> None:
    site.asks(quiet_hours=["12:30-13:00"], digest_minutes=0.0)
    teller = site.teller()
    site.down = True
    site.happens("lane.deferred")
    teller.look()
    site.down = False
    site.passes(35)
    teller.look()
    assert (site.tried, site.sent) == (1, [])
    site.passes(26)
    teller.look()
    assert site.told() == [("digest", [("lane.deferred", 1)])]


def test_notices_of_one_channel_keep_their_distance_and_miss_nothing(site: Site) -> None:
    teller = site.teller()
    for number in range(120):
        site.happens("lane.held", str(number))
        teller.look()
        site.passes(0.5)
    site.passes(5)
    teller.look()
    assert 12 <= len(site.sent) <= 14
    assert sum(count for _, lines in site.told() for _, count in lines) == 120


def test_a_channel_is_told_what_it_asks_for(site: Site) -> None:
    site.asks({"level": "info", "events": ["key.*", "extract.missing"]}, digest_minutes=0.0, least_minutes=0.0)
    teller = site.teller()
    for event in ("key.expired", "key.renewed", "extract.missing", "extract.late", "lane.held", "key.expiring"):
        site.happens(event)
    teller.look()
    assert site.told() == [
        ("urgent", [("key.expired", 1), ("extract.missing", 1)]),
        ("digest", [("key.expiring", 1), ("key.renewed", 1)]),
    ]


def test_no_name_no_id_no_reason_and_no_code_or_partner_of_a_strangers_choice_is_told(site: Site) -> None:
    site.asks({"level": "info"}, digest_minutes=0.0, least_minutes=0.0)
    teller = site.teller()
    identity = site.bench.submit("Claim QQ 12 34 56 C.xml", b"x")
    said: dict[str, Any] = {
        "passed_to": "Claim QQ 12 34 56 C.xml",
        "reason": "about QQ 12 34 56 C",
        "actor": "somebody",
        "flow": "claim",
    }
    with site.bench.ledger.write() as transaction:
        transaction.record("transfer.quarantined", "transfer", identity, LA, code="QQ123456C", **said)
        transaction.record("transfer.rejected", "transfer", "QQ123456C", "QQ123456C", flow="QQ123456C")
        transaction.record("transfer.held", "transfer", identity, LA, why="about QQ 12 34 56 C", code="duplicate")
    teller.look()
    assert [notice.kind for _, notice in site.sent] == ["urgent", "digest"]
    for _, notice in site.sent:
        told = (orjson.dumps(notice.content).decode() + notice.text + notice.subject).replace(notice.id, "")
        for secret in ("QQ", "12 34", "Claim ", ".xml", "somebody", identity, "about"):
            assert secret not in told
    lines = [line for _, notice in site.sent for line in notice.lines]
    assert {(line.event, line.partner, line.flows) for line in lines} == {
        ("transfer.quarantined", LA, ("claim",)),
        ("transfer.rejected", None, ()),
        ("transfer.held", LA, ("claim",)),
        ("transfer.admitted", LA, ("claim",)),
    }
    assert all(line.code is None for line in lines if line.event == "transfer.quarantined")


def test_a_notice_is_bounded_and_counts_what_it_does_not_list(site: Site) -> None:
    codes = [f"S{number:03}" for number in range(MOST_LINES + 50)]
    site.settings = replace(site.settings, stopped=dict.fromkeys(codes))  # type: ignore[arg-type]  # codes alone count
    teller = site.teller()
    for code in codes:
        site.happens("lane.stuck", code, code)
    teller.look()
    (_, notice) = site.sent[0]
    assert (len(notice.lines), notice.more, notice.subject) == (
        MOST_LINES, 50, f"Gateway DWP: {MOST_LINES} errors, 50 more",
    )  # fmt: skip


def test_what_is_the_matter_and_no_event_is_told_once_and_again_when_it_comes_back(site: Site) -> None:
    teller = site.teller()
    teller.look()
    site.matters = frozenset(
        {("intake.stopped", ""), ("partner.stopped", LA), ("role.died", "vault"), ("role.died", "link")}
    )
    teller.look()
    (notice,) = [notice for _, notice in site.sent]
    assert [(line.event, line.partner, line.count) for line in notice.lines] == [
        ("intake.stopped", None, 1), ("partner.stopped", LA, 1), ("role.died", None, 2),
    ]  # fmt: skip
    site.passes(6)
    teller.look()
    site.teller().look()  # nor after a restart
    assert len(site.sent) == 1
    site.matters = frozenset()
    teller.look()
    site.matters = frozenset({("intake.stopped", "")})
    teller.look()
    assert site.told()[1:] == [("urgent", [("intake.stopped", 1)])]


def test_a_note_that_is_damaged_or_ahead_of_the_chain_begins_anew_and_says_so(site: Site) -> None:
    file = site.settings.home.notify / "told.json"
    site.teller().close()
    file.write_bytes(b"{")
    site.happens("lane.held")
    site.teller().look()
    file.write_bytes(file.read_bytes().replace(b'"after":1', b'"after":99999'))
    site.teller().look()
    assert site.sent == []
    assert [line["reason"] for line in site.lines()] == [
        "the note of what was told is damaged", "the chain ends before what was told",
    ]  # fmt: skip


def test_a_channel_that_was_taken_away_and_comes_back_is_told_what_happens_then(site: Site) -> None:
    site.teller().close()
    before = site.settings
    site.settings = replace(site.settings, notify=NotifySettings())
    site.teller().close()
    assert recall(site.settings.home.notify) == {}
    site.happens("lane.held")
    site.settings = before
    site.teller().look()
    assert site.sent == []


def test_a_full_disk_sends_nothing_that_it_could_not_note(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    teller = site.teller()
    site.happens("lane.held")

    def full(*_: object) -> None:
        raise DiskFull

    with monkeypatch.context() as patched:
        patched.setattr("gateway.administration.notify.telling.remember", full)
        with pytest.raises(DiskFull):
            teller.look()
        assert site.sent == []
    site.passes(1)
    teller.look()
    assert site.told() == [("urgent", [("lane.held", 1)])]


def test_a_clock_that_was_put_back_a_week_silences_nobody(site: Site) -> None:
    teller = site.teller()
    site.happens("lane.held")
    site.happens("lane.deferred")
    teller.look()
    site.bench.now -= 7 * 86400
    site.happens("lane.stuck")
    for _ in range(3):
        teller.look()
        site.passes(61)
    assert [event for _, lines in site.told() for event, _ in lines] == ["lane.held", "lane.stuck", "lane.deferred"]


def test_each_event_has_a_desk_aid_that_exists_and_the_night_s_page_has_the_other_alarms() -> None:
    pages = Path(__file__).resolve().parents[4] / "docs" / "operators"
    for event in Event:
        page = (pages / f"{DESK_AIDS.get(event.value, 'logs')}.md").read_text("utf-8")
        if event.level == "error" and event.value not in DESK_AIDS:
            assert f"`{event.value}`" in page, event
    assert DESK_AIDS.keys() <= {event.value for event in Event}


def test_what_is_looked_through_is_noted_now_and_then_and_not_at_each_look(site: Site) -> None:
    teller = site.teller()
    file = site.settings.home.notify / "told.json"
    written = file.stat().st_mtime_ns
    site.happens("lane.recovered")
    teller.look()
    assert file.stat().st_mtime_ns == written
    site.passes(1.1)
    site.happens("lane.recovered")
    teller.look()
    assert file.stat().st_mtime_ns != written


def test_a_channel_that_fails_is_said_to_fail_while_it_is_tried_again(site: Site) -> None:
    """A server that hangs is being asked most of the time."""
    teller = site.teller()
    site.down = True
    site.happens("lane.held")
    teller.look()
    real = teller._means.deliver
    seen: list[tuple[int, str | None]] = []

    def deliver(channel: Channel, name: str, notice: Notice, now: float) -> int:
        (memory,) = teller.memory.values()
        seen.append((memory.failures, memory.urgent.code))
        return real(channel, name, notice, now)

    teller._means = replace(teller._means, deliver=deliver)
    site.passes(20)
    teller.look()
    assert seen == [(2, "notice-failed")]


def test_passwords_that_end_are_counted_for_whoever_asks_and_nobody_is_named(tmp_path: Path) -> None:
    with two_ledgers(tmp_path) as pair:
        site = Site(pair.dwp)
        site.asks({"level": "info", "events": ["password.expiring"]})
        teller = site.teller()
        teller.look()
        with site.bench.ledger.write() as transaction:
            for user in ("hb1042", "hb2210"):
                transaction.record("password.expiring", "person", user, days=7, due="2026-12-05T10:00:00Z")
        teller.look()
        site.passes(61)
        teller.look()
        ((_, notice),) = site.sent
        assert [(line.event, line.count, line.partner) for line in notice.lines] == [("password.expiring", 2, None)]
        assert "hb" not in notice.text
        assert DESK_AIDS["password.expiring"] == "people"
