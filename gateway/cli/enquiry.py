"""`gateway enquiry`: ask a partner, answer what a partner asked, close what is settled, and read what came."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import click

from gateway import assembly
from gateway.cli import acting, output
from gateway.cli.site import settings_of
from gateway.daemon.lock import holder
from gateway.daemon.roles import Role
from gateway.domain.enquiry import ENQUIRY, KINDS, REPLY
from gateway.errors import ContentInvalid, FileUnsafe, NotFound, UsageWrong
from gateway.flows.catalog import FLOWS
from gateway.logs import safe_text
from gateway.settings.flow_settings import LaidSettings
from gateway.settings.model import Validation
from gateway.settings.resources import resource
from gateway.spool.names import check_name
from gateway.stages import enquiring
from gateway.stages.context import StageContext
from gateway.stages.enquiring import Question, Reply, Submitted
from gateway.stages.inspection import describe
from gateway.storage.durable import make_directory, write_new_file
from gateway.validation.contract import Report
from gateway.validation.enquiry import Received, read_letter
from gateway.validation.redirect import LIMITS
from gateway.validation.sandbox.pool import Job, Sandbox

_LONGEST_TEXT: Final = 256 * 1024
_text = click.option("--text", "source", required=True, metavar="FILE|-", help="The text, in UTF-8; `-` reads it here.")
_attach = click.option(
    "--attach", "attached", multiple=True, metavar="PDF", type=click.Path(path_type=Path), help="A PDF; up to five."
)


@click.group()
def enquiry() -> None:
    r"""Ask a partner, answer what a partner asked, close what is settled without a reply, and read what came.

    \b
    Example:
      gateway --home /srv/gateway enquiry send award E09000030 --text question.txt --attach letter.pdf
      gateway --home /srv/gateway enquiry reply ENQ-DWP-20261128-KTRWB --text answer.txt
    """


@enquiry.command()
@click.argument("kind", type=click.Choice(list(KINDS)), metavar="KIND")
@click.argument("partner", metavar="PARTNER")
@_text
@_attach
@click.option(
    "--reply-by",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="DATE",
    help="The last day for a reply.  [default: by kind]",
)
@click.option("--reference", metavar="R", help="A number of your own, such as HBE-2026/117.  [default: a new one]")
@output.as_json
@click.pass_context
def send(
    ctx: click.Context,
    kind: str,
    partner: str,
    source: str,
    attached: Sequence[Path],
    reply_by: datetime | None,
    reference: str | None,
    *,
    as_json: bool,
) -> None:
    """Send an enquiry to a PARTNER, and print its reference.

    KIND is nino (a National Insurance number), award, system-fault (form 5a), data-fault (form 5b), staff-change (LAST 6)
    or general. The text may name people: it travels sealed, and is in no log and no list.

    \b
    Example:
      gateway --home /srv/gateway enquiry send data-fault DWP --text - --reply-by 2026-12-04 < fault.txt
    """
    day = None if reply_by is None else reply_by.date()
    question = Question(kind, partner, _read(source), attached, day, reference)
    with _working(ctx, ENQUIRY) as (context, readers):
        done = enquiring.send(context, question, readers)
    _tell(
        done, f"Enquiry {done.reference} goes to {done.partner}; a reply is wanted by {done.reply_by}.", as_json=as_json
    )


@enquiry.command()
@click.argument("reference", metavar="REFERENCE")
@_text
@_attach
@click.option("--partner", metavar="CODE", help="Who asked, where several partners ask under one reference.")
@click.option("--again", is_flag=True, help="Answer once more what was answered or closed.")
@output.as_json
@click.pass_context
def reply(
    ctx: click.Context,
    reference: str,
    source: str,
    attached: Sequence[Path],
    partner: str | None,
    *,
    again: bool,
    as_json: bool,
) -> None:
    """Answer the enquiry that came under REFERENCE.

    \b
    Example:
      gateway --home /srv/gateway enquiry reply ENQ-DWP-20261128-KTRWB --text answer.txt --attach award.pdf
    """
    answer = Reply(reference, _read(source), attached, partner, again)
    with _working(ctx, REPLY) as (context, readers):
        done = enquiring.reply(context, answer, readers)
    _tell(done, f"The reply to {done.reference} goes to {done.partner}.", as_json=as_json)


@enquiry.command()
@click.argument("reference", metavar="REFERENCE")
@click.option("--partner", metavar="CODE", help="The other end, where several enquiries have one reference.")
@acting.reason_option
@click.pass_context
def close(ctx: click.Context, reference: str, partner: str | None, reason: str) -> None:
    """Close an enquiry, sent or received, that is settled without a reply: by telephone, or by another file.

    \b
    Example:
      gateway --home /srv/gateway enquiry close ENQ-DWP-20261128-KTRWB --reason "answered by telephone"
    """
    decision = acting.decision(reason)
    with acting.stage_context(ctx) as context:
        closed = enquiring.close(context, reference, partner, decision)
    output.say(f"Enquiry {closed.asking.reference} with {closed.asking.partner} is closed.")


@enquiry.command()
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option(
    "--out",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where to put what is attached; without it, nothing is written.",
)
@output.as_json
@click.pass_context
def unpack(ctx: click.Context, file: Path, directory: Path | None, *, as_json: bool) -> None:
    """Print what an enquiry or a reply says, and put what is attached to it into a directory.

    The document is checked like any other before it is opened. No file is overwritten. The exit status is 65 where the
    document is not right.

    \b
    Example:
      gateway enquiry unpack spool/inbound/enquiry/DWP/enquiry-ENQ-DWP-20261128-KTRWB.xml --out /srv/inbox
    """
    letter = _letter(ctx, file)
    paths = [] if directory is None else _write(directory, letter)
    if as_json:
        output.show_json(_data(letter, paths))
        return
    named = f"{letter.flow} {letter.reference}" + (f", {letter.kind}" if letter.kind else "")
    asks = f", reply by {letter.reply_by}" if letter.reply_by else ""
    output.say(f"{named}, from {letter.office} ({letter.telephone or 'no telephone'}), of {letter.day}{asks}")
    for paragraph in letter.paragraphs:
        click.echo(paragraph)
    for path in paths:
        output.say(str(path))
    if letter.attachments and directory is None:
        output.say(f"{len(letter.attachments)} PDFs are attached: --out DIR puts them there.")


@contextmanager
def _working(ctx: click.Context, flow: str) -> Iterator[tuple[StageContext, Sandbox]]:
    """The site, and a reader of the flow's documents; at the end it is said which roles do not run."""
    with acting.stage_context(ctx) as context:
        with Sandbox({flow: assembly.plans(context.settings)[flow]}, 1) as readers:
            yield context, readers
        missing = [role.value for role in Role if holder(context.home.run, role) is None]
    if missing:
        output.say(f"Not running: {', '.join(missing)}. It waits in custody until `gateway run`.")


