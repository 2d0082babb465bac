"""Errors after which the work is tried again: with full-jitter backoff, until the flow's expiry.

Long because a disposition is one file.
"""

from __future__ import annotations

from gateway.errors.disposition import Disposition, GatewayError


class Defer(GatewayError):
    disposition = Disposition.DEFER
    exit_status = 75


class PartnerUnreachable(Defer):
    """The partner's server does not answer."""

    code = "link-unreachable"
    remedy = "Nothing at once: it is retried. If it lasts, call the partner, and look at the network with `gateway partner test CODE`."


class AddressTaken(Defer):
    """The address for metrics cannot be listened at."""

    code = "address-taken"
    remedy = "Name another one in `[metrics] listen` of gateway.toml, or stop what has it (`ss -ltnp`), and `gateway reload`."


class NoticeFailed(Defer):
    """A channel of `[notify]` did not take a notice."""

    code = "notice-failed"
    remedy = "Nothing at once: it is tried again. If it lasts, `gateway notify test` says what the server answers."


class TracesUnsent(Defer):
    """The collector did not take the traces."""

    code = "traces-unsent"
    remedy = (
        "Nothing is held up, and no file waits for it. Look at the collector, and at the address after --to; then give the command "
        "again: what is sent twice has the same ids."
    )


class LinkTimeout(Defer):
    """The partner's server answered too slowly."""

    code = "link-timeout"
    remedy = (
        "Nothing at once: it is retried. If it lasts, check the line's throughput against `[link]` in gateway.toml."
    )


class LinkBroken(Defer):
    """The connection broke in mid-work."""

    code = "link-broken"
    remedy = "Nothing at once: it is retried from the start of the file."


class AuthenticationRefused(Defer):
    """The partner's server does not accept our SSH key."""

    code = "link-authentication"
    remedy = (
        "Call the partner: it may have suspended the exchange with you, or too much of yours may lie in its landing. If not, send it "
        "your card again (`gateway card`), and ask them to run `gateway partner add` with it."
    )


class MailLoginRefused(AuthenticationRefused):
    """The mail server does not accept our name and password."""

    code = "mail-login"
    remedy = (
        "Compare `submission_user` and `imap_user` in `[mail]` with what the mail server's people say, and put the password into "
        "state/mail/submission.secret or imap.secret again."
    )


class CertificateRefused(Defer):
    """The mail server's certificate does not lead to one that is trusted here, or is another host's."""

    code = "mail-certificate"
    remedy = "Nothing was said to it. Compare `submission_host`, `imap_host` and `ca_file` in `[mail]` with what the mail server's people say."


class MailTooLarge(Defer):
    """The sealed file does not fit into one e-mail."""

    code = "mail-too-large"
    remedy = (
        "Carry it by another way (docs/operators/other-links.md); or raise `[mail] max_message_bytes`, where the mail servers of both sites "
        "take larger messages. Else it comes back when its time is over."
    )


class MailUnreadable(Defer):
    """A mail that says it carries a sealed file does not."""

    code = "mail-unreadable"
    remedy = "It is flagged, and stays in the mailbox: look at it with a mail program, and delete it there."


class NoCommonAlgorithm(Defer):
    """The partner's server offers only algorithms that we refuse as weak."""

    code = "link-algorithms"
    remedy = "Ask the partner to enable a current key exchange, cipher and MAC (OpenSSH's defaults do)."


class RemoteDiskFull(Defer):
    """The partner's disk is full."""

    code = "link-remote-full"
    remedy = "Call the partner. The file stays here, and goes when there is room."


class RemoteRefused(Defer):
    """The partner's server refused the operation."""

    code = "link-remote-refused"
    remedy = (
        "Check `path` in the partner's file, and the rights of our account at the partner: it must be allowed to write and "
        "to rename there."
    )


