"""`gateway bench`: the whole job beside what people would do instead, on this machine."""

from __future__ import annotations

import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click

from gateway.cli import output, tables
from gateway.cli.tables import Column
from gateway.errors import UsageWrong

_COLUMNS: Final = (Column("WORKLOAD"), Column("WHAT"))


@click.command()
@click.option("--quick", is_flag=True, help="Fewer and smaller files: about three minutes.")
@click.option("--workload", "wanted", multiple=True, metavar="NAME", help="Only this one; may be given again.")
@click.option("--list", "list_only", is_flag=True, help="List the workloads.")
@click.option("--dir", "directory", type=click.Path(path_type=Path, file_okay=False), help="Keep everything here.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write data and plots there, over those of the same workloads.",
)
@output.as_json
@click.pass_context
def bench(
    ctx: click.Context,
    wanted: tuple[str, ...],
    directory: Path | None,
    out: Path | None,
    *,
    quick: bool,
    list_only: bool,
    as_json: bool,
) -> None:
    """Carry the same files by a shell script, by rclone and by the gateway, in turn, and compare.

    The gateway does the whole job at both ends; the others move and decrypt. Every file's digest is compared at the
    end: a run in which anything was lost or changed has no figures, and the exit status says so.

    \b
    Example:
      gateway bench --quick
      gateway bench --workload claims --json
      gateway bench --out docs/measured
    """
    from gateway.bench.file_system import file_system  # noqa: PLC0415 - slow to import
    from gateway.bench.kept import keep, machine  # noqa: PLC0415 - as above
    from gateway.bench.report import tables as report_of  # noqa: PLC0415 - as above
    from gateway.bench.workloads import WORKLOADS  # noqa: PLC0415 - as above
    from gateway.linux.process import adopt_orphans  # noqa: PLC0415 - slow to import

    if list_only:
        tables.show(_COLUMNS, [(name, work.__doc__ or "") for name, work in WORKLOADS.items()])
        return
    for name in wanted:
        if name not in WORKLOADS:
            raise UsageWrong(f"There is no workload {name!r}: there are {', '.join(WORKLOADS)}.")
    adopt_orphans()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # or the sites would go on without us
    outcomes = []
    with _working_directory(directory) as root, ExitStack() as stack:
        ground = _ground(root, stack, quick=quick)
        lies_on = file_system(root)
        output.say(f"the sites lie on {lies_on}")
        for name in wanted or WORKLOADS:
            output.say(f"{name}: {WORKLOADS[name].__doc__}")
            outcomes.append(WORKLOADS[name](ground))
    data = {"machine": machine(lies_on), "outcomes": [outcome.as_data() | {"quick": quick} for outcome in outcomes]}
    if out is not None:
        keep(out, data, outcomes)
    if as_json:
        output.show_json(data)
    else:
        click.echo(f"The sites lay on {lies_on}.\n\n{report_of(outcomes)}")
    ctx.exit(0)


@contextmanager
def _working_directory(directory: Path | None) -> Iterator[Path]:
    if directory is not None:
        directory.mkdir(parents=True)
        yield directory.absolute()
        return
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as temporary:
        yield Path(temporary)


def _ground(root: Path, stack: ExitStack, *, quick: bool) -> Any:
    from gateway.bench.ground import Ground  # noqa: PLC0415 - as above

    return Ground(root, datetime.now(UTC).date(), int(time.time()) * 1000, quick, output.say, stack)
