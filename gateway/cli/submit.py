"""`gateway submit`: the same as dropping files in the spool, and it says their transfers' ids."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from gateway.cli import acting, output, reading
from gateway.cli.site import stopped_fault
from gateway.cli.words import with_code
from gateway.daemon.lock import holder
from gateway.daemon.roles import Role
from gateway.domain.states import Direction, State
from gateway.errors import DiskFull, FlowNotPermitted, GatewayError, NotFound, NotPermitted, PartnerUnknown, UsageWrong
from gateway.flows.catalog import FLOWS
from gateway.ledger.queries import identities
from gateway.ledger.units import Transfer
from gateway.logs import safe_text
from gateway.spool.submission import Submission, SubmittedCopies, examine
from gateway.stages.admission import record_admitted
from gateway.stages.context import StageContext

_GOOD: Final = frozenset({State.RECEIPTED, State.INGESTED})
_BAD: Final = frozenset({State.REJECTED, State.QUARANTINED, State.EXPIRED})
_LOOK_EVERY: Final = 0.2
_DATA, _UNAVAILABLE, _LATER = 65, 69, 75
_LONGEST_REFERENCE: Final = 200


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

    With --wait the exit status is 0 only if the partner has receipted all of them: 65 where one was not accepted, 69
    where one is held for a person, 75 where the time is over.

    \b
    Example:
      gateway --home /srv/gateway submit claim E09000030 claims-1.xml claims-2.xml --wait
    """
    if reference is not None and not (reference.isprintable() and 0 < len(reference) <= _LONGEST_REFERENCE):
        raise UsageWrong(f"--reference takes one line of at most {_LONGEST_REFERENCE} characters.")
    with acting.stage_context(ctx) as context:
        _require_route(context, flow, partner)
        submissions = _examine(context, flow, files)
        if submissions is None:
            ctx.exit(_DATA)
        ids = _take(context, flow, partner, submissions, reference)
        missing = [role.value for role in Role if holder(context.home.run, role) is None]
        if missing:
            output.say(f"Not running: {', '.join(missing)}. The files wait in custody until `gateway run`.")
        acting.wake_roles(context.settings)
        if not as_json:
            for identity in ids:
                click.echo(identity)
            sys.stdout.flush()
        rows = _wait(context, ids, timeout) if wait else _look(context, ids)
    if as_json:
        output.show_json([reading.transfer(rows[identity]) for identity in ids])
    if wait:
        ctx.exit(_judge(context, rows, ids))


def _require_route(context: StageContext, flow: str, partner: str) -> None:
    if flow not in FLOWS:
        raise FlowNotPermitted(f"There is no flow {flow[:40]!r}: there are {', '.join(FLOWS)}.")
    if partner in context.settings.stopped:
        raise stopped_fault(context.settings.stopped[partner])
    if partner not in context.settings.partners:
        raise PartnerUnknown(f"There is no partner {partner[:40]!r}.")
    if partner not in context.routes.outgoing.get(flow, frozenset()):
        raise FlowNotPermitted(f"The flow {flow} does not go to {partner}.")


def _examine(context: StageContext, flow: str, files: Sequence[Path]) -> list[Submission] | None:
    """The files as they are to be taken; None where any of them has a fault, after all faults were told."""
    found, faults = [], 0
    for path in files:
        try:
            found.append(examine(path, context.settings.flows[flow].max_bytes))
        except GatewayError as error:
            faults += 1
            output.say(f"{safe_text(str(path))}: {error.reason} [{error.code}]")
            output.say(f"  what to do: {_remedy(error)}")
    if faults:
        output.say(f"{faults} of {len(files)} files cannot be submitted; none was taken.")
        return None
    return found


def _remedy(error: GatewayError) -> str:
    """Where the class speaks of another kind of thing, words about a file."""
    if isinstance(error, NotFound):
        return "Check its name."
    return "Ask its owner, or run the command as another user." if isinstance(error, NotPermitted) else error.remedy


def _take(
    context: StageContext, flow: str, partner: str, submissions: Sequence[Submission], reference: str | None
) -> list[str]:
    """Into custody and into the ledger, all together."""
    home = context.home
    needed = sum(submission.size for submission in submissions) + context.settings.limits.min_free_bytes
    with reading.permitted():
        if shutil.disk_usage(home.vault).free < needed:
            raise DiskFull(f"{needed} bytes are needed to take these files in")
        with SubmittedCopies(home.submitted, context.new_id()) as draft:
            copied = [draft.copy(submission, context.new_id()) for submission in submissions]
            draft.commit()
            with context.ledger.write() as transaction:
                draft.move_in(home.custody)
                record_admitted(
                    context,
                    transaction,
                    [
                        {
                            "id": copy.transfer,
                            "flow": flow,
                            "partner": partner,
                            "name": submission.path.name,
                            "size": copy.size,
                            "sha256": copy.sha256,
                            "spool_file": None,
                            "reference": reference,
                        }
                        for submission, copy in zip(submissions, copied, strict=True)
                    ],
                )
    return [copy.transfer for copy in copied]


def _look(context: StageContext, ids: Sequence[str]) -> dict[str, Transfer]:
    with context.ledger.read() as connection:
        return {row.id: row for row in identities.by_ids(connection, Direction.OUT, ids)}


def _wait(context: StageContext, ids: Sequence[str], timeout: float) -> dict[str, Transfer]:
    """Look until nothing moves any more without a person, or the time is over; the rows as they are then."""
    deadline = time.monotonic() + timeout
    with _progress(len(ids)) as show:
        while True:
            rows = _look(context, ids)
            ended = [row for row in rows.values() if _is_over(context, row)]
            show(len(ended), rows)
            if len(ended) == len(ids) or time.monotonic() >= deadline:
                return rows
            time.sleep(_LOOK_EVERY)


def _is_over(context: StageContext, row: Transfer) -> bool:
    if row.state in _GOOD or row.state in _BAD or row.state == State.HELD:
        return True
    # A partner without a gateway sends no receipt: there the trip ends when the file is sent.
    partner = context.settings.partners.get(row.partner)
    return row.state == State.SENT and partner is not None and partner.envelope == "plain"


@contextmanager
def _progress(total: int) -> Iterator[Any]:
    """A bar on a terminal, nothing elsewhere; call it with how many have ended, and the rows."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _done, _rows: None
        return
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("waiting", total=total)

        def show(done: int, rows: Mapping[str, Transfer]) -> None:
            states = sorted({row.state for row in rows.values()})
            bar.update(task, completed=done, description=", ".join(states))

        yield show


def _judge(context: StageContext, rows: Mapping[str, Transfer], ids: Sequence[str]) -> int:
    """Say what did not arrive and why; the exit status."""
    states = {rows[identity].state for identity in ids}
    for identity in ids:
        row = rows[identity]
        if row.state in _BAD or row.state == State.HELD:
            output.say(f"{safe_text(row.name)} is {row.state}: {with_code(safe_text(row.reason or ''), row.code)}")
            remedy = reading.remedy(row.code, row.state, row.direction, row.id)
            output.say(f"  what to do: {remedy}")
    if states & _BAD:
        return _DATA
    if State.HELD in states:
        return _UNAVAILABLE
    unfinished = [identity for identity in ids if not _is_over(context, rows[identity])]
    if unfinished:
        output.say(f"{len(unfinished)} of {len(ids)} have no receipt yet; `gateway show ID` says where they are.")
        return _LATER
    return 0
