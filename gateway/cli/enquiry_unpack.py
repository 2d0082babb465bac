"""`gateway enquiry unpack`: what an enquiry or a reply says, and what is attached to it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from gateway.administration.documents import letters
from gateway.administration.documents.letters import Received
from gateway.cli import output
from gateway.cli.site import settings_if_named


@click.command()
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
    letter = letters.read(settings_if_named(ctx), file)
    paths = [] if directory is None else letters.write_attachments(directory, letter)
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


def _data(letter: Received, paths: Sequence[Path]) -> dict[str, Any]:
    return {
        "flow": letter.flow,
        "reference": letter.reference,
        "kind": letter.kind,
        "office": letter.office,
        "telephone": letter.telephone,
        "day": letter.day,
        "reply_by": letter.reply_by,
        "paragraphs": letter.paragraphs,
        "attachments": [{"name": each.name, "size": len(each.content)} for each in letter.attachments],
        "files": [str(path) for path in paths],
    }