class OperationUnknown(RemoteRefused):
    """The partner's server does not have an operation of SFTP that sending needs."""

    code = "link-unsupported"
    remedy = (
        "Ask the partner to let our account use what sending needs of SFTP version 3: open, write, close, and rename from "
        "ID.pgp.part to ID.pgp (the reason ends in the one that is missing); to collect, also opendir, readdir, read and "
        "remove. It is for their server's settings, or for another server."
    )


class UploadIncomplete(Defer):
    """What lies at the partner is not as long as what was sent."""

    code = "link-size-mismatch"
    remedy = "Nothing at once: it is sent again. If it lasts, the partner's disk is full or failing."


class NameTaken(UploadIncomplete):
    """Another file of that name lies at the partner still; it is not overwritten."""

    code = "link-name-taken"
    remedy = "Nothing at once: it goes when the partner's gateway has taken the other one away. If it lasts, call the partner."


class EnvelopeChanged(Defer):
    """It was made for the envelope that the partner had before, and the partner could not read it."""

    code = "envelope-changed"
    remedy = (
        "Set `envelope` in the partner's file back, `gateway reload`, and change it once nothing is underway. Otherwise its files "
        "come back to their operators when they expire."
    )


class SizeUntold(NameTaken):
    """A file of that name lies at the partner already, and its server does not say how long it is."""

    code = "link-size-untold"
    remedy = (
        "Ask the partner to let our account see sizes in that directory (stat, or reading what we wrote), or to take the "
        "file away: then it is sent again."
    )


class UploadVanished(Defer):
    """The partner's server takes files away before they are renamed."""

    code = "link-upload-vanished"
    remedy = (
        "Ask the partner to let whatever looks into that directory (a virus scanner, a sorting job) pass over names that "
        "end in .part. It is tried again, seldom, since each try leaves a copy with them."
    )


class GreetingPrinted(Defer):
    """The partner's account prints text where SFTP should begin."""

    code = "link-greeting"
    remedy = (
        "Ask the partner to keep the account's start-up files (.bashrc, a login script) silent where nobody is at a "
        "terminal, or to give the account SFTP alone (`ForceCommand internal-sftp`)."
    )


class ExtensionUnserved(Defer):
    """The partner's server ends the connection over an extension of SFTP that it offers itself."""

    code = "link-extension"
    remedy = (
        "Nothing: the next try does not ask for it. Tell the partner; a newer version of their server may be right."
    )


class ReceiptEarly(Defer):
    """The back office's answer came before the receipt of the partner's gateway."""

    code = "receipt-early"
    remedy = "Nothing: it is looked at again when that receipt is in."


class DiskFull(Defer):
    """The disk of this gateway is full."""

    code = "disk-full"
    remedy = "Free space on the file system of HOME; work resumes by itself. `gateway doctor` says how much is needed."


class LedgerFull(DiskFull):
    """The database server that has the ledger is full."""

    code = "ledger-full"
    remedy = "Make room where the PostgreSQL server keeps its data (docs/operators/postgresql.md): work goes on by itself then."


class CopyFull(DiskFull):
    """The file system that a copy of the site goes to is full."""

    code = "copy-full"
    remedy = "Free space there, or name another directory, and take the copy again: nothing of it was kept."


class DiskFailed(Defer):
    """The operating system could not read or write a file of ours."""

    code = "disk-io"
    remedy = "Look at the kernel log for the disk's errors, and at the owner and mode of the file named."


class ReceiptAwaited(Defer):
    """The partner has it: its receipt comes once more, after this site was put back from a copy."""

    code = "receipt-awaited"
    remedy = "Wait: the partner's gateway sends the receipt again. After a day, ask the partner for `gateway partner answer` once more."


class KeyAgentAway(Defer):
    """The agent that holds the private keys does not answer."""

    code = "crypto-agent-away"
    remedy = "Run `gateway doctor`; end a stale gpg-agent of this site, and start the vault again."


