"""The checks of a site that try its engines: keys, sealing, schemas, ledger, SFTP server, links.

Raises nothing: an error of the gateway's own that a check meets is its finding. What a check writes lies in a directory
of its own below state/run, and is removed. Long because it names every engine of a site once.
"""

from __future__ import annotations

import io
import os
import pwd
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import gateway
from gateway.administration.site.link_check import lane_alarm, try_mail, try_servers
from gateway.administration.site.machine_checks import Check, CheckOutcome
from gateway.assembly.reading import plans, scanner
from gateway.assembly.stores import open_pgp, verify_store
from gateway.crypto.contract import Certificate, OpenPgp
from gateway.daemon.walls import may_talk
from gateway.errors import GatewayError, OwnKeyUnusable, PartnerKeyUnusable
from gateway.ledger.head_file import HeadFile
from gateway.ledger.integrity import server_report
from gateway.ledger.queries.keys import stage_of
from gateway.ledger.store import Ledger
from gateway.settings.home import Home
from gateway.settings.model import Partner, Settings
from gateway.stages.itinerary import Role
from gateway.transport.sshd.machine import chroot_fault

if TYPE_CHECKING:
    from gateway.transport.sftp.check import LinkReport

KEYS_UNSEEN: Final = "keys"
"""The check that stands for those of keys where this account may not look at them."""
_FAILS_FROM: Final = 7
"""Days before a key's end from which on that is a failure, so that monitoring wakes somebody."""


def examine_engines(settings: Settings, now: Callable[[], float] = time.time) -> Iterator[Check]:
    """Every engine of the site, without the network."""
    if holds_keys(settings):
        engine = open_pgp(settings)
        try:
            yield from _keys(settings, engine, now)
            yield from _sealing(settings, engine)
        finally:
            engine.close()
    else:
        how = f"`runuser -u {settings.accounts.vault} -- gateway doctor`"
        yield Check(
            KEYS_UNSEEN, CheckOutcome.WARN, f"only {settings.accounts.vault} can look at them", f"Ask it: {how}."
        )
    yield _tried("schemas", "all compile", lambda: _build_validators(settings))
    yield _tried("ledger", "can be read, of this program's version", lambda: _check_ledger(settings))
    yield from _ledger_server(settings)
    if settings.payloads.url:
        yield _tried("store of files", "answers, and opens with state/payload.key", lambda: verify_store(settings))
    yield from _server(settings)
    yield _network(settings)
    yield from _scanner(settings)


def examine_links(settings: Settings) -> Iterator[Check]:
    """One trial of the link to each partner that has a server."""
    for partner in settings.partners.values():
        name = f"link to {partner.code}"
        if partner.link == "mail":
            yield _mail(settings, partner, name)
            yield from _lane(settings, partner.code)
            continue
        if partner.link == "none" or partner.endpoint is None:
            yield Check(name, CheckOutcome.OK, f"nothing to connect to (link is {partner.link})")
            continue
        servers = list(try_servers(settings, partner))
        for server in servers:
            about = f"{name}, {server.address}" if len(servers) > 1 else name
            failed = Check.failed(about, server.error or GatewayError())
            yield failed if server.report is None else _link(about, server.report)
        if any(server.report for server in servers):
            yield from _lane(settings, partner.code)


def _mail(settings: Settings, partner: Partner, name: str) -> Check:
    """What the trial of both mail servers found, in a line."""
    try:
        found = try_mail(settings, partner)
    except GatewayError as error:
        return Check.failed(name, error)
    seconds = found.submission_seconds + found.imap_seconds
    return Check(
        name, CheckOutcome.OK, f"mail: logged in at both servers within {seconds:.2f} s; {found.waiting} mails wait"
    )


def _link(name: str, report: LinkReport) -> Check:
    """What the trial of a link found, in a line."""
    failed, left = report.failed, report.left_behind
    if failed is not None:
        return Check(name, CheckOutcome.FAIL, f"logged in, but {report.verdict}", failed.remedy or "")
    if left is not None:
        return Check(name, CheckOutcome.WARN, f"logged in, and uploads work; {left.reason}", left.remedy or "")
    message = f"logged in within {report.connect_seconds:.2f} s"
    if report.worked:
        message += f"; worked: {', '.join(step.name for step in report.worked)}"
    if report.untried:
        message += f"; not tried: {', '.join(step.name for step in report.untried)} ({report.untried[0].reason})"
    return Check(name, CheckOutcome.OK, message)


