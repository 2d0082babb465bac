"""`gateway partner add`, `revoke`, `list` and `test`."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import click

from gateway.administration.site.settings import partner_of, require_all_rights, stopped_fault
from gateway.administration.views.partners import PartnerView
from gateway.administration.views.partners import partners as list_all
from gateway.administration.views.words import within
from gateway.cli import output, tables
from gateway.cli.site import log_of, reason_option, say_taken_over, settings_of
from gateway.cli.tables import Column
from gateway.domain.card import MAX_BYTES, MOST_DAYS, Card
from gateway.errors import CardRefused, GatewayError, UsageWrong

if TYPE_CHECKING:
    from gateway.administration.site.introduction import Link
    from gateway.administration.views.records import LaneAlarm
    from gateway.settings.model import Settings

_COLUMNS: Final = tuple(map(Column, ("CODE", "NAME", "LINK", "TO IT", "FROM IT", "FINGERPRINT")))


@click.group()
def partner() -> None:
    r"""Introduce partners, list them, test their links."""


@partner.command()
@click.argument("card", metavar="CARD")
@click.option("--fingerprint", metavar="FPR", help="The fingerprint as the partner confirmed it by another channel.")
@click.option(
    "--link",
    type=click.Choice(["push", "collect", "none"]),
    help="How files travel.  [default: push where the card has an endpoint, else what works here]",
)
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
@click.option("--unlisted", is_flag=True, help="Take a card whose code is not in the table of authorities.")
@click.pass_context
def add(
    ctx: click.Context,
    card: str,
    fingerprint: str | None,
    link: str | None,
    flows: str | None,
    overlap: int | None,
    os_account: str | None,
    *,
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

    \b
    Example:
      gateway --home /srv/gateway partner add dwp.card.json --fingerprint "3A5F 09C1 ... 77E0"
    """
    settings = settings_of(ctx)
    require_all_rights(settings)
    data, now = _read(card), time.time()
    from gateway.administration.site import partners  # noqa: PLC0415  # slow to import
    from gateway.administration.site.introduction import PartnerOptions  # noqa: PLC0415  # slow to import

    offered = partners.open_card(settings, data, now, unlisted=unlisted)
    if offered.warning is not None:
        output.say(f"warning: {offered.warning}")
    options = PartnerOptions(
        link=cast("Link | None", link),
        flows=None if flows is None else tuple(flow.strip() for flow in flows.split(",") if flow.strip()),
        os_account=os_account,
    )
    proposal = partners.propose(settings, offered, options, now, fingerprint=fingerprint, overlap=overlap)
    _show_change(proposal.change, offered.card.site)
    if proposal.is_signed_by_partner:
        output.say(
            f"The card is signed by the key of {offered.card.site} that is pinned here; nobody needs to confirm it."
        )
    elif not proposal.confirmed:
        _confirm(offered.card, from_stdin=card == "-")
    done = partners.introduce(settings, log_of(settings), proposal)
    new = done.partner
    output.say(f"Partner {new.code} ({new.name}) is {'updated' if offered.before else 'added'}, link {new.link}.")
    output.say(f"Why this link: {proposal.chosen.why}")
    output.say(
        f"Files to it: {', '.join(done.flows_out) or 'none'}. Files from it: {', '.join(done.flows_in) or 'none'}."
    )
    output.say("A gateway that runs takes it over at `gateway reload`.")
    if new.code in done.stopped:
        raise stopped_fault(done.stopped[new.code])
    _say_stopped({code: tuple(map(str, stopped.faults)) for code, stopped in done.stopped.items()})


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
    from gateway.administration.requests import actors  # noqa: PLC0415  # slow to import
    from gateway.administration.site import partners  # noqa: PLC0415  # slow to import

    because_of = actors.decision(reason)
    key = partners.key_to_revoke(settings, code, fingerprint)
    if dry_run:
        _show_change(key.change, code)
        return
    say_taken_over(partners.revoke(settings, log_of(settings), key, because_of))
    output.say(f"The key {key.fingerprint} of {code} is trusted no more.")
    output.say("Next: their new card, its fingerprint by telephone, `gateway partner add`, then `gateway release`.")


@partner.command("list")
@output.as_json
@click.pass_context
def list_partners(ctx: click.Context, *, as_json: bool) -> None:
    """List the partners: code, name, link, flows, fingerprint; and of those that are stopped, the faults.

    \b
    Example:
      gateway --home /srv/gateway partner list --json
    """
    found = list_all(settings_of(ctx))
    if as_json:
        output.show_json(found)
        return
    if found:
        tables.show(_COLUMNS, [_cells(each) for each in found])
    else:
        output.say("No partners yet: `gateway partner add CARD` introduces one.")
    for each in found:
        for fault in each.faults:
            output.say(f"{each.code} is stopped: {fault}")


