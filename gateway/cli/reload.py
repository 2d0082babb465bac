"""`gateway reload`: a running gateway takes over its changed configuration."""

from __future__ import annotations

from typing import Final

import click

from gateway.administration.site.reload import reload as take_over
from gateway.cli import output
from gateway.cli.site import decision_of, log_of, reason_or, settings_of
from gateway.errors import ConfigurationInvalid

_NAMED: Final = 20
"""So many partners are named; of more it is said how many there are."""


@click.command()
@reason_or("the configuration was changed")
@click.pass_context
def reload(ctx: click.Context, reason: str) -> None:
    """Check the configuration, and make the running gateway take it over.

    With a fault in gateway.toml, or a new one in a partner's file, nothing happens: the running gateway goes on as it was.
    A partner whose file had a fault when the gateway started is left out, and all the rest is taken over. The exit status
    is 78 as long as there is any fault; with no gateway running it is 69. Partners that were added or changed are known
    once this command has ended.

    \b
    Example:
      gateway --home /srv/gateway reload
    """
    settings = settings_of(ctx)
    done = take_over(settings, log_of(settings), decision_of(ctx, settings, reason))
    named = ", ".join(done.partners) if len(done.partners) <= _NAMED else str(len(done.partners))
    output.say(f"The gateway has reloaded; its partners: {named or 'none'}.")
    if done.stopped:
        output.say(f"Stopped, and left as they are: {', '.join(done.stopped)}.")
    for fault in done.faults:
        output.say(fault)
    if done.faults:
        output.say(f"what to do: {done.remedy}")
        ctx.exit(ConfigurationInvalid.exit_status)
