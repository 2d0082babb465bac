"""OpenPGP by GnuPG: signing and sealing to one partner, opening and verifying from one partner.

Raises what the contract names. Safe because gpg writes no file here: plaintext and ciphertext come through a pipe, are
counted and written by `AtomicFile` under a temporary name, and get their final name only after the verdict. The sealed
bytes that are judged are the bytes that are hashed, from one open file. Which certificate is a partner's is decided by
configuration (`pinned`), never by what lies in a keyring. Long because all that one site's keys do is done here, over one
process and one set of pins.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final, Self, TypeVar

from gateway.crypto.contract import Certificate, Clock, Opened, Rotations, Sealed
from gateway.crypto.framing import check_framing
from gateway.crypto.gnupg.certificates import KeySet, read_keys
from gateway.crypto.gnupg.clear_signed import clear_sign, judge_clear_signed
from gateway.crypto.gnupg.gpg_process import GpgProcess
from gateway.crypto.gnupg.key_agent import KeyAgent
from gateway.crypto.gnupg.keyrings import Keyrings, is_code
from gateway.crypto.gnupg.process_limits import Ended, Feed, ProcessLimits
from gateway.crypto.gnupg.signature import Pin, Terms
from gateway.crypto.gnupg.unwrapping import signed_content, unwrap
from gateway.crypto.gnupg.verdict import judge_opening, judge_sealing
from gateway.errors import (
    CryptoFailed,
    DiskFailed,
    OwnKeyUnusable,
    PartnerKeyRevoked,
    PartnerKeyUnusable,
    Quarantine,
    SignerUnknown,
)
from gateway.storage.atomic_file import AtomicFile
from gateway.storage.byte_reader import ByteReader
from gateway.storage.durable import disk_error

_Rings = tuple[tuple[Path, Pin], ...]
"""Keyrings, and the certificate that is pinned in each; the current one's first."""
_Verdict = TypeVar("_Verdict")

HASH: Final = "SHA256"
CIPHER: Final = "AES256"
"""What is signed and sealed with; what is accepted says `signature`."""

_SEAL_OPTIONS: Final = (
    "-z",
    "0",
    "--compress-algo",
    "none",
    "--digest-algo",
    HASH,
    "--cipher-algo",
    CIPHER,
    "--set-filename",
    "",
    "--no-encrypt-to",
    "--no-throw-keyids",
)


@dataclass(frozen=True)
class OpenLimits:
    """What one run of gpg may cost.

    A consignment is not compressed by OpenPGP, so honest work grows with the sealed size: CPU seconds are
    `cpu_seconds` and one more for each `bytes_per_cpu_second`, seconds by the clock likewise; `cpu_seconds` of 1 is fifty
    times what a small message takes. A stock correspondent's compression is borne as long as the content is not more
    than `expansion` times the message, beyond `expansion_free` bytes: more is a bomb, whatever the caller's limit.
    """

    cpu_seconds: int = 1
    bytes_per_cpu_second: int = 10_000_000
    seconds: float = 30.0
    bytes_per_second: int = 1_000_000
    memory_bytes: int = 256 * 1024 * 1024
    stall_seconds: float = 60.0
    expansion: int = 100
    expansion_free: int = 16 * 1024 * 1024

    def opening(self, size: int) -> ProcessLimits:
        return ProcessLimits(
            cpu_seconds=self.cpu_seconds + size // self.bytes_per_cpu_second,
            memory_bytes=self.memory_bytes,
            seconds=self.seconds + size / self.bytes_per_second,
        )

    def content(self, size: int, max_bytes: int) -> int:
        """The most bytes that a message of `size` bytes may unpack to."""
        return min(max_bytes, self.expansion_free + self.expansion * size)

    def sealing(self) -> ProcessLimits:
        """Sealing reads our own bytes: it may take any CPU, and only standing still ends it."""
        return ProcessLimits(cpu_seconds=86_400, memory_bytes=self.memory_bytes, seconds=self.stall_seconds)


_DEFAULT_LIMITS: Final = OpenLimits()
_NO_ROTATION: Final = Rotations()


