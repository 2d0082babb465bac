"""Where a site keeps what it keeps: ledger, files and keys.

Each function imports its engine itself: `gateway card` does not wait for the database's library.
"""

from __future__ import annotations

import os
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.errors import ConfigurationInvalid, EngineMissing, StoreForeign, UsageWrong
from gateway.settings.model import Settings
from gateway.settings.secrets import secrets_of

if TYPE_CHECKING:
    from gateway.crypto.contract import KeyStore, OpenPgp
    from gateway.storage.objects.contract import ObjectStore
    from gateway.storage.payloads import Payloads
    from gateway.storage.shared_payloads import SharedPayloads


def payloads_of(settings: Settings) -> Payloads:
    """Where the site's files are kept, beside this machine's directories. Made after a role was forked: S3's client has threads."""
    if settings.payloads.url:
        return shared_payloads(settings)
    from gateway.storage.payloads import OneMachine

    return OneMachine()


def shared_payloads(settings: Settings) -> SharedPayloads:
    """The store of `[payloads] url`. EngineMissing where the packages for it are not there, and what `settings.payload_keys` raises."""
    try:
        from gateway.storage.sealing import Sealing
        from gateway.storage.shared_payloads import SharedPayloads
    except ImportError as error:
        raise EngineMissing("[payloads] url needs the extra `nodes`: `pip install 'gateway[nodes]'`") from error
    from gateway.settings.payload_keys import read_key

    def sealing(path: Path) -> Sealing:
        try:
            return Sealing(read_key(settings, path))
        except ValueError as error:
            raise ConfigurationInvalid(f"{path.name} is no key of age") from error

    plain, sealed = settings.home.payload_keys
    return SharedPayloads(settings.home.state, _objects(settings), partial(sealing, plain), partial(sealing, sealed))


def verify_store(settings: Settings) -> None:
    """Whether the store answers, is this site's, and opens with the keys that are here. StoreForeign, StoreUnprepared and StoreUnreachable."""
    if shared_payloads(settings).verify() != settings.site.code.encode():
        raise StoreForeign("the store of [payloads] is another site's")


def _objects(settings: Settings) -> ObjectStore:
    said, home = settings.payloads, settings.home
    if said.directory is not None:
        from gateway.storage.objects.directory import DirectoryStore

        token = f"{settings.node.name or settings.site.code}-{os.getpid()}-{os.urandom(4).hex()}"
        return DirectoryStore(said.directory, token, shared=settings.accounts.split)
    from gateway.settings.payload_keys import access_key
    from gateway.storage.objects.s3 import Bucket, S3Store

    bucket, prefix = said.bucket or ("", "")
    key = access_key(settings, secrets_of(home, os.environ), os.environ)
    encryption = (said.server_side_encryption, said.kms_key)
    return S3Store(Bucket(bucket, prefix, said.region, said.endpoint, *key, *encryption), home.run)


def open_pgp(settings: Settings) -> OpenPgp:
    """The OpenPGP engine of a site."""
    from gateway.crypto.contract import FormerKey, Rotations
    from gateway.crypto.gnupg.engine import GnuPgEngine

    pinned = {code: partner.fingerprint for code, partner in settings.partners.items()}
    rotations = Rotations(
        own=settings.keys.old_openpgp,
        partners={
            code: FormerKey(partner.old_fingerprint, partner.old_fingerprint_until.timestamp())
            for code, partner in settings.partners.items()
            if partner.old_fingerprint is not None and partner.old_fingerprint_until is not None
        },
        revoked={code: partner.revoked for code, partner in settings.partners.items()},
    )
    return GnuPgEngine(settings.home.keyrings, settings.openpgp.fingerprint, pinned, time.time, rotations=rotations)


def key_store(keyrings: Path) -> KeyStore:
    """The keys below `keyrings`; no agent is left running after a call."""
    from gateway.crypto.gnupg.keystore import GnuPgKeyStore

    return GnuPgKeyStore(keyrings)


def encrypt_with(passphrase: str, plaintext: bytes) -> bytes:
    """An OpenPGP message that the passphrase opens."""
    from gateway.crypto.gnupg import passphrase as engine

    return engine.encrypt(passphrase, plaintext)


def decrypt_with(passphrase: str, message: bytes) -> bytes:
    """What is in such a message; PassphraseWrong where it does not open."""
    from gateway.crypto.gnupg import passphrase as engine

    return engine.decrypt(passphrase, message)


def create_ledger(place: Path | str) -> None:
    """An empty ledger; UsageWrong where the database has one already."""
    from gateway.ledger.integrity import is_there
    from gateway.ledger.migrate import migrate

    if isinstance(place, str) and is_there(place):
        raise UsageWrong("There is a ledger in that database already: each site has a database of its own.")
    migrate(place)
