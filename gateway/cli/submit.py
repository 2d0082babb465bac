"""`gateway submit`: the same as dropping files in the spool, and it says their transfers' ids."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click

from gateway.administration.requests import submission as requests
from gateway.administration.requests.actors import refused
from gateway.administration.requests.submission import BAD, FileFault
from gateway.administration.views.records import TransferView, remedy
from gateway.administration.views.words import with_code
from gateway.cli import output
from gateway.cli.site import act_of, decision_of, log_of, say_missing, settings_of
from gateway.domain.states import State
from gateway.logs import safe_text

_DATA: Final = 65
_UNAVAILABLE: Final = 69
_LATER: Final = 75


@click.command()
@click.argument("flow", metavar="FLOW")
@click.argument("partner", metavar="PARTNER")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--reference", metavar="TEXT", help="A reference of your own; the partner sees it.")
@click.option("--wait", is_flag=True, help="Wait until the partner's receipts are here.")
@click.option(
    "--timeout", type=click.FloatRange(min=0), default=600.0, show_default=True, metavar="SECONDS", help="For --wait."
)
@output.as_json
@click.pass_context
def submit(
    ctx: click.Context,
    flow: str,
    partner: str,
    files: Sequence[Path],
    reference: str | None,
    timeout: float,
    *,
    wait: bool,
    as_json: bool,
) -> None:
    """Hand files of a FLOW over for a PARTNER, and print their transfers' ids, in the order of the files.

    The files stay where they are; the gateway has copies of its own once this command has ended. If any of them cannot
    be submitted, all their faults are told, none is taken, and the exit status is 65.

    With --wait the exit status is 0 only if the partner has receipted all of them (one without a gateway sends no receipt: then
    if they were sent): 65 where one was not accepted, 69 where one is held for a person, 75 where the time is over.

    \b
    Example:
      gateway --home /srv/gateway submit claim E09000030 claims-1.xml claims-2.xml --wait
    """
    requests.require_reference(reference)
    settings = settings_of(ctx)
    decision = decision_of(ctx, settings, about=partner)
    with requests.submitting(settings, log_of(settings)) as site:
        submissions, faults = site.examine(flow, partner, files)
        if faults:
            _tell_faults(faults, len(files))
            refused(settings, log_of(settings), act_of(ctx), partner, decision, faults[0].code)
            ctx.exit(_DATA)
        ids = site.take(flow, partner, submissions, reference, decision)
        say_missing(site.missing(), "The files wait in custody until `gateway run`.")
        if not as_json:
            for identity in ids:
                click.echo(identity)
            sys.stdout.flush()
        if wait:
            with _progress(len(ids)) as show:
                found = site.wait(ids, timeout, show)
        else:
            found = site.look(ids)
    shown = [found[identity] for identity in ids]
    if as_json:
        output.show_json(shown)
    if wait:
        ctx.exit(_judge(shown, sum(not site.is_over(each) for each in shown)))


def _tell_faults(faults: Sequence[FileFault], count: int) -> None:
    for fault in faults:
        output.say(f"{safe_text(str(fault.path))}: {fault.reason} [{fault.code}]")
        output.say(f"  what to do: {fault.remedy}")
    output.say(f"{len(faults)} of {count} files cannot be submitted; none was taken.")


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int, Mapping[str, TransferView]], None]]:
    """A bar on a terminal, nothing elsewhere; call it with how many have ended, and the transfers."""
    if not sys.stderr.isatty():
        yield lambda _done, _found: None
        return
    from rich.console import Console  # noqa: PLC0415  # only where it is seen
    from rich.progress import (  # noqa: PLC0415  # as above
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
    )

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("waiting", total=total)

        def show(done: int, found: Mapping[str, TransferView]) -> None:
            states = sorted({each.state for each in found.values()})
            bar.update(task, completed=done, description=", ".join(states))

        yield show


def _judge(found: Sequence[TransferView], unfinished: int) -> int:
    """Say what did not arrive and why; the exit status."""
    states = {each.state for each in found}
    for each in found:
        if each.state in BAD or each.state == State.HELD:
            output.say(f"{safe_text(each.name)} is {each.state}: {with_code(safe_text(each.reason or ''), each.code)}")
            output.say(f"  what to do: {remedy(each.code, each.state, each.direction, each.id)}")
        if each.unconfirmed:
            output.say(
                f"{safe_text(each.name)} was sent to a partner without a gateway: nobody confirms that it arrived"
            )
    if states & BAD:
        return _DATA
    if State.HELD in states:
        return _UNAVAILABLE
    if unfinished:
        output.say(f"{unfinished} of {len(found)} have no receipt yet; `gateway show ID` says where they are.")
        return _LATER
    return 0
