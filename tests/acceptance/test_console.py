"""The console attacked over HTTP as anybody can who reaches its port: forged, replayed, bent and slow requests."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import pyotp
import pytest
import requests
from markupsafe import escape

from gateway.console import guard, server
from gateway.console.pages import PAGES
from tests.acceptance import sites
from tests.acceptance.copies import copied_pair
from tests.acceptance.forked import daemon
from tests.acceptance.sites import Site, claim, free_port, wait_until
from tests.browser.browsing import PASSWORD, add_people

GUESSER: Final = {"x-forwarded-for": "203.0.113.7"}
TYPIST: Final = {"x-forwarded-for": "203.0.113.8"}
HOSTILE: Final = (
    "'; DROP TABLE transfers; --",
    '"><script>alert(1)</script>',
    "{{7*7}}",
    "../../../../etc/passwd",
    "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "\x00",
    "a" * 3000,
    "’Ω≈ç√∫˜µ",
    "javascript:alert(1)",
    "$(reboot)",
)


@dataclass
class Console:
    """A console that answers at `base`, and its people's second factors. `used` has the time steps whose code was used."""

    site: Site
    base: str
    secrets: dict[str, str]
    used: dict[str, int] = field(default_factory=dict)

    def post(self, client: requests.Session, path: str, data: dict[str, str], **headers: str) -> requests.Response:
        """As a browser posts a form of ours."""
        sent = {"origin": self.base, "sec-fetch-site": "same-origin", **headers}
        return client.post(self.base + path, data=data, headers=sent, allow_redirects=False, timeout=20)

    def get(self, client: requests.Session, path: str, **headers: str) -> requests.Response:
        return client.get(self.base + path, headers=headers, allow_redirects=False, timeout=20)

    def sign_in(self, user: str, client: requests.Session | None = None) -> requests.Session:
        """Somebody who is signed in."""
        client = client or requests.Session()
        answer = self.post(client, "/sign-in", {"user": user, "password": PASSWORD, "code": self.code(user)})
        assert answer.status_code == 303, answer.text
        return client

    def code(self, user: str) -> str:
        """A code that was not used yet."""
        step = max(int(time.time()) // 30, self.used.get(user, 0) + 1)
        wait_until(lambda: int(time.time()) // 30 >= step - 1, 40, "the next code")
        self.used[user] = step
        return pyotp.TOTP(self.secrets[user]).at(step * 30)

    def csrf(self, client: requests.Session, path: str) -> str:
        found = re.search(r'name="csrf" value="([0-9a-f]+)"', self.get(client, path).text)
        assert found is not None
        return found[1]


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """DWP's console alone, with a transfer to look at; no role works meanwhile."""
    with copied_pair(tmp_path_factory.mktemp("console")) as (site, _):
        name, content = claim()
        site.drop("claim", "E09000030", name, content)
        site.run_until_idle()
        listen = f"127.0.0.1:{free_port()}"
        site.edit_config("console", listen=listen, address=f"http://{listen}")  # so that a request may say whose it is
        made = Console(site, f"http://{listen}", add_people(site))
        with site.log.open("ab") as log:
            process = daemon("--home", str(site.home.root), "console", env=sites.ENVIRONMENT, log=log)
        try:
            wait_until(lambda: site.role("console"), 60, "the start of the console")
            yield made
        finally:
            process.terminate()
            assert process.wait(20) == 0
            own = [line for line in site.log_text().splitlines() if '"role":"console"' in line or "Traceback" in line]
            defects = [line for line in own if "Traceback" in line or '"level":"error"' in line]
            assert defects == []


@pytest.fixture(scope="module")
def supervisor(console: Console) -> requests.Session:
    return console.sign_in("sup1")


def identity(console: Console) -> str:
    return str(console.site.rows()[0]["id"])


def test_every_answer_forbids_what_pages_do_not_need(console: Console, supervisor: requests.Session) -> None:
    for path in ("/", "/sign-in", "/nowhere", "/static/console.css", "/transfers.csv", "/live-not", "/decide/x/y"):
        answer = console.get(supervisor, path)
        for name, value in guard.HEADERS.items():
            assert answer.headers[name] == value, (path, name)
        assert "server" not in answer.headers
        assert "unsafe" not in answer.headers["content-security-policy"]


def test_cookie_of_a_session_is_for_this_site_alone_and_out_of_reach_of_scripts(console: Console) -> None:
    client = requests.Session()
    answer = console.post(client, "/sign-in", {"user": "op2", "password": PASSWORD, "code": console.code("op2")})
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert cookie.startswith("gateway-dwp=")


def test_form_from_elsewhere_is_refused_and_changes_nothing(console: Console, supervisor: requests.Session) -> None:
    path, wanted = f"/decide/hold/{identity(console)}", {"reason": "because of the test"}
    csrf = console.csrf(supervisor, path)
    for forged in (
        {"origin": "https://elsewhere.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ):
        assert console.post(supervisor, path, {**wanted, "csrf": csrf}, **forged).status_code == 403, forged
    bare = supervisor.post(console.base + path, data={**wanted, "csrf": csrf}, allow_redirects=False, timeout=20)
    assert bare.status_code == 403, "neither header"
    for wrong in ("", "0" * 64, csrf[:-1], csrf + "0", "ŵ" * 64):
        assert console.post(supervisor, path, {**wanted, "csrf": wrong}).status_code == 403, wrong
    assert console.site.json("requests") == []


def test_token_of_one_session_is_worth_nothing_in_another(console: Console, supervisor: requests.Session) -> None:
    path = f"/decide/hold/{identity(console)}"
    other = console.sign_in("sup2")
    stolen = console.csrf(supervisor, path)
    assert console.post(other, path, {"csrf": stolen, "reason": "because of the test"}).status_code == 403


def test_session_is_a_new_one_at_each_sign_in_and_worth_nothing_after_its_end(console: Console) -> None:
    client = requests.Session()
    client.cookies.set("gateway-dwp", "f" * 64, domain="127.0.0.1")
    console.sign_in("op1", client)
    token = client.cookies.get("gateway-dwp")
    assert token not in (None, "f" * 64), "a session that somebody planted"
    assert console.get(client, "/transfers").status_code == 200
    console.post(client, "/sign-out", {"csrf": console.csrf(client, "/transfers")})
    again = requests.Session()
    again.cookies.set("gateway-dwp", str(token), domain="127.0.0.1")
    assert console.get(again, "/transfers").status_code == 303


def test_code_is_taken_once(console: Console) -> None:
    code = console.code("chk1")
    first = console.post(requests.Session(), "/sign-in", {"user": "chk1", "password": PASSWORD, "code": code})
    second = console.post(requests.Session(), "/sign-in", {"user": "chk1", "password": PASSWORD, "code": code})
    assert (first.status_code, second.status_code) == (303, 422)


def test_console_answers_to_its_own_name_alone(console: Console) -> None:
    for host in ("elsewhere.example", "127.0.0.1", "127.0.0.1:1", ""):
        assert console.get(requests.Session(), "/sign-in", host=host).status_code == 421, host


def test_methods_sizes_and_paths_that_nobody_needs_are_refused(console: Console, supervisor: requests.Session) -> None:
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"):
        assert supervisor.request(method, f"{console.base}/transfers", timeout=20).status_code in (400, 405), method
    assert console.post(supervisor, "/sign-in", {"user": "x" * (guard.MOST_BYTES + 1)}).status_code == 413
    for path in (
        "/static/../console/web.py",
        "/static/%2e%2e/web.py",
        "/static/..%2fweb.py",
        "/static//etc/passwd",
        "/static/govuk/../../web.py",
        "/help/..%2f..%2fREADME",
        "/help/README",
        "//elsewhere.example/",
    ):
        prepared = requests.Request("GET", console.base, cookies=supervisor.cookies).prepare()
        prepared.url = console.base + path
        answer = supervisor.send(prepared, allow_redirects=False, timeout=20)
        assert answer.status_code == 404, path
        assert "elsewhere" not in answer.headers.get("location", "")


def test_after_signing_in_nobody_is_led_elsewhere(console: Console) -> None:
    for wanted in (
        "//elsewhere.example/",
        "https://elsewhere.example/",
        "/\\elsewhere.example",
        "javascript:alert(1)",
        "",
    ):
        shown = console.get(requests.Session(), f"/sign-in?next={wanted}").text
        assert 'name="next" value="/"' in shown, wanted


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_whatever_is_typed_is_shown_as_text_or_refused(
    text: str, console: Console, supervisor: requests.Session
) -> None:
    """In every query, in every part of an address, and in every field of every form."""
    for page in PAGES:
        if page.path.startswith("/start/") or page.path == "/sign-out":
            continue
        path = re.sub(r"\{[a-z]+\}", lambda _: requests.utils.quote(text, safe=""), page.path)  # type: ignore[attr-defined]
        names = (
            "q",
            "state",
            "partner",
            "flow",
            "from",
            "to",
            "sort",
            "after",
            "before",
            "page",
            "month",
            "left",
            "next",
        )
        query = dict.fromkeys(names, text)
        if page.method == "GET":
            answer = supervisor.get(console.base + path, params=query, allow_redirects=False, timeout=20)
        else:
            fields = (
                "user",
                "password",
                "code",
                "new",
                "again",
                "reason",
                "name",
                "unit",
                "agreement",
                "decision",
                "next",
                "credential",
                "passkey",
            )
            csrf = console.csrf(supervisor, "/transfers")
            answer = console.post(supervisor, path, {"csrf": csrf, **dict.fromkeys(fields, text)}, **TYPIST)
        assert answer.status_code < 500, (page.method, page.path, answer.text[:300])
        assert "<script>alert" not in answer.text, page.path
        if page.path == "/find" and text.isprintable() and len(text) < 200:
            assert str(escape(text)) in answer.text
    assert console.get(supervisor, "/transfers").status_code == 200


def test_another_role_gets_nothing_by_an_address_that_it_was_told(console: Console) -> None:
    administrator = console.sign_in("adm1")
    for path in (
        f"/transfers/{identity(console)}",
        f"/decide/release/{identity(console)}",
        "/transfers.csv",
        "/find?q=claims",
    ):
        answer = console.get(administrator, path)
        assert answer.status_code == 403, path
        assert "claims-" not in answer.text
    assert console.site.events("page.refused")


def test_slow_clients_are_let_go_and_keep_nobody_else_waiting(console: Console, supervisor: requests.Session) -> None:
    host, _, port = console.base.removeprefix("http://").partition(":")
    slow = [socket.create_connection((host, int(port)), timeout=30) for _ in range(60)]
    try:
        for number, each in enumerate(slow):
            each.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n" if number % 2 else b"")
        started = time.monotonic()
        assert console.get(supervisor, "/transfers").status_code == 200
        assert time.monotonic() - started < server.HEAD_SECONDS / 2
        for each in slow:
            each.settimeout(server.HEAD_SECONDS * 2)
            assert each.recv(1000) == b""
    finally:
        for each in slow:
            each.close()


def test_guessing_is_slowed_down_and_told_without_filling_the_chain(console: Console) -> None:
    for number in range(60):
        wrong = {"user": "prt1", "password": f"wrong guess {number}", "code": f"{number:06d}"}
        assert console.post(requests.Session(), "/sign-in", wrong, **GUESSER).status_code == 422
    right = {"user": "prt1", "password": PASSWORD, "code": console.code("prt1")}
    answer = console.post(requests.Session(), "/sign-in", right)
    assert answer.status_code == 422
    assert "too many attempts failed" in answer.text.lower()
    told: list[dict[str, Any]] = console.site.events("signin.refused")
    assert 0 < len(told) < 20
    assert "wrong guess" not in console.site.log_text()
