"""A real provider of OpenID Connect on loopback: Authlib's server (authorization code, PKCE, ID token, sign-out), with a page to sign in at.

It knows people by user id and password, and takes a code once. A test can have it answer late, in endless bytes, or with an ID token of the
test's own making (`forge`); everything else is as a council's provider does it.
"""

# ruff: noqa: ARG002 - Authlib hands over more than is needed

from __future__ import annotations

import html
import json
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import AuthorizationServer, ClientMixin, OAuth2Request
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core import AuthorizationCodeMixin, OpenIDCode
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

CLIENT: Final = "gateway"
SECRET: Final = "client's secret: 100% of +it~"  # noqa: S105 - of a test's
FORGE = Callable[[dict[str, Any], dict[str, Any]], str | None]
"""Claims and header of an ID token that is about to be given out; the one to give out instead."""


@dataclass
class Account:
    """Somebody at the provider. `claims` are those of the ID token."""

    subject: str
    password: str
    claims: dict[str, Any]

    @classmethod
    def of(cls, user: str, subject: str = "", **claims: Any) -> Account:
        return cls(subject or f"subject-of-{user}", f"{user}'s own", {"preferred_username": user, **claims})


class _Client(ClientMixin):  # type: ignore[misc]
    client_id = CLIENT

    def __init__(self, returns: list[str]) -> None:
        self.returns = returns

    def get_client_id(self) -> str:
        return CLIENT

    def get_default_redirect_uri(self) -> None:
        return None

    def get_allowed_scope(self, scope: str) -> str:
        return scope

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri in self.returns

    def check_client_secret(self, client_secret: str) -> bool:
        return secrets.compare_digest(client_secret, SECRET)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method in ("client_secret_basic", "client_secret_post")

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "authorization_code"


@dataclass
class _Code(AuthorizationCodeMixin):  # type: ignore[misc]
    asked: dict[str, str]
    account: Account
    amr: list[str]
    acr: str
    auth_time: int = field(default_factory=lambda: int(time.time()))

    @property
    def code_challenge(self) -> str | None:
        return self.asked.get("code_challenge")

    @property
    def code_challenge_method(self) -> str | None:
        return self.asked.get("code_challenge_method")

    def get_redirect_uri(self) -> str:
        return self.asked["redirect_uri"]

    def get_scope(self) -> str:
        return self.asked["scope"]

    def get_nonce(self) -> str | None:
        return self.asked.get("nonce")

    def get_auth_time(self) -> int:
        return self.auth_time

    def get_acr(self) -> str:
        return self.acr

    def get_amr(self) -> list[str]:
        return self.amr


class _Request(OAuth2Request):  # type: ignore[misc]
    def __init__(self, method: str, uri: str, headers: dict[str, str], data: dict[str, str]) -> None:
        super().__init__(method, uri, headers=headers)
        self.payload = BasicOAuth2Payload(data)
        self._form = data if method == "POST" else {}

    @property
    def form(self) -> dict[str, str]:
        return self._form

    @property
    def args(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.uri).query))


@dataclass
class Provider:
    """What a test sees and sets. `asked` are the paths that were asked for, `ended` counts who signed out."""

    address: str = ""
    accounts: dict[str, Account] = field(default_factory=dict)
    returns: list[str] = field(default_factory=list)
    acr: str = "urn:two-factors"
    amr: list[str] = field(default_factory=lambda: ["pwd", "otp", "mfa"])
    forge: FORGE | None = None
    about: dict[str, Any] = field(default_factory=dict)
    huge: bool = False
    hangs: str = ""
    """The path that is answered a byte at a time, for ever."""
    asked: list[str] = field(default_factory=list)
    ended: int = 0
    stopping: Event = field(default_factory=Event)
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "first", "use": "sig"}))

    def metadata(self) -> dict[str, Any]:
        made = {name: f"{self.address}/{path}" for name, path in _ENDPOINTS.items()}
        about = {
            "issuer": self.address,
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "code_challenge_methods_supported": ["S256"],
        }
        return {name: value for name, value in {**made, **about, **self.about}.items() if value is not None}


_ENDPOINTS: Final = {
    "authorization_endpoint": "authorize",
    "token_endpoint": "token",
    "jwks_uri": "keys",
    "end_session_endpoint": "end",
}


def _server(provider: Provider) -> AuthorizationServer:
    codes: dict[str, _Code] = {}

    class Server(AuthorizationServer):  # type: ignore[misc]
        def query_client(self, client_id: str) -> _Client | None:
            return _Client(provider.returns) if client_id == CLIENT else None

        def save_token(self, token: dict[str, Any], request: _Request) -> None:
            """Nothing here takes an access token."""

        def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
            """Nobody listens."""

        def create_oauth2_request(self, request: _Request) -> _Request:
            return request

        def handle_response(self, status: int, body: Any, headers: Any) -> tuple[int, Any, dict[str, str]]:
            return status, body, dict(headers)

    class Grant(AuthorizationCodeGrant):  # type: ignore[misc]
        TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic", "client_secret_post")

        def save_authorization_code(self, code: str, request: _Request) -> None:
            codes[code] = _Code(dict(request.payload.data), request.user, list(provider.amr), provider.acr)

        def query_authorization_code(self, code: str, client: _Client) -> _Code | None:
            return codes.get(code)

        def delete_authorization_code(self, authorization_code: _Code) -> None:
            for name in [name for name, each in codes.items() if each is authorization_code]:
                del codes[name]

        def authenticate_user(self, authorization_code: _Code) -> Account:
            return authorization_code.account

    class Code(OpenIDCode):  # type: ignore[misc]
        def exists_nonce(self, nonce: str, request: _Request) -> bool:
            return any(each.get_nonce() == nonce for each in codes.values())

        def resolve_client_private_key(self, client: _Client) -> RSAKey:
            return provider.key

        def get_client_algorithm(self, client: _Client) -> str:
            return "RS256"

        def get_encode_header(self, client: _Client) -> dict[str, str]:
            return {"alg": "RS256", "kid": str(provider.key.kid)}

        def get_client_claims(self, client: _Client) -> dict[str, Any]:
            return {"iss": provider.address, "aud": [CLIENT]}

        def generate_user_info(self, user: Account, scope: str) -> dict[str, Any]:
            return {"sub": user.subject, **(user.claims if "profile" in scope.split() else {})}

    server = Server()
    server.register_grant(Grant, [Code(require_nonce=True), CodeChallenge(required=True)])
    server.register_token_generator(
        "default", lambda **_: {"token_type": "Bearer", "access_token": secrets.token_hex(), "scope": "openid profile"}
    )
    return server