def _lane(settings: Settings, code: str) -> Iterator[Check]:
    """What keeps failing in the lane to a partner, whatever a trial shows."""
    try:
        alarm = lane_alarm(settings, code)
    except GatewayError as error:
        yield Check.failed(f"lane to {code}", error)
        return
    if alarm is not None:
        yield Check(f"lane to {code}", CheckOutcome.FAIL, alarm.words, alarm.remedy)


def _tried(name: str, good: str, attempt: Callable[[], None]) -> Check:
    try:
        attempt()
    except GatewayError as error:
        return Check.failed(name, error)
    return Check(name, CheckOutcome.OK, good)


def _keys(settings: Settings, engine: OpenPgp, now: Callable[[], float]) -> Iterator[Check]:
    yield _certificate("own key", engine.own_certificate, now, OwnKeyUnusable.remedy)
    for code in settings.partners:

        def read(code: str = code) -> Certificate:
            return engine.partner_certificate(code)

        yield _certificate(f"key of {code}", read, now, PartnerKeyUnusable.remedy)


def _sealing(settings: Settings, engine: OpenPgp) -> Iterator[Check]:
    """One word signed and sealed to the first partner: the key agent, the private key and GnuPG all do their work."""
    code = next(iter(settings.partners), None)
    if code is None or not settings.home.run.is_dir():
        return
    with tempfile.TemporaryDirectory(prefix="doctor-", dir=settings.home.run) as directory:

        def seal() -> None:
            engine.seal(io.BytesIO(b"doctor"), code, Path(directory) / "word.pgp")

        yield _tried("sealing", f"signed, and encrypted to {code}", seal)


def _certificate(name: str, read: Callable[[], Certificate], now: Callable[[], float], remedy: str) -> Check:
    try:
        certificate = read()
    except GatewayError as error:
        return Check.failed(name, error)
    if certificate.revoked:
        return Check(name, CheckOutcome.FAIL, "revoked", remedy)
    if not (certificate.can_sign and certificate.can_encrypt):
        return Check(name, CheckOutcome.FAIL, "cannot both sign and be encrypted to", remedy)
    if certificate.expires is None:
        return Check(name, CheckOutcome.OK, "does not expire")
    day = time.strftime("%Y-%m-%d", time.gmtime(certificate.expires))
    if certificate.expires <= now():
        return Check(name, CheckOutcome.FAIL, f"expired on {day}", remedy)
    if (step := stage_of(certificate.expires - now())) is not None:
        outcome = CheckOutcome.FAIL if step <= _FAILS_FROM else CheckOutcome.WARN
        return Check(name, outcome, f"expires on {day}: within {step} day{'s' if step > 1 else ''}", remedy)
    return Check(name, CheckOutcome.OK, f"valid until {day}")


def _scanner(settings: Settings) -> Iterator[Check]:
    """Whether clamd answers, where any flow waits for its word."""
    viruses = scanner(settings)
    if viruses is None:
        yield Check("virus scanner", CheckOutcome.OK, "no flow asks for one")
        return
    flows = [name for name, flow in settings.flows.items() if flow.scan]
    yield _tried("virus scanner", f"answers; asked about {', '.join(flows)}", viruses.ping)
    too_large = [name for name in flows if settings.flows[name].max_bytes > settings.antivirus.max_bytes]
    if too_large:
        remedy = "Raise [antivirus] max_bytes with clamd's own limits, or lower max_bytes of the flow."
        message = f"files of {', '.join(too_large)} may be larger than [antivirus] max_bytes, and would be held"
        yield Check("virus scanner", CheckOutcome.WARN, message, remedy)


def _network(settings: Settings) -> Check:
    """Whether the roles that have no business on the network can be kept off it."""
    name = "network of roles"
    if not _has_seccomp():
        remedy = "Use a kernel with seccomp on x86-64 or arm64, or the units of the split installation, which have no network."
        return Check(
            name, CheckOutcome.WARN, "inspect and vault could open connections: there is no seccomp here", remedy
        )
    if settings.ledger.is_remote or settings.payloads.is_remote:
        what = [
            *(["the ledger's database"] if settings.ledger.is_remote else []),
            *(["the bucket of [payloads] url"] if settings.payloads.is_remote else []),
        ]
        return Check(name, CheckOutcome.OK, f"inspect and vault have it, for {' and '.join(what)} on another machine")
    if may_talk(settings, Role.INSPECT):
        remedy = "Let clamd listen at a socket of this machine ([antivirus] socket), if it can."
        return Check(
            name, CheckOutcome.WARN, "vault has none; inspect has, for the virus scanner at [antivirus] host", remedy
        )
    return Check(name, CheckOutcome.OK, "inspect and vault have none, by seccomp")


