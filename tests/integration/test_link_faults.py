"""Whatever the line does to an upload: the ledger says what it was, nothing is lost, and it is delivered once afterwards.

The real stages and ledgers of two sites in one process, a real sshd in front of the authority's landing, and a proxy that
spoils the line between them. Every fault is met by a file of its own; then the line is good again, and time passes.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import GatewayError
from gateway.ledger.queries import overview, quarantine
from gateway.ledger.queries.lanes import all_lanes
from gateway.ledger.units import Lane
from gateway.transport.contract import Pace, Session, Transport
from gateway.transport.keys import make_key_pair
from gateway.transport.sftp.client import SftpSession, SftpTransport
from tests.conftest import Tally
from tests.fakes.proxy import Faults, Proxy, spoiling_proxy
from tests.fakes.sshd_site import SshdSite, free_port, running_site
from tests.fakes.sshd_stock import stock_sshd
from tests.fakes.two_ledgers import Pair, two_ledgers

DAY = 86400.0
SIZE = 40_000
"""Bytes of a file. The login takes 2,500 on the way there and 2,000 on the way back, where 400 are answers."""

PACE = Pace(connect_timeout=5, auth_timeout=15, answer_timeout=15, grace=30)
HASTY = Pace(connect_timeout=1, auth_timeout=2, answer_timeout=1.5, grace=1.5, least_bytes_per_second=20_000)
NO_SESSION = frozenset({"link-unreachable", "link-timeout"})
BROKEN = frozenset({"link-unreachable", "link-broken"})
FLIPPED = BROKEN | {"link-host-key", "link-timeout", "link-algorithms", "link-authentication"}


@dataclass
class Line:
    """DWP's way to the authority: whatever transport a test lays."""

    transport: Transport | None = None
    sessions: list[Session] = field(default_factory=list)

    def connect(self) -> Session:
        assert self.transport is not None
        self.sessions.append(self.transport.connect())
        return self.sessions[-1]

    def hang_up(self) -> None:
        while self.sessions:
            self.sessions.pop().close()


@dataclass
class Road:
    """Two sites, the line between them, and what was dropped."""

    pair: Pair
    site: SshdSite
    proxy: Proxy
    line: Line
    dropped: dict[str, bytes] = field(default_factory=dict)

    def lay(self, transport: Transport | None = None, *, pace: Pace = PACE) -> None:
        """A good line, over which nobody has a session yet."""
        self.proxy.faults = self.proxy.faults_back = Faults()
        self.line.transport = transport or self.site.transport(port=self.proxy.port, pace=pace)
        self.line.hang_up()

    def drop(self) -> None:
        name = f"{len(self.dropped):05d}.xml"
        self.dropped[name] = random.Random(name).randbytes(SIZE)
        self.pair.dwp.submit(name, self.dropped[name])

    def try_once(self) -> str | None:
        """DWP works until nothing moves; the code of its lane."""
        self.pair.work_alone(self.pair.dwp)
        code: str | None = lane(self.pair)["code"]
        return code

    def recover(self, transport: Transport | None = None) -> None:
        """The line is good again, a person lets go what was held, time passes, and everything is at its end."""
        dwp = self.pair.dwp
        self.lay(transport)
        with dwp.ledger.write() as transaction:
            transaction.set_lane(dwp.other, held=False)
        dwp.now += 1000.0
        self.pair.la.now = dwp.now
        self.pair.work()
        assert lane(self.pair)["code"] is None
        self.assert_delivered_once()

    def assert_delivered_once(self) -> None:
        home = self.pair.la.home
        inbound = home.inbound / "claim" / "DWP"
        assert {path.name: path.read_bytes() for path in inbound.iterdir()} == self.dropped
        assert list(home.landing_in("DWP").glob("*.pgp")) == []
        with self.pair.la.ledger.read() as connection:
            assert quarantine.quarantined(connection) == []
            there = [row.state for row in overview.transfers(connection, direction="in")]
        with self.pair.dwp.ledger.read() as connection:
            here = [row.state for row in overview.transfers(connection, direction="out")]
        assert there == ["delivered"] * len(self.dropped)
        assert here == ["receipted"] * len(self.dropped)
        assert list(self.pair.dwp.home.custody.iterdir()) == []

    def published(self) -> list[str]:
        return [path.name for path in self.site.drop().glob("*.pgp")]


