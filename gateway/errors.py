"""Every error of the gateway: what it is called, what becomes of the work, and what a person does next.

What happens on an error is a property of its class, never of the place that catches it::

    GatewayError
    ├── Defer        try again later, with full-jitter backoff, until the flow's expiry    exit 75
    ├── Reject       the content is wrong: back to whoever submitted it, with the reasons  exit 65
    ├── Quarantine   it should not exist: locked away, alarm                               exit 65
    │   ├── EnvelopeRefused    the OpenPGP message itself
    │   ├── ArchiveRefused     what is packed inside
    │   ├── ManifestRefused    what the signed list says
    │   ├── Replayed           seen before, with other bytes
    │   └── ReceiptRefused     an answer that does not answer
    ├── Hold         a person must decide; release resumes in place                        exit 69
    ├── Halt         this gateway must not go on                                           exit 70, 78
    └── Misuse       the command line or the caller's rights                               exit 64, 77

`docs/errors.md` is generated from these classes. Reasons never carry file content: they may be logged, put in
the ledger and sent to a partner.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import ClassVar


class Disposition(StrEnum):
    """What becomes of the work when an error ends an attempt."""

    DEFER = "defer"
    REJECT = "reject"
    QUARANTINE = "quarantine"
    HOLD = "hold"
    HALT = "halt"
    MISUSE = "misuse"


class GatewayError(Exception):
    """Base of all. `reason` is one sentence without personal data; `str(error)` is that sentence."""

    code: ClassVar[str] = "error"
    disposition: ClassVar[Disposition] = Disposition.HALT
    exit_status: ClassVar[int] = 70
    remedy: ClassVar[str] = "Report it with the log lines around it."

    def __init__(self, reason: str = "") -> None:
        self.reason = reason or (type(self).__doc__ or self.code).strip().splitlines()[0]
        super().__init__(self.reason)

    def __reduce__(self) -> tuple[type[GatewayError], tuple[str]]:
        return type(self), (self.reason,)


def documented_errors() -> Iterator[type[GatewayError]]:
    """Every concrete error class, depth first, in source order."""
    pending = list(GatewayError.__subclasses__())
    while pending:
        cls = pending.pop(0)
        children = cls.__subclasses__()
        if "code" in cls.__dict__:
            yield cls
        pending[:0] = children


# --- try again later ------------------------------------------------------------------------------------------


class Defer(GatewayError):
    disposition = Disposition.DEFER
    exit_status = 75


class PartnerUnreachable(Defer):
    """The partner's server does not answer."""

    code = "link-unreachable"
    remedy = "Nothing at once: it is retried. If it lasts, call the partner, and look at the network with `gateway partner test CODE`."


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
    remedy = "Send the partner your card again (`gateway card`), and ask them to run `gateway partner add` with it."


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
    """The back office's word came before the receipt of the partner's gateway."""

    code = "receipt-early"
    remedy = "Nothing: it is looked at again when that receipt is in."


class DiskFull(Defer):
    """The disk of this gateway is full."""

    code = "disk-full"
    remedy = "Free space on the file system of HOME; work resumes by itself. `gateway doctor` says how much is needed."


class DiskFailed(Defer):
    """The operating system could not read or write a file of ours."""

    code = "disk-io"
    remedy = "Look at the kernel log for the disk's errors, and at the owner and mode of the file named."


class KeyAgentAway(Defer):
    """The agent that holds the private keys does not answer."""

    code = "crypto-agent-away"
    remedy = "Run `gateway doctor`; end a stale gpg-agent of this site, and start the vault again."


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


class LedgerUnavailable(Defer):
    """The ledger cannot be written, so intake stops."""

    code = "ledger-unavailable"
    remedy = "Check space and rights of HOME/state/ledger. Nothing is taken in until it can be recorded."


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


# --- the content is wrong ---------------------------------------------------------------------------------------


class Reject(GatewayError):
    disposition = Disposition.REJECT
    exit_status = 65


class FileEmpty(Reject):
    """The file is empty."""

    code = "file-empty"
    remedy = "Export it again, and drop the new file."


class FileTooLarge(Reject):
    """The file is larger than its flow allows."""

    code = "file-too-large"
    remedy = "Split it, or ask the sysadmin to raise `max_bytes` of the flow at both sites."


