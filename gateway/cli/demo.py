"""`gateway demo`: the whole job, on this machine, in one go."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from gateway.demo.play import Progress
    from gateway.demo.sites import DemoSite

_FAILED: Final = 70


@click.command()
@click.option(
    "--dir",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep the sites here, and leave them running.  [default: a temporary directory, removed afterwards]",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as data.")
@click.option("--timeout", type=float, default=300.0, show_default=True, metavar="SECONDS", help="Give up after that.")
@click.pass_context
def demo(ctx: click.Context, directory: Path | None, *, as_json: bool, timeout: float) -> None:
    """Show the whole job: DWP and two authorities on this machine, every flow, good files and bad ones.

    It makes three sites, introduces them, starts their gateways with their SFTP servers, drops files as operators
    would, and waits for the receipts. Notices go in both versions of their schema, side by side. The authorities answer
    the referrals, all but a few, and one passes a claim that it got wrongly on to the right one. Sites ask each other and
    answer, and DWP publishes a known fault. Then it shows what became of every file, why
    some came back, and what `gateway audit verify` says at each site. The exit status is 0 only if all of it came out
    as it should.

    \b
    Example:
      gateway demo
      gateway demo --dir /tmp/play      (the sites stay, running; the end says how to stop them)
    """
    from gateway.demo import sites as demo_sites  # noqa: PLC0415 - slow to import

    with _place(directory) as root:
        _say(f"making three sites in {root}")
        sites = demo_sites.make_sites(root)
        sites = demo_sites.start(sites)
        keep = False
        try:
            demo_sites.wait_until_ready(sites)
            report = _play(sites, timeout)
            keep = directory is not None
        finally:
            if not keep:
                demo_sites.stop(sites)
        report["audit"] = [_audit(site) for site in sites]
        fine = all(result["as_expected"] for result in report["files"]) and all(a["ok"] for a in report["audit"])
        report["ok"] = fine
        if as_json:
            click.echo(json.dumps(report, indent=2))
        else:
            _show(report)
        if directory is not None:
            pids = [str(site.daemon.pid) for site in sites if site.daemon is not None]
            _say(f"The sites are running in {root}. To look: gateway --home {root}/DWP status")
            _say(f"To stop them: kill {' '.join(pids)}")
    ctx.exit(0 if fine else _FAILED)


@contextmanager
def _place(directory: Path | None) -> Iterator[Path]:
    if directory is not None:
        yield directory.absolute()
        return
    with tempfile.TemporaryDirectory(prefix="gateway-demo-", ignore_cleanup_errors=True) as temporary:
        yield Path(temporary)


def _play(sites: Sequence[DemoSite], timeout: float) -> dict[str, Any]:
    from datetime import UTC, datetime  # noqa: PLC0415 - as above

    from gateway.demo.enquiries import enquire  # noqa: PLC0415 - as above
    from gateway.demo.loop import close_the_loop  # noqa: PLC0415 - as above
    from gateway.demo.play import play  # noqa: PLC0415 - as above
    from gateway.demo.script import acts  # noqa: PLC0415 - as above
    from gateway.demo.sites import DWP, gateway  # noqa: PLC0415 - as above
    from gateway.sample.catalog import samplers  # noqa: PLC0415 - as above

    makers, today = samplers(), datetime.now(UTC).date()
    script = list(acts(makers, today))
    _say(f"dropping {len(script)} files")
    started = time.monotonic()
    with _progress(len(script)) as progress:
        results = play(script, sites, progress, timeout)
    _say("authorities answer referrals, all but a few, and one passes a claim on to the right one")
    results += close_the_loop(makers, sites, today, timeout)
    _say("sites ask each other and answer, and DWP publishes a known fault")
    results += enquire(makers["laid"], sites, today, timeout)
    dwp = next(site for site in sites if site.code == DWP)
    return {
        "files": [result.as_data() for result in results],
        "seconds": round(time.monotonic() - started, 1),
        "referrals": json.loads(gateway("referrals", "--json", home=dwp.home.root))["totals"],
    }


def _audit(site: DemoSite) -> dict[str, Any]:
    from gateway.demo.sites import DemoFailed, gateway  # noqa: PLC0415 - as above

    try:
        said = json.loads(gateway("audit", "verify", "--json", home=site.home.root))
    except DemoFailed as error:
        return {"site": site.code, "ok": False, "said": error.reason}
    return {"site": site.code, "ok": True, "said": said}


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
            _say(f"{done} of {total} files at their end")

    yield line


def _show(report: dict[str, Any]) -> None:
    from rich.console import Console  # noqa: PLC0415 - slow to import
    from rich.table import Table  # noqa: PLC0415 - as above

    console = Console(width=None if sys.stdout.isatty() else 170)
    files = report["files"]
    table = Table("file", "schema", "from", "to", "size", "state", "seconds", "", title="What became of every file")
    for column in (4, 6):
        table.columns[column].justify = "right"
    for each in files:
        mark = f"exceptions: {each['exceptions']}" if each["exceptions"] else ""
        mark = mark if each["as_expected"] else f"NOT AS EXPECTED: {each['why_not']}"
        size, seconds = f"{each['size']:,}", f"{each['seconds']:.2f}"
        kind = each["schema"] or each["flow"]
        table.add_row(each["file"], kind, each["sender"], each["recipient"], size, each["state"], seconds, mark)
    console.print(table)
    returned = Table("file", "flow", "to", "reason", title="What was returned, and why")
    for each in files:
        if each["expected"] == "returned":
            reason = (each["reason"] or "see NAME.why.txt beside it").partition("\n")[0]
            returned.add_row(each["file"], each["flow"], each["recipient"], reason)
    console.print(returned)
    answered, left = report["referrals"]["answered"], report["referrals"]["outstanding"]
    console.print(f"referrals and scan results at DWP: {answered} answered, {left} outstanding")
    for audit in report["audit"]:
        said = f"{audit['said'].get('events', '?')} events, the chain holds" if audit["ok"] else audit["said"]
        console.print(f"audit verify at {audit['site']}: {said}")
    delivered = sum(1 for each in files if each["state"] in ("receipted", "ingested"))
    wrong = sum(1 for each in files if not each["as_expected"])
    console.print(
        f"{len(files)} files in {report['seconds']} s: {delivered} delivered and receipted, "
        f"{sum(1 for each in files if each['expected'] == 'returned')} returned as they should be, "
        + ("all as expected." if report["ok"] else f"{wrong} NOT as expected.")
    )


def _say(text: str) -> None:
    click.echo(text, err=True)
