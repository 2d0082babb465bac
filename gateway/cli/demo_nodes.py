"""`gateway demo --nodes N`: DWP on several machines, of which one is lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from gateway.cli import tables
from gateway.cli.output import counted, say
from gateway.cli.tables import Column
from gateway.demo import consoles, nodes
from gateway.demo import sites as demo_sites
from gateway.demo.sites import DWP
from gateway.domain.ownership import SITE

if TYPE_CHECKING:
    from gateway.demo.nodes import NodesDemo, NodesShown
    from gateway.demo.play import Watch

_LANES: Final = (Column("WHAT"), Column("WAS AT"), Column("IS AT"))


def show_nodes(root: Path, count: int, timeout: float, watch: Watch, *, stays: bool, as_json: bool) -> bool:
    """Play it in that directory, and say whether all came out as it should. With `stays` everything goes on running."""
    with nodes.database(stays=stays) as server:
        say(f"making DWP with {count} nodes, and two authorities, in {root}")
        demo = nodes.make(root, server, count, with_consoles=stays)
        keep = False
        try:
            demo.begin()
            done = nodes.perform(demo, timeout, watch, say)
            console = demo.settle() if stays else ""
            keep = stays
        finally:
            if not keep:
                demo_sites.stop(demo.sites)
        if as_json:
            click.echo(json.dumps(done.as_data(), indent=2))
        else:
            _show(done)
        if keep:
            _say_running(root, demo, console)
    return done.ok


def _show(done: NodesShown) -> None:
    from gateway.cli.demo import show_files  # noqa: PLC0415 - which imports this

    show_files(done.files)
    lost = done.lost
    click.echo(
        f"\nkill -9 of {lost.node}, with {lost.files_at_their_end} of {len(done.files)} files at their end; all that it worked on had another node after {lost.seconds} s"
    )
    rows = [("the site's own work" if lane == SITE else lane, lost.node, node) for lane, node in lost.lanes.items()]
    tables.show(_LANES, rows)
    for audit in done.audit:
        said = f"{audit.said.get('events', '?')} events, the chain holds, every file read" if audit.ok else audit.said
        click.echo(f"audit verify --deep at {audit.site}: {said}")
    wrong = sum(not each.as_expected for each in done.files)
    click.echo(f"lost: {', '.join(done.missing) or 'nothing'}; delivered twice: {', '.join(done.doubled) or 'nothing'}")
    click.echo(
        f"{counted(len(done.files), 'file')} in {done.seconds} s with {len(done.nodes)} nodes: "
        + ("all as expected." if done.ok else f"{wrong} NOT as expected.")
    )


def _say_running(root: Path, demo: NodesDemo, console: str) -> None:
    from gateway.cli.demo import show_people  # noqa: PLC0415 - which imports this

    say(f"The sites are running in {root}. The nodes of {DWP}:")
    for name, site in demo.nodes.items():
        serves = ", which serves the console" if name == console else ""
        say(
            f"  {name}{serves}, process {site.daemon.pid if site.daemon else '-'}: gateway --home {site.home.root} nodes"
        )
    show_people(consoles.people([demo.nodes[console], *demo.authorities]))
    say("\nWhat to try:")
    say("  - `gateway --home HOME status` at each node, and `nodes`: who works with whom, what moved")
    say(
        f"  - drop a file into spool/outbound at one node, and see the others' work in `gateway --home {root / DWP} tail`"
    )
    say(
        "  - end a node by its process (kill), and look at another one's `nodes` after ten seconds; `run` starts it again"
    )
    pids = [str(site.daemon.pid) for site in demo.sites if site.daemon is not None]
    say(f"To stop them: kill {' '.join(pids)}; then PostgreSQL: kill -QUIT {demo.server.pid}")
    say(f"Then remove {root} and {demo.server.root}.")
