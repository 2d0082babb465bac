"""Two whole nodes of one site, whose ledger is in PostgreSQL: what is dropped at one of them is begun at once at the node that has the lane,
and not at its next rescan, which is minutes away.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import psycopg
import pytest

from gateway.domain.ownership import owner_of
from tests.acceptance.copies import LA, copied_pair
from tests.acceptance.sites import Site, claim, free_port, wait_until
from tests.fakes.postgresql import Server, running

NAMES: Final = ("north", "south")
LEASE: Final = 4.0
RESCAN: Final = 300.0
QUIET: Final = 1.0
"""Seconds after which a role has no look at its own directories to repeat, which would find the file as well."""
PATIENCE: Final = 60.0
SOON: Final = 8.0
"""Seconds: far below what any timer of a role has, and enough for a machine under load."""
_CUT: Final = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'gateway node %%'"


class Nodes(NamedTuple):
    """The node that files are dropped at, and the one that has the lane."""

    here: Site
    there: Site
    name: str
    """The other one's."""
    server: Server

    def ask(self, query: str, *values: object) -> list[Any]:
        with psycopg.connect(self.server.url, autocommit=True) as connection:
            return connection.execute(query.encode(), values).fetchall()

    def drop(self, number: int) -> float:
        """Drop a file, and wait until the other node has validated it; for how long after it was admitted that took by the ledger's times."""
        time.sleep(QUIET)
        name, content = claim(number, seed=number)
        self.here.drop("claim", LA, name, content)
        transfer = wait_until(lambda: self._validated(name), PATIENCE, f"validation of {name}")
        said = self.ask(
            "SELECT event, extract(epoch FROM at::timestamptz) FROM events WHERE subject = %s ORDER BY sequence",
            transfer,
        )
        times = dict(reversed(said))
        assert [event for event, _ in said].count("transfer.validated") == 1
        return float(times["transfer.validated"] - times["transfer.admitted"])

    def _validated(self, name: str) -> str | None:
        found = self.ask("SELECT id FROM transfers WHERE name = %s AND state <> 'admitted'", name)
        return found[0][0] if found else None

    def owner(self) -> str | None:
        found = self.ask("SELECT node FROM lane_owners WHERE partner = %s AND leaving IS NULL", LA)
        return found[0][0] if found else None


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    root = tmp_path_factory.mktemp("nodes")
    with running() as server, copied_pair(root) as (dwp, _):
        dwp.gateway("ledger", "copy", "--to", server.url)
        dwp.edit_config("ledger", url=server.url)
        dwp.edit_config("node", lease_seconds=LEASE, heartbeat_seconds=0.5)
        dwp.edit_config("daemon", rescan_seconds=RESCAN, workers=1)
        for flow in ("claim", "laid", "extract"):
            dwp.edit_config(f"flows.{flow}", settle_seconds=0.1)
        there = owner_of(LA, NAMES)
        (here,) = set(NAMES) - {there}
        other = _join(_made_first(dwp, here), there)
        sites = (dwp, other)
        try:
            made = Nodes(dwp, other, there, server)
            for site in sites:
                site.start()
            wait_until(lambda: made.owner() == there, 60, "the lane's node")
            yield made
        finally:
            for site in sites:
                site.stop()


def _made_first(dwp: Site, name: str) -> Site:
    """The site as a node that others can join."""
    beside = dwp.home.root.parent
    for directory in ("store", "shared"):
        (beside / directory).mkdir()
    dwp.edit_config("payloads", url=f"file://{beside}/store")
    dwp.gateway("nodes", "store")
    dwp.edit_config("node", name=name)
    dwp.gateway("nodes", "share", beside / "shared")
    return dwp


def _join(first: Site, name: str) -> Site:
    package, secret = (first.home.root.parent / each for each in ("node.pgp", "passphrase"))
    secret.write_text(first.gateway("nodes", "package", "--to", package).stdout, encoding="ascii")
    site = Site(first.home.root.parent / name, first.code, free_port())
    site.log = site.home.root.with_suffix(".log")
    at = ("--sftp", f"127.0.0.1:{site.port}")
    site.gateway("nodes", "join", package, "--node", name, "--passphrase-file", secret, *at)
    return site


def test_a_drop_at_one_node_is_begun_at_once_at_the_other(nodes: Nodes) -> None:
    took = [nodes.drop(number) for number in range(int(os.environ.get("GATEWAY_WAKE_UPS", "2")))]
    sys.stdout.write(f"{len(took)} drops: median {sorted(took)[len(took) // 2]:.3f} s, worst {max(took):.3f} s\n")
    assert max(took) < SOON


def test_wake_ups_come_again_after_a_kill_a_cut_and_a_restart(nodes: Nodes) -> None:
    nodes.there.kill("vault")
    nodes.drop(1001)
    assert nodes.drop(1002) < SOON
    nodes.ask(_CUT)
    nodes.drop(1003)
    assert nodes.drop(1004) < SOON
    nodes.server.kill()
    time.sleep(1)
    nodes.server.start()
    nodes.drop(1005)
    assert nodes.drop(1006) < SOON


def test_a_node_that_stands_still_and_comes_back_does_its_work_once(nodes: Nodes) -> None:
    pids = [pid for role in ("inspect", "vault", "link") if (pid := nodes.there.role(role)) is not None]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        nodes.drop(2001)  # the other node has taken the lane over
        assert nodes.owner() not in (None, nodes.name)
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    wait_until(lambda: nodes.owner() == nodes.name, 90, "the lane's own node")
    assert nodes.drop(2002) < SOON
