"""A partner with two servers of its own, on real sshd: reached while one is down, sent to one, collected from both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from gateway.errors import GatewayError, HostKeyChanged, LinkBroken, PartnerUnreachable
from gateway.settings.home import Home
from gateway.settings.model import LandingQuota
from gateway.stages.lanes import Ended, LaneWork, Result, SizeLane
from gateway.stages.sessions import Sessions
from gateway.storage.payloads import OneMachine
from gateway.transport.contract import Endpoint
from gateway.transport.endpoints import SeveralEndpoints
from gateway.transport.keys import make_key_pair
from gateway.transport.sftp.client import SftpTransport
from gateway.transport.sshd.server import ManagedServer
from tests.fakes.proxy import Faults, spoiling_proxy
from tests.fakes.sshd_site import HASTY, SshdSite, make_site, parcel
from tests.fakes.sshd_stock import stock_sshd

REST = 300.0
ONE = "019aa6f2-7c1e-7b3a-9d55-3f0a1b2c3d4e"
OTHER = "019aa6f2-7c1f-7000-8000-000000000000"


@dataclass
class Servers:
    """Two servers of one site: one host key, each its own landing. `now` is the time by which one rests."""

    first: SshdSite
    second: SshdSite
    now: float = 0.0
    told: list[tuple[str, str | None]] = field(default_factory=list)

    def transport(self, *, first_port: int | None = None, first_key: str | None = None) -> SeveralEndpoints:
        there = {"north": self.first.endpoint(port=first_port), "south": self.second.endpoint()}
        if first_key is not None:
            there["north"] = replace(there["north"], host_key=first_key)
        made = {name: self._one(endpoint) for name, endpoint in there.items()}
        return SeveralEndpoints(made, REST, lambda: self.now, self._tell)

    def _one(self, endpoint: Endpoint) -> SftpTransport:
        return SftpTransport(endpoint, self.first.client_key(), HASTY)

    def _tell(self, name: str, error: GatewayError | None) -> None:
        self.told.append((name, None if error is None else error.code))

    def landed(self) -> tuple[list[str], list[str]]:
        first, second = (sorted(path.name for path in each.drop().iterdir()) for each in (self.first, self.second))
        return first, second


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    for name in ("north", "south"):
        (tmp_path / name).mkdir()
    first, second = make_site(tmp_path / "north"), make_site(tmp_path / "south")
    second.spec = replace(second.spec, host_key=first.spec.host_key, accounts=first.spec.accounts)
    second.host_key, second.server = first.host_key, ManagedServer(second.spec, second.lines.append)
    first.server.start()
    second.server.start()
    yield Servers(first, second)
    for each in (first, second):
        each.server.stop()


def test_the_second_server_is_used_while_the_first_is_down_which_is_asked_again_only_after_a_rest(
    servers: Servers, tmp_path: Path
) -> None:
    with spoiling_proxy(servers.first.port) as proxy:
        transport = servers.transport(first_port=proxy.port)
        servers.first.server.stop()
        for number in range(3):
            session = transport.connect()
            list(session.send([parcel(tmp_path, f"{number}.pgp", b"sealed")]))
            assert session.alive
            session.close()
        assert proxy.connections == 1, "a server that is down is not waited for at each upload"
        assert servers.landed() == ([], ["0.pgp", "1.pgp", "2.pgp"])
        assert [name for name, _ in servers.told] == ["north", "south"]
        assert servers.told[1] == ("south", None)
        session = transport.connect()
        servers.first.server.start()
        servers.now = REST
        assert not session.alive, "a kept session with the second does not keep the first from its turn"
        session.close()
        session = transport.connect()
        list(session.send([parcel(tmp_path, "3.pgp", b"sealed")]))
        session.close()
        assert servers.landed()[0] == ["3.pgp"]
        assert servers.told[2:] == [("north", None)]


def test_an_upload_that_is_broken_off_at_the_first_server_is_made_at_the_second(
    servers: Servers, tmp_path: Path
) -> None:
    sealed = parcel(tmp_path, f"{ONE}.pgp", bytes(2_000_000))
    with spoiling_proxy(servers.first.port, Faults(cut_at=900_000)) as proxy:
        transport = servers.transport(first_port=proxy.port)
        session = transport.connect()
        with pytest.raises(LinkBroken, match=r"^north: "):
            list(session.send([sealed]))
        session.close()
        session = transport.connect()
        list(session.send([sealed]))
        session.close()
    first, second = servers.landed()
    assert f"{ONE}.pgp" not in first, "nothing has the final name where the upload broke off"
    assert second == [f"{ONE}.pgp"]
    assert servers.told == [("north", None), ("north", "link-broken"), ("south", None)]


def test_where_no_server_answers_each_is_named_and_none_is_left_out_for_its_rest(servers: Servers) -> None:
    servers.first.server.stop()
    servers.second.server.stop()
    transport = servers.transport()
    for _ in range(2):
        with pytest.raises(PartnerUnreachable, match=r"^north: .*; south: "):
            transport.connect()
    servers.second.server.start()
    transport.connect().close()


def test_a_changed_host_key_of_one_server_ends_the_attempt_for_a_person_to_decide(
    servers: Servers, tmp_path: Path
) -> None:
    transport = servers.transport(first_key=make_key_pair(tmp_path / "other-host").line)
    with pytest.raises(HostKeyChanged, match=r"^north: "):
        transport.connect()
    assert not servers.second.said("Connection from")


def test_files_are_fetched_from_both_servers_and_two_of_one_name_are_both_fetched(tmp_path: Path) -> None:
    """The receipts of one consignment, `delivered` at one node and `ingested` at another, have one name."""
    name, home, results = f"{ONE}.receipt.pgp", Home(tmp_path / "home"), list[Result]()
    landing, lane, now = home.landing_in("LA"), SizeLane("LA", large=False), [0.0]
    landing.mkdir(parents=True)
    with stock_sshd(tmp_path / "north") as north, stock_sshd(tmp_path / "south") as south, ExitStack() as line:
        way = line.enter_context(spoiling_proxy(north.port))
        first, second = north.login / "out", south.login / "out"
        (first / name).write_bytes(b"delivered")
        (second / name).write_bytes(b"ingested")
        (second / f"{OTHER}.pgp").write_bytes(b"sealed")
        both = {"north": replace(north, port=way.port).transport(), "south": south.transport()}
        transport = SeveralEndpoints(both, REST, lambda: now[0], lambda _name, _error: None)
        sessions = Sessions({"LA": transport}, lambda: 0.0)
        work = LaneWork(home, OneMachine(), sessions, results.extend, lambda _code: LandingQuota(1 << 30, 1000))
        try:
            work.run(lane, [], collect=True)
            landed = {path.name: path.read_bytes() for path in landing.iterdir()}
            assert landed == {name: b"delivered", f"{OTHER}.pgp": b"sealed"}
            assert [*first.iterdir(), *second.iterdir()] == [second / name], "the other is not removed unread"
            (landing / name).unlink()  # as `collect` takes it
            work.run(lane, [], collect=True)
            assert (landing / name).read_bytes() == b"ingested"
            assert [*first.iterdir(), *second.iterdir()] == []
            (landing / name).unlink()
            line.close()
            (second / name).write_bytes(b"while one is down")
            for _ in range(2):  # the kept connection to the server that has gone ends first
                work.run(lane, [], collect=True)
            assert (landing / name).read_bytes() == b"while one is down"
            assert isinstance(results[-1], Ended)
            assert results[-1].well
        finally:
            sessions.close()
