"""Rows of the console's own database, as `store` gives and takes them. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Credential:
    """A person's password as a hash, when it was set, the second factor's secret, and the last time step that was used."""

    user: str
    password: str
    set_at: float
    secret: str
    step: int


@dataclass(frozen=True)
class Link:
    """A one-time link: whose it is, `Person.changes` when it was made, the second factor that comes with it, and its end."""

    user: str
    sha256: str
    changes: int
    secret: str
    expires: float


@dataclass(frozen=True)
class Passkey:
    """A passkey: its id (base64url), whose it is, what its owner calls it, its public key (COSE), the last counter that it signed, whether its
    maker may copy it, when it was added, and when it was used last (0: never).
    """

    id: str
    user: str
    name: str
    public_key: bytes
    counter: int
    synced: bool
    added: float
    used: float


@dataclass(frozen=True)
class Challenge:
    """What a passkey is to sign (its SHA-256): for the session of that SHA-256, and what the new passkey is to be called; both are "" once
    a sign-in has used it.
    """

    sha256: str
    about: str
    name: str
    created: float


@dataclass(frozen=True)
class StoredSession:
    """A session: SHA-256 of its token, whose it is, `Person.changes` at its start, and when it began and was used last."""

    sha256: str
    user: str
    changes: int
    started: float
    seen: float
    by_provider: bool = False
    """Whether it began at the identity provider."""


@dataclass(frozen=True)
class ProviderAttempt:
    """Somebody who is away to the identity provider: SHA-256 of the browser's token, the page that they wanted, and since when."""

    sha256: str
    onward: str
    created: float


@dataclass(frozen=True)
class PinnedIdentity:
    """Whose subject (as SHA-256) at an issuer is whose user id here."""

    user: str
    issuer: str
    subject: str


@dataclass(frozen=True)
class StoredToken:
    """A program's token: its name and SHA-256, whose it is, what it may do, when it was made, ends, and was used last (0: never). Rights, flows
    and partners are words with a space between.
    """

    name: str
    sha256: str
    owner: str
    rights: str
    flows: str
    partners: str
    created: float
    ends: float
    used: float


@dataclass(frozen=True)
class Reply:
    """What was asked with an idempotency key: whose token and key (SHA-256), the digest of all of it, and the request that it became."""

    token: str
    key: str
    digest: str
    request: str
    created: float


@dataclass(frozen=True)
class SavedFilter:
    """A filter of the list at a path, under the name that somebody gave it; `query` is what stands behind the `?` of its address."""

    user: str
    path: str
    name: str
    query: str
