"""A site's identity provider, as the console knows it: its own description of itself, its keys, and the three things that are asked of it.

The flow is the authorization code's, with PKCE (RFC 7636), state and nonce, by OpenID Connect Core 1.0, section 3.1. What the provider says of
itself is kept for an hour, and that it does not answer for ten seconds, so that nobody can make the console ask without end. Raises
IdentityProviderUnavailable, IdentityRefused, SecretExposed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Final
from urllib.parse import urlencode

from authlib.oauth2.client import OAuth2Client, OAuth2Error

from gateway.administration.identity_provider.connection import WAIT_SECONDS, Connection
from gateway.administration.identity_provider.id_token import Identity, UnknownKey, read
from gateway.errors import IdentityProviderUnavailable, IdentityRefused
from gateway.settings.identity_provider import IdentityProviderSettings
from gateway.settings.secrets import Secrets

KNOWN_SECONDS: Final = 3600.0
AGAIN_SECONDS: Final = 10.0
"""Before that it is not asked again for what it did not answer, or answered already."""
_WELL_KNOWN: Final = "/.well-known/openid-configuration"
_POST: Final = "client_secret_post"
_BASIC: Final = "client_secret_basic"


@dataclass(frozen=True)
class Proof:
    """What binds an answer to the attempt that it belongs to: the random values `state`, `nonce`, and PKCE's `verifier`."""

    state: str
    nonce: str
    verifier: str


@dataclass
class _Document:
    """Something that the provider publishes: how it is got, what it was, when, and why there was none the last time."""

    get: Callable[[], dict[str, Any]]
    tell: Callable[[IdentityProviderUnavailable], None]
    content: dict[str, Any] | None = None
    asked: float = -KNOWN_SECONDS
    failed: str = ""
    lock: Lock = field(default_factory=Lock)

    def now(self, clock: Callable[[], float], *, anew: bool = False) -> dict[str, Any]:
        """As it was at most an hour ago; `anew`, at most ten seconds ago. Nobody waits long for somebody else who asks."""
        if not self.lock.acquire(timeout=WAIT_SECONDS):
            raise IdentityProviderUnavailable("the identity provider keeps others waiting already")
        try:
            kept = AGAIN_SECONDS if anew or self.content is None else KNOWN_SECONDS
            if not 0 <= clock() - self.asked < kept:
                self._ask()
                self.asked = clock()
            if self.content is None:
                raise IdentityProviderUnavailable(self.failed)
            return self.content
        finally:
            self.lock.release()

    def _ask(self) -> None:
        try:
            self.content = self.get()
        except IdentityProviderUnavailable as error:
            self.failed = error.reason  # what was known before counts on
            self.tell(error)


class Provider:
    """For any number of threads. `back` is the address to which browsers come back, `clock` gives seconds that only go on, `tell` takes what
    the provider failed to do: strangers can bring that about once in ten seconds, and by whole attempts.
    """

    def __init__(
        self,
        settings: IdentityProviderSettings,
        secrets: Secrets,
        back: str,
        connection: Connection,
        clock: Callable[[], float],
        tell: Callable[[IdentityProviderUnavailable], None],
    ) -> None:
        self.settings = settings
        self._secrets = secrets
        self._back = back
        self._connection = connection
        self._clock = clock
        self._tell = tell
        self._about = _Document(self._get_about, tell)
        self._keys = _Document(lambda: connection.get(self._address("jwks_uri")), tell)

    def authorization(self, proof: Proof) -> str:
        """Where a browser goes to sign in."""
        address = self._address("authorization_endpoint")
        wanted: dict[str, Any] = {"max_age": self.settings.authentication_minutes * 60}
        if self.settings.acr:
            wanted["acr_values"] = " ".join(self.settings.acr)
        made, _ = self._client("").create_authorization_url(
            address, state=proof.state, code_verifier=proof.verifier, nonce=proof.nonce, **wanted
        )
        return str(made)

    def identify(self, code: str, proof: Proof, now: float) -> Identity:
        """Whose code it is; each code is good once."""
        token = self._token(code, proof)
        found, access = token.get("id_token"), token.get("access_token")
        if not isinstance(found, str):
            raise IdentityRefused("the identity provider gave no ID token")
        access = access if isinstance(access, str) else None
        try:
            return read(self.settings, found, self._keys.now(self._clock), proof.nonce, access, now)
        except UnknownKey:
            keys = self._keys.now(self._clock, anew=True)
        try:
            return read(self.settings, found, keys, proof.nonce, access, now)
        except UnknownKey as error:
            raise IdentityRefused(
                "the ID token is signed with a key that the identity provider does not have"
            ) from error

    def _token(self, code: str, proof: Proof) -> Mapping[str, Any]:
        address = self._address("token_endpoint")
        try:
            client = self._client(self._secret())
            found: Mapping[str, Any] = client.fetch_token(
                address, grant_type="authorization_code", code=code, code_verifier=proof.verifier
            )
        except OAuth2Error as error:
            raise IdentityRefused("the identity provider does not take the code that the browser brought") from error
        except ValueError as error:
            raise IdentityProviderUnavailable("the identity provider's answer is not one of OAuth 2.0") from error
        except IdentityProviderUnavailable as error:
            self._tell(error)
            raise
        return found

    def end(self, back: str) -> str | None:
        """Where a browser goes to sign out there too, and comes back from (RP-Initiated Logout 1.0); None where there is no such address.

        No ID token goes with it as a hint, since none is kept: some providers ask the person whether they mean it.
        """
        if "end_session_endpoint" not in self._metadata():
            return None
        address = self._address("end_session_endpoint")
        query = urlencode({"client_id": self.settings.client_id, "post_logout_redirect_uri": back})
        return f"{address}{'&' if '?' in address else '?'}{query}"

    def _client(self, secret: str) -> OAuth2Client:
        ways = self._metadata().get("token_endpoint_auth_methods_supported")
        return OAuth2Client(
            self._connection,
            self.settings.client_id,
            secret,
            # In a form nothing in a secret has two readings; in a header some providers want it encoded, and some do not.
            token_endpoint_auth_method=_POST if isinstance(ways, list) and _POST in ways else _BASIC,
            scope=" ".join(("openid", *self.settings.scopes)),
            redirect_uri=self._back,
            code_challenge_method="S256",
        )

    def _metadata(self) -> Mapping[str, Any]:
        return self._about.now(self._clock)

    def _get_about(self) -> dict[str, Any]:
        found = self._connection.get(self.settings.issuer.removesuffix("/") + _WELL_KNOWN)
        if found.get("issuer") != self.settings.issuer:
            raise IdentityProviderUnavailable("the identity provider names itself otherwise than `issuer` does")
        return found

    def _address(self, name: str) -> str:
        """An address of the provider's, of its own host: browsers too are sent nowhere else."""
        address = self._metadata().get(name)
        if not self._connection.is_own(address):
            raise IdentityProviderUnavailable(f"the identity provider has no {name} at its own host")
        return str(address)

    def _secret(self) -> str:
        path = self._secrets.identity_provider
        self._secrets.insist([path])
        try:
            secret = path.read_text(encoding="utf-8").partition("\n")[0].strip()
        except (OSError, UnicodeDecodeError):
            secret = ""
        if not secret:
            raise IdentityProviderUnavailable(
                "the console's secret at the identity provider cannot be read, or is empty"
            )
        return secret
