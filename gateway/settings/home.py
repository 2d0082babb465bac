"""Where everything of a site lies: one object made from HOME, so that no other module joins paths.

Packaged installs map the four trees to /etc, /var/spool and /var/lib; the names below them stay the same.
Nothing here touches the disk. Long because no other module joins paths.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

MACHINES_OWN: Final = Path("/var/lib/gateway/site")
"""Where the Debian package and the units of systemd have the one site of a machine."""


@dataclass(frozen=True)
class Home:
    """The directories of one site (contract: docs/architecture.md, "On disk")."""

    root: Path

    # -- what people read and write

    @cached_property
    def config(self) -> Path:
        return self.root / "config"

    @cached_property
    def gateway_toml(self) -> Path:
        return self.config / "gateway.toml"

    @cached_property
    def partners_d(self) -> Path:
        return self.config / "partners.d"

    @cached_property
    def authorities(self) -> Path:
        """The site's own rows of the table of authorities, where it needs any."""
        return self.config / "authorities.tsv"

    @cached_property
    def timestamp_roots(self) -> Path:
        """Certificates under which an authority stamps the time of statements, where the site has named one."""
        return self.config / "timestamp-roots.pem"

    @cached_property
    def index(self) -> Path:
        """Templates by which documents are indexed for a document system, where the site has one."""
        return self.config / "index"

    @cached_property
    def spool(self) -> Path:
        return self.root / "spool"

    @cached_property
    def outbound(self) -> Path:
        return self.spool / "outbound"

    @cached_property
    def returned(self) -> Path:
        return self.spool / "returned"

    @cached_property
    def receipts(self) -> Path:
        return self.spool / "receipts"

    @cached_property
    def inbound(self) -> Path:
        return self.spool / "inbound"

    @cached_property
    def put_aside(self) -> Path:
        """After a restoration: files that the back office may have fetched since the copy was taken."""
        return self.spool / "restored"

    @cached_property
    def outcomes(self) -> Path:
        return self.spool / "outcomes"

    @cached_property
    def batches(self) -> Path:
        """Delivered documents in batches, for a document system: `TEMPLATE/TEMPLATE-TIME-NUMBER/`."""
        return self.spool / "batches"

    @cached_property
    def open_batches(self) -> Path:
        """Batches that are being made, and the journal of each template: nobody else's business."""
        return self.spool / "open-batches"

    # -- what partners read and write

    @cached_property
    def landing(self) -> Path:
        return self.root / "landing"

    def landing_in(self, partner: str) -> Path:
        return self.landing / partner / "in"

    def landing_out(self, partner: str) -> Path:
        return self.landing / partner / "out"

    # -- the gateway's own, mode 0700

    @cached_property
    def state(self) -> Path:
        return self.root / "state"

    @cached_property
    def ledger(self) -> Path:
        return self.state / "ledger" / "ledger.sqlite3"

    @cached_property
    def ledger_head(self) -> Path:
        """The head of the ledger's chain once more. Not beside the ledger: whoever restores that directory leaves this."""
        return self.state / "ledger-head"

    @cached_property
    def node_seen(self) -> Path:
        """When the ledger noted this machine's node last, for the role that runs sshd and knows no ledger."""
        return self.state / "node-seen"

    @cached_property
    def audit(self) -> Path:
        """What the last audit that was to be kept found."""
        return self.state / "audit.json"

    @cached_property
    def keyrings(self) -> Path:
        return self.state / "keyrings"

    @cached_property
    def ssh(self) -> Path:
        return self.state / "ssh"

    @cached_property
    def client_key(self) -> Path:
        """The SSH key that we connect to partners with; its public line is beside it, `.pub`."""
        return self.ssh / "client_key"

    @cached_property
    def host_key(self) -> Path:
        """The host key of the managed SFTP server; its public line is beside it, `.pub`."""
        return self.ssh / "host_key"

    @cached_property
    def old_client_key(self) -> Path:
        """The client key before, while partners learn of the new one."""
        return self.ssh / "client_key.old"

    @cached_property
    def old_host_key(self) -> Path:
        """The host key before, which the managed SFTP server shows to partners that do not know the new one."""
        return self.ssh / "host_key.old"

    @cached_property
    def mail(self) -> Path:
        """The passwords of the mailbox of `[mail]`: `submission.secret` and `imap.secret`."""
        return self.state / "mail"

    @cached_property
    def notify(self) -> Path:
        """The secrets of the channels of `[notify]`, `CHANNEL.secret`, and what was told through each."""
        return self.state / "notify"

    @cached_property
    def console(self) -> Path:
        """The console's own: nobody else's business."""
        return self.state / "console"

    @cached_property
    def console_store(self) -> Path:
        """Passwords as hashes, second factors, one-time links, sessions, lock-outs."""
        return self.console / "console.db"

    @cached_property
    def uploads(self) -> Path:
        """Files that came through the console, until somebody sends them, or for an hour: plaintext. The console writes, inspect takes."""
        return self.state / "uploads"

    @cached_property
    def shown(self) -> Path:
        """What inspect rendered for somebody to look at, for minutes, one directory a request: plaintext. The console reads."""
        return self.state / "shown"

    @cached_property
    def proofs(self) -> Path:
        """Files of evidence that the vault made for somebody of the console, for an hour, one a request. The console reads."""
        return self.state / "proofs"

    @cached_property
    def triage(self) -> Path:
        """The key of what triage remembers, `triage.secret`."""
        return self.state / "triage"

    @cached_property
    def payload_key(self) -> Path:
        """The site's key of plaintext in the store that its nodes share."""
        return (self.state / "payload").with_suffix(".key")

    @cached_property
    def payload_sealed_key(self) -> Path:
        """The site's key of what is sealed already in that store."""
        return self.state / "payload-sealed.key"

    @property
    def payload_keys(self) -> tuple[Path, Path]:
        """All nodes have the same two."""
        return self.payload_key, self.payload_sealed_key

    @cached_property
    def payloads(self) -> Path:
        """The access key of that store, `s3.secret`."""
        return self.state / "payloads"

    @cached_property
    def sshd(self) -> Path:
        """What the managed SFTP server reads, written at every start, and its process id."""
        return self.state / "sshd"

    @cached_property
    def logins(self) -> Path:
        """Counts of log-ins at the managed SFTP server, until they are events of the chain."""
        return self.state / "logins"

    @cached_property
    def shut_out(self) -> Path:
        """Whom sshd is not to let in, since people suspended them: written by link."""
        return self.logins / "suspended"

    @cached_property
    def vault(self) -> Path:
        """Plaintext is worked on below this directory, `uploads` and `shown`, and nowhere else (promise I3)."""
        return self.state / "vault"

    @cached_property
    def custody(self) -> Path:
        """Submitted files, one per transfer, named by the transfer's id, until the verified receipt."""
        return self.vault / "custody"

    @cached_property
    def opened(self) -> Path:
        """What came out of consignments, one directory per consignment, until delivered."""
        return self.vault / "opened"

    @cached_property
    def infected(self) -> Path:
        """Files that the virus scanner objects to, each named by its id in the quarantine: plaintext, so in the vault."""
        return self.vault / "infected"

    @cached_property
    def submitted(self) -> Path:
        """Files that a command hands over, until their transfers are recorded."""
        return self.vault / "submitted"

    @cached_property
    def backup(self) -> Path:
        """Second names of files while a copy of the site is taken: plaintext, so in the vault. Gone afterwards."""
        return self.vault / "backup"

    @cached_property
    def restored(self) -> Path:
        """There while the site was put back from a copy, and nobody has said what happened since."""
        return self.state / "restored.json"

    @cached_property
    def sealed_out(self) -> Path:
        """Sealed consignments and receipts waiting to be sent, `PARTNER/ID.pgp`."""
        return self.state / "sealed" / "out"

    @cached_property
    def sealed_in(self) -> Path:
        """Sealed consignments and receipts taken from the landing, `PARTNER/ID.pgp`."""
        return self.state / "sealed" / "in"

    @cached_property
    def evidence(self) -> Path:
        """Partners' signed receipts as they came, `PARTNER/ID.receipt.pgp`: the proof that a third party can check."""
        return self.state / "evidence"

    @cached_property
    def statements(self) -> Path:
        """Signed daily statements, ours and our partners', `SITE/DAY.DIGEST.asc`."""
        return self.evidence / "statements"

    @cached_property
    def disposals(self) -> Path:
        """Signed certificates of what was erased and removed because its time was over, `DAY.DIGEST.asc`."""
        return self.evidence / "disposals"

    @cached_property
    def exceptions(self) -> Path:
        """What was odd in files that travelled all the same, `DIRECTION/PARTNER/ID.csv`: rows, fields and codes, no value."""
        return self.state / "exceptions"

    @cached_property
    def quarantine(self) -> Path:
        return self.state / "quarantine"

    @cached_property
    def run(self) -> Path:
        """Locks, wake-up sockets and process ids; worth nothing after a restart."""
        return self.state / "run"
