"""What people ask at a site of several nodes, which node serves the console, and a node that is given up: by a PostgreSQL database's clock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from sqlalchemy import select, update

from gateway.administration.credentials import served
from gateway.administration.metrics.reading import _nodes
from gateway.administration.site import nodes as site_nodes
from gateway.administration.views.needs import Need
from gateway.administration.views.needs import _nodes as needs
from gateway.administration.views.nodes import NodesView, listed
from gateway.domain.ownership import SITE
from gateway.domain.people import PersonRole
from gateway.domain.requests import AT_NODE, Act
from gateway.errors import ConsoleElsewhere, NodeUnknown
from gateway.events import Event
from gateway.ledger import nodes, requests
from gateway.ledger.audit.chain import check_chain
from gateway.ledger.audit.rows import check_rows
from gateway.ledger.fence import outside
from gateway.ledger.postgresql.dispatch import AcrossNodes
from gateway.ledger.postgresql.listening import prepare
from gateway.ledger.store import Ledger
from gateway.ledger.tables import LANE_OWNERS, NODES, PEOPLE, TRANSFERS
from gateway.settings.node import NodeSettings
from tests.unit.ledger.test_nodes import LEASE, PARTNERS, Site, admit, opened

ALICE = "hb1042"


@pytest.fixture
def site(place: str) -> Iterator[Site]:
    with closing(opened(place, outside("test"))) as ledger:
        made = Site(place, ledger)
        yield made
        with ledger.read() as connection:
            assert [*check_chain(connection), *check_rows(connection)] == []
        for beat in made.beats.values():
            beat._ledger.close()


def settings(name: str) -> Any:
    return SimpleNamespace(node=NodeSettings(name=name, lease_seconds=LEASE))


def asked(place: str, node: str | None, act: Act, number: int) -> str:
    """Somebody asks at that node; the request's id."""
    identity = f"019ab5f0-1c2d-7abc-8def-0123456789{number:02}"
    with closing(opened(place, None if node is None else outside(node))) as ledger, ledger.write() as transaction:
        known = select(PEOPLE.c.key).where(PEOPLE.c.user == ALICE)
        if transaction.connection.execute(known).first() is None:
            roles = {
                str(role).replace("-", "_"): role in (PersonRole.OPERATOR, PersonRole.AUDITOR) for role in PersonRole
            }
            row = {"user": ALICE, "name": "A", "unit": "U", "state": "active", "changes": 0, **roles}
            transaction.insert(PEOPLE, [row | {"agreement": "2026-01-01", "training": "2026-01-01"}])
        requests.ask(transaction, identity, act, "019ab5f0-1c2d-7abc-8def-012345678900", ALICE, "why not")
    return identity


def at(ledger: Ledger, node: str | None) -> list[str]:
    with ledger.read() as connection:
        return [each.id for each in requests.waiting_at(connection, AT_NODE, node)]


def stranded(ledger: Ledger, node: str | None) -> list[str]:
    with ledger.read() as connection:
        return [each.id for each in requests.stranded(connection, node)]


def test_what_is_about_a_nodes_files_waits_for_that_node_and_all_else_for_any(site: Site) -> None:
    site.beat("a", "b")
    here, there = asked(site.place, "a", Act.OPEN, 1), asked(site.place, "b", Act.EVIDENCE, 2)
    anybody = asked(site.place, "b", Act.HOLD, 3)
    alone = asked(site.place, None, Act.OPEN, 4)
    assert (at(site.ledger, "a"), at(site.ledger, "b"), at(site.ledger, None)) == ([here], [there], [alone])
    with site.ledger.read() as connection:
        assert {each.id for each in requests.waiting(connection)} == {here, there, anybody, alone}
        assert requests.find(connection, anybody).node is None
        oldest = {node: [each.id for each in requests.oldest_of_each(connection, [Act.OPEN], node)] for node in "ab"}
    assert oldest == {"a": [here], "b": []}


def test_what_waits_for_a_node_that_is_gone_is_found_and_not_before(site: Site) -> None:
    site.beat("a", "b")
    asked(site.place, "a", Act.OPEN, 1)
    there = asked(site.place, "b", Act.OPEN, 2)
    asked(site.place, "b", Act.HOLD, 3)
    assert stranded(site.ledger, "a") == []
    site.pass_time(LEASE * 0.9)
    site.beat("a")
    site.pass_time(LEASE * 0.9)
    site.beat("a")
    with site.ledger.read() as connection:
        assert listed(settings("a"), connection).gone == ("b",)
    assert stranded(site.ledger, "a") == []  # it may be on its way back
    site.pass_time(LEASE * 0.5)
    site.beat("a")
    assert stranded(site.ledger, "a") == [there]


