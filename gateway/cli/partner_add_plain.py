"""`gateway partner add-plain`: introduce a partner that has gpg and no gateway."""

from __future__ import annotations

import time
from pathlib import Path

import click

from gateway.administration.site.settings import require_all_rights, stopped_fault
from gateway.cli import output
from gateway.cli.fingerprint import confirm
from gateway.cli.site import decision_of, log_of, reason_or, settings_of
from gateway.domain.card import MAX_BYTES
from gateway.errors import CardRefused, UsageWrong


@click.command("add-plain")
@click.argument("code", metavar="CODE")
@click.argument("certificate", metavar="CERTIFICATE", type=click.Path(path_type=Path))
@click.option("--name", required=True, metavar="TEXT", help="The organisation's name.")
@click.option("--fingerprint", metavar="FPR", help="The fingerprint as the partner confirmed it by another channel.")
@click.option("--host", metavar="HOST", help="Its SFTP server.  [default: none; sealed files are carried by hand]")
@click.option("--port", type=click.IntRange(1, 65535), default=22, show_default=True, help="Its port.")
@click.option("--user", metavar="NAME", help="Our account there; our key is `ssh_key` in `gateway card`.")
@click.option("--path", default="in", show_default=True, metavar="DIR", help="The directory there.")
@click.option("--host-key", metavar="LINE", help="The server's key, as in known_hosts without the host.")
@click.option("--flows", metavar="FLOW,...", help="The only flows that go there.  [default: all that need no answer]")
@click.option("--unlisted", is_flag=True, help="Take a code that is not in the table of authorities.")
@reason_or("a partner that has no gateway")
@click.pass_context
def add_plain(
    ctx: click.Context,
    code: str,
    certificate: Path,
    name: str,
    fingerprint: str | None,
    host: str | None,
    port: int,
    user: str | None,
    path: str,
    host_key: str | None,
    flows: str | None,
    reason: str,
    *,
    unlisted: bool,
) -> None:
    """Introduce a partner CODE that has gpg, and no gateway, by its CERTIFICATE (`gpg --armor --export`).

    Each file goes there as one OpenPGP message NAME.pgp, signed and encrypted. NO RECEIPT COMES BACK: a transfer ends when it is
    sent, and nobody confirms that it arrived. Nothing is taken from such a partner.

    A certificate proves nothing by itself: call the partner on a number that you know, let them read out the fingerprint, and
    give it with --fingerprint; without, it is shown and asked for.

    \b
    Example:
      gateway --home /srv/gateway partner add-plain E07000123 preston.asc --name Preston --fingerprint "3A5F ... 77E0" \\
        --host sftp.preston.example --user dwp --host-key "ssh-ed25519 AAAAC3Nz..."
    """
    settings = settings_of(ctx)
    decision = decision_of(ctx, settings, reason, code)
    require_all_rights(settings)
    from gateway.administration.site import plain_partner  # noqa: PLC0415  # slow to import

    offer = plain_partner.PlainOffer(
        *(code, name, _read(certificate), host, port, user, path, host_key),
        flows=None if flows is None else tuple(flow.strip() for flow in flows.split(",") if flow.strip()),
    )
    proposal = plain_partner.propose(settings, offer, time.time(), fingerprint=fingerprint, unlisted=unlisted)
    if fingerprint is None:
        confirm(code, name, proposal.certificate.fingerprint)
    done = plain_partner.introduce(settings, log_of(settings), proposal, decision)
    output.say(f"Partner {code} ({name}) is {'updated' if proposal.before else 'added'}, link {proposal.partner.link}.")
    output.say(f"Files to it: {', '.join(done.flows_out) or 'none'}, each as one message. Files from it: none.")
    output.say("No receipt will come: a transfer ends at `sent`, and nobody confirms that it arrived.")
    output.say("A gateway that runs takes it over at `gateway reload`.")
    if code in done.stopped:
        raise stopped_fault(done.stopped[code])


def _read(certificate: Path) -> str:
    try:
        with certificate.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise CardRefused(f"The certificate is larger than {MAX_BYTES} bytes.")
        return data.decode("ascii")
    except OSError as error:
        raise UsageWrong(f"The certificate {certificate} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise CardRefused("The certificate is not ASCII-armoured: `gpg --armor --export` gives it.") from error