class FileNameRefused(Reject):
    """The file's name cannot be carried."""

    code = "file-name"
    remedy = (
        "Rename it: no `/` and `\\`, no control characters and none that turn text around, no dot at the beginning, at "
        "most 255 bytes of UTF-8, and no ending of an unfinished file."
    )


class FileUnsafe(Reject):
    """It is not a plain file with one name: a link, a directory, a pipe or a device."""

    code = "file-unsafe"
    remedy = "Drop the file itself, not a link or a folder."


class FileUnreadable(Reject):
    """The gateway may not read the file."""

    code = "file-unreadable"
    remedy = "Drop it so that the gateway's account may read it: with the group of the directory, and mode 0640."


class FlowNotPermitted(Reject):
    """That partner does not get this kind of file."""

    code = "flow-not-permitted"
    remedy = "Drop it under the right flow and partner; `gateway partner list` says what is permitted."


class ContentInvalid(Reject):
    """The content breaks the rules of its flow."""

    code = "content-invalid"
    remedy = "Correct what the findings name, in the system that made the file, and drop the new file."

    def __init__(self, reason: str = "", finding: str | None = None) -> None:
        super().__init__(reason)
        self.finding = finding or self.code
        """The first finding's code, which says more than the error's."""


class MessageIdUsed(Reject):
    """The message id in the file was used before."""

    code = "message-id-used"
    remedy = "Let the system that made the file make it again, with a message id of its own."


class ReturnedByPerson(Reject):
    """Somebody at this site decided that it does not go."""

    code = "returned-by-person"
    remedy = "Ask whoever decided it; the reason above is theirs. Drop the file again if it is to go after all."


class RefusedByPartner(Reject):
    """The partner's gateway did not accept the content."""

    code = "refused-by-partner"
    remedy = "Read the reason in the receipt; correct the file, or talk to the partner about its rules."


class RefusedByBackOffice(Reject):
    """The partner has the file, and its back office could not take it."""

    code = "refused-by-back-office"
    remedy = (
        "Read the reason; correct the file in the system that made it, and submit the new one, or talk to the partner."
    )


class Redirected(RefusedByBackOffice):
    """The partner has passed the file on to the authority that it belongs to."""

    code = "redirected"
    remedy = "Correct the authority in the system that made the file; do not send it again, the right one gets it."


class OutcomeName(Reject):
    """A file in spool/outcomes is named neither NAME.accepted nor NAME.rejected."""

    code = "outcome-name"
    remedy = "Name it after the delivered file, with `.accepted` or `.rejected` behind the whole name."


class OutcomeUnmatched(Reject):
    """No file of that name was delivered from that partner."""

    code = "outcome-unmatched"
    remedy = "Compare the name with `gateway inbound pending`, and leave the word again under the right one."


class OutcomeAmbiguous(Reject):
    """Several delivered files have that name, and wait for an answer."""

    code = "outcome-ambiguous"
    remedy = "Name the word after the transfer: ID.accepted or ID.rejected; `gateway inbound pending` shows the ids."


class OutcomeContrary(Reject):
    """The back office has said the contrary about that file before, and the sender was told."""

    code = "outcome-contrary"
    remedy = "Find out which word is right; if it is this one, tell the sender by telephone."


class PartnerUnknown(Reject):
    """No partner of that code is configured."""

    code = "partner-unknown"
    remedy = "Check the code; `gateway partner list` shows those configured, `gateway partner add CARD` adds one."


class TransferExpired(Reject):
    """No receipt came before the flow's time limit."""

    code = "transfer-expired"
    remedy = "Ask the partner whether the file reached them, and drop it again if it did not."


# --- it should not exist ----------------------------------------------------------------------------------------


class Quarantine(GatewayError):
    disposition = Disposition.QUARANTINE
    exit_status = 65
    remedy = "Look at it with `gateway quarantine show ID`, ask the partner what they sent, then `gateway quarantine discard`."


class EnvelopeRefused(Quarantine):
    """The OpenPGP message breaks the acceptance rule."""


class EnvelopeNotOpenPgp(EnvelopeRefused):
    """The file is not a binary OpenPGP message."""

    code = "envelope-not-openpgp"


