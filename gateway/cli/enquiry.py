"""`gateway enquiry`: ask a partner, answer what a partner asked, close what is settled, and read what came."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Final

import click

from gateway.administration.requests import enquiries as requests
from gateway.administration.requests.enquiries import Question, Reply, Sent
from gateway.cli import output
from gateway.cli.enquiry_unpack import unpack
from gateway.cli.site import decision_of, log_of, reason_option, say_missing, settings_of
from gateway.domain.enquiry import KINDS
from gateway.errors import ContentInvalid, FileUnsafe, NotFound, UsageWrong
from gateway.logs import safe_text

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
    settings = settings_of(ctx)
    sent = requests.send(settings, log_of(settings), question, decision_of(ctx, settings, about=partner))
    done = sent.submitted
    _tell(
        sent, f"Enquiry {done.reference} goes to {done.partner}; a reply is wanted by {done.reply_by}.", as_json=as_json
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
    settings = settings_of(ctx)
    sent = requests.reply(settings, log_of(settings), answer, decision_of(ctx, settings, about=partner or ""))
    _tell(sent, f"The reply to {sent.submitted.reference} goes to {sent.submitted.partner}.", as_json=as_json)


@enquiry.command()
@click.argument("reference", metavar="REFERENCE")
@click.option("--partner", metavar="CODE", help="The other end, where several enquiries have one reference.")
@reason_option
@click.pass_context
def close(ctx: click.Context, reference: str, partner: str | None, reason: str) -> None:
    """Close an enquiry, sent or received, that is settled without a reply: by telephone, or by another file.

    \b
    Example:
      gateway --home /srv/gateway enquiry close ENQ-DWP-20261128-KTRWB --reason "answered by telephone"
    """
    settings = settings_of(ctx)
    decision = decision_of(ctx, settings, reason, partner or "")
    closed = requests.close(settings, log_of(settings), reference, partner, decision)
    output.say(f"Enquiry {closed.asking.reference} with {closed.asking.partner} is closed.")


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


def _tell(sent: Sent, sentence: str, *, as_json: bool) -> None:
    done = sent.submitted
    say_missing(sent.missing)
    if as_json:
        output.show_json(asdict(done))
        return
    click.echo(done.reference)
    output.say(f"{sentence} Transfer {done.transfer}.")


enquiry.add_command(unpack)
