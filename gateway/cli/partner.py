"""`gateway partner add`, `list` and `test`."""

from __future__ import annotations

import difflib
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from gateway.cli import output
from gateway.cli.acting import reason_option
from gateway.cli.site import partner_of, require_all_rights, settings_of, share_out, stopped_fault
from gateway.cli.words import within
from gateway.domain.card import MAX_BYTES, MOST_DAYS, Card, parse, signed_text
from gateway.errors import CardRefused, GatewayError, UsageWrong
from gateway.preflight import load

if TYPE_CHECKING:
    from gateway.cli.introduction import Link
    from gateway.settings.model import Partner, Settings


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
    data = _read(card)
    offered = parse(data)
    from gateway.assembly import key_store  # noqa: PLC0415  # slow to import
    from gateway.cli import authorities, introduction, key_events, succession  # noqa: PLC0415  # slow to import
    from gateway.flows.catalog import flows_of  # noqa: PLC0415  # slow to import

    keys, now = key_store(settings.home.keyrings), time.time()
    before = introduction.known(offered, settings)
    if before is None:  # what was taken once is not asked about again
        authorities.require_listed(settings.authorities, offered.site, unlisted=unlisted)
        authorities.require_another(settings, offered.site)
    authorities.warn_of_successor(settings.authorities, offered.site)
    introduction.believable(offered, settings, keys, now)
    confirmed = None if fingerprint is None else introduction.normal_fingerprint(fingerprint)
    if confirmed is not None and confirmed != offered.fingerprint:
        raise CardRefused("The card's fingerprint is not the one that was confirmed: this may be somebody else's card.")
    wishes = introduction.PartnerOptions(
        link=cast("Link | None", link),
        flows=None if flows is None else tuple(flow.strip() for flow in flows.split(",") if flow.strip()),
        os_account=os_account,
    )
    vouched = succession.vouched(offered, signed_text(data), before, keys, now, confirmed=confirmed is not None)
    overlaps = succession.overlaps(offered, before, keys, now, trusted=vouched.card, days=overlap)
    chosen = introduction.introduce(offered, settings, wishes, overlaps)
    new = chosen.partner
    _show_change(before, new)
    if before is not None and vouched.by_partner:
        output.say(f"The card is signed by the key of {before.code} that is pinned here; nobody needs to confirm it.")
    elif confirmed is None:
        _confirm(offered, from_stdin=card == "-")
    introduction.keep(offered, new, settings, keys, overlaps)
    key_events.introduced(ctx, before, new)
    share_out(settings.home)
    outgoing, incoming = flows_of(settings, new)
    output.say(f"Partner {new.code} ({new.name}) is {'updated' if before else 'added'}, link {new.link}.")
    output.say(f"Why this link: {chosen.why}")
    output.say(f"Files to it: {', '.join(outgoing) or 'none'}. Files from it: {', '.join(incoming) or 'none'}.")
    output.say("A gateway that runs takes it over at `gateway reload`.")
    _say_stopped(load(settings.home), new.code)


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
    from gateway.cli import acting, key_events, succession  # noqa: PLC0415  # slow to import
    from gateway.cli.reload import take_over_where_running  # noqa: PLC0415  # slow to import
    from gateway.settings.write import write_partner  # noqa: PLC0415  # slow to import

    because_of = acting.decision(reason)
    # A key is revoked for a partner that is stopped too, as long as its file can be read.
    stopped = settings.stopped.get(code)
    known = stopped.partner if stopped and stopped.partner else partner_of(settings, code)
    lost = succession.named_key(known, fingerprint)
    new = succession.without(known, lost)
    if dry_run:
        _show_change(known, new)
        return
    with acting.stage_context(ctx) as place:
        key_events.lost(place, known, lost, because_of)
    write_partner(settings.home, new)
    take_over_where_running(settings.home, regardless=code in settings.partners)
    output.say(f"The key {lost} of {code} is trusted no more.")
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
    settings = settings_of(ctx)
    from gateway.flows.catalog import flows_of  # noqa: PLC0415  # slow to import

    rows: list[dict[str, object]] = []
    read = {code: stopped.partner for code, stopped in settings.stopped.items() if stopped.partner is not None}
    for code, each in sorted({**settings.partners, **read}.items()):
        outgoing, incoming = flows_of(settings, each)
        rows.append(
            {
                "code": code,
                "name": each.name,
                "kind": each.kind.value,
                "link": each.link,
                "envelope": each.envelope,
                "fingerprint": each.fingerprint,
                "flows_out": list(outgoing),
                "flows_in": list(incoming),
                "endpoint": each.endpoint.model_dump(exclude={"host_key"}) if each.endpoint else None,
                "faults": [str(fault) for fault in settings.stopped[code].faults] if code in settings.stopped else [],
            }
        )
    unread = {
        code: [str(fault) for fault in each.faults] for code, each in settings.stopped.items() if code not in read
    }
    unknown = dict.fromkeys(("name", "kind", "link", "envelope", "fingerprint", "endpoint"))
    rows += [
        {"code": code, **unknown, "flows_out": [], "flows_in": [], "faults": faults} for code, faults in unread.items()
    ]
    if as_json:
        output.show_json(rows)
    elif not rows:
        output.say("No partners yet: `gateway partner add CARD` introduces one.")
    else:
        output.show_table(
            ("CODE", "NAME", "LINK", "TO IT", "FROM IT", "FINGERPRINT"),
            [
                (
                    str(row["code"]),
                    str(row["name"] or ""),
                    "stopped" if row["faults"] else str(row["link"]),
                    ",".join(cast("list[str]", row["flows_out"])) or "-",
                    ",".join(cast("list[str]", row["flows_in"])) or "-",
                    output.in_fours(str(row["fingerprint"] or "")),
                )
                for row in rows
            ],
        )
    for row in rows if not as_json else ():
        for fault in cast("list[str]", row["faults"]):
            output.say(f"{row['code']} is stopped: {fault}")


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
    from gateway.cli.trials import try_link  # noqa: PLC0415  # slow to import

    report, alarm = try_link(settings, known), _alarm(settings, known)
    if as_json:
        output.show_json({"partner": code, **asdict(report), "usable": report.usable, "alarm": alarm})
    else:
        output.show_table(
            ("WHAT", "FOUND"),
            [
                ("server", report.server_version),
                ("host key", f"{report.host_key}, the pinned one"),
                ("cipher", report.cipher),
                ("logging in", f"{report.connect_seconds:.2f} s"),
                ("one answer", f"{report.answer_seconds * 1000:.0f} ms"),
                ("directory", f"{report.directory} ({'found' if report.directory_found else 'not found'})"),
                ("free", "not said" if report.free_bytes is None else f"{report.free_bytes // 1024**2} MiB"),
                *(
                    (step.name, f"{step.outcome}: {step.reason}" if step.reason else step.outcome)
                    for step in report.steps
                ),
            ],
        )
    failed, left = report.failed, report.left_behind
    if failed is not None:
        output.say(f"The link is there, but {report.verdict}.")
        output.say(f"{failed.code}: {failed.remedy}")
    if left is not None:
        output.say(f"{within(left.reason)}. {left.remedy}")
    if alarm is not None:
        known_already = failed is not None and failed.code == alarm["code"]
        output.say(f"{alarm['words']}." + ("" if known_already else f" {alarm['remedy']}"))
    if not report.usable or alarm is not None:
        ctx.exit(69)