def test_after_an_outage_of_the_database_the_first_that_is_back_refuses_nothing(site: Site) -> None:
    site.beat("a", "b")
    there = asked(site.place, "b", Act.OPEN, 1)
    site.pass_time(LEASE * 5)
    site.beat("a")
    assert stranded(site.ledger, "a") == []
    site.pass_time(LEASE * 0.7)
    site.beat("a")
    site.pass_time(LEASE * 0.7)
    site.beat("a")
    assert stranded(site.ledger, "a") == [there]


def test_a_site_that_gets_nodes_or_gives_them_up_leaves_no_request_unanswered(site: Site) -> None:
    alone = asked(site.place, None, Act.OPEN, 1)
    site.beat("a")
    site.pass_time(LEASE * 0.7)
    site.beat("a")
    site.pass_time(LEASE * 0.7)
    site.beat("a")
    named = asked(site.place, "a", Act.OPEN, 2)
    assert stranded(site.ledger, "a") == [alone]
    assert stranded(site.ledger, None) == [named]


def test_one_node_serves_the_console_and_the_others_are_refused_until_a_person_moves_it(site: Site) -> None:
    a, b = settings("a"), settings("b")
    assert served.served_elsewhere(b, site.ledger) is None  # before anybody does
    with closing(opened(site.place, outside("a"))) as ledger:
        served.require_here(a, ledger)  # its vault may not have started yet
        served.require_here(a, ledger)
    site.beat("a", "b")
    assert served.served_elsewhere(b, site.ledger) == "a"
    with closing(opened(site.place, outside("b"))) as ledger, pytest.raises(ConsoleElsewhere, match="Node a serves"):
        served.require_here(b, ledger)
    site.pass_time(LEASE * 3)
    site.beat("b")
    with pytest.raises(ConsoleElsewhere):  # gone or not, the passwords are there
        served.require_here(b, site.ledger)
    with site.ledger.write() as transaction:
        nodes.serve_console(transaction.connection, "b", LEASE, "1")
        transaction.record(Event.NODE_CONSOLE_MOVED, nodes.KIND, "b", source="a")
    served.require_here(b, site.ledger)
    assert served.served_elsewhere(a, site.ledger) == "b"
    found = site.read()
    assert [name for name, row in found.nodes.items() if row.console is not None] == ["b"]
    assert found.nodes["b"].incarnation > 0


def test_a_gateway_that_works_alone_asks_nothing_about_the_console(tmp_path: Path) -> None:
    class Untouched:
        def __getattr__(self, name: str) -> Any:
            raise AssertionError(name)

    served.require_here(settings(""), Untouched())  # type: ignore[arg-type]
    assert served.served_elsewhere(settings(""), Untouched()) is None  # type: ignore[arg-type]


def test_a_node_that_is_there_is_not_forgotten_and_one_that_is_gone_is_with_its_lanes_free(site: Site) -> None:
    site.beat("a", "b")
    with site.ledger.write() as transaction:
        assert not nodes.forget(transaction.connection, "a")
    had = {SITE, *PARTNERS}
    assert site.leads("a") == had
    site.pass_time(LEASE * 2)
    before = site.read()
    with site.ledger.write() as transaction:
        assert nodes.forget(transaction.connection, "a")
        transaction.record(Event.NODE_FORGOTTEN, nodes.KIND, "a", count=len(had))
    after = site.read()
    assert set(after.nodes) == {"b"}
    assert {lane for lane, row in after.lanes.items() if row.node is None} == had
    assert min(after.lanes[lane].changed for lane in had) > max(row.changed for row in before.lanes.values())
    site.beat("b")
    assert site.leads("b") == had  # at once, without waiting for a lease


def test_nothing_waits_for_the_spool_of_a_node_that_is_forgotten(site: Site) -> None:
    """Bytes stay in custody as long as a dropped file may lie where it lay."""
    site.beat("a", "b")
    with site.ledger.write() as transaction:
        admit(transaction, PARTNERS[0], 1)
        admit(transaction, PARTNERS[0], 2)
        transaction.connection.execute(update(TRANSFERS).values(spool_file="f" * 64, node="a"))
        second = TRANSFERS.c.id.endswith("02")
        transaction.connection.execute(update(TRANSFERS).where(second).values(node="b"))
    with site.ledger.write() as transaction:
        assert nodes.left_in_spool(transaction.connection, "a") == 1
        nodes.leave_spool(transaction.connection, "a")
    with site.ledger.read() as connection:
        assert [nodes.left_in_spool(connection, name) for name in "ab"] == [0, 1]


