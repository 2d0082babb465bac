"""What proving who somebody is takes: the ledger, the console's database, settings, clock, random bytes, and the hash of passwords.

Raises ConsoleStoreUnavailable, NotPermitted, SecretExposed where others can read the database, ConsoleElsewhere where another node of the
site has it, and what the ledger raises.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from threading import BoundedSemaphore
from typing import Final

from argon2 import PasswordHasher

from gateway.administration.access import writing
from gateway.administration.credentials.passwords import Passwords
from gateway.administration.credentials.served import require_here
from gateway.administration.credentials.store import Store
from gateway.ledger.store import Ledger
from gateway.logs import Logger
from gateway.settings.console import ConsoleSettings
from gateway.settings.model import Settings
from gateway.settings.secrets import Secrets

TOKEN_BYTES: Final = 32
HASHES: Final = 4
"""So many passwords are hashed at once: each takes 64 MiB."""
CONSOLE: Final = "console"
"""Who writes, in the chain, where somebody uses the console; and what events are about that are about nobody who is known."""


@dataclass(frozen=True)
class CredentialContext:
    """For any number of threads. `passwords` says how costly a hash is."""

    ledger: Ledger
    store: Store
    settings: ConsoleSettings
    site: str
    passwords: Passwords
    clock: Callable[[], float]
    random_bytes: Callable[[int], bytes] = field(default=os.urandom)

    def token(self) -> str:
        """256 random bits, as hex digits: of a session, or a link."""
        return self.random_bytes(TOKEN_BYTES).hex()


def digest_of(token: str) -> str:
    """What is kept of a token. It is random and long, so one round is enough."""
    return sha256(token.encode(errors="replace")).hexdigest()


@contextmanager
def credentials(
    settings: Settings,
    log: Logger,
    clock: Callable[[], float],
    role: str = CONSOLE,
    hasher: PasswordHasher | None = None,
) -> Iterator[CredentialContext]:
    """The site's, closed at the end."""
    Secrets(settings.home).insist([settings.home.console_store])
    with writing(settings, log, role) as ledger:
        require_here(settings, ledger)
        with closing(Store(settings.home.console_store)) as store:
            passwords = Passwords(hasher or PasswordHasher(), BoundedSemaphore(HASHES))
            yield CredentialContext(ledger, store, settings.console, settings.site.code, passwords, clock)