def _say_stopped(settings: Settings, added: str) -> None:
    """Name the other partners that the gateway will not work with; a fault of this one is an error."""
    if added in settings.stopped:
        raise stopped_fault(settings.stopped[added])
    for code, stopped in settings.stopped.items():
        for fault in stopped.faults:
            output.say(f"Partner {code} is stopped: {fault}")


def _alarm(settings: Settings, known: Partner) -> dict[str, Any] | None:
    """What keeps failing in the lane to the partner, whatever the trial shows."""
    from gateway.cli import reading  # noqa: PLC0415  # slow to import

    try:
        with reading.opened(settings) as ledger, ledger.read() as connection:
            return reading.trouble(connection, known.code, settings.link.alarm_failures)
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


def _show_change(before: Partner | None, new: Partner) -> None:
    """What re-adding a partner changes in its file, as a diff on stderr."""
    if before is None:
        return
    from gateway.settings.write import render_partner  # noqa: PLC0415  # after the settings it is there anyway

    old, now = (render_partner(each).splitlines() for each in (before, new))
    change = list(difflib.unified_diff(old, now, "before", "now", n=0, lineterm=""))
    output.say("\n".join(change) if change else f"The card changes nothing about partner {new.code}.")


def _confirm(card: Card, *, from_stdin: bool) -> None:
    """Ask whether the fingerprint is the one read out by telephone; UsageWrong where nobody is there to answer."""
    if from_stdin or not sys.stdin.isatty():
        raise UsageWrong("Nobody is here to confirm the fingerprint: give it with --fingerprint.")
    output.say(f"Partner:     {card.site} ({card.name})")
    output.say(f"Fingerprint: {output.in_fours(card.fingerprint)}")
    output.say("Let the partner read out the fingerprint by telephone, on a number that you know.")
    if not click.confirm("Is it the same, every digit?", default=False, err=True):
        raise CardRefused("The fingerprint was not confirmed; nothing was changed.")