class TimestampFailed(Defer):
    """The authority that stamps the time of statements gives no stamp that holds."""

    code = "timestamp-failed"
    remedy = (
        "Nothing is held up: it is asked again in an hour. Look at `[audit] timestamp_url`, at config/timestamp-roots.pem, and "
        "whether the extra `timestamps` is installed."
    )


class CryptoFailed(Defer):
    """GnuPG could not do its work, for a reason that lies on this side."""

    code = "crypto-failed"
    remedy = "Run `gateway doctor`: it tests signing, encryption and the partner's certificate."


class OwnKeyUnusable(Defer):
    """Our own signing or encryption key is missing, expired or revoked."""

    code = "crypto-own-key"
    remedy = "Run `gateway doctor`; restore state/keyrings from the backup, or extend the key's expiry and send out the card again."


class PartnerKeyUnusable(Defer):
    """The partner's certificate is missing, expired or revoked, so nothing can be encrypted to it."""

    code = "crypto-partner-key"
    remedy = (
        "Ask the partner for a new card, confirm its fingerprint by telephone, and run `gateway partner add` again."
    )


class PartnerKeyRevoked(Defer):
    """The partner's key is revoked here, and it has no other, so nothing can be encrypted to it."""

    code = "crypto-partner-revoked"
    remedy = (
        "Ask the partner for the card of its new key, confirm the fingerprint by telephone, run `gateway partner add`, "
        "then `gateway release CODE --reason ...`."
    )


class KeyUnconfirmed(Defer):
    """The partner has not shown that it knows our new key, and may no longer accept what the old one signs."""

    code = "crypto-key-unconfirmed"
    remedy = (
        "Call the partner and let them take the new card (`gateway card`). Work goes on by itself with the first thing "
        "that they seal to the new key, or at once with `gateway keys confirm CODE --reason ...`."
    )


class LedgerBusy(Defer):
    """Another process holds the ledger for too long."""

    code = "ledger-busy"
    remedy = "Nothing at once: it is retried. If it lasts, find who holds HOME/state/ledger."


class StoreUnreachable(Defer):
    """The store of this site's files does not answer, so nothing that it has to hold is taken or changed."""

    code = "store-unreachable"
    remedy = "Nothing at once: it is retried. If it lasts, look at the store that [payloads] url names, and at the way there."


class SharedAway(Defer):
    """The directory that the nodes of this site share for people and back offices is not mounted here."""

    code = "shared-away"
    remedy = (
        "Mount it on this machine, under the same path as on the others: work goes on by itself then. Make nothing in its place: "
        "what is written there nobody fetches (docs/operators/nodes.md)."
    )


class StoreUnprepared(StoreUnreachable):
    """What is there in place of the store of this site's files lacks the store's mark."""

    code = "store-unprepared"
    remedy = (
        "Mount the store that [payloads] url names, or correct the url: work goes on by itself then. A store that is new is prepared "
        "once, with the gateway stopped: `gateway nodes store`."
    )


class StoreFileLost(Defer):
    """The store of this site's files has lost a file, or has other bytes for it than the ledger says: what needs it waits."""

    code = "store-file-lost"
    remedy = (
        "Put the object that is named back into the store of [payloads], from its versions or from a snapshot: what waits for it goes "
        "on by itself, and nothing else waits. Nothing that was altered is passed on. Find out who or what changed it (docs/operators/nodes.md)."
    )


class StoreFull(DiskFull):
    """The store of this site's files has no room."""

    code = "store-full"
    remedy = "Make room in the store that [payloads] url names: work goes on by itself then."


class LedgerUnavailable(Defer):
    """The ledger cannot be written, so intake stops."""

    code = "ledger-unavailable"
    remedy = "Check space and rights of HOME/state/ledger. Nothing is taken in until it can be recorded."