def lane(pair: Pair) -> dict[str, Any]:
    with pair.dwp.ledger.read() as connection:
        return all_lanes(connection).get(pair.dwp.other, Lane(pair.dwp.other))._asdict()


@contextmanager
def made_road(root: Path) -> Iterator[Road]:
    with ExitStack() as stack:
        line = Line()
        pair = stack.enter_context(two_ledgers(root / "sites", line=line))
        server = root / "server"
        server.mkdir()
        site = stack.enter_context(running_site(server, landing=pair.la.home.landing))
        proxy = stack.enter_context(spoiling_proxy(site.port))
        road = Road(pair, site, proxy, line)
        road.lay()
        yield road


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    """One road for all tests of this file: each leaves it as good as it found it."""
    with made_road(tmp_path_factory.mktemp("road")) as made:
        yield made


def meet(road: Road, there: Faults, back: Faults, codes: Collection[str], *, pace: Pace = PACE) -> bool:
    """One file meets faults on its way; whether it was stopped by them. Whatever came of it, it is delivered once."""
    road.lay(pace=pace)
    road.proxy.faults, road.proxy.faults_back = there, back
    road.drop()
    code = road.try_once()
    assert code is None or code in codes, f"{there}, {back}: {code}"
    road.recover()
    return code is not None


# -- faults of the line


@pytest.mark.parametrize("offset", [0, 15, 1_200, 2_300, 2_700, 20_000, 42_500])
def test_a_line_cut_on_the_way_there_delivers_once_in_the_end(road: Road, offset: int) -> None:
    assert meet(road, Faults(cut_at=offset), Faults(), BROKEN)


@pytest.mark.parametrize("offset", [0, 15, 1_200, 2_000, 2_200, 2_240, 2_280])
def test_a_line_cut_on_the_way_back_delivers_once_in_the_end(road: Road, offset: int) -> None:
    assert meet(road, Faults(), Faults(cut_at=offset), BROKEN)


@pytest.mark.parametrize(
    ("there", "codes"),
    [
        pytest.param(Faults(stall_at=0), NO_SESSION, id="stalls at once"),
        pytest.param(Faults(stall_at=20_000), {"link-timeout"}, id="stalls"),
        pytest.param(Faults(swallow_at=20_000), {"link-timeout"}, id="half open"),
        pytest.param(Faults(bytes_per_second=1), NO_SESSION, id="one byte a second"),
        pytest.param(Faults(bytes_per_second=1, slow_at=20_000), {"link-timeout"}, id="one byte a second at last"),
        pytest.param(Faults(flip_at=20_000), {"link-broken"}, id="a bit is flipped"),
    ],
)
def test_a_line_that_fails_is_named_in_the_lane_and_delivers_once_in_the_end(
    road: Road, there: Faults, codes: Collection[str]
) -> None:
    assert meet(road, there, Faults(), codes, pace=HASTY)


def test_a_server_that_lost_its_power_while_a_session_rested_is_noticed_in_time(road: Road) -> None:
    road.lay(pace=HASTY)
    road.drop()
    road.proxy.faults = Faults(swallow_at=60_000)
    road.pair.work()
    assert lane(road.pair)["code"] is None
    passed = road.proxy.from_client
    while (
        road.proxy.from_client < passed + 20_000
    ):  # the session is kept, and what is said on it is swallowed by and by
        road.drop()
        if road.try_once() is not None:
            break
    assert lane(road.pair)["code"] == "link-timeout"
    road.recover()


def test_a_server_that_refuses_connections_is_unreachable(road: Road) -> None:
    road.lay(road.site.transport(port=free_port()))
    road.drop()
    assert road.try_once() == "link-unreachable"
    road.recover()


def test_a_server_with_another_host_key_is_told_nothing_and_the_lane_is_held(road: Road, tmp_path: Path) -> None:
    road.lay(road.site.transport(port=road.proxy.port, host_key=make_key_pair(tmp_path / "other").line))
    said = len(road.site.lines)
    road.drop()
    assert road.try_once() == "link-host-key"
    assert lane(road.pair)["held"]
    assert not any("Accepted publickey" in line for line in road.site.lines[said:])
    road.pair.dwp.now += DAY
    assert road.try_once() == "link-host-key", "time alone opens no lane that is held"
    assert road.published() == []
    road.recover()