class EnvelopeUnsupported(EnvelopeNotOpenPgp):
    """The message is encrypted in a form that this gateway does not read: AEAD, or packets of a later version."""

    code = "envelope-unsupported"
    remedy = "Ask the partner to seal as docs/wire-format.md says; GnuPG does so for a card made by `gateway card`."


class EnvelopeArmoured(EnvelopeRefused):
    """The message is armoured; only binary messages are accepted."""

    code = "envelope-armoured"


class EnvelopeClearSigned(EnvelopeArmoured):
    """The message is a text signed in clear, and not encrypted."""

    code = "envelope-clear-signed"


class EnvelopeNotEncrypted(EnvelopeRefused):
    """The message is not encrypted."""

    code = "envelope-not-encrypted"


class EnvelopeRecipient(EnvelopeRefused):
    """The message is not encrypted to exactly our key."""

    code = "envelope-recipient"


class EnvelopeMoreRecipients(EnvelopeRecipient):
    """The message can be opened by somebody else besides us, with another key or with a passphrase."""

    code = "envelope-more-recipients"


class EnvelopeNoIntegrity(EnvelopeRefused):
    """The message is encrypted without integrity protection."""

    code = "envelope-no-integrity"


class EnvelopeDamaged(EnvelopeRefused):
    """The message is altered, or not in its one proper form."""

    code = "envelope-damaged"


class EnvelopeTruncated(EnvelopeDamaged):
    """The message is shorter than it says."""

    code = "envelope-truncated"


class EnvelopeTrailing(EnvelopeRefused):
    """More than one message, or data after the message."""

    code = "envelope-trailing"


class EnvelopeTooLarge(EnvelopeRefused):
    """The message unpacks to more than the limit."""

    code = "envelope-too-large"


class EnvelopeExhausting(EnvelopeRefused):
    """Reading the message takes more time or memory than the limit."""

    code = "envelope-exhausting"


class SignatureMissing(EnvelopeRefused):
    """The message is not signed."""

    code = "signature-missing"


class SignatureBad(EnvelopeRefused):
    """The signature does not fit the content."""

    code = "signature-bad"


class SignatureMultiple(EnvelopeRefused):
    """The message has more than one signature."""

    code = "signature-multiple"


class SignatureWeak(EnvelopeRefused):
    """The signature's class or hash is not one that we accept (binary document, SHA-256 or stronger)."""

    code = "signature-weak"


class SignatureExpired(EnvelopeRefused):
    """The signature itself has expired."""

    code = "signature-expired"


class SignerUnknown(EnvelopeRefused):
    """The signature is by a key that is not the partner's."""

    code = "signer-unknown"


class SignerOtherPartner(SignerUnknown):
    """The signature says that it is by another partner's key than that of the landing in which the message lay."""

    code = "signer-other-partner"


class SignerExpired(EnvelopeRefused):
    """The partner's key has expired."""

    code = "signer-expired"
    remedy = "Ask the partner for a new card with an extended or new key; the sender has to seal the content again."


class SignerRevoked(EnvelopeRefused):
    """The partner's key is revoked."""

    code = "signer-revoked"


class SignerSuperseded(EnvelopeRefused):
    """The partner has a new key, and the time in which its old one was still accepted is over."""

    code = "signer-superseded"
    remedy = (
        "Ask the partner to run `gateway keys list`, and to seal the content again with the new key; what it sent with "
        "the old one comes back to its operators there."
    )


class ArchiveRefused(Quarantine):
    """What is packed inside is not what the manifest says."""


class ArchiveDamaged(ArchiveRefused):
    """The archive cannot be unpacked."""

    code = "archive-damaged"


class ArchiveMemberUnsafe(ArchiveRefused):
    """The archive holds something else than plain files."""

    code = "archive-member-unsafe"


class ArchiveMemberUnexpected(ArchiveRefused):
    """The archive holds a member under a name that no member may have there."""

    code = "archive-member-unexpected"


class ArchiveMemberRepeated(ArchiveMemberUnexpected):
    """The archive holds two members of one name."""

    code = "archive-member-repeated"


class ArchiveMemberMisplaced(ArchiveMemberUnexpected):
    """The archive's members are not in the manifest's order, or one before the last is missing."""

    code = "archive-member-order"


class ArchiveMemberExtra(ArchiveMemberUnexpected):
    """The archive holds more members than its manifest lists."""

    code = "archive-member-extra"


