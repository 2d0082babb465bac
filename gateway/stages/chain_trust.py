"""Trust by the chain, where a site has several nodes: a key that was revoked at one of them is worth nothing at all of them, at once.

Keyrings and configuration are each node's own, and come to the others by hand. The chain is common, so it is asked with every
signature and every key that something is sealed by or to. Raises what the engine and the ledger raise, SignerRevoked, OwnKeyUnusable and
PartnerKeyRevoked.
"""

from __future__ import annotations

from pathlib import Path

from gateway.crypto.contract import Certificate, Opened, OpenPgp, Sealed
from gateway.errors import OwnKeyUnusable, PartnerKeyRevoked, SignerRevoked
from gateway.ledger.queries.events import events_about
from gateway.ledger.queries.keys import OWN, REVOKED, subject
from gateway.stages.context import StageContext
from gateway.storage.byte_reader import ByteReader


def trusted(context: StageContext, engine: OpenPgp) -> OpenPgp:
    """The engine itself for a site of one machine, whose own files say what is revoked."""
    return engine if context.node is None else ChainTrust(context, engine)


class ChainTrust:
    """An engine that uses no key which the site's chain has as revoked."""

    def __init__(self, context: StageContext, engine: OpenPgp) -> None:
        self._context = context
        self._engine = engine

    def own_certificate(self) -> Certificate:
        return self._engine.own_certificate()

    def old_own_certificate(self) -> Certificate | None:
        return self._engine.old_own_certificate()

    def partner_certificate(self, partner: str) -> Certificate:
        return self._engine.partner_certificate(partner)

    def seal(self, plaintext: ByteReader, partner: str, output: Path, signer: str | None = None) -> Sealed:
        self._require_own(signer)
        there = self._context.settings.partners.get(partner)
        if there is not None and self._is_revoked(partner, there.fingerprint):
            raise PartnerKeyRevoked(
                "the key was revoked at another node, and this one's files have no other: bring them up to date"
            )
        return self._engine.seal(plaintext, partner, output, signer)

    def unwrap(self, sealed: Path, max_bytes: int) -> bytes:
        return self._engine.unwrap(sealed, max_bytes)

    def signed_content(self, signed: bytes, partner: str, max_bytes: int) -> bytes:
        return self._engine.signed_content(signed, partner, max_bytes)

    def open(self, sealed: Path, partner: str, output: Path, max_bytes: int) -> Opened:
        opened = self._engine.open(sealed, partner, output, max_bytes)
        try:
            self._require_signer(partner, opened.signer)
        except BaseException:
            output.unlink(missing_ok=True)
            raise
        return opened

    def sign(self, text: bytes, signer: str | None = None) -> bytes:
        self._require_own(signer)
        return self._engine.sign(text, signer)

    def verify(self, signed: bytes, partner: str) -> str:
        signer = self._engine.verify(signed, partner)
        self._require_signer(partner, signer)
        return signer

    def close(self) -> None:
        self._engine.close()

    def _require_signer(self, partner: str, signer: str) -> None:
        if self._is_revoked(partner, signer):
            raise SignerRevoked

    def _require_own(self, signer: str | None) -> None:
        fingerprint = signer or self._context.settings.openpgp.fingerprint
        if self._is_revoked(OWN, fingerprint):
            raise OwnKeyUnusable(
                "it was revoked at another node: bring that node's configuration and state/keyrings to this one, and `gateway reload`"
            )

    def _is_revoked(self, owner: str, fingerprint: str) -> bool:
        with self._context.ledger.read() as connection:
            return bool(events_about(connection, [REVOKED], [subject(owner, fingerprint)]))
