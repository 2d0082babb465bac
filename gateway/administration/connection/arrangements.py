"""What a site has arranged: who may send what, file rights, how long things are kept, audit and copies. Changes nothing.

Raises nothing of its own. Names of accounts are not told: a person's log-in may be among them.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from typing import Final

from gateway.administration.connection.finding import Finding, Standing
from gateway.administration.site.audit_record import last_audit
from gateway.administration.views.needs import audit_needs
from gateway.administration.views.partners import partners
from gateway.domain.retention import Clock
from gateway.settings.model import Settings

_NO_AUDIT: Final = "`gateway audit verify --record`, and have `gateway-audit.timer` do it every night."


def examine_accounts(settings: Settings) -> Iterator[Finding]:
    """The accounts of roles, and what each partner may do here."""
    says = "one for each role" if settings.accounts.split else "one for all roles: files of one are open to the others"
    yield Finding("accounts of roles", Standing.STATED, says)
    for view in partners(settings):
        partner = settings.partners.get(view.code)
        if partner is None:
            yield Finding(f"partner {view.code}", Standing.STATED, "stopped: nothing goes and nothing comes")
            continue
        collects = partner.link == "collect" and partner.endpoint is None
        rights = "write new files" + (
            ", fetch and remove those that wait for it" if collects else ", read and list none"
        )
        account = "an account of its own" if partner.os_account else "the shared account, bound to its directory"
        server = f"by SFTP, with {account}, it may {rights}" if partner.ssh_key else "it has no log-in here"
        flows = f"sends {_listed(view.flows_in)}; is sent {_listed(view.flows_out)}"
        plain = ", one message a file without a receipt" if partner.envelope == "plain" else ""
        yield Finding(f"partner {view.code}", Standing.STATED, f"{flows}; link {partner.link}{plain}; {server}")


def examine_files(settings: Settings) -> Iterator[Finding]:
    """Modes of the directories that close a site. What is wrong with them `gateway doctor` says."""
    home = settings.home
    for path in (home.root, home.config, home.spool, home.landing, home.state, home.keyrings, home.ssh, home.vault):
        subject = str(path.relative_to(home.root)) if path != home.root else "HOME"
        try:
            about = path.stat()
        except OSError:
            yield Finding(subject, Standing.UNMEASURED, "this account may not look")
            continue
        owner = "root" if about.st_uid == 0 else "this account" if about.st_uid == os.geteuid() else "another account"
        yield Finding(subject, Standing.STATED, f"mode {stat.S_IMODE(about.st_mode):04o}, of {owner}")


def examine_retention(settings: Settings) -> Iterator[Finding]:
    """The clocks, and when files and names were last removed and erased by them."""
    for clock in Clock:
        length = getattr(settings.retention, clock.value)
        unit = "days" if clock.value.endswith("_days") else "months"
        subject = clock.value.rpartition("_")[0]
        yield Finding(subject, Standing.STATED, f"{length} {unit}" if length else "never removed")
    try:
        certificates = sorted(path.name[:10] for path in settings.home.disposals.glob("*.asc"))
    except OSError:
        certificates = []
    says = f"the last certificate is of {certificates[-1]}" if certificates else "nothing has been disposed of yet"
    yield Finding("disposal", Standing.STATED, says)


def examine_audit(settings: Settings, now: float) -> Iterator[Finding]:
    """The last audit that was to be kept, statements, time stamps, copies."""
    last = last_audit(settings.home)
    if last is None:
        yield Finding("last audit", Standing.SHORT, "none is on record, or this account may not read it", _NO_AUDIT)
    else:
        needs = tuple(map(str, audit_needs(last, now)))
        from_event = f"from event {last.since + 1}" if last.since else "from the first event"
        says = f"{last.verified}, {from_event} to {last.events}: {last.faults} faults"
        yield Finding("last audit", Standing.SHORT if needs else Standing.MET, "; ".join(needs) or says)
    audit = settings.audit
    yield Finding(
        "daily statements", Standing.STATED, "signed, and sent to partners" if audit.statements else "switched off"
    )
    yield Finding("time stamps", Standing.STATED, "by an authority" if audit.timestamp_url else "none")
    if settings.backup.recovery_key:
        yield Finding("copies", Standing.MET, "with the secret keys, encrypted to a recovery key")
    else:
        remedy = "Make a recovery key, and name it in [backup] recovery_key (docs/operators/restoring.md)."
        yield Finding("copies", Standing.SHORT, "without the secret keys: a lost disk takes those with it", remedy)
    says = "specimen numbers (prefix QQ) pass" if settings.validation.test_numbers else "specimen numbers are refused"
    yield Finding("made-up files", Standing.STATED, says)


def _listed(flows: tuple[str, ...]) -> str:
    return ", ".join(flows) or "nothing"