class ArchiveMemberMissing(ArchiveRefused):
    """The archive lacks a member that the manifest lists."""

    code = "archive-member-missing"


class ArchiveSizeMismatch(ArchiveRefused):
    """A member's size is not the manifest's."""

    code = "archive-size-mismatch"


class ArchiveDigestMismatch(ArchiveRefused):
    """A member's digest is not the manifest's."""

    code = "archive-digest-mismatch"


class ArchiveTooLarge(ArchiveRefused):
    """The archive unpacks to more than the manifest or the limits allow."""

    code = "archive-too-large"


class FileInfected(Quarantine):
    """The virus scanner found something in the file."""

    code = "infected"
    remedy = (
        "Do not open it. Find out with whoever made it where it comes from, and let them send a clean one; then "
        "`gateway quarantine discard ID --reason ...` removes it."
    )


class ManifestRefused(Quarantine):
    """The signed list breaks the acceptance rule."""


class ManifestMalformed(ManifestRefused):
    """The manifest is not of the defined form."""

    code = "manifest-malformed"


class ManifestMissing(ManifestMalformed):
    """The archive does not begin with a manifest."""

    code = "manifest-missing"


class ManifestVersion(ManifestRefused):
    """The manifest is of a version that this gateway does not know."""

    code = "manifest-version"
    remedy = "The partner runs a newer gateway: upgrade this one, then ask them to send again."


class ManifestIdentity(ManifestRefused):
    """The manifest's consignment id is not the file's name."""

    code = "manifest-identity"


class ManifestRecipient(ManifestRefused):
    """The manifest names another recipient: sealed for somebody else, and passed on to us."""

    code = "manifest-recipient"


class ManifestSender(ManifestRefused):
    """The manifest names another sender than the partner it came from."""

    code = "manifest-sender"


class ManifestSigner(ManifestRefused):
    """The manifest names another signing key than the one that signed."""

    code = "manifest-signer"


class ManifestEncryptedTo(ManifestRefused):
    """The manifest names another encryption key than ours."""

    code = "manifest-encrypted-to"


class ManifestFromFuture(ManifestRefused):
    """The manifest was made in the future, by our clock."""

    code = "manifest-future"
    remedy = "Compare both sites' clocks (`gateway doctor`); correct the wrong one, and ask the partner to send again."


class ManifestExpired(ManifestRefused):
    """The consignment came after its expiry."""

    code = "manifest-expired"


class ManifestFlow(ManifestRefused):
    """The manifest carries a flow that this partner may not send us."""

    code = "manifest-flow"


class ManifestItemTooLarge(ManifestRefused):
    """The manifest lists a file larger than its flow allows."""

    code = "manifest-item-too-large"


class ManifestName(ManifestRefused):
    """The manifest gives a file a path for its name."""

    code = "manifest-name"


class Replayed(Quarantine):
    """It was seen before, in another form."""


class ConsignmentAltered(Replayed):
    """A consignment of that id came before, with other bytes."""

    code = "replay-other-bytes"


class SequenceReused(Replayed):
    """Another consignment of that partner already had this sequence number."""

    code = "replay-sequence"


class TransferReused(Replayed):
    """Another consignment already carried a transfer of that id."""

    code = "replay-transfer"


class LandingUnexpected(Quarantine):
    """Something lies in a partner's landing that is neither a consignment nor a receipt."""

    code = "landing-unexpected"


class ReceiptRefused(Quarantine):
    """An answer that does not answer what we sent."""


class ReceiptMalformed(ReceiptRefused):
    """The receipt is not of the defined form."""

    code = "receipt-malformed"


class ReceiptVersion(ReceiptRefused):
    """The receipt is of a version that this gateway does not know."""

    code = "receipt-version"
    remedy = "The partner runs a newer gateway: upgrade this one."


class ReceiptForeign(ReceiptRefused):
    """The receipt answers a consignment that we never sent to that partner."""

    code = "receipt-foreign"


class ReceiptForOtherBytes(ReceiptRefused):
    """The receipt answers other bytes than we sent."""

    code = "receipt-other-bytes"


class ReceiptIncomplete(ReceiptRefused):
    """The receipt does not answer exactly the transfers of its consignment."""

    code = "receipt-items"


class ReceiptContrary(ReceiptRefused):
    """The receipt contradicts an earlier one about the same transfer."""

    code = "receipt-contrary"


