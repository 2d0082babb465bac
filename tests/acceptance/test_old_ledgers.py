"""Two whole nodes, and a database that is not the site's newest ledger: both stop, and stay so; what was copied from is left alone."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

from gateway.administration.site.settings import load
from gateway.ledger.chain import Head
from gateway.ledger.head_file import HeadFile
from tests.acceptance.sites import Site, wait_until
from tests.acceptance.test_two_nodes import WHY, nodes_at, refused

pytestmark = pytest.mark.torture  # of `make test-nodes`


def ended_with(site: Site) -> int | None:
    """The exit status of the gateway there, None while it runs."""
    return None if site.daemon is None else site.daemon.poll()


def forgotten(site: Site, name: str) -> bool:
    return refused(site, "nodes", "forget", name, *WHY)[0] == 0


def up(site: Site, name: str) -> bool:
    return (name, "up") in {(node["name"], node["state"]) for node in site.json("nodes")["nodes"]}


def start_is_refused(site: Site, why: str) -> None:
    status, said = refused(site, "run")
    assert (status, why in said) == (70, True), said


def test_a_database_that_lacks_what_one_node_has_seen_stops_both_while_they_run(tmp_path: Path) -> None:
    """As a promoted standby: the record of one node's machine is ahead of it."""
    with nodes_at(tmp_path) as two:
        HeadFile(two.north.home.ledger_head).remember(Head(10**6, "5" * 64))
        for site in (two.north, two.south):
            assert wait_until(partial(ended_with, site), 60, "the end of a node") == 70
            halted = {event.get("code") for event in site.events("role.halted")}
            assert "ledger-rolled-back" in halted
            start_is_refused(site, f"has written event {10**6} of its chain before")
        assert HeadFile(two.north.home.ledger_head).remembered() == Head(10**6, "5" * 64)
        taken = json.loads(two.south.gateway("backup", tmp_path / "copies", "--json").stdout)
        assert taken["head"] > 1, "what the database has can still be taken"


def test_a_node_that_was_left_over_does_nothing_with_a_database_that_was_copied_from(tmp_path: Path) -> None:
    with nodes_at(tmp_path) as two:
        for site in (two.north, two.south):
            assert site.stop() == 0
        url = load(two.north.home).ledger.url
        for name in ("south-1", "north-1"):
            wait_until(partial(forgotten, two.north, name), 30, "the end of a lease")
        two.north.gateway("ledger", "copy", "--to", "sqlite")
        went = f"to {two.north.home.ledger} on machine "
        assert went in refused(two.south, "status")[1]
        start_is_refused(two.south, went)
        two.north.edit_config("node", name="")
        two.north.edit_config("ledger", url="")
        two.north.start()
        assert two.north.stop() == 0
        two.north.gateway("ledger", "copy", "--to", url)
        two.south.start()
        wait_until(partial(up, two.south, "south-1"), 60, "the node")
