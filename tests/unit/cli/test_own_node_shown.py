"""What `gateway status` and `gateway nodes` say at a node that does not reach its store, and at one that is gone itself."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from gateway.administration.access import reading
from gateway.administration.site.held_up import away_from
from gateway.administration.site.machine import look
from gateway.administration.views.health import health
from gateway.administration.views.health_fields import AwayFrom, Health
from gateway.administration.views.needs import needs_of
from gateway.administration.views.nodes import NodesView, NodeView
from gateway.cli.nodes import _tell as tell_nodes
from gateway.cli.site import log_of
from gateway.cli.status import _tell
from gateway.daemon.lock import held
from gateway.daemon.node_there import STAGE
from gateway.daemon.pulse import Pulse
from gateway.daemon.role_frame import logged, process_log
from gateway.daemon.supervisor import NAME
from gateway.domain.ownership import SITE
from gateway.settings.model import LogSettings
from gateway.settings.node import NodeSettings
from tests.fakes.two_ledgers import Pair
from tests.unit.cli.conftest import Run

STORE = AwayFrom("its store", 90.0, "store-unreachable")


@pytest.fixture
def found(pair: Pair) -> Health:
    with reading(pair.dwp.settings) as connection:
        return health(pair.dwp.settings, connection, look(pair.dwp.settings, time.time()), time.time())


def node(name: str, state: str) -> NodeView:
    moment = "2026-11-29T06:00:00Z"
    return NodeView(name, state, moment, moment, 0, site=False, console=False, partners=(), version="1", likeness=None)


def said(found: Health, *, away: AwayFrom | None, runs: bool = True) -> list[str]:
    processes = {**found.processes, "gateway": 1 if runs else None, "vault": 1 if runs else None}
    nodes = (node("here", "gone"), node("there", "gone"))
    told = needs_of(replace(found, node="here", nodes=nodes, away=away, processes=processes), "", time.time())
    return [str(each) for each in told if each.topic.value == "nodes"]


def test_whoever_writes_a_log_at_a_node_names_it(pair: Pair, capfd: pytest.CaptureFixture[str]) -> None:
    logs = LogSettings(format="json", level="info")
    settings = replace(pair.dwp.settings, node=NodeSettings(name="north-1"), logs=logs)
    log_of(settings).info("gateway.reloaded")
    process_log(settings, NAME).info("gateway.started")
    with logged(settings, "link"):
        pass
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert [(line["role"], line["node"]) for line in lines] == [
        ("command", "north-1"),
        ("gateway", "north-1"),
        ("link", "north-1"),
    ]


def test_the_head_of_status_names_the_node(found: Health, capsys: pytest.CaptureFixture[str]) -> None:
    for name, head in (("north-1", "DWP, node north-1, does not run"), ("", "DWP does not run")):
        _tell(replace(found, node=name))
        assert capsys.readouterr().out.splitlines()[0] == head


def test_this_node_is_not_told_to_look_at_its_own_machine(found: Health) -> None:
    here, there = said(found, away=STORE)
    assert here.startswith("this node, here, does not reach its store for 90 seconds [store-unreachable]")
    assert there.startswith("node there is gone since")
    assert "may be what this node does not reach" in there
    here, there = said(found, away=None)
    assert (here.startswith("this node, here, is gone since"), "its vault runs" in here) == (True, True)
    assert "look at its machine" in there
    assert said(found, away=None, runs=False)[0].endswith("`gateway run` here")


def test_a_console_that_is_elsewhere_is_not_missed_here(found: Health, capsys: pytest.CaptureFixture[str]) -> None:
    processes = {"gateway": 1, "inspect": 2, "vault": 3, "link": 4, "console": None}
    at = {name: replace(node(name, "up"), console=name == "there") for name in ("here", "there")}
    here = replace(found, node="here", nodes=tuple(at.values()), processes=processes)
    missed = [str(each) for each in needs_of(here, "", time.time()) if "console" in str(each)]
    assert missed == []
    assert "console does not run" in str([*needs_of(replace(here, node="there"), "", time.time())])
    _tell(replace(here, processes={**processes, "console": 5}))
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.endswith("console 5 (waits: it is at there)")
    assert any("node there" in line and "the console is there" in line for line in lines)


@pytest.mark.parametrize(
    ("name", "said"), [("here", "This is node here, and no node of the site has run yet"), ("", "name is not set")]
)
def test_nodes_before_any_has_run(pair: Pair, run: Run, monkeypatch: pytest.MonkeyPatch, name: str, said: str) -> None:
    monkeypatch.setattr("gateway.administration.views.nodes.listed", lambda *_: NodesView())
    settings = replace(pair.dwp.settings, node=NodeSettings(name=name))
    monkeypatch.setattr("gateway.cli.nodes.settings_of", lambda _: settings)
    assert said in run(pair.dwp, "nodes").err


def test_lanes_that_nobody_has_are_said_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    tell_nodes(NodesView(nodes=(node("here", "up"),), without=(SITE, "E09000030")))
    assert "Nobody works now on: the site's own work, E09000030" in capsys.readouterr().err


@pytest.fixture
def vault(pair: Pair) -> Iterator[Pulse]:
    run, now = pair.dwp.home.run, iter(range(0, 1000, 10))
    with held(run, "vault"), Pulse(run, "vault", monotonic=lambda: float(next(now))) as pulse:
        yield pulse


@pytest.mark.parametrize(("code", "what"), [("store-unreachable", "its store"), ("ledger-away", "the ledger")])
def test_what_the_vault_does_not_reach_is_seen_at_once_and_not_once_it_is_over(
    pair: Pair, vault: Pulse, code: str, what: str
) -> None:
    settings = replace(pair.dwp.settings, node=NodeSettings(name="here"))
    vault.failed_step(STAGE, code)
    assert away_from(settings) == look(settings, 0.0).away == AwayFrom(what, 10.0, code)
    assert look(settings, 0.0).held_up == (), "it is told once"
    assert away_from(pair.dwp.settings) is None, "a gateway that works alone is no node"
    vault.goes_on(STAGE)
    vault.beat()
    assert away_from(settings) is None
