"""`gateway partner add`: introduce a partner by its card."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from gateway.administration.site.settings import require_all_rights, stopped_fault
from gateway.cli import output
from gateway.cli.fingerprint import confirm
from gateway.cli.site import decision_of, log_of, reason_or, say_change, settings_of
from gateway.domain.card import MAX_BYTES, MOST_DAYS
from gateway.errors import UsageWrong

if TYPE_CHECKING:
    from gateway.administration.site.introduction import Link


@click.command()
@click.argument("card", metavar="CARD|DIR")
@click.option("--fingerprint", metavar="FPR", help="The fingerprint as the partner confirmed it by another channel.")
@click.option(
    "--link",
    type=click.Choice(["push", "collect", "mail", "none"]),
    help="How files travel.  [default: push where the card has an endpoint, else what works here]",
)
@click.option("--mail-address", metavar="ADDRESS", help="For --link mail: the address of the partner's gateway.")
@click.option(
    "--flows", metavar="FLOW,...", help="The only flows to exchange.  [default: all that the catalog permits]"
)
@click.option(
    "--overlap",
    type=click.IntRange(0, MOST_DAYS),
    metavar="DAYS",
    help="Accept the keys that the card replaces for so long.  [default: as long as the card asks, if it is signed]",
)
@click.option("--os-account", metavar="NAME", help="An account of the partner's own on this machine (as root only).")
@click.option(
    "--fingerprints",
    metavar="FILE",
    help="With DIR: confirmed fingerprints, lines such as `E09000030 3A5F 09C1 ... 77E0`.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be done, and change nothing.")
@click.option("--unlisted", is_flag=True, help="Take a card whose code is not in the table of authorities.")
@reason_or("the card that the partner sent")
@output.as_json
@click.pass_context
def add(
    ctx: click.Context,
    card: str,
    fingerprint: str | None,
    link: str | None,
    mail_address: str | None,
    flows: str | None,
    overlap: int | None,
    os_account: str | None,
    fingerprints: str | None,
    reason: str,
    *,
    as_json: bool,
    dry_run: bool,
    unlisted: bool,
) -> None:
    """Introduce a partner by its CARD, a file that its `gateway card` printed (`-` for standard input).

    A card proves nothing by itself. Call the partner on a number that you know, let them read out their fingerprint,
    and give it with --fingerprint; without, it is shown and asked for. A card of a partner that is known already
    replaces its keys and endpoint, and leaves your own decisions about it as they are. If it is signed by the key that
    was confirmed before, nobody is asked, and the keys that it replaces are accepted until the date that it names.

    Without an endpoint in the card, the partner collects from here where this site lets it (an account of its own on the
    managed server, or a server of the site's own), and else files are carried by hand; which it is, is said. Settings with
    which the gateway could not work are refused with exit status 78, and nothing is changed.

    With a directory of cards every one is judged as if it came alone. Cards that are signed by a pinned key, or whose
    fingerprint stands in --fingerprints, are taken; a bad one keeps no other out. A table says what became of each, and the
    exit status is 65 where one was refused or waits for somebody to confirm it.

    \b
    Example:
      gateway --home /srv/gateway partner add dwp.card.json --fingerprint "3A5F 09C1 ... 77E0"
      gateway --home /srv/gateway partner add cards/ --fingerprints confirmed.txt --dry-run
    """
    settings = settings_of(ctx)
    decision = decision_of(ctx, settings, reason, dry_run=dry_run)
    if not dry_run:
        require_all_rights(settings)
    from gateway.administration.site import partners  # noqa: PLC0415  # slow to import
    from gateway.administration.site.introduction import PartnerOptions  # noqa: PLC0415  # slow to import

    now = time.time()
    options = PartnerOptions(
        link=cast("Link | None", link),
        mail_address=mail_address,
        flows=None if flows is None else tuple(flow.strip() for flow in flows.split(",") if flow.strip()),
        os_account=os_account,
    )
    if card != "-" and Path(card).is_dir():
        from gateway.administration.site import partner_orders  # noqa: PLC0415  # slow to import
        from gateway.cli import partner_bulk  # noqa: PLC0415  # slow to import

        if (fingerprint, overlap, os_account) != (None, None, None):
            raise UsageWrong(
                "--fingerprint, --overlap and --os-account are about one card: use --fingerprints for a directory."
            )
        orders = list(partner_orders.cards_in(Path(card), options))
        confirmed = {} if fingerprints is None else partner_orders.fingerprints_of(Path(fingerprints))
        found = partner_bulk.planned(settings, orders, now, fingerprints=confirmed, unlisted=unlisted)
        partner_bulk.finish(ctx, settings, found, decision, dry_run=dry_run, as_json=as_json)
        return
    if fingerprints is not None or as_json:
        raise UsageWrong("--fingerprints and --json go with a directory of cards.")
    data = _read(card)
    offered = partners.open_card(settings, data, now, unlisted=unlisted)
    if offered.warning is not None:
        output.say(f"warning: {offered.warning}")
    proposal = partners.propose(settings, offered, options, now, fingerprint=fingerprint, overlap=overlap)
    say_change(proposal.change, offered.card.site)
    if proposal.is_signed_by_partner:
        output.say(
            f"The card is signed by the key of {offered.card.site} that is pinned here; nobody needs to confirm it."
        )
    elif not proposal.confirmed and not dry_run:
        confirm(offered.card.site, offered.card.name, offered.card.fingerprint, from_stdin=card == "-")
    if dry_run:
        output.say(
            f"Partner {offered.card.site} would be {'updated' if offered.before else 'added'}; nothing was changed."
        )
        return
    done = partners.introduce(settings, log_of(settings), proposal, decision)
    new = done.partner
    output.say(f"Partner {new.code} ({new.name}) is {'updated' if offered.before else 'added'}, link {new.link}.")
    output.say(f"Why this link: {proposal.chosen.why}")
    output.say(
        f"Files to it: {', '.join(done.flows_out) or 'none'}. Files from it: {', '.join(done.flows_in) or 'none'}."
    )
    output.say("A gateway that runs takes it over at `gateway reload`.")
    stopped = done.stopped.get(new.code)
    if stopped is not None and stopped.suspended is not None:
        output.say(f"It stays suspended: {stopped.suspended}")
    elif stopped is not None:
        raise stopped_fault(stopped)
    for code, stopped in done.stopped.items():
        for fault in stopped.faults:
            output.say(f"Partner {code} is stopped: {fault}")


def _read(card: str) -> bytes:
    """The card's bytes, a few more than the largest at most."""
    if card == "-":
        return sys.stdin.buffer.read(MAX_BYTES + 1)
    try:
        with Path(card).open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageWrong(f"The card {card} cannot be read: {error.strerror}.") from error
