"""A partner is away for five days, with thousands of files waiting, and then all are back: in order, and no herd."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from gateway.domain.states import Direction, State
from gateway.errors import PartnerUnreachable
from gateway.ledger.queries import overview
from gateway.ledger.tables import CONSIGNMENTS
from gateway.settings.model import Limits
from gateway.stages.admission import record_admitted
from gateway.stages.outbound.send import Send
from gateway.transport.contract import Parcel, Remote, Session, Transport
from gateway.transport.folder import FolderTransport
from tests.conftest import Tally
from tests.fakes.transport import Post
from tests.fakes.two_ledgers import Bench, Pair, two_ledgers

DAY = 86400.0
CAP = 900.0
"""`retry_cap_seconds`, as it is by default."""


@dataclass
class Line:
    """The way into a partner's landing: whether it is cut, how often it was tried, and what went over it in which order."""

    cut: bool = True
    tries: int = 0
    sent: list[str] = field(default_factory=list)
    transport: Transport | None = None

    def connect(self) -> Session:
        self.tries += 1
        if self.cut or self.transport is None:
            raise PartnerUnreachable
        return _Noting(self.transport.connect(), self.sent)


@dataclass
class _Noting:
    """A session, and the names that it sent."""

    session: Session
    sent: list[str]

    @property
    def trusts_names(self) -> bool:
        return self.session.trusts_names

    @property
    def alive(self) -> bool:
        return self.session.alive

    def send(self, parcels: Iterable[Parcel]) -> Iterator[Parcel]:
        for parcel in self.session.send(parcels):
            self.sent.append(parcel.name)
            yield parcel

    def waiting(self) -> list[Remote]:
        return self.session.waiting()

    def fetch(self, remote: Remote, target: Path) -> None:
        self.session.fetch(remote, target)

    def remove(self, remote: Remote) -> None:
        self.session.remove(remote)

    def close(self) -> None:
        self.session.close()

    def __hash__(self) -> int:
        return id(self)


def submit(bench: Bench, count: int) -> dict[str, bytes]:
    """So many files, admitted in batches as the spool's are."""
    contents = {f"{number:05d}.xml": b"claim %d" % number for number in range(count)}
    files = list(contents.items())
    for start in range(0, count, 500):
        rows = []
        for name, content in files[start : start + 500]:
            identity = bench.context.new_id()
            (bench.home.custody / identity).write_bytes(content)
            digest = hashlib.sha256(content).hexdigest()
            row = {"id": identity, "flow": "claim", "partner": bench.other, "name": name, "size": len(content)}
            rows.append({**row, "sha256": digest, "reference": None})
        with bench.ledger.write() as transaction:
            record_admitted(bench.context, transaction, rows)
    return contents


def live(pair: Pair, until: float) -> None:
    """DWP's link goes on trying, and twice a day all of DWP works."""
    dwp = pair.dwp
    half_days = dwp.now
    while dwp.now < until:
        due = dwp.send.step().due
        for future in list(dwp.send._busy.values()):
            future.result(60)
        if dwp.now >= half_days:
            pair.work_alone(dwp)
            half_days = dwp.now + DAY / 2
        elif not dwp.send.busy:
            dwp.now = max(dwp.now, min(until, due or until))
    pair.la.now = dwp.now