# --- a person must decide -----------------------------------------------------------------------------------------


class Hold(GatewayError):
    disposition = Disposition.HOLD
    exit_status = 69


class HostKeyChanged(Hold):
    """The partner's server shows another host key than the one pinned; nothing was sent."""

    code = "link-host-key"
    remedy = "Call the partner. If they changed it: `gateway partner add` with their new card, then `gateway release CODE --reason ...`."


class SuspectedDuplicate(Hold):
    """The same bytes went to the same partner before."""

    code = "suspected-duplicate"
    remedy = "If it is meant: `gateway release ID --reason ...`; otherwise `gateway return ID --reason ...`."


class WrittenLate(Hold):
    """Something wrote to the dropped file after it was taken: what was taken may be half a file."""

    code = "written-late"
    remedy = (
        "The whole file lies in spool/returned, with a letter. Give this transfer back with `gateway return ID --reason ...`, "
        "and drop the whole file again. If it has gone already, tell the partner not to use it."
    )


class PoisonFile(Hold):
    """Reading the file ended its reader three times."""

    code = "poison-file"
    remedy = "Look at the file with care, on another machine; then release it, or return it."


class VolumeUnusual(Hold):
    """The extract has far more or far fewer records than the last one."""

    code = "extract-volume"
    remedy = "If it is complete: `gateway release ID --reason ...`; otherwise `gateway return ID --reason ...`, and export it again."


class AuthorityUnsaid(Hold):
    """The extract's name does not say which authority it is of."""

    code = "extract-authority-unsaid"
    remedy = (
        "If it is this authority's: `gateway release ID --reason ...`, and later ones with a name of the same form go by "
        "themselves; otherwise `gateway return ID --reason ...`. A name that begins with `hb` and the code is never asked about."
    )


class ScanIncomplete(Hold):
    """The virus scanner has not looked at all of the file."""

    code = "scan-incomplete"
    remedy = (
        "Raise clamd's limits and `[antivirus] max_bytes` if the file is meant to be so large, then "
        "`gateway release ID --reason ...`: it is scanned again. Otherwise `gateway return ID --reason ...`."
    )


class HeldByPerson(Hold):
    """Somebody asked for it to wait."""

    code = "held-by-person"
    remedy = "`gateway release ID --reason ...` lets it go on."


# --- this gateway must not go on ----------------------------------------------------------------------------------


class Halt(GatewayError):
    disposition = Disposition.HALT
    exit_status = 70


class ConfigurationInvalid(Halt):
    """The configuration has faults."""

    code = "configuration"
    exit_status = 78
    remedy = "Correct what is listed; `gateway config check` says whether it is right."


class SecretExposed(Halt):
    """A secret key can be read by others than the one account that needs it."""

    code = "secret-exposed"
    exit_status = 78
    remedy = "Close what is named: files `chmod 600`, directories `chmod 700`, owner the account that runs the role. Think about whether somebody has read it: if so, make a new key."


class WrongAccount(Halt):
    """A role was started under another account than its own."""

    code = "wrong-account"
    exit_status = 78
    remedy = (
        "Start it by its unit (`systemctl start gateway.target`), or with `setpriv` under the account that is named."
    )


class RoleUnconfined(Halt):
    """A role could not give up what it must not have."""

    code = "role-unconfined"
    remedy = "Look at what confines the service itself (a container, a systemd drop-in): it must leave prctl and setrlimit to the gateway."


class SiteMissing(Halt):
    """There is no site in that directory."""

    code = "site-missing"
    exit_status = 78
    remedy = "Name the site with --home or GATEWAY_HOME, or make one: `gateway init HOME --site CODE`."


class SiteBusy(Halt):
    """That role already runs at this site."""

    code = "site-busy"
    exit_status = 69
    remedy = "Stop the other one first; `gateway status` shows its process."


class ChainBroken(Halt):
    """The audit chain does not verify."""

    code = "audit-chain"
    remedy = "Stop, keep a copy of HOME/state/ledger, and find out who changed it: `gateway audit verify` says where."


class LedgerCorrupt(Halt):
    """The ledger's file is damaged."""

    code = "ledger-corrupt"
    remedy = "Stop, keep a copy of HOME/state/ledger, and restore the last backup; partners send again what it lacks."


