"""The page of the nodes: what it says of a site with several, and of one without."""

from __future__ import annotations

from collections.abc import Iterator
from html import unescape

import pytest

from gateway.administration.views.nodes import LaneMove, LaneNode, NodesView, NodeView
from gateway.console.rooms import nodes as room
from gateway.domain.ownership import SITE
from tests.fakes.browsers import visitor, words
from tests.fakes.programs import Program, program
from tests.fakes.two_ledgers import two_ledgers

AT = "2026-11-28T10:00:00.000Z"
VIEW = NodesView(
    nodes=(
        NodeView(
            "north-1",
            "up",
            AT,
            AT,
            2,
            site=True,
            console=True,
            partners=("E09000030", "4220"),
            version="1.2",
            likeness="a",
            wake_ups=3,
            wake_up_seconds=61.0,
        ),
        NodeView(
            "south-1",
            "gone",
            AT,
            AT,
            1,
            site=False,
            console=False,
            partners=("E09000031",),
            version="1.1",
            likeness="a",
        ),
    ),
    without=("E09000031",),
    late=("E09000031", SITE),
    lanes=(
        LaneNode(SITE, "north-1", AT, leaving=True),
        LaneNode("E09000030", "north-1", AT, leaving=False),
        LaneNode("E09000031", "south-1", AT, leaving=False),
        LaneNode("4220", None, AT, leaving=False),
    ),
    moved=(
        LaneMove(AT, "node.lost", "north-1", (SITE, "E09000030"), ("south-1",)),
        LaneMove(AT, "node.freed", "south-1", ("4220",), ()),
    ),
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    with two_ledgers(tmp_path_factory.mktemp("nodes")) as pair, program(pair.dwp) as made:
        yield made


def test_a_gateway_that_works_alone_says_so_and_the_overview_counts_no_nodes(site: Program) -> None:
    person = visitor(site, "op1")
    assert "This gateway is the only one of its site" in words(person.get("/nodes"))
    assert "Nodes at work" not in person.get("/").body.decode()


def test_who_is_there_who_is_gone_and_what_moved(site: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "listed", lambda *_arguments: VIEW)
    answer = visitor(site, "op1").get("/nodes")
    page = answer.body.decode()
    said = unescape(words(answer))
    assert "no node has worked with E09000031, the site's own work" in said
    assert "The nodes run different versions" not in said  # the one that is gone does not count
    assert "The site's own work, the console" in said
    assert "None: free to be taken" in said
    assert "north-1 has not heard 3 wake-ups of other nodes" in said
    assert "south-1, which is gone" in said
    assert "north-1, about to give it up" in said
    assert "north-1 took over E09000030 and the site's own work of south-1, which was gone" in said
    assert "south-1 gave up 4220" in said
    assert '<a class="govuk-link" href="/partners/E09000030">' in page
