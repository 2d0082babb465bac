"""What `gateway doctor` says at one of several nodes: about the addresses that partners know, and nodes that are configured otherwise."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, update

from gateway.administration.site.node_checks import examine_nodes
from gateway.daemon import lock
from gateway.daemon.own_name import require_own_name
from gateway.daemon.sshd_supervision import Server
from gateway.daemon.supervisor import Supervisor
from gateway.errors import NodeRunsElsewhere
from gateway.ledger.postgresql import holding
from gateway.ledger.postgresql.holding import held
from gateway.ledger.tables import LANE_OWNERS, NODES
from gateway.settings.home import Home
from gateway.settings.ledger import LedgerSettings
from gateway.settings.likeness import likeness
from gateway.settings.model import Settings, SftpServer
from gateway.settings.node import NodeSettings
from gateway.transport.keys import make_key_pair
from tests.fakes.ledgers import on_postgresql
from tests.fakes.two_ledgers import two_ledgers
from tests.unit.ledger.test_nodes import LEASE, Site, opened

OTHER = "192.0.2.7:2222"
"""For documentation alone (RFC 5737): no machine has it."""
OURS = "127.0.0.1:2222"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    root = tmp_path_factory.mktemp("checks")
    place = str(on_postgresql().new(root))
    with two_ledgers(root / "pair") as pair:
        node = NodeSettings(name="a", lease_seconds=LEASE)
        yield replace(pair.dwp.settings, ledger=LedgerSettings(url=place), node=node)


@pytest.fixture
def site(settings: Settings) -> Iterator[Site]:
    """Nodes a and b, which say that they are configured as `settings`."""
    with closing(opened(settings.ledger.url)) as ledger:
        made = Site(settings.ledger.url, ledger)
        try:
            made.beat("a", "b")
            alike(made, settings, "a", "b")
            yield made
        finally:
            for beat in made.beats.values():
                beat._ledger.close()
            with ledger.beside_chain() as connection:
                for table in (LANE_OWNERS, NODES):  # the next test's nodes start under the same names
                    connection.execute(delete(table))


def alike(site: Site, settings: Settings, *names: str) -> None:
    with site.ledger.beside_chain() as connection:
        connection.execute(update(NODES).where(NODES.c.name.in_(names)).values(likeness=likeness(settings)))


def found(settings: Settings, name: str, **server: Any) -> tuple[str, str]:
    """How the check of that name ends, and what it says."""
    sftp_server = SftpServer(**{"host": "0.0.0.0", "port": 2222, **server})  # noqa: S104 - as most sites have it
    (check,) = [each for each in examine_nodes(replace(settings, sftp_server=sftp_server)) if each.name == name]
    assert (check.outcome == "ok") is not bool(check.remedy)
    return check.outcome.value, check.message


def test_a_gateway_that_works_alone_is_not_asked(settings: Settings) -> None:
    assert [*examine_nodes(replace(settings, node=NodeSettings()))] == []


@pytest.mark.parametrize(
    ("server", "outcome", "said"),
    [
        ({}, "warn", "addresses is not set: partners know one node"),
        ({"managed": False, "public_host": "sftp.example.gov.uk"}, "warn", "addresses is not set"),
        ({"managed": False}, "ok", "do not connect to this site"),
        ({"addresses": (OTHER,)}, "warn", "none of [sftp_server] addresses is this node's"),
        ({"addresses": (OTHER, "127.0.0.1:22")}, "warn", "it listens at 0.0.0.0:2222"),
        ({"addresses": (OTHER, OURS)}, "ok", f"2, this node's is {OURS}"),
        ({"addresses": (OTHER, "localhost:2222")}, "ok", "2, this node's is localhost:2222"),
        ({"addresses": (OTHER, "does-not-exist.invalid:2222")}, "warn", "none of"),
        ({"addresses": (OURS,)}, "warn", f"has this node's alone, {OURS}"),
        # An address that somebody translates is known by what the node says of itself.
        (
            {"addresses": (OTHER, "192.0.2.8:22"), "public_host": "192.0.2.8", "public_port": 22},
            "ok",
            "is 192.0.2.8:22",
        ),
        ({"addresses": (OTHER, "192.0.2.8:22"), "public_host": "192.0.2.8"}, "warn", "none of"),
        ({"addresses": (OTHER, "192.0.2.8:2222"), "host": "192.0.2.8"}, "ok", "is 192.0.2.8:2222"),
    ],
)
def test_addresses(site: Site, settings: Settings, server: dict[str, Any], outcome: str, said: str) -> None:
    how, message = found(settings, "addresses of nodes", **server)
    assert (how, said in message) == (outcome, True), message


def test_nodes_that_are_configured_alike_are_well(site: Site, settings: Settings) -> None:
    (*_, check) = examine_nodes(settings)
    assert (check.outcome, check.message) == ("ok", "1 other node there, configured alike")


def test_a_node_that_has_other_partners_or_addresses_is_named(site: Site, settings: Settings) -> None:
    (code, *_) = settings.partners
    fewer = replace(settings, partners={each: settings.partners[each] for each in settings.partners if each != code})
    elsewhere = replace(settings, sftp_server=SftpServer(addresses=(OTHER,)))
    for other in (fewer, elsewhere):
        alike(site, other, "b")
        (*_, check) = examine_nodes(settings)
        assert (check.outcome, check.message.endswith("than here are at b")) == ("warn", True), check


def test_a_node_that_has_not_been_reloaded_is_told_so_first(site: Site, settings: Settings) -> None:
    alike(site, replace(settings, sftp_server=SftpServer(addresses=(OTHER,))), "a")
    (*_, check) = examine_nodes(settings)
    assert (check.outcome, "runs here has other" in check.message) == ("warn", True), check


def keys_at(path: Path) -> Home:
    home = Home(path)
    home.ssh.mkdir(parents=True)
    make_key_pair(home.client_key, "by this machine")
    make_key_pair(home.host_key)
    return home


def test_another_ssh_key_at_one_node_is_a_difference(site: Site, settings: Settings, tmp_path: Path) -> None:
    ours = replace(settings, home=keys_at(tmp_path / "a"))
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    other = replace(settings, home=Home(tmp_path / "b"))
    line = other.home.client_key.with_name("client_key.pub")
    line.write_text(line.read_text("ascii").replace("by this machine", "by that"), encoding="ascii")
    assert likeness(other) == likeness(ours), "a comment is no key"
    for path in (other.home.host_key, other.home.host_key.with_name("host_key.pub")):
        path.unlink()
    make_key_pair(other.home.host_key)
    alike(site, ours, "a")
    alike(site, other, "b")
    (*_, check) = examine_nodes(ours)
    assert (check.outcome, check.message.endswith("than here are at b")) == ("warn", True), check


def test_a_key_without_its_public_line_is_said(site: Site, settings: Settings, tmp_path: Path) -> None:
    here = replace(settings, home=keys_at(tmp_path / "a"))
    assert [each for each in examine_nodes(here) if "public line" in each.message] == []
    shutil.copy(keys_at(tmp_path / "b").host_key, here.home.host_key)
    (said,) = [each for each in examine_nodes(here) if "public line" in each.message]
    assert said.message == "state/ssh/host_key.pub is not the public line of state/ssh/host_key"


def test_a_name_that_a_node_elsewhere_has_is_refused_before_anything_starts_and_by_the_doctor(
    site: Site, settings: Settings
) -> None:
    def outcome() -> tuple[str, str]:
        (check,) = [each for each in examine_nodes(settings) if each.name == "name of the node"]
        return check.outcome.value, check.message

    assert outcome() == ("ok", "a runs nowhere else")
    with held(settings.ledger.url, "vault", "a"):
        assert outcome() == ("fail", "node a runs already, on another machine or in another HOME")
        with pytest.raises(NodeRunsElsewhere) as refused:
            require_own_name(settings, 0.0)
        assert "choose another" in refused.value.remedy
        assert refused.value.exit_status == 69
        require_own_name(replace(settings, node=NodeSettings(name="b")), 0.0)
        with lock.held(settings.home.run, "vault"):
            assert outcome() == ("ok", "a runs nowhere else"), "it is the one that runs here"
    assert outcome()[0] == "ok"


def test_a_gateway_whose_name_another_has_starts_nothing(
    site: Site, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holding, "_WAIT_SECONDS", 0.0)
    monkeypatch.setattr(Server, "start", lambda _server: pytest.fail("its SFTP server was started"))
    with held(settings.ledger.url, "vault", "a"), pytest.raises(NodeRunsElsewhere):
        Supervisor(settings).run()


def test_the_order_of_addresses_is_for_cards_and_no_difference(settings: Settings) -> None:
    said = {
        likeness(replace(settings, sftp_server=SftpServer(addresses=addresses)))
        for addresses in ((OTHER, OURS), (OURS, OTHER))
    }
    assert len(said) == 1


def test_a_node_that_is_gone_or_of_an_older_program_is_no_difference(site: Site, settings: Settings) -> None:
    alike(site, replace(settings, sftp_server=SftpServer(addresses=(OTHER,))), "b")
    site.pass_time(LEASE + 1)
    site.beat("a")
    (*_, check) = examine_nodes(settings)
    assert (check.outcome, check.message) == ("ok", "0 other nodes there, configured alike")
    with site.ledger.beside_chain() as connection:
        connection.execute(update(NODES).values(likeness=None))
    site.beat("b")
    (*_, check) = examine_nodes(settings)
    assert check.message == "1 other node there, configured alike"


def test_a_ledger_that_does_not_answer_is_the_finding(settings: Settings, tmp_path: Path) -> None:
    away = f"postgresql:///nothing?host={tmp_path}"
    (*_, check) = examine_nodes(replace(settings, ledger=LedgerSettings(url=away)))
    assert (check.name, check.outcome) == ("nodes alike", "fail")


@pytest.mark.parametrize(
    ("ahead", "said"),
    [(0.0, "as the database's"), (18_000.0, "300 minutes ahead of"), (-7_200.0, "120 minutes behind")],
)
def test_a_clock_that_is_not_the_databases_is_told(settings: Settings, site: Site, ahead: float, said: str) -> None:
    checks = examine_nodes(settings, lambda: time.time() + ahead)
    (check,) = [each for each in checks if each.name == "clock of the node"]
    assert said in check.message
    assert (check.outcome == "ok") is (ahead == 0.0)
