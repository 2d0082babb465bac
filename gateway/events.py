"""Every event, in one table: its name, its level, the sentence that people read, and the state that it leaves its subject in.

The chain and the log lines say the same events. Who looks up one of them looks here: `logs` for names and levels,
`gateway show` for sentences, the audit for states and moves, and `docs/events.md` is written from this table. Whom a result
wakes depends on the stage that had it and not on the event: `stages/itinerary.py` has that. Raises nothing.
Long because it is one table.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Literal, Self

Level = Literal["info", "warning", "error"]
"""`error` wants a person soon, `warning` one in the morning; what is told at `info` is how it should be."""


class Event(StrEnum):
    """Everything that can be said: noun.past-participle, level, sentence without a full stop, state, directions.

    `state` is one of `domain.states.State`, where the event alone says it; where the event's detail has a state, that counts.
    `moves` are the directions (`domain.states.Direction`) in which the event moves a transfer, consignment or receipt.
    """

    _value_: str
    level: Level
    sentence: str
    state: str | None
    moves: frozenset[str]

    def __new__(cls, name: str, level: Level, sentence: str, state: str | None = None, moves: str = "") -> Self:
        event = str.__new__(cls, name)
        event._value_ = name
        event.level = level
        event.sentence = sentence
        event.state = state
        event.moves = frozenset(moves.split())
        return event

    @property
    def noun(self) -> str:
        """What the event is about: `transfer`, `lane`, `key`."""
        return self.value.partition(".")[0]

    # -- the program

    GATEWAY_STARTED = "gateway.started", "info", "the gateway started"
    GATEWAY_STOPPED = "gateway.stopped", "info", "the gateway stopped"
    GATEWAY_RELOADED = "gateway.reloaded", "info", "the new configuration is in force"
    GATEWAY_RELOAD_REFUSED = "gateway.reload-refused", "error", "the new configuration has faults: the old one goes on"
    ROLE_STARTED = "role.started", "info", "a role started"
    ROLE_CONFINED = "role.confined", "info", "a role gave up what it does not need, before it opened anything"
    ROLE_STOPPED = "role.stopped", "info", "a role stopped, as it was told"
    ROLE_DIED = "role.died", "error", "a role ended by itself"
    ROLE_RESTARTED = "role.restarted", "info", "a role that had died runs again"
    ROLE_STUCK = "role.stuck", "error", "a role is there and makes no steps: it is ended and restarted"
    ROLE_HELD_UP = "role.held-up", "error", "a fault of this machine has put off all work of a stage for minutes"
    ROLE_HALTED = "role.halted", "error", "this gateway must not go on: all of it stops"

    # -- the managed SFTP server

    SERVER_STARTED = "server.started", "info", "the SFTP server listens"
    SERVER_STOPPED = "server.stopped", "error", "the SFTP server ended by itself; it is started again"
    SERVER_CLOSED = (
        "server.closed",
        "warning",
        "the SFTP server rests: what came here would wait, and partners have other addresses",
    )
    SERVER_LOGGED = "server.logged", "info", "what sshd says; strangers choose some of its words"
    LOGON_ACCEPTED = "logon.accepted", "info", "a partner logged in"
    LOGON_REFUSED = "logon.refused", "warning", "somebody was refused at the SFTP server"
    LOGON_LOST = "logon.lost", "error", "a count of log-ins could not be read"

    # -- transfers

    TRANSFER_ADMITTED = "transfer.admitted", "info", "taken into custody", "admitted", "out"
    TRANSFER_VALIDATED = "transfer.validated", "info", "checked: it may go", "validated", "out"
    TRANSFER_REJECTED = "transfer.rejected", "warning", "not accepted", "rejected", "out in"
    TRANSFER_RETURNED = "transfer.returned", "warning", "given back in spool/returned, with the reason"
    TRANSFER_RECOVERED = (
        "transfer.recovered",
        "info",
        "the partner has it, by its own word: its receipt comes once more",
        "expired",
        "out",
    )
    TRANSFER_HELD = "transfer.held", "warning", "held, for a person to decide", "held", "out in"
    TRANSFER_WRITTEN_LATE = (
        "transfer.written-late",
        "error",
        "written to after it was taken: this may be half a file, and the whole one comes back",
    )
    TRANSFER_RELEASED = "transfer.released", "info", "let go on", None, "out in"
    TRANSFER_REPEATED = "transfer.repeated", "warning", "a file that is to go says what went before, or comes too late"
    TRANSFER_DELIVERED = "transfer.delivered", "info", "delivered to spool/inbound", "delivered", "in"
    TRANSFER_QUARANTINED = (
        "transfer.quarantined",
        "error",
        "locked away by the partner's gateway",
        "quarantined",
        "out in",
    )
    TRANSFER_ISOLATED = "transfer.isolated", "error", "infected: locked away at this site"
    TRANSFER_UNCONFIRMED = (
        "transfer.unconfirmed",
        "info",
        "sent, and no receipt will come: nobody confirms that it arrived",
        "sent",
        "out",
    )
    """Of a partner without a gateway alone: there the trip ends. Of all others the consignment's event says it."""
    TRANSFER_RECEIPTED = "transfer.receipted", "info", "receipt verified: the partner has it", "receipted", "out"
    TRANSFER_INGESTED = "transfer.ingested", "info", "taken over by the back office", "ingested", "out in"
    TRANSFER_REFUSED = "transfer.refused", "warning", "the back office could not take it", None, "out in"
    TRANSFER_REDIRECTED = "transfer.redirected", "info", "passed on to the right authority", None, "in"
    TRANSFER_DISCLOSED = "transfer.disclosed", "info", "its content was given out as evidence"
    TRANSFER_EXPIRED = "transfer.expired", "warning", "given up: no receipt in time", "expired", "out"
    TRANSFER_RETRIED = "transfer.retried", "info", "to be tried again at once", None, "out"

    # -- what people decide

    DECISION_REFUSED = "decision.refused", "warning", "a person's decision was refused, or failed"
    CONFIGURATION_RELOADED = "configuration.reloaded", "info", "a person let the gateway take its configuration over"
    RIGHTS_APPLIED = "rights.applied", "info", "a person had owners and modes of the site's files set"
    PARTNER_ANSWERED = "partner.answered", "warning", "a partner that lost its ledger was told what is known of it here"
    LEDGER_RESTORED = (
        "ledger.restored",
        "warning",
        "the site was put back from a copy of that moment, and a person let it go on",
    )
    MEDIUM_EXPORTED = "medium.exported", "info", "a person had sealed files written to a medium, for carriage by hand"
    MEDIUM_REPEATED = "medium.repeated", "warning", "a person lets go again what was carried and has not arrived"
    MEDIUM_IMPORTED = "medium.imported", "info", "a person brought sealed files from a partner's medium"
    CONTINUITY_INVOKED = "continuity.invoked", "warning", "business continuity was invoked"
    CONTINUITY_UPDATED = "continuity.updated", "info", "a person said how it stands with business continuity"
    CONTINUITY_TOLD = "continuity.told", "info", "somebody on the list of whom to tell was told"
    CONTINUITY_ENDED = "continuity.ended", "info", "business continuity has ended"
    CONTINUITY_NOTED = "continuity.noted", "warning", "a partner has invoked business continuity, by what it signs"
    CONTINUITY_LIFTED = "continuity.lifted", "info", "a partner has ended business continuity, by what it signs"
    LEDGER_COPYING = "ledger.copying", "info", "a person has the whole ledger copied into another database"
    LEDGER_MIGRATED = "ledger.migrated", "info", "a person had the ledger brought up to this program's version"

    # -- the nodes of a site

    NODE_TAKEN_OVER = "node.taken-over", "info", "a node took lanes over that were free"
    NODE_LOST = "node.lost", "warning", "a node was not seen for its lease, and another took lanes of it over"
    NODE_PACKAGED = "node.packaged", "warning", "configuration and keys were written into a package for another node"
    STORE_CLEARED = (
        "store.cleared",
        "info",
        "files that no row of the ledger needs any more were removed from the store",
    )
    NODE_FORGOTTEN = "node.forgotten", "info", "a person gave a node up that was gone, for good"
    NODE_CONSOLE_AWAITED = (
        "node.console-awaited",
        "info",
        "another node of the site serves the console: the role here waits",
    )
    NODE_CONSOLE_MOVED = "node.console-moved", "info", "a node of the site serves the console from now on"
    NODE_FREED = "node.freed", "info", "a node gave lanes up, which another node is to have"
    LANE_LOST = "lane.lost", "info", "another node has the lane now: what was begun here is left"

    # -- people who use the console

    PERSON_ADDED = "person.added", "info", "somebody was added who may use the console"
    PERSON_CHANGED = "person.changed", "info", "somebody's roles, dates, name or unit were changed"
    PERSON_SUSPENDED = "person.suspended", "warning", "somebody's rights were suspended: sessions ended with them"
    PERSON_RESUMED = "person.resumed", "info", "somebody's rights count again"
    PERSON_REMOVED = "person.removed", "info", "somebody left: rights and sessions ended"
    LINK_ISSUED = "link.issued", "info", "a one-time link was made, by which somebody sets a password"
    PASSWORD_SET = "password.set", "info", "somebody set a password, and by a link a new second factor"
    PASSWORD_EXPIRING = "password.expiring", "info", "somebody's password ends soon"
    PASSKEY_REGISTERED = "passkey.registered", "info", "somebody added a passkey, by password and code"
    PASSKEY_REMOVED = "passkey.removed", "info", "a passkey was removed, by its owner or with a new one-time link"
    PASSKEY_DOUBTED = (
        "passkey.doubted",
        "error",
        "a passkey's counter went back, so it may have been copied: it was removed, and its owner's sessions ended",
    )
    SIGNIN_ACCEPTED = "signin.accepted", "info", "somebody signed in to the console"
    SIGNIN_REFUSED = "signin.refused", "warning", "attempts to sign in to the console failed"
    SIGNIN_LOCKED = "signin.locked", "warning", "so many attempts failed that somebody's next one has to wait"
    IDENTITY_PINNED = (
        "identity.pinned",
        "info",
        "somebody's first sign-in by the identity provider: nobody else there is this person from now on",
    )
    IDENTITY_UNPINNED = (
        "identity.unpinned",
        "warning",
        "a person let the next one who has that user id at the identity provider be this person",
    )
    PAGE_REFUSED = "page.refused", "warning", "somebody asked for pages of the console that the roles do not permit"
    REQUEST_PROPOSED = (
        "request.proposed",
        "info",
        "somebody asked for what takes two people: it waits for a second person",
    )
    REQUEST_AGREED = "request.agreed", "info", "a second person agreed: what was asked is to be carried out"
    REQUEST_DECLINED = "request.declined", "info", "a second person declined"
    REQUEST_WITHDRAWN = "request.withdrawn", "info", "whoever had asked took it back"
    REQUEST_LAPSED = "request.lapsed", "warning", "nobody agreed or declined in time"
    TOKEN_ADDED = "token.added", "info", "a program got a token for the interface for programs"
    TOKEN_REVOKED = "token.revoked", "info", "a program's token was revoked: it is worth nothing any more"
    TOKEN_REFUSED = "token.refused", "warning", "programs were refused at the interface: no token, or not that right"
    TOKEN_SUBMITTED = "token.submitted", "info", "a program handed a file over"
    TOKEN_FETCHED = "token.fetched", "info", "a program took a delivered file"
    TOKEN_ANSWERED = "token.answered", "info", "a program gave the back office's answer"
    TOKEN_EXPIRING = "token.expiring", "warning", "a program's token ends soon"
    SESSION_ENDED = "session.ended", "info", "a session of the console ended"

    # -- who looked, and what came of it

    PAYLOAD_OPENED = "payload.opened", "info", "somebody opened a payload"
    CHECK_DRAWN = "check.drawn", "info", "opening a payload drew a management check"
    CHECK_ACKNOWLEDGED = "check.acknowledged", "info", "the opener acknowledged a management check"
    CHECK_EXPLAINED = "check.explained", "info", "the opener said what papers there were"
    CHECK_DECIDED = "check.decided", "info", "a checking officer decided a management check"
    CHECK_VALIDATED = "check.validated", "info", "a decided management check was looked at once more"
    REPORT_PRINTED = "report.printed", "info", "the day's report of management checks was printed"
    REPORT_REPRINTED = "report.reprinted", "warning", "the day's report of management checks was printed once more"
    INCIDENT_OPENED = "incident.opened", "warning", "an incident was opened: whom it is about is suspended"
    INCIDENT_NOTED = "incident.noted", "info", "something was done about an incident"
    INCIDENT_CLOSED = "incident.closed", "info", "an incident was closed"
    FORM_FILLED = "form.filled", "info", "somebody filled in a form"

    # -- what is kept no longer, and what is kept all the same

    RETENTION_BEGUN = "retention.begun", "info", "what is over its time is removed and erased"
    RETENTION_CERTIFIED = "retention.certified", "info", "a certificate says what was removed and erased"
    LEDGER_COMPACTED = (
        "ledger.compacted",
        "info",
        "the ledger's file was written anew: what was erased left no trace in it",
    )
    TRANSFER_DISPOSED = "transfer.disposed", "info", "its delivered file was removed: its time was over"
    TRANSFER_ERASED = (
        "transfer.erased",
        "info",
        "its name, references, facts and reasons were erased: their time was over",
    )
    CONSIGNMENT_ERASED = "consignment.erased", "info", "its reason was erased: its time was over"
    RECEIPT_ERASED = "receipt.erased", "info", "its text was erased, and its file removed: their time was over"
    QUARANTINE_DISPOSED = "quarantine.disposed", "info", "a quarantined file was removed: its time was over"
    QUARANTINE_ERASED = "quarantine.erased", "info", "the record of a quarantined file was erased: its time was over"
    REQUEST_ERASED = "request.erased", "info", "a person's request was erased: its time was over"
    REASON_ERASED = "reason.erased", "info", "why a person decided was erased: its time was over"
    SPOOL_DISPOSED = "spool.disposed", "info", "what lay in the spool beyond its time was removed"
    HOLD_PLACED = "hold.placed", "info", "a person had it kept beyond its time"
    HOLD_RELEASED = "hold.released", "info", "a person ended the hold: its time counts again"
    PERSON_ERASED = "person.erased", "info", "the name of somebody who had left was erased: its time was over"
    OPENING_ERASED = "opening.erased", "info", "why a payload was opened was erased: its time was over"
    CHECK_ERASED = "check.erased", "info", "the words of a management check were erased: its time was over"
    PRINTING_ERASED = "printing.erased", "info", "why a report was reprinted was erased: its time was over"
    INCIDENT_ERASED = "incident.erased", "info", "the words of an incident were erased: its time was over"
    FORM_ERASED = "form.erased", "info", "what was filled in was erased: its time was over"
    HOLD_ERASED = "hold.erased", "info", "why it was kept was erased: its time was over"

    # -- what is expected, and what people keep of it

    EXTRACT_EXPECTED = "extract.expected", "info", "an authority's monthly extract is due"
    EXTRACT_LATE = "extract.late", "warning", "an authority's monthly extract has not come by its day"
    EXTRACT_MISSING = "extract.missing", "error", "an authority's monthly extract is missing: its deadline has passed"
    BACKLOG_OVERDUE = (
        "backlog.overdue",
        "warning",
        "delivered files have had no answer of the back office for longer than agreed",
    )
    ENQUIRY_OVERDUE = "enquiry.overdue", "warning", "not answered in time"
    ENQUIRY_CLOSED = "enquiry.closed", "info", "closed without a reply"
    FAULT_ADDED = "fault.added", "info", "a known fault was put on the board"
    FAULT_CHANGED = "fault.changed", "info", "a known fault is told in other words"
    FAULT_CLOSED = "fault.closed", "info", "a known fault is mended"

    # -- proof that the console asked for

    VERIFICATION_PASSED = "verification.passed", "info", "chain, rows, heads and files were verified: everything agrees"
    VERIFICATION_FAILED = "verification.failed", "error", "chain, rows, heads and files were verified, and do not agree"
    EVIDENCE_MADE = "evidence.made", "info", "evidence of a transfer was made for somebody of the console"
    EVIDENCE_TAKEN = "evidence.taken", "info", "evidence of a transfer was taken from the console"

    # -- daily statements

    STATEMENT_MADE = "statement.made", "info", "this site's statement of the day was signed"
    STATEMENT_DISPATCHED = "statement.dispatched", "info", "the day's statement goes to the partners that take it"
    STATEMENT_STAMPED = "statement.stamped", "info", "an authority stamped the time of this site's statement"
    STATEMENT_KEPT = "statement.kept", "info", "a partner's statement was verified and kept"
    STATEMENT_AGREED = "statement.agreed", "info", "the partner takes statements: it gets one a day from now on"
    STATEMENT_DECLINED = "statement.declined", "info", "the partner takes statements no more"

    # -- the reference back office

    DOCUMENTS_LOADED = "documents.loaded", "info", "delivered documents were loaded into the database"
    DOCUMENT_REFUSED = (
        "document.refused",
        "warning",
        "a delivered document was not loaded; the answer, or the load report, says why",
    )

    # -- for a document system

    INDEX_APPROVED = "index.approved", "info", "a person let an index hold what senders wrote, as its template stands"
    BATCH_MADE = "batch.made", "info", "a batch of delivered documents was made for the document system"
    DOCUMENT_UNINDEXED = (
        "document.unindexed",
        "warning",
        "a file in spool/inbound goes into no batch: it is not what was delivered, or has no transfer's id",
    )

    # -- the operators' directories

    SPOOL_REFUSED = "spool.refused", "warning", "a file in the spool could not be taken; it goes back, with the reason"
    SPOOL_HELD_OPEN = "spool.held-open", "warning", "a file is not taken because a program keeps it open"

    # -- consignments

    CONSIGNMENT_PACKED = "consignment.packed", "info", "packed into a consignment", "packed", "out"
    CONSIGNMENT_RECOVERED = (
        "consignment.recovered",
        "info",
        "the partner has it, by its own word, and the copy had not sent it",
        "expired",
        "out",
    )
    CONSIGNMENT_SEALED = "consignment.sealed", "info", "consignment signed and encrypted", "sealed", "out"
    CONSIGNMENT_SENT = "consignment.sent", "info", "consignment sent", "sent", "out"
    CONSIGNMENT_LANDED = "consignment.landed", "info", "consignment arrived", "landed", "in"
    CONSIGNMENT_OPENED = "consignment.opened", "info", "consignment decrypted, signature verified", "opened", "in"
    CONSIGNMENT_DELIVERED = (
        "consignment.delivered",
        "info",
        "every file of the consignment dealt with",
        "delivered",
        "in",
    )
    CONSIGNMENT_QUARANTINED = "consignment.quarantined", "error", "consignment locked away", "quarantined", "in"
    CONSIGNMENT_REPEATED = (
        "consignment.repeated",
        "warning",
        "consignment came again: the same answer goes again",
        "issued",
    )
    """Its state is the receipt's: that one is due again."""
    CONSIGNMENT_RECEIPTED = "consignment.receipted", "info", "consignment answered", "receipted", "out"
    CONSIGNMENT_HELD = "consignment.held", "warning", "consignment held, for a person to decide", "held", "in"
    CONSIGNMENT_RELEASED = "consignment.released", "info", "consignment let go on", None, "in"
    CONSIGNMENT_RETRIED = "consignment.retried", "info", "sent again by request", None, "out"
    CONSIGNMENT_OVERDUE = "consignment.overdue", "warning", "no receipt yet: the same bytes go again", "sealed", "out"
    CONSIGNMENT_EXPIRED = "consignment.expired", "warning", "consignment given up", "expired", "out"

    CONSIGNMENT_EXPORTED = (
        "consignment.exported",
        "info",
        "consignment written to a medium, for carriage by hand",
        "sent",
        "out",
    )

    # -- receipts

    RECEIPT_ISSUED = "receipt.issued", "info", "receipt due", "issued", "out"
    RECEIPT_SEALED = "receipt.sealed", "info", "receipt signed and encrypted", "sealed", "out"
    RECEIPT_SENT = "receipt.sent", "info", "receipt sent", "sent", "out"
    RECEIPT_LANDED = "receipt.landed", "info", "receipt arrived", "landed", "in"
    RECEIPT_ACCEPTED = "receipt.accepted", "info", "receipt decrypted, signature verified", "accepted", "in"
    RECEIPT_REFUSED = "receipt.refused", "error", "receipt locked away", "quarantined", "in"
    RECEIPT_HELD = "receipt.held", "warning", "receipt held, for a person to decide", "held", "in"
    RECEIPT_RELEASED = "receipt.released", "info", "receipt let go on", None, "in"

    RECEIPT_EXPORTED = "receipt.exported", "info", "receipt written to a medium, for carriage by hand", "sent", "out"

    # -- lanes: everything that goes to one partner

    LANE_DEFERRED = "lane.deferred", "warning", "the partner's server does not take it: it is tried again"
    LANE_HELD = "lane.held", "error", "nothing goes to the partner before a person has decided", "held"
    LANE_RELEASED = "lane.released", "info", "the partner's lane let go on"
    LANE_RETRIED = "lane.retried", "info", "the partner's lane is tried again at once"
    LANE_RECOVERED = "lane.recovered", "info", "the partner's server takes it again"
    LANE_STUCK = "lane.stuck", "error", "the partner's lane has failed the same way again and again"
    LANE_ADAPTED = "lane.adapted", "info", "the partner's server does something otherwise, and is met halfway"
    ENDPOINT_FAILED = (
        "endpoint.failed",
        "warning",
        "one of the partner's servers does not take it: the others are used, and this one is tried again later",
    )
    ENDPOINT_RECOVERED = "endpoint.recovered", "info", "one of the partner's servers that had failed is used again"
    MAIL_PASSED_OVER = (
        "mail.passed-over",
        "warning",
        "a mail of the partner's address carries no sealed file: it is flagged, and stays in the mailbox",
    )
    SEQUENCE_GAP_FOUND = "sequence.gap-found", "warning", "a consignment of the partner has been missing for an hour"

    # -- the machine

    WORK_DEFERRED = "work.deferred", "warning", "put off: it is tried again"
    WORK_RESUMED = "work.resumed", "info", "what was put off goes on"
    CLOCK_SET_BACK = "clock.set-back", "warning", "the clock was put back: what waited for a wrong moment goes now"
    DISK_FULL = "disk.full", "error", "no room on the disk"
    LEDGER_BUSY = "ledger.busy", "info", "another process held the ledger for too long"
    INTAKE_STOPPED = "intake.stopped", "error", "too little room: no file is taken in"
    INTAKE_RESUMED = "intake.resumed", "info", "there is room again: files are taken in"
    LEDGER_COMMITTED = "ledger.committed", "info", "the chain committed to rows: their digests are in it"
    LEDGER_ADOPTED = "ledger.adopted", "info", "the chain committed to rows that were there before it could"
    CHAIN_BROKEN = "chain.broken", "error", "the audit chain does not verify"
    QUARANTINE_DISCARDED = "quarantine.discarded", "info", "quarantined file discarded"

    # -- partners and keys

    PARTNER_ADDED = "partner.added", "info", "a partner was introduced, or its card taken again"
    PARTNER_STOPPED = (
        "partner.stopped",
        "error",
        "a partner's file or keys have a fault: nothing goes to it or comes from it",
    )
    PARTNER_RESUMED = "partner.resumed", "info", "a partner's file and keys are right again, or it is suspended no more"
    PARTNER_SUSPENDED = (
        "partner.suspended",
        "warning",
        "a person suspended a partner: nothing goes to it or comes from it, and what waits stays",
    )
    PARTNER_LEFT_OUT = "partner.left-out", "warning", "the gateway works without a partner that is suspended"
    PARTNER_CHANGED = "partner.changed", "info", "a person changed what was decided here about a partner"
    PARTNER_SHUT_OUT = (
        "partner.shut-out",
        "error",
        "too much lies in a partner's landing: the server does not let it in",
    )
    PARTNER_LET_IN = "partner.let-in", "info", "there is room in a partner's landing again: the server lets it in"
    PARTNER_LIMITED = (
        "partner.limited",
        "warning",
        "so much came from a partner within a day that no more is taken for now; it waits in the landing",
    )
    LINK_STEPPED = "link.stepped", "info", "a step of a trial of the link, which a person of the console asked for"
    LINK_TRIED = "link.tried", "info", "a trial of the link ended: the outcome says how"
    KEY_ROTATED = "key.rotated", "info", "a person changed a key"
    KEY_CONFIRMED = "key.confirmed", "info", "a partner has shown that it knows our new key"
    KEY_RETIRED = "key.retired", "info", "an old key is gone"
    KEY_REVOKED = "key.revoked", "warning", "a person revoked a key"
    KEY_EXPIRING = "key.expiring", "warning", "a key ends within 30, 14, 7 or 1 days"
    KEY_EXPIRED = "key.expired", "error", "a key has ended"
    KEY_RENEWED = "key.renewed", "info", "the end of a key was put off"

    # -- people who are told

    NOTICE_SENT = "notice.sent", "info", "people were told what happened"
    NOTICE_DEFERRED = "notice.deferred", "warning", "people could not be told what happened: it is tried again"
    NOTICE_REFUSED = "notice.refused", "warning", "the mail server took a notice, but not for all of its recipients"
    NOTICE_FORGOTTEN = (
        "notice.forgotten",
        "warning",
        "the note of what people were told cannot be used: they are told what happens from now on",
    )

    # -- the log itself

    LOG_LINE_FOREIGN = "log.line-foreign", "warning", "a library said something; at error where the library does so"
    LOG_EVENT_UNKNOWN = "log.event-unknown", "info", "a line with a name that is no event's: a defect of the gateway"


BY_NAME: Final[Mapping[str, Event]] = MappingProxyType({event.value: event for event in Event})