class GnuPgEngine:
    """`contract.OpenPgp` over `keyrings`, for the site whose primary fingerprint is `own_fingerprint`.

    `pinned` gives each partner's primary fingerprint, from the partner's file in the configuration, and `rotations`
    what is pinned besides; both are read at each call, so a changed mapping counts at once. One thread at a time; any
    number of processes.
    """

    def __init__(
        self,
        keyrings: Path,
        own_fingerprint: str,
        pinned: Mapping[str, str],
        clock: Clock,
        limits: OpenLimits = _DEFAULT_LIMITS,
        rotations: Rotations = _NO_ROTATION,
    ) -> None:
        self._keyrings = Keyrings(keyrings)
        self._own_fingerprint = own_fingerprint
        self._pinned = pinned
        self._clock = clock
        self._limits = limits
        self._rotations = rotations
        self._agent = KeyAgent(self._keyrings.own)
        self._gpg: GpgProcess | None = None
        self._read: dict[Path, tuple[tuple[int, int, int], tuple[KeySet, ...]]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the key agent; the last to leave ends it."""
        self._agent.close()

    def unwrap(self, sealed: Path, max_bytes: int) -> bytes:
        gpg = self._engine()
        self._agent.ensure()
        gpg.keyring = [str(self._keyrings.own_ring)]
        try:
            with sealed.open("rb") as source, gpg.within(self._limits.opening(os.fstat(source.fileno()).st_size)):
                return unwrap(gpg, source, max_bytes)
        except OSError as error:
            raise disk_error(error, "The sealed file cannot be read") from error

    def signed_content(self, signed: bytes, partner: str, max_bytes: int) -> bytes:
        rings = [self._keyrings.partner_ring(partner), *self._keyrings.old_rings(partner)] if is_code(partner) else []
        gpg = self._engine()
        gpg.keyring = [str(ring) for ring in rings if ring.is_file()]
        if not gpg.keyring:
            raise SignerUnknown
        with gpg.within(self._limits.opening(len(signed))):
            return signed_content(gpg, signed, max_bytes)

    # -- certificates

    def own_certificate(self) -> Certificate:
        return self._own(self._own_fingerprint).certificate()

    def old_own_certificate(self) -> Certificate | None:
        old = self._rotations.own
        return None if old is None else self._own(old).certificate()

    def partner_certificate(self, partner: str) -> Certificate:
        return self._partner(partner)[1].certificate()

    def _own(self, fingerprint: str) -> KeySet:
        try:
            found = self._keys(self._keyrings.own_ring)
        except FileNotFoundError as error:
            raise OwnKeyUnusable("There is no key of our own.") from error
        for keys in found:
            if keys.primary.fingerprint == fingerprint:
                return keys
        raise OwnKeyUnusable("The keyring does not hold the key that the configuration names as our own.")

    def _all_own(self) -> tuple[KeySet, ...]:
        """The keys that open what comes: the current one, and the one before while it is there."""
        names = (self._own_fingerprint, self._rotations.own)
        return tuple(self._own(name) for name in names if name is not None)

    def _partner(self, partner: str) -> tuple[Path, KeySet]:
        """The keyring and the certificate of a partner's current key, trusted or not."""
        fingerprint = self._pinned.get(partner)
        if fingerprint is None or not is_code(partner):
            raise PartnerKeyUnusable("No fingerprint is configured for the partner.")
        return self._kept(partner, fingerprint)

    def _by_pins(self, partner: str, judge: Callable[[_Rings], _Verdict]) -> _Verdict:
        """The verdict by the partner's keyrings as they are before and after gpg has read them.

        Whoever takes the partner's new card moves certificates from one keyring to another: to a gpg that opens them in that moment,
        a message by a pinned key is a stranger's.
        """
        rings = self._pins(partner)
        while True:
            try:
                return judge(rings)
            except Quarantine:
                before, rings = rings, self._pins(partner)
                if rings == before:
                    raise

    def _pins(self, partner: str) -> _Rings:
        """Every certificate that a message of the partner may be signed by, each in a keyring of its own."""
        revoked = self._rotations.revoked.get(partner, ())
        ring, keys = self._partner(partner)
        pins = [(ring, Pin(keys, revoked=keys.primary.fingerprint in revoked))]
        old = self._rotations.partners.get(partner)
        if old is not None:
            try:
                ring, keys = self._kept(partner, old.fingerprint)
            except PartnerKeyUnusable:
                if old.until > self._clock():
                    raise  # what it signed may be underway: that is to wait, and not to be taken for a stranger's
            else:
                pins.append((ring, Pin(keys, old.until, old.fingerprint in revoked)))
        return tuple(pins)

    def _kept(self, partner: str, fingerprint: str) -> tuple[Path, KeySet]:
        """The keyring of that certificate: the partner's own, or that of its key before, also while the two change over."""
        missing = True
        for ring in (self._keyrings.partner_ring(partner), self._keyrings.old_ring(partner, fingerprint)):
            try:
                found = self._keys(ring)
            except FileNotFoundError:
                continue
            missing = False
            if len(found) == 1 and found[0].primary.fingerprint == fingerprint:
                return ring, found[0]
        if missing:
            raise PartnerKeyUnusable("There is no certificate of the partner.")
        raise PartnerKeyUnusable("The certificate kept for the partner is not the one that is configured.")

    def _keys(self, ring: Path) -> tuple[KeySet, ...]:
        """What a keyring holds, listed again only after the file has been replaced or changed."""
        try:
            status = ring.stat()
        except FileNotFoundError:
            raise  # the caller knows whose certificate it is that is missing
        except OSError as error:
            raise disk_error(error, "A keyring cannot be read") from error
        version = (status.st_ino, status.st_mtime_ns, status.st_size)
        known = self._read.get(ring)
        if known is None or known[0] != version:
            known = (version, read_keys(self._engine(), ring))
            self._read[ring] = known
        return known[1]

    def _engine(self) -> GpgProcess:
        if self._gpg is None:
            if not self._keyrings.own.is_dir():
                raise OwnKeyUnusable("There is no key of our own.")
            self._gpg = GpgProcess(self._keyrings.own)
        return self._gpg

    # -- sealing

    def seal(self, plaintext: ByteReader, partner: str, output: Path, signer: str | None = None) -> Sealed:
        now = self._clock()
        signer = self._signer(signer)
        ring, theirs = self._partner(partner)
        if theirs.primary.fingerprint in self._rotations.revoked.get(partner, ()):
            raise PartnerKeyRevoked
        recipient = theirs.encryption_key(now)
        if recipient is None:
            raise PartnerKeyUnusable
        gpg = self._engine()
        digest = hashlib.sha256()
        feed = Feed(plaintext, lambda _octets: None)
        file = AtomicFile(output, on_failure=lambda: gpg.kill(Ended.WRITE_FAILED), watcher=digest.update)
        self._agent.ensure()
        with file:
            gpg.keyring = [str(self._keyrings.own_ring), str(ring)]
            with gpg.within(self._limits.sealing(), feed):
                gpg.on_data = file.take
                try:
                    gpg.encrypt_file(
                        feed,
                        recipients=[f"{recipient.fingerprint}!"],
                        sign=True,
                        armor=False,
                        extra_args=[*_SEAL_OPTIONS, "--local-user", signer],
                    )
                except OSError as error:
                    if feed.failure is None:
                        raise CryptoFailed("GnuPG could not be run.") from error
            if feed.failure is not None:
                raise feed.failure
            file.raise_failure()
            judge_sealing(gpg.last)
            file.publish(durable=True)
        return Sealed(file.size, digest.hexdigest())

    # -- text that anybody may read

    def sign(self, text: bytes, signer: str | None = None) -> bytes:
        signer, gpg = self._signer(signer), self._engine()
        self._agent.ensure()
        gpg.keyring = [str(self._keyrings.own_ring)]
        return clear_sign(gpg, text, signer)

    def verify(self, signed: bytes, partner: str) -> str:
        return self._by_pins(partner, partial(self._verify, signed))

    def _verify(self, signed: bytes, rings: _Rings) -> str:
        gpg = self._engine()
        gpg.keyring = [str(ring) for ring, _ in rings]
        with gpg.within(self._limits.opening(len(signed))):
            gpg.verify(signed)
        return judge_clear_signed(gpg.last, Terms(tuple(pin for _, pin in rings), (), self._clock()))

    def _signer(self, fingerprint: str | None) -> str:
        """The fingerprint of the key of ours that signs; OwnKeyUnusable where it cannot."""
        now, own = self._clock(), self._own(fingerprint or self._own_fingerprint)
        if not any("s" in key.capabilities and key.valid_at(now) for key in own.keys) or not own.primary.valid_at(now):
            raise OwnKeyUnusable
        return own.primary.fingerprint

    # -- opening

    def open(self, sealed: Path, partner: str, output: Path, max_bytes: int) -> Opened:
        return self._by_pins(partner, partial(self._open, sealed, partner, output, max_bytes))

    def _open(self, sealed: Path, partner: str, output: Path, max_bytes: int, rings: _Rings) -> Opened:
        terms = Terms(tuple(pin for _, pin in rings), self._all_own(), self._clock())
        gpg = self._engine()
        digest = hashlib.sha256()
        try:
            descriptor = os.open(sealed, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            raise disk_error(error, "The sealed file cannot be read") from error
        with os.fdopen(descriptor, "rb", buffering=0) as source:
            feed = Feed(source, digest.update)
            try:
                size = os.fstat(descriptor).st_size
                check_framing(lambda at, count: os.pread(descriptor, count, at), size, terms.encryption_ids())
            except OSError as error:
                raise disk_error(error, "The sealed file cannot be read") from error
            self._agent.ensure()
            most = self._limits.content(size, max_bytes)
            with AtomicFile(output, on_failure=lambda: gpg.kill(Ended.WRITE_FAILED), most=most) as file:
                gpg.keyring = [str(self._keyrings.own_ring), *(str(ring) for ring, _ in rings)]
                with gpg.within(self._limits.opening(size), feed):
                    gpg.on_data = file.take
                    try:
                        gpg.decrypt_file(feed)
                    except OSError as error:
                        if feed.failure is None:
                            raise CryptoFailed("GnuPG could not be run.") from error
                if isinstance(feed.failure, OSError):
                    raise disk_error(feed.failure, "The sealed file cannot be read") from feed.failure
                file.raise_failure()
                others = frozenset(pin[-16:] for code, pin in self._pinned.items() if code != partner)
                accepted = judge_opening(gpg.last, replace(terms, now=self._clock(), others=others))
                if feed.size != size:
                    raise DiskFailed("The sealed file changed while it was read.")
                file.publish(durable=False)
        return Opened(accepted.signer, accepted.encrypted_to, accepted.signed_at, digest.hexdigest(), file.size)
