"""`gateway demo --nodes N`: DWP on several machines, of which one is lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from gateway.cli import tables
from gateway.cli.output import counted, say
from gateway.cli.tables import Column
from gateway.demo import nodes
from gateway.demo import sites as demo_sites
from gateway.domain.ownership import SITE

if TYPE_CHECKING:
    from gateway.demo.nodes import NodesDemo, NodesShown
    from gateway.demo.play import Watch

_LANES: Final = (Column("WHAT"), Column("WAS AT"), Column("IS AT"))


def show_nodes(root: Path, count: int, timeout: float, watch: Watch, *, stays: bool, as_json: bool) -> bool:
    """Play it in that directory, and say whether all came out as it should. With `stays` everything goes on running."""
    with nodes.database(stays=stays) as server:
        say(f"making DWP with {count} nodes, and two authorities, in {root}")
        demo = nodes.make(root, server, count)
        keep = False
        try:
            demo.begin()
            done = nodes.perform(demo, timeout, watch, say)
            keep = stays
        finally:
            if not keep:
                demo_sites.stop(demo.sites)
        if as_json:
            click.echo(json.dumps(done.as_data(), indent=2))
        else:
            _show(done)
        if keep:
            _say_running(root, demo)
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


def _say_running(root: Path, demo: NodesDemo) -> None:
    pids = [str(site.daemon.pid) for site in demo.sites if site.daemon is not None]
    first = next(iter(demo.nodes.values())).home.root
    say(f"The sites are running in {root}. To look: gateway --home {first} nodes")
    say(f"To stop them: kill {' '.join(pids)}; then PostgreSQL, in {demo.server.root}: kill -QUIT {demo.server.pid}")
