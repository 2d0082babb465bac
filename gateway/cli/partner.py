"""`gateway partner`: its commands, and `revoke` and `list` themselves."""

from __future__ import annotations

from typing import Final

import click

from gateway.administration.views.partners import PartnerView
from gateway.administration.views.partners import partners as list_all
from gateway.cli import output, tables
from gateway.cli.partner_add import add
from gateway.cli.partner_add_plain import add_plain
from gateway.cli.partner_answer import answer
from gateway.cli.partner_import import import_partners
from gateway.cli.partner_suspend import resume, suspend
from gateway.cli.partner_test import test
from gateway.cli.site import decision_of, log_of, reason_option, say_change, say_taken_over, settings_of
from gateway.cli.tables import Column
from gateway.logs import safe_text

_COLUMNS: Final = tuple(map(Column, ("CODE", "NAME", "LINK", "TO IT", "FROM IT", "FINGERPRINT")))


@click.group()
def partner() -> None:
    r"""Introduce partners, list them, test their links."""


@partner.command()
@click.argument("code", metavar="CODE")
@click.option(
    "--fingerprint",
    metavar="FPR",
    help="Which of its keys: an OpenPGP fingerprint, or SHA256:... of an SSH key.  [default: its current OpenPGP key]",
)
@reason_option
@click.option("--dry-run", is_flag=True, help="Say what would be done, and change nothing.")
@click.pass_context
def revoke(ctx: click.Context, code: str, fingerprint: str | None, reason: str, *, dry_run: bool) -> None:
    """Trust a key of the partner CODE no more, at once and for good: it was stolen, or they say so by telephone.

    What it signs is locked away from now on, and whoever logs in with it is shut out. Where it is the key that we encrypt
    to, or the host key of their server, the lane to them is held until their new card is taken and the lane released.

    \b
    Example:
      gateway --home /srv/gateway partner revoke E09000030 --reason "laptop stolen, their incident 12"
    """
    settings = settings_of(ctx)
    from gateway.administration.site import partners  # noqa: PLC0415  # slow to import

    decision = decision_of(ctx, settings, reason, code, dry_run=dry_run)
    key = partners.key_to_revoke(settings, code, fingerprint)
    if dry_run:
        say_change(key.change, code)
        return
    say_taken_over(partners.revoke(settings, log_of(settings), key, decision))
    output.say(f"The key {key.fingerprint} of {code} is trusted no more.")
    if settings.node.name:
        output.say(
            "Other nodes trust it no more either; bring this node's config and state/keyrings there, and `gateway reload`."
        )
    output.say("Next: their new card, its fingerprint by telephone, `gateway partner add`, then `gateway release`.")


@partner.command("list")
@output.as_csv
@output.as_json
@click.pass_context
def list_partners(ctx: click.Context, *, as_csv: bool, as_json: bool) -> None:
    """List the partners: code, name, link, flows, fingerprint; and of those that are stopped, why.

    \b
    Example:
      gateway --home /srv/gateway partner list --json
    """
    found = list_all(settings_of(ctx))
    if as_json:
        output.show_json(found)
        return
    if as_csv:
        output.show_csv(PartnerView, found)
        return
    if found:
        tables.show(_COLUMNS, [_cells(each) for each in found])
    else:
        output.say("No partners yet: `gateway partner add CARD` introduces one.")
    for each in found:
        for fault in each.faults:
            output.say(f"{each.code} is stopped: {fault}")
        if each.suspended is not None:
            output.say(f"{each.code} is suspended: {safe_text(each.suspended)}")


def _cells(each: PartnerView) -> tuple[str, ...]:
    return (
        each.code,
        each.name or "",
        _standing(each),
        ",".join(each.flows_out) or "-",
        ",".join(each.flows_in) or "-",
        output.in_fours(each.fingerprint or ""),
    )


def _standing(each: PartnerView) -> str:
    if each.faults or each.suspended is not None:
        return "stopped" if each.faults else "suspended"
    return f"{each.link}, plain" if each.envelope == "plain" else str(each.link)


partner.add_command(add)
partner.add_command(add_plain)
partner.add_command(answer)
partner.add_command(import_partners)
partner.add_command(resume)
partner.add_command(suspend)
partner.add_command(test)