def away_for(days: int, root: Path, files: int, limits: Limits) -> int:
    """How many consignments went when the partner was back."""
    line = Line()
    with two_ledgers(root, line=line, limits=limits) as pair:
        dwp, la = pair.dwp, pair.la
        line.transport = FolderTransport(la.home.landing_in("DWP"))
        contents = submit(dwp, files)
        pair.work_alone(dwp)
        live(pair, dwp.now + days * DAY)
        assert days * DAY / CAP <= line.tries <= days * DAY / 300, "pauses that grow to a quarter of an hour at most"
        assert states(dwp) <= {State.VALIDATED, State.PACKED, State.SEALED}
        line.cut, line.tries = False, 0
        dwp.now += CAP
        la.now = dwp.now
        pair.work()
        assert line.tries == 1, "one session"
        with dwp.ledger.read() as connection:
            query = select(CONSIGNMENTS.c.id, CONSIGNMENTS.c["items"]).where(CONSIGNMENTS.c.direction == "out")
            consignments = connection.execute(query.order_by(CONSIGNMENTS.c.sequence)).all()
        assert line.sent == [f"{row.id}.pgp" for row in consignments], "in order"
        assert sum(row[1] for row in consignments) == files
        assert states(dwp) == {State.RECEIPTED}
        inbound = la.home.inbound / "claim" / "DWP"
        assert {path.name: path.read_bytes() for path in inbound.iterdir()} == contents
        return len(consignments)


def states(bench: Bench) -> set[str]:
    with bench.ledger.read() as connection:
        return {row.state for row in overview.transfers(connection, direction=Direction.OUT)}


def test_files_for_a_partner_that_was_away_for_a_day_go_in_order_over_one_session(tmp_path: Path) -> None:
    assert away_for(1, tmp_path, 60, Limits(consignment_files=5)) >= 12


@pytest.mark.torture
@pytest.mark.timeout(600)
def test_ten_thousand_files_for_a_partner_that_was_away_for_five_days(tmp_path: Path, tally: Tally) -> None:
    assert away_for(5, tmp_path, 10_000, Limits()) >= 20
    tally("files for a partner away for five days", tried=10_000, lost=0)


# -- 300 partners


def come_back(root: Path, partners: int) -> Counter[int]:
    """The connections in each ten seconds, after five days in which nobody could be reached, until everything was sent."""
    chance = random.Random(5)
    codes = [f"P{number:03d}" for number in range(partners)]
    with two_ledgers(root) as pair:
        bench = pair.dwp
        now = bench.now
        context = replace(bench.context, clock=lambda: now, random_float=chance.random)
        post = Post(away=True, clock=lambda: now)
        row = {
            "direction": "out",
            "state": "sealed",
            "flow": "claim",
            "sealed_size": 10,
            "sealed_sha256": "0" * 64,
            "sequence": 1,
            "created": now,
            "updated": now,
        }
        with bench.ledger.write() as transaction:
            rows = [{**row, "id": f"c-{code}", "partner": code, "expires": now + DAY} for code in codes]
            transaction.connection.execute(insert(CONSIGNMENTS), rows)
            for code in codes:
                transaction.set_lane(code, failures=600, due=context.retry_at(600), code="link-unreachable")
        send = Send(context, {code: post.to(code) for code in codes}, lambda: None)
        try:
            back = now + 2 * CAP
            while len(post.sent) < partners:
                assert now < back + CAP + 1.0, "a quarter of an hour after the return all have been reached"
                due = send.step().due
                for future in list(send._busy.values()):
                    future.result(60)
                if not send.busy:
                    now = max(now + 1.0, due or 0.0)
                if now >= back and post.away:
                    post.away = False
                    post.tries.clear()
        finally:
            send.close()
        assert Counter(code for code, _ in post.tries) == Counter(codes), "each partner once"
        return Counter(int(at - back) // 10 for _, at in post.tries)


def assert_no_herd(windows: Counter[int], partners: int) -> None:
    mean = partners * 10.0 / CAP
    assert max(windows.values()) <= 6 * mean + 6
    assert len(windows) >= min(partners, 90) / 3, "spread over the quarter of an hour"


def test_partners_that_all_come_back_at_once_meet_no_herd(tmp_path: Path) -> None:
    assert_no_herd(come_back(tmp_path, 40), 40)


@pytest.mark.torture
@pytest.mark.timeout(600)
def test_three_hundred_partners_that_all_come_back_at_once_meet_no_herd(tmp_path: Path, tally: Tally) -> None:
    assert_no_herd(come_back(tmp_path, 300), 300)
    tally("partners back at once", tried=300, lost=0)