def _read(source: str) -> str:
    """A person's text."""
    try:
        if source == "-":
            content = sys.stdin.buffer.read(_LONGEST_TEXT + 1)
        else:
            with Path(source).open("rb") as file:
                content = file.read(_LONGEST_TEXT + 1)
    except FileNotFoundError as error:
        raise NotFound(f"There is no file {safe_text(source)}.") from error
    except OSError as error:
        raise FileUnsafe(f"{safe_text(source)} cannot be read: {error.strerror}.") from error
    if len(content) > _LONGEST_TEXT:
        raise UsageWrong(f"The text is longer than {_LONGEST_TEXT} bytes: attach it as a PDF.")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ContentInvalid("The text is not in UTF-8: save it again as that.") from error


def _tell(done: Submitted, sentence: str, *, as_json: bool) -> None:
    if as_json:
        output.show_json({**asdict(done), "reply_by": done.reply_by and done.reply_by.isoformat()})
        return
    click.echo(done.reference)
    output.say(f"{sentence} Transfer {done.transfer}.")


def _letter(ctx: click.Context, file: Path) -> Received:
    """The document, found right by a reader in the sandbox."""
    try:
        with file.open("rb") as opened:
            content = opened.read(LIMITS.size + 1)
    except FileNotFoundError as error:
        raise NotFound(f"There is no file {safe_text(str(file))}.") from error
    except OSError as error:
        raise FileUnsafe(f"{safe_text(str(file))} cannot be read: {error.strerror}.") from error
    settings = None if ctx.find_root().obj is None else settings_of(ctx)
    allowed = (Validation() if settings is None else settings.validation).test_numbers
    links = LaidSettings().links if settings is None else settings.links
    plans = {flow: FLOWS[flow].plan(resource("schemas"), allowed, links) for flow in (ENQUIRY, REPLY)}
    reports = []
    with Sandbox(plans, 1) as readers:
        for flow in plans:
            _, result = next(iter(readers.validate([Job(flow, flow, file)])))
            if not isinstance(result, Report):
                raise ContentInvalid(f"Reading it ended its reader: {result.reason}")
            if result.valid:
                return read_letter(content)
            reports.append(result)
    # What says which flow it is of, and is wrong otherwise, has more to tell than what is of another flow.
    told = next((report for report in reports if report.schema is not None), reports[0])
    raise ContentInvalid(describe(told), told.findings[0].code)


def _write(directory: Path, letter: Received) -> list[Path]:
    """The attachments under their names; all their names are looked at before the first is written."""
    make_directory(directory.absolute(), 0o750)
    for attachment in letter.attachments:
        check_name(attachment.name)
    paths = []
    for attachment in letter.attachments:
        path = directory / attachment.name
        if not write_new_file(path, attachment.content, mode=0o640):
            raise UsageWrong(f"{safe_text(str(path))} is there already: choose another directory.")
        paths.append(path)
    return paths


def _data(letter: Received, paths: Sequence[Path]) -> dict[str, Any]:
    return {
        "flow": letter.flow,
        "reference": letter.reference,
        "kind": letter.kind,
        "office": letter.office,
        "telephone": letter.telephone,
        "day": letter.day.isoformat(),
        "reply_by": letter.reply_by and letter.reply_by.isoformat(),
        "paragraphs": list(letter.paragraphs),
        "attachments": [{"name": each.name, "size": len(each.content)} for each in letter.attachments],
        "files": [str(path) for path in paths],
    }
