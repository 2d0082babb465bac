"""What `gateway doctor` says at one of several nodes: about the addresses that partners know, and nodes that are configured otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from gateway.administration.site.node_checks import examine_nodes
from gateway.ledger.tables import NODES
from gateway.settings.ledger import LedgerSettings
from gateway.settings.likeness import likeness
from gateway.settings.model import Settings, SftpServer
from gateway.settings.node import NodeSettings
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
        made.beat("a", "b")
        alike(made, settings, "a", "b")
        yield made
        for beat in made.beats.values():
            beat._ledger.close()


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
