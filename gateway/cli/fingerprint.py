"""The one question that nothing takes the place of: whether the partner reads out the same fingerprint."""

from __future__ import annotations

import sys

import click

from gateway.cli import output
from gateway.errors import CardRefused, UsageWrong


def confirm(code: str, name: str, fingerprint: str, *, from_stdin: bool = False) -> None:
    """Ask whether the fingerprint is the one read out by telephone; UsageWrong where nobody is there to answer, as with a card
    `from_stdin`, CardRefused where it is not.
    """
    if from_stdin or not sys.stdin.isatty():
        raise UsageWrong("Nobody is here to confirm the fingerprint: give it with --fingerprint.")
    output.say(f"Partner:     {code} ({name})")
    output.say(f"Fingerprint: {output.in_fours(fingerprint)}")
    output.say("Let the partner read out the fingerprint by telephone, on a number that you know.")
    if not click.confirm("Is it the same, every digit?", default=False, err=True):
        raise CardRefused("The fingerprint was not confirmed; nothing was changed.")
