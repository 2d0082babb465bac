"""Making our key, and keeping each partner's certificate in a keyring of its own.

Raises CardRefused for a certificate that is not exactly one public certificate, OwnKeyUnusable and PartnerKeyUnusable where a key
is missing, UsageWrong for a user id or expiry that cannot be, and the errors of `keyrings`, `key_agent` and `certificates`. A
partner's certificate is read in a throwaway home (`certificate_import`) and moved into place as a whole keyring file; nothing
is ever merged into an existing keyring.

Our secret key has no passphrase: nobody is there to type it. File modes protect it (0600 below 0700).
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from gateway.crypto.contract import Certificate
from gateway.crypto.gnupg.certificate_import import WRITING, imported, make_directories
from gateway.crypto.gnupg.certificates import KeySet, read_keys
from gateway.crypto.gnupg.gpg_process import GpgProcess
from gateway.crypto.gnupg.key_agent import KeyAgent
from gateway.crypto.gnupg.keyrings import Keyrings, is_code
from gateway.crypto.gnupg.process_limits import ProcessLimits
from gateway.crypto.gnupg.signature import is_signed_by
from gateway.errors import CardRefused, CryptoFailed, OwnKeyUnusable, PartnerKeyUnusable, UsageWrong
from gateway.storage.durable import disk_error, sync_directory, sync_file

_USER_ID: Final = re.compile(
    r"(?P<name>[^<>()@\x00-\x1f\x7f]{5,70}) <(?P<address>[^<>()\s@\x00-\x1f\x7f]+@[^<>()\s@\x00-\x1f\x7f]+)>"
)
_LONGEST_LIFE_DAYS: Final = 36_500


class GnuPgKeyStore:
    """`contract.KeyStore` over the directory `keyrings`, which is made where it is missing."""

    def __init__(self, keyrings: Path) -> None:
        self._keyrings = Keyrings(keyrings)

    def create_own(self, user_id: str, expires_in_days: int, *, another: bool = False) -> Certificate:
        """Make our key, where there is none yet, or `another`; `user_id` is `Name <address>`, of at least five letters of
        name.
        """
        names = _USER_ID.fullmatch(user_id)
        if names is None or names["name"] != names["name"].strip():
            raise UsageWrong("The user id of a key has the form `Name <name@example.org>`.")
        if not 0 < expires_in_days <= _LONGEST_LIFE_DAYS:
            raise UsageWrong("A key expires after a number of days.")
        make_directories(self._keyrings)
        agent = KeyAgent(self._keyrings.own)
        try:
            gpg = GpgProcess(self._keyrings.own)
            there = self._keyrings.own_ring.exists() and bool(read_keys(gpg, self._keyrings.own_ring))
            if there is not another:
                raise CryptoFailed(f"There is {'a' if there else 'no'} key of our own already.")
            agent.ensure()
            recipe = gpg.gen_key_input(
                key_type="eddsa",
                key_curve="ed25519",
                key_usage="sign,cert",
                subkey_type="ecdh",
                subkey_curve="cv25519",
                subkey_usage="encrypt",
                name_real=names["name"],
                name_email=names["address"],
                expire_date=f"{expires_in_days}d",
                no_protection=True,
            )
            with gpg.within(WRITING):
                made = gpg.gen_key(recipe.encode("utf-8"))
            if gpg.last.returncode != 0 or not made.fingerprint:
                raise CryptoFailed("GnuPG did not make the key.")
            keys = self._own(gpg, str(made.fingerprint))
        finally:
            agent.close()
        self._sync_own()
        return keys.certificate()

    def export_own(self, fingerprint: str | None = None) -> str:
        gpg = self._own_gpg()
        return _export(gpg, self._keyrings.own_ring, self._own(gpg, fingerprint).primary.fingerprint)

    def own_secrets(self) -> tuple[str, ...]:
        gpg = self._own_gpg()
        agent = KeyAgent(self._keyrings.own)
        try:
            agent.ensure()
            with gpg.within(ProcessLimits()):
                listed = gpg.list_keys(secret=True)
        finally:
            agent.close()
        return tuple(str(key["fingerprint"]) for key in listed)

    def revoke_own(self, fingerprint: str) -> None:
        gpg = self._own_gpg()
        self._own(gpg, fingerprint)
        made = self._keyrings.own / "openpgp-revocs.d" / f"{fingerprint}.rev"
        try:
            # One colon before the armour keeps it from being imported by accident.
            revocation = made.read_text(encoding="utf-8").replace(":-----BEGIN PGP", "-----BEGIN PGP")
        except (OSError, UnicodeDecodeError) as error:
            raise OwnKeyUnusable("The revocation that was made together with our key is not there.") from error
        with gpg.within(WRITING):
            gpg.import_keys(revocation.encode("utf-8"))
        if not self._own(gpg, fingerprint).primary.revoked:
            raise CryptoFailed("GnuPG did not revoke our key.")
        self._sync_own()

    def delete_own(self, fingerprint: str) -> None:
        gpg = self._own_gpg()
        revoked = self._own(gpg, fingerprint).primary.revoked
        agent = KeyAgent(self._keyrings.own)
        try:
            agent.ensure()
            with gpg.within(WRITING):
                gone = gpg.delete_keys(fingerprint, secret=True, expect_passphrase=False)
            if str(gone) != "ok":
                raise CryptoFailed("GnuPG did not delete our secret key.")
            if not revoked:
                with gpg.within(WRITING):
                    gone = gpg.delete_keys(fingerprint)
                if str(gone) != "ok":
                    raise CryptoFailed("GnuPG did not delete our certificate.")
        finally:
            agent.close()
        self._sync_own()

    def sign(self, text: bytes, fingerprint: str) -> str:
        return self._signature(text, fingerprint, binary=False).decode("ascii")

    def sign_binary(self, text: bytes, fingerprint: str) -> bytes:
        return self._signature(text, fingerprint, binary=True)

    def _signature(self, text: bytes, fingerprint: str, *, binary: bool) -> bytes:
        gpg = self._own_gpg()
        self._own(gpg, fingerprint)
        agent = KeyAgent(self._keyrings.own)
        options = ["--digest-algo", "SHA256", "--local-user", fingerprint]
        try:
            agent.ensure()
            gpg.keyring = [str(self._keyrings.own_ring)]
            with gpg.within(ProcessLimits()):
                made = gpg.sign(text, clearsign=False, detach=True, binary=binary, extra_args=options)
        finally:
            agent.close()
        if gpg.last.returncode != 0 or not made.data:
            raise OwnKeyUnusable("GnuPG does not sign with our key.")
        return bytes(made.data)

    def has_signed(self, text: bytes, signature: str, armoured: str) -> bool:
        with imported(self._keyrings, armoured) as (keys, ring):
            kept = ring.with_name("signature")
            try:
                kept.write_text(signature, encoding="ascii")
            except UnicodeEncodeError:
                return False
            gpg = GpgProcess(ring.parent)
            gpg.keyring = [str(ring)]
            with gpg.within(ProcessLimits()):
                gpg.verify_data(str(kept), text)
            return is_signed_by(gpg.last, keys)

    def encrypt_to(self, armoured: str, plaintext: bytes, now: float) -> bytes:
        with imported(self._keyrings, armoured) as (keys, ring):
            recipient = keys.encryption_key(now)
            if recipient is None:
                raise CardRefused("The certificate has no key that may be encrypted to now.")
            gpg = GpgProcess(ring.parent)
            gpg.keyring = [str(ring)]
            with gpg.within(ProcessLimits()):
                made = gpg.encrypt(plaintext, [f"{recipient.fingerprint}!"], armor=False)
        if gpg.last.returncode != 0 or gpg.last.counts["END_ENCRYPTION"] != 1 or not made.data:
            raise CryptoFailed("GnuPG did not encrypt.")
        return bytes(made.data)

    def inspect(self, armoured: str) -> Certificate:
        with imported(self._keyrings, armoured) as (keys, _ring):
            return keys.certificate()

    def pin(self, partner: str, armoured: str, old: str | None = None) -> Certificate:
        _check_code(partner)
        make_directories(self._keyrings)
        if old is not None:
            with imported(self._keyrings, old) as (keys, ring):
                self._install(ring, self._keyrings.old_ring(partner, keys.primary.fingerprint))
        with imported(self._keyrings, armoured) as (keys, ring):
            self._set_aside(partner, keys.primary.fingerprint)
            self._install(ring, self._keyrings.partner_ring(partner))
            return keys.certificate()

    def _set_aside(self, partner: str, successor: str) -> None:
        """Keep the certificate that is replaced by that of another key, in a keyring of its own.

        A running gateway goes by the old configuration until it has reloaded, and receipts that the key signed are
        evidence for years. What is accepted is the configuration's to say.
        """
        ring = self._keyrings.partner_ring(partner)
        if not ring.is_file():
            return
        for keys in read_keys(GpgProcess(self._keyrings.own), ring):
            if keys.primary.fingerprint != successor:
                ring.rename(self._keyrings.old_ring(partner, keys.primary.fingerprint))

    def export_partner(self, partner: str, fingerprint: str) -> str:
        _check_code(partner)
        gpg = GpgProcess(self._keyrings.own)
        for ring in (self._keyrings.partner_ring(partner), self._keyrings.old_ring(partner, fingerprint)):
            if ring.is_file() and [keys.primary.fingerprint for keys in read_keys(gpg, ring)] == [fingerprint]:
                return _export(gpg, ring, fingerprint)
        raise PartnerKeyUnusable("The certificate kept for the partner is not the one that is configured.")

    def kept(self, partner: str | None = None) -> tuple[str, ...]:
        if partner is None:
            gpg = self._own_gpg()
            return tuple(keys.primary.fingerprint for keys in read_keys(gpg, self._keyrings.own_ring))
        _check_code(partner)
        gpg = GpgProcess(self._keyrings.own)
        rings = [self._keyrings.partner_ring(partner), *sorted(self._keyrings.old_rings(partner))]
        found = [keys for ring in rings if ring.is_file() for keys in read_keys(gpg, ring)]
        return tuple(dict.fromkeys(keys.primary.fingerprint for keys in found))

    def _install(self, ring: Path, target: Path) -> Path:
        try:
            sync_file(ring)
            ring.chmod(0o600)
            ring.replace(target)
            sync_directory(target.parent)
        except OSError as error:
            raise disk_error(error, "The partner's certificate cannot be kept") from error
        return target

    def forget(self, partner: str) -> None:
        _check_code(partner)
        try:
            for ring in (self._keyrings.partner_ring(partner), *self._keyrings.old_rings(partner)):
                ring.unlink(missing_ok=True)
            if self._keyrings.partners.is_dir():
                sync_directory(self._keyrings.partners)
        except OSError as error:
            raise disk_error(error, "The partner's certificate cannot be removed") from error

    # -- our key

    def _own_gpg(self) -> GpgProcess:
        if not self._keyrings.own_ring.is_file():
            raise OwnKeyUnusable("There is no key of our own.")
        return GpgProcess(self._keyrings.own)

    def _own(self, gpg: GpgProcess, fingerprint: str | None) -> KeySet:
        found = read_keys(gpg, self._keyrings.own_ring)
        if fingerprint is not None:
            found = tuple(keys for keys in found if keys.primary.fingerprint == fingerprint)
        if len(found) != 1:
            one = "exactly one key" if fingerprint is None else "the key that is asked for"
            raise OwnKeyUnusable(f"The keyring of this site does not hold {one}.")
        return found[0]

    def _sync_own(self) -> None:
        """Make the new key durable before anybody is told of it."""
        try:
            for directory, _, names in os.walk(self._keyrings.own):
                for name in names:
                    path = Path(directory, name)
                    if path.is_file() and not path.is_symlink():
                        sync_file(path)
                sync_directory(Path(directory))
        except OSError as error:
            raise disk_error(error, "The new key cannot be made durable") from error


def _export(gpg: GpgProcess, ring: Path, fingerprint: str) -> str:
    """A certificate as it lies in a keyring, ASCII-armoured, without signatures of third parties."""
    gpg.keyring = [str(ring)]
    with gpg.within(ProcessLimits()):
        armoured: str = gpg.export_keys(fingerprint, minimal=True)
    if gpg.last.returncode != 0 or not armoured:
        raise CryptoFailed("GnuPG did not write a certificate out.")
    return armoured


def _check_code(partner: str) -> None:
    if not is_code(partner):
        raise CardRefused("The partner's code cannot name a keyring.")