class LedgerRefused(LedgerUnavailable):
    """The ledger's database refuses what is asked of it: a migration, or to write."""

    code = "ledger-refused"
    remedy = (
        "The PostgreSQL server's log says what it refused, and why, at this moment: mostly a right that the gateway's role lacks in its database, or "
        "something that somebody changed there (docs/operators/postgresql.md). Nothing of it was changed."
    )


class LedgerAway(LedgerUnavailable):
    """The server of the ledger's database cannot be reached, or ended the connection."""

    code = "ledger-away"
    remedy = (
        "The reason has the server's own words, where there are any: start it, or mend the way to it, or what it complains of (a right, a number of connections or a "
        "time limit of the gateway's role); work goes on by itself then. If it refuses the account, look at `[ledger] url` of gateway.toml, at the password file of "
        "the gateway's account and at pg_hba.conf."
    )


class RoleStill(Defer):
    """A role of this node does not go on, so the other nodes are to have its lanes."""

    code = "role-still"
    remedy = (
        "The reason says which role, and its own lines in the log why: a disk that does not answer, or is read-only or full. The node "
        "goes on by itself when the role does; one that hangs is ended after `[daemon] stuck_seconds`."
    )


class NodeClock(Defer):
    """The clock of this node is far from the database's, so the other nodes are to have its lanes."""

    code = "node-clock"
    remedy = (
        "Set the clock of the machine that the reason names, and keep it right with NTP (`timedatectl`): the node takes partners again by "
        "itself. What a partner's gateway gets from a clock that is 5 minutes wrong it locks away."
    )


class NodeHeld(Defer):
    """Another machine was there under this node's name a moment ago, or this one was and its answer was lost."""

    code = "node-held"
    remedy = "Nothing: this machine is the node once the lease of the other is over. Where the other is there, this one stops with `node-taken`."


class LaneLost(Defer):
    """Another node of the site works on the lane now, or this node counts as gone: nothing of the transaction was written."""

    code = "lane-lost"
    remedy = (
        "Nothing: the node that has the lane works on. `gateway nodes` says which. If the ledger has nodes and this gateway is one "
        "of them, `[node] name` of gateway.toml is missing."
    )


class LostRace(Defer):
    """Another node was quicker: what was to be moved had been moved already, and nothing of the transaction was written."""

    code = "lost-race"
    remedy = "Nothing: what was lost is done. If it lasts, look at `gateway nodes`: each lane has one node."


class LoadDatabaseUnavailable(Defer):
    """The database for delivered documents does not take them."""

    code = "load-database"
    remedy = (
        "Nothing is lost: what is not loaded is not answered, and is tried again. Look at `[load] database` of gateway.toml, at the "
        "database's own log, its space and the account's rights there; docs/operators/loading.md has more."
    )


class StillBeingWritten(Defer):
    """The file is still changing, or somebody has it open for writing."""

    code = "file-unsettled"
    remedy = "Nothing: it is taken once it has been quiet for the flow's settle time."


class ScannerUnavailable(Defer):
    """The virus scanner does not answer."""

    code = "scanner-unavailable"
    remedy = (
        "Start clamd (`systemctl start clamav-daemon`), or correct `[antivirus]` in gateway.toml. Files of flows with "
        "`scan = true` wait until it answers; none passes unseen."
    )


class ScanFailed(Defer):
    """The virus scanner could not do its work on the file."""

    code = "scan-failed"
    remedy = "Nothing at once: it is tried again, and held if that does not help. Look at clamd's own log."


class ConsoleStoreUnavailable(Defer):
    """The console's own database does not work now."""

    code = "console-store"
    remedy = "Nobody can sign in meanwhile; files go on. Look at the disk, and at the rights of state/console: `gateway doctor`."


class IdentityProviderUnavailable(Defer):
    """The identity provider does not answer, or what it answers is of no use."""

    code = "identity-provider"
    remedy = "Try again in a minute. Meanwhile whoever may sign in by password can. [console.identity_provider] says where it is asked, and as whom."
