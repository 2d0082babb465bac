"""`gateway demo`: the whole job, on this machine, in one go."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from gateway.cli import tables
from gateway.cli.output import say
from gateway.cli.tables import Column

if TYPE_CHECKING:
    from gateway.demo.consoles import ConsoleLink
    from gateway.demo.performance import Performance
    from gateway.demo.play import Progress, Result

_FAILED: Final = 70
_FILES: Final = (
    Column("FILE", gives_way=True),
    Column("SCHEMA"),
    Column("FROM"),
    Column("TO"),
    Column("SIZE", right=True),
    Column("STATE"),
    Column("SECONDS", right=True),
    Column(""),
)
_RETURNED: Final = (Column("FILE"), Column("FLOW"), Column("TO"), Column("REASON", gives_way=True))


@click.command()
@click.option(
    "--dir",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep the sites here, and leave them running.  [default: a temporary directory, removed afterwards]",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as data.")
@click.option(
    "--nodes",
    "node_count",
    type=click.IntRange(2, 5),
    metavar="N",
    help="Show DWP with so many nodes instead, of which one is killed in the middle of the work. Needs PostgreSQL.",
)
@click.option("--timeout", type=float, default=300.0, show_default=True, metavar="SECONDS", help="Give up after that.")
@click.pass_context
def demo(ctx: click.Context, directory: Path | None, node_count: int | None, *, as_json: bool, timeout: float) -> None:
    """Show the whole job: DWP and two authorities on this machine, every flow, good files and bad ones.

    It makes three sites, introduces them, starts their gateways with their SFTP servers, drops files as operators
    would, and waits for the receipts. Notices go in both versions of their schema, side by side. The authorities answer
    the referrals, all but a few, and one passes a claim that it got wrongly on to the right one. Some notices repeat others, are
    superseded, or are out of date, and `gateway triage report` counts them. Sites ask each other and
    answer, and DWP publishes a known fault. At last each authority loads what came into a database (`gateway load`), and DWP
    hears that it did. Then it shows what became of every file, why
    some came back, and what `gateway audit verify` says at each site. The exit status is 0 only if all of it came out
    as it should. With --dir each site's console stays there too, and the end prints a one-time link for each of its people: somebody of each
    role, two supervisors and two administrators; and what to try, for which a held file, a file in quarantine and a management check are left
    (not with --nodes).

    \b
    Example:
      gateway demo
      gateway demo --dir /tmp/play      (the sites stay, running; the end says how to stop them)
      gateway demo --nodes 3            (DWP on three machines, of which one is lost; with --dir they stay)
    """
    if node_count is not None:
        from gateway.cli.demo_nodes import show_nodes  # noqa: PLC0415 - slow to import

        with _working_directory(directory) as root:
            ctx.exit(
                0
                if show_nodes(root, node_count, timeout, _progress, stays=directory is not None, as_json=as_json)
                else _FAILED
            )
    from gateway.demo import consoles, left_open  # noqa: PLC0415 - slow to import
    from gateway.demo import sites as demo_sites  # noqa: PLC0415 - slow to import
    from gateway.demo.performance import perform  # noqa: PLC0415 - as above
    from gateway.sample.catalog import samplers  # noqa: PLC0415 - as above

    with _working_directory(directory) as root:
        say(f"making three sites in {root}")
        sites = demo_sites.make_sites(root)
        if directory is not None:
            consoles.prepare(sites)
        sites = demo_sites.start(sites)
        keep = False
        try:
            demo_sites.wait_until_ready(sites)
            done = perform(sites, timeout, _progress, say)
            keep = directory is not None
        finally:
            if not keep:
                demo_sites.stop(sites)
        if as_json:
            click.echo(json.dumps(done.as_data(), indent=2))
        else:
            _show(done)
        if directory is not None:
            pids = [str(site.daemon.pid) for site in sites if site.daemon is not None]
            say(f"The sites are running in {root}. To look: gateway --home {root}/DWP status")
            show_people(consoles.people(sites))
            dwp = next(site for site in sites if site.code == demo_sites.DWP)
            left_open.leave(samplers(), dwp, demo_sites.AUTHORITIES[0], datetime.now(UTC).date(), timeout)
            say("\nWhat to try, the first four at DWP:")
            for each in left_open.TO_TRY:
                say(f"  - {each}")
            say(f"To stop them: kill {' '.join(pids)}")
    ctx.exit(0 if done.ok else _FAILED)


def show_people(links: Sequence[ConsoleLink]) -> None:
    """Who may sign in where. On stderr: a link is no result."""
    say(
        "Their consoles, and the people of each. A link works once, for a day: by it one sets a password and an authenticator app."
    )
    say("After that one signs in at the console's address.")
    widest = max(len(each.user) for each in links)
    for site, own in groupby(links, lambda each: each.site):
        rows = list(own)
        say(f"\n{site}: {rows[0].address}")
        say(f"  {'USER':{widest}}  {'ROLE':16}  LINK")
        for each in rows:
            say(f"  {each.user:{widest}}  {each.role:16}  {each.link}")
    say(
        "\nWhat takes two people, one supervisor asks for and the other one agrees to: a release, continuity, disposal."
    )
    say("Roles and partners' cards are for the two administrators. A browser keeps one person of each site: take a")
    say("private window for the second.")


@contextmanager
def _working_directory(directory: Path | None) -> Iterator[Path]:
    if directory is not None:
        yield directory.absolute()
        return
    with tempfile.TemporaryDirectory(prefix="gateway-demo-", ignore_cleanup_errors=True) as temporary:
        yield Path(temporary)


@contextmanager
def _progress(total: int) -> Iterator[Progress]:
    """A bar on a terminal, a line now and then elsewhere."""
    if sys.stderr.isatty():
        from rich.console import Console  # noqa: PLC0415 - only where it is seen
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415 - as above
        from rich.progress import Progress as Bar  # noqa: PLC0415 - as above

        columns = (TextColumn("files at their end"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Bar(*columns, console=Console(stderr=True)) as bar:
            task = bar.add_task("files", total=total)
            yield lambda done, _total: bar.update(task, completed=done)
        return
    said = [-1]

    def line(done: int, total: int) -> None:
        if done != said[0]:
            said[0] = done
            say(f"{done} of {total} files at their end")

    yield line


def show_files(files: Sequence[Result]) -> None:
    click.echo("What became of every file")
    rows = []
    for each in files:
        mark = f"exceptions: {each.exceptions}" if each.exceptions else ""
        mark = mark if each.as_expected else f"NOT AS EXPECTED: {each.why_not}"
        kind, size, seconds = each.schema or each.flow, f"{each.size:,}", f"{each.seconds:.2f}"
        rows.append((each.file, kind, each.sender, each.recipient, size, each.state, seconds, mark))
    tables.show(_FILES, rows)


def _show(done: Performance) -> None:
    show_files(done.files)
    returned = [each for each in done.files if each.expected == "returned"]
    click.echo("\nWhat was returned, and why")
    reasons = [(each.reason or "see NAME.why.txt beside it").partition("\n")[0] for each in returned]
    tables.show(
        _RETURNED,
        [(each.file, each.flow, each.recipient, why) for each, why in zip(returned, reasons, strict=True)],
    )
    answered, left = done.referrals["answered"], done.referrals["outstanding"]
    click.echo(f"\nreferrals and scan results at DWP: {answered} answered, {left} outstanding")
    triage = done.triage
    repeated, superseded, old = triage.known
    agreed = "and the receipts say so" if triage.ok else f"NOT {triage.expected}; receipts say {triage.told}"
    click.echo(
        f"triage at DWP: of {triage.records} records sent, {repeated} repeat others, {superseded} are superseded, {old} out of date, {agreed}"
    )
    for loaded in done.loaded:
        click.echo(
            f"loaded at {loaded.site}: {loaded.documents} documents, {loaded.records} records, in {loaded.database}"
        )
    for audit in done.audit:
        said = f"{audit.said.get('events', '?')} events, the chain holds" if audit.ok else audit.said
        click.echo(f"audit verify at {audit.site}: {said}")
    delivered = sum(each.state in ("receipted", "ingested") for each in done.files)
    wrong = sum(not each.as_expected for each in done.files)
    click.echo(
        f"{len(done.files)} files in {done.seconds} s: {delivered} delivered and receipted, "
        f"{len(returned)} returned as they should be, "
        + ("all as expected." if done.ok else f"{wrong} NOT as expected.")
    )