def test_a_server_with_only_weak_algorithms_gets_nothing(road: Road, tmp_path: Path) -> None:
    with stock_sshd(tmp_path / "weak", ["Ciphers aes128-cbc,3des-cbc"]) as weak:
        road.lay(weak.transport())
        road.drop()
        assert road.try_once() == "link-algorithms"
        assert list((weak.login / "in").iterdir()) == []
    road.recover()


@dataclass
class Shrinking:
    """A server whose disk loses the end of a file between the upload and the look at its size."""

    transport: SftpTransport
    drop: Path

    def connect(self) -> SftpSession:
        session = self.transport.connect()
        look = session.channel.stat

        def stat(path: str) -> Any:
            for part in self.drop.glob("*.part"):
                if part.stat().st_size > SIZE:
                    part.write_bytes(part.read_bytes()[:1000])
            return look(path)

        session.channel.stat = stat  # type: ignore[method-assign]  # the server's disk is out of our reach
        return session


def test_a_remote_file_that_shrinks_before_it_is_published_never_is(road: Road) -> None:
    road.lay(Shrinking(road.site.transport(port=road.proxy.port), road.site.drop()))
    road.drop()
    assert road.try_once() == "link-size-mismatch"
    assert road.published() == []
    road.recover()


def test_a_published_file_that_shrinks_is_locked_away_and_its_sender_has_the_file_back_in_the_end(
    tmp_path: Path,
) -> None:
    """Its id is used up: the same bytes again are other bytes to a receiver that holds the short ones in quarantine."""
    with made_road(tmp_path) as road:
        dwp, la = road.pair.dwp, road.pair.la
        road.drop()
        road.try_once()
        (name,) = road.published()
        landed = la.home.landing_in("DWP") / name
        landed.write_bytes(landed.read_bytes()[: landed.read_bytes().index(b"\n") + 20])
        for hours in (0, 5, 24, 7 * 24 + 5):
            dwp.now += hours * 3600.0
            la.now = dwp.now
            road.pair.work()
        assert [path.name for path in (la.home.inbound / "claim" / "DWP").iterdir()] == []
        with la.ledger.read() as connection:
            codes = {row.code for row in quarantine.quarantined(connection)}
        assert "replay-other-bytes" in codes
        with dwp.ledger.read() as connection:
            assert [row.state for row in overview.transfers(connection)] == ["expired"]
        returned = dwp.home.returned / "claim" / la.code
        (dropped,) = road.dropped.items()
        assert (returned / dropped[0]).read_bytes() == dropped[1]


# -- the sweeps


def sweep(road: Road, back: bool, kind: str, step: int, codes: Collection[str], tally: Tally, what: str) -> None:  # noqa: FBT001 - which way
    """A fault at every so-many-th byte of an upload and its answers, until it comes too late to matter."""
    offset, lost = 0, 0
    while True:
        faults = replace(Faults(), **{kind: offset})
        ways = (Faults(), faults) if back else (faults, Faults())
        try:
            stopped = meet(road, *ways, codes, pace=PACE if kind == "cut_at" else HASTY)
        except (AssertionError, GatewayError):
            lost += 1
            tally(what, tried=1, lost=1)
            raise
        if not stopped:
            break
        tally(what, tried=1, lost=0)
        offset += step
    assert offset > (2_000 if back else 40_000), "nothing but the login was tried"


@pytest.mark.torture
@pytest.mark.timeout(600)
def test_a_line_cut_anywhere_on_the_way_there(road: Road, tally: Tally) -> None:
    sweep(road, back=False, kind="cut_at", step=401, codes=BROKEN, tally=tally, what="link cuts")


@pytest.mark.torture
@pytest.mark.timeout(600)
def test_a_line_cut_anywhere_on_the_way_back(road: Road, tally: Tally) -> None:
    sweep(road, back=True, kind="cut_at", step=23, codes=BROKEN, tally=tally, what="link cuts")


@pytest.mark.torture
@pytest.mark.timeout(600)
def test_a_bit_flipped_anywhere_on_the_way_there(road: Road, tally: Tally) -> None:
    sweep(road, back=False, kind="flip_at", step=1_201, codes=FLIPPED, tally=tally, what="link bit flips")
