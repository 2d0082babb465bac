"""The tables of the console's own database. Nothing in them can be used where it is read: passwords as argon2id, tokens as SHA-256.

The secrets of second factors are the exception: a code is computed from them, so they are there as they are, as in every such system,
and the directory is closed to all accounts but the console's.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Boolean, Column, Float, Integer, LargeBinary, MetaData, String, Table, Text, UniqueConstraint

METADATA: Final = MetaData()

CREDENTIALS: Final = Table(
    "credentials",
    METADATA,
    Column("user", String, primary_key=True),
    Column("password", Text, nullable=False),
    Column("set_at", Float, nullable=False),
    Column("secret", String, nullable=False),
    Column("step", Integer, nullable=False),
)
"""`step` is the time step of the last code that was taken: none of it or before is taken again."""

PASSKEYS: Final = Table(
    "passkeys",
    METADATA,
    Column("id", String, primary_key=True),
    Column("user", String, nullable=False, index=True),
    Column("name", String, nullable=False),
    Column("public_key", LargeBinary, nullable=False),
    Column("counter", Integer, nullable=False),
    Column("synced", Boolean, nullable=False),
    Column("added", Float, nullable=False),
    Column("used", Float, nullable=False),
)
"""`id` is the credential's in base64url, `name` what its owner calls it, `counter` the last one that it signed. `synced`: its maker may copy
it to other devices of its owner. `used` is 0 before the first use.
"""

CHALLENGES: Final = Table(
    "passkey_challenges",
    METADATA,
    Column("sha256", String, primary_key=True),
    Column("about", String, nullable=False),
    Column("name", String, nullable=False),
    Column("created", Float, nullable=False, index=True),
)
"""What a passkey is to sign, once: `about` is the SHA-256 of the session that adds one, which is to be called `name`. Where both are "",
somebody signed in by it, or tried: those that were not used are not here.
"""

LINKS: Final = Table(
    "links",
    METADATA,
    Column("user", String, primary_key=True),
    Column("sha256", String, nullable=False, unique=True),
    Column("changes", Integer, nullable=False),
    Column("secret", String, nullable=False),
    Column("expires", Float, nullable=False),
)
"""One-time links, the newest one of each person alone; `changes` as it was in the ledger."""

SESSIONS: Final = Table(
    "sessions",
    METADATA,
    Column("sha256", String, primary_key=True),
    Column("user", String, nullable=False, index=True),
    Column("changes", Integer, nullable=False),
    Column("started", Float, nullable=False),
    Column("seen", Float, nullable=False),
)

PROVIDER_SESSIONS: Final = Table("provider_sessions", METADATA, Column("sha256", String, primary_key=True))
"""Which of the sessions began at the identity provider, and not with a password."""

PROVIDER_ATTEMPTS: Final = Table(
    "provider_attempts",
    METADATA,
    Column("sha256", String, primary_key=True),
    Column("onward", Text, nullable=False),
    Column("created", Float, nullable=False, index=True),
)
"""Who is away to the identity provider: SHA-256 of the browser's token, of which state, nonce and PKCE's verifier are derived; and the page that
they wanted.
"""

IDENTITIES: Final = Table(
    "identities",
    METADATA,
    Column("user", String, primary_key=True),
    Column("issuer", String, primary_key=True),
    Column("subject", String, nullable=False),
    UniqueConstraint("issuer", "subject"),
)
"""Whose subject at an identity provider is whose user id here; the subject as SHA-256."""

FAILURES: Final = Table(
    "failures",
    METADATA,
    Column("who", String, primary_key=True),
    Column("count", Integer, nullable=False),
    Column("free_at", Float, nullable=False),
    Column("last", Float, nullable=False, index=True),
)
"""Attempts that failed, by the keyed digest of a user id or an address."""

REFUSALS: Final = Table(
    "refusals",
    METADATA,
    Column("what", String, primary_key=True),
    Column("event", String, nullable=False),
    Column("since", Float, nullable=False),
    Column("count", Integer, nullable=False),
)
"""Refusals that the chain was not told of yet: `since` is when it was last told of such."""

TOKENS: Final = Table(
    "tokens",
    METADATA,
    Column("name", String, primary_key=True),
    Column("sha256", String, nullable=False, unique=True),
    Column("owner", String, nullable=False),
    Column("rights", String, nullable=False),
    Column("flows", Text, nullable=False),
    Column("partners", Text, nullable=False),
    Column("created", Float, nullable=False),
    Column("ends", Float, nullable=False),
    Column("used", Float, nullable=False),
)
"""What programs show. Rights, flows and partners are words with a space between; no partner stands for all of them. `used` is 0 before the
first use.
"""

REPLIES: Final = Table(
    "replies",
    METADATA,
    Column("token", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("digest", String, nullable=False),
    Column("request", String, nullable=False),
    Column("created", Float, nullable=False, index=True),
)
"""Idempotency keys of programs (their SHA-256): the digest of what was asked with one, and the request that it became."""

FILTERS: Final = Table(
    "filters",
    METADATA,
    Column("user", String, primary_key=True),
    Column("path", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("query", Text, nullable=False),
)
"""Filters of lists that people have saved: of which list, by its path, under which name, and the query of its address."""

KEYS: Final = Table("keys", METADATA, Column("name", String, primary_key=True), Column("value", LargeBinary))