def _handler(provider: Provider) -> type[BaseHTTPRequestHandler]:
    server = _server(provider)

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Not into the tests' output."""

        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            provider.asked.append(path)
            if path == provider.hangs:
                self._drip()
            elif path == "/.well-known/openid-configuration":
                self._json(200, provider.metadata() | ({"more": "x" * 2**20} if provider.huge else {}))
            elif path == "/keys":
                self._json(200, KeySet([provider.key]).as_dict())
            elif path == "/authorize":
                self._authorize(None, {})
            elif path == "/end":
                self._page('<h1>Sign out?</h1><form method="post"><button>Yes</button></form>')
            elif path == "/moved":
                self._send(303, b"{}", {"location": "/keys"})
            else:
                self._json(404, {})

        def do_POST(self) -> None:
            path = urlsplit(self.path).path
            provider.asked.append(path)
            form = dict(
                parse_qsl(self.rfile.read(int(self.headers["content-length"])).decode(), keep_blank_values=True)
            )
            if path == provider.hangs:
                self._drip()
            elif path == "/token":
                self._token(form)
            elif path == "/authorize":
                account = provider.accounts.get(form["user"])
                self._authorize(account if account and form["password"] == account.password else None, form)
            elif path == "/end":
                provider.ended += 1
                self._to(dict(parse_qsl(urlsplit(self.path).query))["post_logout_redirect_uri"])

        def _authorize(self, account: Account | None, form: dict[str, str]) -> None:
            asked = dict(parse_qsl(urlsplit(self.path).query))
            request = _Request("GET", provider.address + self.path, dict(self.headers), asked)
            try:
                grant = server.get_consent_grant(request, account)
            except OAuth2Error as error:
                self._page(f"<h1>{html.escape(str(error))}</h1>", 400)
                return
            if account is None and form.get("refuse") == "yes":
                self._to(f"{asked['redirect_uri']}?{urlencode({'error': 'access_denied', 'state': asked['state']})}")
            elif account is None:
                self._page(
                    '<h1>Work account</h1><form method="post"><input name="user" id="user" aria-label="User" autocomplete="username">'
                    '<input name="password" id="password" type="password" aria-label="Password" autocomplete="current-password"><button>Sign in</button></form>'
                )
            else:
                _, _, headers = server.create_authorization_response(request, account, grant)
                self._to(headers["Location"])

        def _token(self, form: dict[str, str]) -> None:
            request = _Request("POST", provider.address + self.path, dict(self.headers), form)
            status, body, _ = server.create_token_response(request)
            if status == 200 and provider.forge is not None:
                real = jwt.decode(body["id_token"], provider.key)
                body["id_token"] = provider.forge(dict(real.claims), dict(real.header))
            self._json(status, body | ({"more": "x" * 2**20} if provider.huge else {}))

        def _drip(self) -> None:
            self.send_response(200)
            self.end_headers()
            while not provider.stopping.wait(0.05):
                try:
                    self.wfile.write(b" ")
                except OSError:
                    return

        def _json(self, status: int, content: Any) -> None:
            self._send(status, json.dumps(content).encode(), {"content-type": "application/json"})

        def _page(self, content: str, status: int = 200) -> None:
            page = f'<!DOCTYPE html><html lang="en"><title>Provider</title><link rel="icon" href="data:,">{content}'
            self._send(status, page.encode(), {"content-type": "text/html"})

        def _to(self, address: str) -> None:
            self._send(303, b"", {"location": address})

        def _send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {**headers, "content-length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            try:
                self.wfile.write(content)
            except OSError:
                return

    return Handler


def post(address: str, form: dict[str, str], back: str) -> dict[str, str]:
    """Fill in the provider's page; what a browser takes along from there to the address `back`."""
    parts = urlsplit(address)
    assert parts.hostname
    connection = HTTPConnection(parts.hostname, parts.port, timeout=10)
    try:
        connection.request("POST", f"{parts.path}?{parts.query}", urlencode(form), {})
        answer = connection.getresponse()
        content = answer.read().decode()
    finally:
        connection.close()
    location = answer.getheader("location", "")
    assert location.startswith(back), content
    return dict(parse_qsl(urlsplit(location).query))


@contextmanager
def identity_provider() -> Iterator[Provider]:
    """One that answers, until the end of the block."""
    provider = Provider()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(provider))
    server.daemon_threads = True
    provider.address = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield provider
    finally:
        provider.stopping.set()
        server.shutdown()
        thread.join()
        server.server_close()