def _cells(each: PartnerView) -> tuple[str, ...]:
    return (
        each.code,
        each.name or "",
        "stopped" if each.faults else str(each.link),
        ",".join(each.flows_out) or "-",
        ",".join(each.flows_in) or "-",
        output.in_fours(each.fingerprint or ""),
    )


@partner.command()
@click.argument("code", metavar="CODE")
@output.as_json
@click.pass_context
def test(ctx: click.Context, code: str, *, as_json: bool) -> None:
    """Test the link to the partner CODE: log in, look at the directory, try the whole round of an upload.

    That round is to write, fsync, look, rename and remove a small file `gateway-trial-....part`, which no gateway takes for
    anything. Nothing is left there: where our account may not remove files, as at another gateway, nothing is written, and
    the table says so. Exit status 69 where an upload, or collecting, would fail, with the reason and what to do; or where
    uploads have failed again and again.

    \b
    Example:
      gateway --home /srv/gateway partner test E09000030
    """
    settings = settings_of(ctx)
    known = partner_of(settings, code)
    from gateway.administration.site.link_check import try_link  # noqa: PLC0415  # slow to import

    report, alarm = try_link(settings, known), _alarm(settings, code)
    if as_json:
        output.show_json({"partner": code, **asdict(report), "usable": report.usable, "alarm": alarm})
    else:
        rows = [
            ("server", report.server_version),
            ("host key", f"{report.host_key}, the pinned one"),
            ("cipher", report.cipher),
            ("logging in", f"{report.connect_seconds:.2f} s"),
            ("one answer", f"{report.answer_seconds * 1000:.0f} ms"),
            ("directory", f"{report.directory} ({'found' if report.directory_found else 'not found'})"),
            ("free", "not said" if report.free_bytes is None else f"{report.free_bytes // 1024**2} MiB"),
        ]
        rows += [
            (step.name, f"{step.outcome}: {step.reason}" if step.reason else str(step.outcome)) for step in report.steps
        ]
        tables.show((Column("WHAT"), Column("FOUND")), rows)
    failed, left = report.failed, report.left_behind
    if failed is not None:
        output.say(f"The link is there, but {report.verdict}.")
        output.say(f"{failed.code}: {failed.remedy}")
    if left is not None:
        output.say(f"{within(left.reason)}. {left.remedy}")
    if alarm is not None:
        known_already = failed is not None and failed.code == alarm.code
        output.say(f"{alarm.words}." + ("" if known_already else f" {alarm.remedy}"))
    if not report.usable or alarm is not None:
        ctx.exit(69)


def _say_stopped(stopped: Mapping[str, Sequence[str]]) -> None:
    """Name the other partners that the gateway will not work with."""
    for code, faults in stopped.items():
        for fault in faults:
            output.say(f"Partner {code} is stopped: {fault}")


def _alarm(settings: Settings, code: str) -> LaneAlarm | None:
    """What keeps failing in the lane to the partner, whatever the trial shows."""
    from gateway.administration.site.link_check import lane_alarm  # noqa: PLC0415  # slow to import

    try:
        return lane_alarm(settings, code)
    except GatewayError as error:
        output.say(f"What the lane did so far is not known: {error.reason}")
        return None


def _read(card: str) -> bytes:
    """The card's bytes, a few more than the largest at most."""
    if card == "-":
        return sys.stdin.buffer.read(MAX_BYTES + 1)
    try:
        with Path(card).open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageWrong(f"The card {card} cannot be read: {error.strerror}.") from error


def _show_change(change: Sequence[str] | None, code: str) -> None:
    """What changes in a partner's file, as a diff on stderr; nothing for a new partner."""
    if change is not None:
        output.say("\n".join(change) if change else f"The card changes nothing about partner {code}.")


def _confirm(card: Card, *, from_stdin: bool) -> None:
    """Ask whether the fingerprint is the one read out by telephone; UsageWrong where nobody is there to answer."""
    if from_stdin or not sys.stdin.isatty():
        raise UsageWrong("Nobody is here to confirm the fingerprint: give it with --fingerprint.")
    output.say(f"Partner:     {card.site} ({card.name})")
    output.say(f"Fingerprint: {output.in_fours(card.fingerprint)}")
    output.say("Let the partner read out the fingerprint by telephone, on a number that you know.")
    if not click.confirm("Is it the same, every digit?", default=False, err=True):
        raise CardRefused("The fingerprint was not confirmed; nothing was changed.")
