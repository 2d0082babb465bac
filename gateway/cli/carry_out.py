"""`gateway carry-out`: what two people of the console decided and no role can do."""

from __future__ import annotations

import time

import click

from gateway.administration.site.settings import require_all_rights
from gateway.cli import output
from gateway.cli.site import decision_of, log_of, reason_or, settings_of
from gateway.domain.requests import RequestState


@click.command("carry-out")
@click.argument("identity", metavar="[ID]", required=False)
@reason_or("two people decided it in the console")
@click.pass_context
def carry_out(ctx: click.Context, identity: str | None, reason: str) -> None:
    """Carry out what two people decided in the console and no role can: take partners' cards. With ID, that request alone.

    Both people are looked up again, and the card is judged as by `gateway partner add`; its fingerprint was confirmed by the second person. The
    exit status is 65 where one was refused.

    \b
    Example:
      gateway --home /srv/gateway requests --act take-card --state asked
      gateway --home /srv/gateway carry-out
    """
    settings = settings_of(ctx)
    decision = decision_of(ctx, settings, reason, identity or "")
    require_all_rights(settings)
    from gateway.administration.requests import carrying_out  # noqa: PLC0415  # slow to import

    found = carrying_out.waiting(settings, identity)
    if not found:
        output.say("Nothing waits for somebody at the machine.")
    states = []
    for each in found:
        done = carrying_out.carry_out(settings, log_of(settings), each, decision, time.time())
        states.append(done.state)
        if done.state is RequestState.DONE:
            output.say(f"Partner {done.unit}: {done.became}. A gateway that runs takes it over at `gateway reload`.")
        else:
            output.say(
                f"Request {done.id} about {done.subject} is {done.state}: {done.refusal or ''} {done.remedy or ''}"
            )
    if any(state is not RequestState.DONE for state in states):
        ctx.exit(65)