class LedgerRolledBack(Halt):
    """The ledger is not the one that was written last: somebody holds a later head of its audit chain."""

    code = "ledger-rolled-back"
    remedy = (
        "An old copy of the ledger was restored, or its tail was cut. Put the newest one back; nothing is taken in or sent "
        "before a person has decided (docs/operators/restoring.md)."
    )


class LedgerSchema(Halt):
    """The ledger is of another version than this program."""

    code = "ledger-schema"
    remedy = "Run the gateway version that made it, or `gateway doctor --migrate` after a backup."


class ImpossibleMove(Halt):
    """A move that the itinerary does not have was asked for."""

    code = "impossible-move"


class CustodyLost(Halt):
    """Bytes that the ledger says are in custody are not there, or are not the same."""

    code = "custody-lost"
    remedy = "Stop, and look at the disk: something else than the gateway touched HOME/state."


class ServerFailed(Halt):
    """The managed SFTP server does not start."""

    code = "sftp-server"
    exit_status = 69
    remedy = "Read its message; the port may be taken, or openssh-server missing (`apt-get install openssh-server`)."


class EngineMissing(Halt):
    """A program that the gateway needs is not installed."""

    code = "engine-missing"
    exit_status = 69
    remedy = "Install it: `apt-get install gnupg openssh-server`."


class ReadersFailed(Halt):
    """The processes that read files do not start, or end before they have read anything."""

    code = "readers-failed"
    remedy = "Run `gateway doctor`; it tests the readers. Look for too little memory, and for a damaged installation."


# --- the caller ---------------------------------------------------------------------------------------------------


class Misuse(GatewayError):
    disposition = Disposition.MISUSE
    exit_status = 64


class UsageWrong(Misuse):
    """The command was called wrongly."""

    code = "usage"
    remedy = "`gateway COMMAND --help` shows how."


class NotFound(Misuse):
    """There is nothing of that id or name."""

    code = "not-found"
    exit_status = 65
    remedy = "`gateway transfers` and `gateway quarantine list` show the ids; the first characters are enough where they are unique."


class CardRefused(Misuse):
    """The card is not a valid introduction, or its fingerprint is not the one confirmed."""

    code = "card"
    exit_status = 65
    remedy = "Ask the partner for a new `gateway card`, and confirm the fingerprint by telephone."


class AuthorityUnlisted(Misuse):
    """No authority has that code, by the table of authorities."""

    code = "authority-unlisted"
    exit_status = 65
    remedy = (
        "Correct the code; `gateway authorities TEXT` looks one up by name or code. If it is right and newer than the "
        "table, give --unlisted."
    )


class CardForged(CardRefused):
    """The card is signed, but not by the key that is pinned for that partner."""

    code = "card-signature"
    remedy = (
        "Call the partner on a number that you know. If the card is theirs, give the fingerprint that they read out "
        "with --fingerprint; if it is not, somebody else made it: report it."
    )


class KeyStillNeeded(Misuse):
    """The old key is still needed: what is sealed to it may come, or a partner knows no other."""

    code = "key-still-needed"
    exit_status = 69
    remedy = "`gateway keys list` names the partners that have not taken the new card. `--now` retires it all the same."


class NotPermitted(Misuse):
    """You may not do that."""

    code = "not-permitted"
    exit_status = 77
    remedy = "Run it as the gateway's own user, or as root."


class NotRunning(Misuse):
    """The gateway of this site does not run."""

    code = "not-running"
    exit_status = 69
    remedy = "Start it: `gateway run`. It reads its configuration when it starts."


class StillReloading(Misuse):
    """The gateway was told to reload, and has not shown yet that it did."""

    code = "still-reloading"
    exit_status = 75
    remedy = "Look at its log for `gateway.reloaded` or `gateway.reload-refused`."


class OriginalMissing(Misuse):
    """The delivered file is not in spool/inbound any more."""

    code = "original-missing"
    exit_status = 65
    remedy = "Get the file back from the back-office system, byte for byte, and name it: `gateway redirect ID ... --file PATH`."


class OriginalOther(Misuse):
    """The file that was named is not the one that was delivered, byte for byte."""

    code = "original-other"
    exit_status = 65
    remedy = "`gateway show ID` has the size and the SHA-256 of the delivered file: find the file that `sha256sum` says it of."
