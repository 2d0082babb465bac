"""What goes into a file of evidence: events, rows, partners' receipts, certificates, statements.

Raises ChainBroken where what is kept is not what the chain or its row says: of that no evidence is made. NotPermitted for an
account that may not use the site's keys, and what the ledger, the key store and the disk raise.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from gateway.administration.access import opened, permitted
from gateway.administration.evidence import pages
from gateway.administration.evidence.container import Container, refuse_taken
from gateway.administration.evidence.pages import Section
from gateway.administration.evidence.story import Proof
from gateway.administration.site.known_heads import statement_files
from gateway.assembly.stores import key_store, open_pgp, payloads_of
from gateway.crypto.contract import KeyStore, OpenPgp
from gateway.domain.identity import to_text
from gateway.domain.receipt import MAX_BYTES
from gateway.domain.receipt import Receipt as SignedReceipt
from gateway.errors import (
    ChainBroken,
    EnvelopeExhausting,
    EnvelopeRefused,
    OwnKeyUnusable,
    ReceiptMalformed,
    ReceiptVersion,
    SignerUnknown,
)
from gateway.ledger.chain import GENESIS, ChainEntry, Head, verify
from gateway.ledger.commitment import ERASED
from gateway.ledger.queries.events import chain
from gateway.ledger.queries.proof import Confirmed, Place, ProvenRow, adopted
from gateway.ledger.queries.restorations import was_lost
from gateway.ledger.store import Connection, event_before, event_digest
from gateway.ledger.units import Receipt
from gateway.settings.model import Settings
from gateway.stages.kept_files import brought, in_evidence, needed
from gateway.storage.digest import file_digest
from gateway.storage.payloads import Payloads

FORMAT: Final = 1
_MORE: Final = 64 * 1024
"""Bytes that a signed message has more than what is signed, at most."""


@dataclass(frozen=True)
class Made:
    """A file of evidence: the contract of `gateway evidence --json`, and of `gateway audit export --json`.

    `confirmed` is the last event that somebody else than this site confirms, 0 for none, and `by` who that is. `missing`
    says in sentences what could not be put in; `keys` are the keys that signed something in it, as `--known` of the verifier takes them.
    """

    file: str
    first_event: int
    last_event: int
    confirmed: int
    by: str | None
    missing: tuple[str, ...]
    keys: tuple[str, ...]


class Told(NamedTuple):
    """What a file is about: the table, direction, partner and id of a transfer or consignment; or the first and last day."""

    subject: tuple[str, str, str, str] | None = None
    period: tuple[str, str] | None = None


@dataclass
class Contents:
    """A file of evidence that is being filled. `missing` says in sentences what could not be put in."""

    settings: Settings
    payloads: Payloads
    connection: Connection
    store: KeyStore
    engine: OpenPgp
    out: Container
    missing: list[str] = field(default_factory=list)
    certificates: set[str] = field(default_factory=set)
    """The sites whose certificates are needed."""
    _keys: list[str] = field(default_factory=list)
    _seen: list[tuple[int, str]] = field(default_factory=list)
    """The events of our chain that partners' receipts name, and the partners."""
    _receipts: set[int] = field(default_factory=set)

    def add_events(self, first: int, last: int, watch: Callable[[ChainEntry], None]) -> Head:
        """The chain from one event to another, each verified, and then shown to `watch`. Its last."""
        before = event_before(self.connection, first)
        head = before

        def lines() -> Iterator[list[Any]]:
            nonlocal head
            for entry in verify(chain(self.connection, first - 1, last), before):
                watch(entry)
                head = Head(entry.sequence, entry.sha256)
                yield list(entry)

        self.out.add_lines("events", lines())
        if head.sequence != last:
            raise ChainBroken(f"the chain ends before event {last}")
        return head

    def add_rows(self, rows: Iterable[ProvenRow]) -> None:
        """Rows, with what their digests in the chain are made of."""
        self.out.add_lines("rows", (row.told() for row in rows))

    def tell_adopted(self, places: Collection[Place]) -> None:
        """Say of these rows which of them the chain has not known from their beginning."""
        found = adopted(self.connection, places)
        if found is not None:
            self.missing.append(
                f"What {len(found.places)} of the rows in here said before {found.day}. They were adopted on that day: what they"
                " said before, the chain shows only as far as its events do."
            )

    def add_receipt(self, row: Receipt) -> None:
        """A partner's accepted receipt, once: as it came, and without its encryption."""
        file = in_evidence(self.settings.home, row)
        kept, name = file.path, file.path.name
        stem = f"receipts/{row.partner}/{name.removesuffix('pgp')}"
        if row.key in self._receipts:
            return
        self._receipts.add(row.key)
        self.certificates.add(row.partner)
        is_erased = row.salt.startswith(ERASED)
        if not (brought if is_erased else needed)(self.payloads, file).is_file():
            over = ": its time was over" if is_erased else ""
            self.missing.append(f"The receipt {name} of {row.partner} is not kept at this site any more{over}.")
            return
        if file_digest(kept) != row.sealed_sha256:
            raise ChainBroken(f"the kept receipt {row.partner}/{name} is not the one that came")
        self.out.add(f"{stem}pgp", [kept.read_bytes()])
        try:
            signed = self.engine.unwrap(kept, MAX_BYTES + _MORE)
        except (OwnKeyUnusable, EnvelopeRefused) as error:
            self.missing.append(f"The receipt {name} of {row.partner} could not be opened: {error.reason}")
            return
        try:
            content = self.engine.signed_content(signed, row.partner, MAX_BYTES)
        except (SignerUnknown, EnvelopeExhausting) as error:
            self.missing.append(f"The receipt {name} of {row.partner} could not be verified: {error.reason}")
            return
        except EnvelopeRefused as error:
            raise ChainBroken(f"the kept receipt {row.partner}/{name} is not signed by {row.partner}") from error
        self.out.add(f"{stem}signed", [signed])
        self._compare(row, content)

    def _compare(self, row: Receipt, content: bytes) -> None:
        """What the partner signed with what the ledger says of it; a head of ours that it names with our chain."""
        which = f"the kept receipt {row.consignment} of {row.partner}"
        try:
            said, noted = (SignedReceipt.parse(each) for each in (content, row.body.encode() if row.body else content))
        except (ReceiptMalformed, ReceiptVersion) as error:
            raise ChainBroken(f"{which}, or its row, is no receipt") from error
        if (said.consignment, said.sender, said.recipient) != (row.consignment, row.partner, self.settings.site.code):
            raise ChainBroken(f"{which} is about something else")
        if noted != said:
            raise ChainBroken(f"{which} says something else than the ledger")
        if seen := said.seen_head:
            ours = event_digest(self.connection, seen.sequence) if seen.sequence else GENESIS
            if ours is None and was_lost(self.connection, seen.sequence):
                return
            if ours != seen.sha256:
                raise ChainBroken(f"{which} names another event {seen.sequence} than the chain has")
            self._seen.append((seen.sequence, row.partner))

    def _add_statements(self, first: int, last: int) -> None:
        """Our own daily statements that name one of these events, with the time stamps of those that have one."""
        directory = f"statements/{self.settings.site.code}"
        for path, statement in statement_files(self.settings, self.payloads):
            if first <= statement.head.sequence <= last:
                self.out.add(f"{directory}/{path.name}", [path.read_bytes()])
                stamp = path.with_suffix(".tsr")
                if stamp.is_file():
                    self.out.add(f"{directory}/{stamp.name}", [stamp.read_bytes()])

    def stated(self, sequence: int) -> int | None:
        """The number of the first event from this one on that a daily statement of this site names."""
        heads = (statement.head.sequence for _, statement in statement_files(self.settings, self.payloads))
        return min((head for head in heads if head >= sequence), default=None)

    def _add_certificates(self) -> None:
        """Our own, and every one that is kept of the partners that signed something in here."""
        own = self.settings.site.code
        found = [(own, fingerprint, self.store.export_own(fingerprint)) for fingerprint in self.store.kept()]
        for code in sorted(self.certificates - {own}):
            fingerprints = self.store.kept(code)
            found += [(code, each, self.store.export_partner(code, each)) for each in fingerprints]
            if not fingerprints:
                self.missing.append(f"No certificate of {code} is kept at this site any more.")
        self._keys += [f"{code}={fingerprint}" for code, fingerprint, _ in found]
        for code in sorted({code for code, _, _ in found}):
            armoured = (content.encode() for site, _, content in found if site == code)
            self.out.add(f"certificates/{code}.asc", armoured)

    def conclude(
        self,
        events: tuple[int, Head],
        anchor: Confirmed | None,
        title: str,
        tell: Callable[[Proof], Sequence[Section]],
        told: Told,
        now: float,
        file: Path,
    ) -> Made:
        """Add who confirms the events, the certificates and the pages, and sign it all with the site's key."""
        first, head = events
        if anchor is not None:
            self.add_receipt(anchor.receipt)
        confirmed, by = max((each for each in self._seen if first <= each[0] <= head.sequence), default=(0, None))
        if confirmed < head.sequence:
            self.missing.append("A partner's receipt that confirms the events to their end: none has come yet.")
        self._add_statements(first, head.sequence)
        self._add_certificates()
        made, settings = to_text(now), self.settings
        sections = tell(Proof(first, head.sequence, confirmed, by, self.missing, self._keys, made))
        self.out.add("story.txt", [pages.text(title, sections)])
        self.out.add("story.pdf", [pages.pdf(title, sections)])
        signer = settings.openpgp.fingerprint
        common = {"format": FORMAT, "site": settings.site.code, "made": made, "missing": self.missing}
        about = {"subject": told.subject, "period": told.period, "events": (first, head.sequence)}
        self.out.seal({**common, **about}, lambda message: self.store.sign_binary(message, signer))
        return Made(str(file), first, head.sequence, confirmed, by, tuple(self.missing), tuple(self._keys))


@contextmanager
def filling(settings: Settings, out: Path) -> Iterator[tuple[Connection, Callable[[Container], Contents]]]:
    """A consistent view of the site's ledger, and what fills a file of evidence from it."""
    refuse_taken(out)
    with permitted():  # around the engine's end too: whoever may not use the keys may not look for its agent
        engine = open_pgp(settings)
        try:
            with opened(settings) as ledger, ledger.read() as connection:
                store = key_store(settings.home.keyrings)
                payloads = payloads_of(settings)
                yield connection, lambda target: Contents(settings, payloads, connection, store, engine, target)
        finally:
            engine.close()