def test_what_a_forgotten_node_had_begun_is_of_another_incarnation_when_it_comes_back(site: Site) -> None:
    site.beat("a")
    with site.ledger.beside_chain() as connection:  # it had started some time ago
        for table, name in ((NODES, "incarnation"), (LANE_OWNERS, "changed"), (LANE_OWNERS, "epoch")):
            connection.execute(update(table).values({name: table.c[name] - 100}))
    site.beats["a"]._incarnation = site.read().nodes["a"].incarnation
    before = site.fence("a")
    site.pass_time(LEASE * 2)
    with site.ledger.write() as transaction:
        assert nodes.forget(transaction.connection, "a")
    assert site.read().lanes == {}  # no node at all: a gateway without a name may work here again
    site.beats["a"].beat()  # whoever runs under the name finds it gone, and is a new node
    after = site.fence("a")
    assert after.incarnation > before.incarnation
    assert after.newest > before.newest


def test_a_node_that_there_is_not_is_told_which_there_are(site: Site) -> None:
    site.beat("a", "b")
    with (
        site.ledger.read() as connection,
        pytest.raises(NodeUnknown, match="no node 'nonesuch': there are a, b") as said,
    ):
        site_nodes._about(connection, "nonesuch")
    assert (said.value.exit_status, "gateway transfers" in said.value.remedy) == (65, False)


def test_what_only_a_person_can_mend_about_nodes_is_said(site: Site) -> None:
    site.beat("a", "b", rounds=2)
    with site.ledger.beside_chain() as connection:
        connection.execute(update(NODES).where(NODES.c.name == "b").values(version="2"))
    with site.ledger.read() as connection:
        view = listed(settings("a"), connection)
    assert [each.topic.value for each in said(view)] == ["nodes"]
    assert "different versions: 1, 2" in str(said(view)[0])
    assert (view.without, view.late, view.gone) == ((), (), ())
    assert {each.lane for each in view.lanes if each.node == "a" and not each.leaving} == site.leads("a")
    assert {each.lane for each in view.lanes if each.leaving} == {SITE, *PARTNERS} - site.leads("a")
    assert [(each.event, each.node) for each in view.moved][-1] == ("node.taken-over", "a")
    site.pass_time(LEASE * 1.5)
    with site.ledger.read() as connection:
        view = listed(settings("a"), connection)
    assert (view.gone, set(view.without), view.late) == (("a", "b"), {SITE, *PARTNERS}, ())
    site.pass_time(LEASE)
    with site.ledger.read() as connection:
        view = listed(settings("a"), connection, moves=False)
    assert (set(view.late), view.moved) == ({SITE, *PARTNERS}, ())
    words = [str(each) for each in said(view)]
    assert ["is gone since" in each for each in words[:2]] == [True, True]
    assert ["what partners left there and what was dropped there waits" in each for each in words[:2]] == [True, True]
    assert "no node has the site's own work" in words[2]
    assert words[3].startswith(f"no node works with {PARTNERS[0]}, ")


def test_a_node_that_does_not_hear_the_others_is_said_once_that_is_late(site: Site) -> None:
    site.beat("a", "b")
    prepare(site.place, "a")
    with site.ledger.write() as transaction:
        admit(transaction, PARTNERS[0], 1)
        AcrossNodes(site.place, "b", lambda: None, tell=lambda _error: None).wake(transaction, [PARTNERS[0]])
    for seconds, late in ((0, False), (59, False), (4, True)):
        with psycopg.connect(site.place) as connection:
            connection.execute(
                "UPDATE gateway_dispatch.procrastinate_events SET at = at - interval '1 s' * %s", (seconds,)
            )
        with site.ledger.read() as connection:
            view = listed(settings("a"), connection)
        assert [(each.name, each.wake_ups, each.unheard) for each in view.nodes] == [("a", 1, late), ("b", 0, False)]
        assert ["node a has not heard 1 wake-ups" in str(each) for each in said(view)] == [True] * late
    with site.ledger.read() as connection:
        samples = {(each.metric.name, *each.labels): each.value for each in _nodes(settings("a"), connection)}
    assert samples["gateway_wake_ups_waiting", "a"] == 1
    assert samples["gateway_wake_ups_waiting", "b"] == samples["gateway_oldest_wake_up_seconds", "b"] == 0
    oldest = samples["gateway_oldest_wake_up_seconds", "a"]
    assert isinstance(oldest, float)
    assert 63 <= oldest < 100
    site.pass_time(LEASE * 2)
    with site.ledger.read() as connection:
        view = listed(settings("a"), connection)
    assert [each.unheard for each in view.nodes] == [False, False]  # a node that is gone hears nothing


def said(view: NodesView) -> list[Need]:
    return [*needs(SimpleNamespace(nodes=view.nodes, lanes_late=view.late, away=None, node=""))]  # type: ignore[arg-type]