def _server(settings: Settings) -> Iterator[Check]:
    """Whether partners can be held in their place: by chroot, or by the kernel's Landlock."""
    server = settings.sftp_server
    if not server.managed:
        yield Check("sftp server", CheckOutcome.OK, "not managed by the gateway")
        return
    fault = _chroot_fault(settings.home) if os.geteuid() == 0 else "the gateway does not run as root"
    landlock = _has_landlock()
    if server.chroot == "required" and fault is not None:
        remedy = 'Run the gateway as root in a path that only root can write to, or set [sftp_server] chroot to "auto".'
        yield Check(
            "sftp server", CheckOutcome.FAIL, f"partners cannot be shut in: {fault}", remedy, configuration=True
        )
    elif (fault is not None or server.chroot == "off") and not landlock:
        remedy = "Use a kernel with Landlock (5.13 or later), or run as root in a path that only root can write to."
        message = f"neither chroot ({fault or 'switched off'}) nor Landlock keeps partners in landing/"
        yield Check("sftp server", CheckOutcome.WARN, message, remedy)
    else:
        how = "by chroot" if fault is None and server.chroot != "off" else "by Landlock"
        yield Check("sftp server", CheckOutcome.OK, f"partners are kept in landing/ {how}")


def _build_validators(settings: Settings) -> None:
    """Compile every schema and read every layout; ConfigurationInvalid for one that cannot be used."""
    from gateway.validation.factory import build  # noqa: PLC0415 - slow to import

    for plan in plans(settings).values():
        build(plan)


def _check_ledger(settings: Settings) -> None:
    """Open and read the ledger; the Halt or Defer that says why it cannot be."""
    head_file = HeadFile(settings.home.ledger_head)
    ledger = Ledger(settings.ledger_place, clock=time.time, role="doctor", head_file=head_file)
    try:
        ledger.check()
        ledger.check_pages()
    finally:
        ledger.close()


def _ledger_server(settings: Settings) -> Iterator[Check]:
    """Whether PostgreSQL keeps what the ledger needs: durable commits, and whole pages."""
    if not settings.ledger.url:
        return
    name = "ledger's server"
    try:
        found = server_report(settings.ledger.url)
    except GatewayError as error:
        yield Check.failed(name, error)
        return
    for outcome, faults in ((CheckOutcome.FAIL, found.faults), (CheckOutcome.WARN, found.advice)):
        for said, remedy in faults:
            yield Check(name, outcome, said, remedy)
    if not found.faults:
        yield Check(name, CheckOutcome.OK, f"PostgreSQL {found.version}, commits are durable")


def holds_keys(settings: Settings) -> bool:
    """Whether this account is the one that works with the OpenPGP keys; root's gpg would leave files that are root's."""
    if not settings.accounts.split:
        return True
    try:
        return pwd.getpwnam(settings.accounts.vault).pw_uid == os.geteuid()
    except KeyError:
        return False


def _has_landlock() -> bool:
    """Whether this kernel can confine writes."""
    return _kernel_can("from gateway.linux.landlock import confine_writes; attempt = lambda: confine_writes([])")


def _has_seccomp() -> bool:
    """Whether this kernel can take the network away from a process."""
    return _kernel_can("from gateway.linux.seccomp import refuse_network as attempt")


def _kernel_can(attempt: str) -> bool:
    """Try what cannot be undone, in a process of its own; `attempt` is a line of Python that names it so."""
    environment = {**os.environ, "PYTHONPATH": str(Path(gateway.__file__).parents[1])}
    tried = subprocess.run(
        [sys.executable, "-P", "-c", f"import sys; {attempt}; sys.exit(not attempt())"],
        env=environment,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    return tried.returncode == 0


def _chroot_fault(home: Home) -> str | None:
    """Why partners cannot be shut into the landing, or None."""
    return chroot_fault(home.landing)
