"""Time stamps by an authority on this machine: OpenSSL's own, behind a small web server, under a made-up root."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from gateway.errors import TimestampFailed
from gateway.transport.timestamps import stamp

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="takes the program openssl")

CONTENT = b"a statement\n"
CONFIG = """
[tsa]
default_tsa = one
[one]
serial = {root}/serial
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
[extensions]
extendedKeyUsage = critical,timeStamping
[ca]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign
"""


def openssl(*arguments: str | Path, feed: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *map(str, arguments)], input=feed, check=True, capture_output=True).stdout


@dataclass(frozen=True)
class Authority:
    """Keys and certificates in a directory: `ca.pem` is the root, `tsa.pem` signs."""

    root: Path

    @classmethod
    def founded(cls, root: Path) -> Authority:
        root.mkdir()
        (root / "openssl.cnf").write_text(CONFIG.format(root=root))
        (root / "serial").write_text("01\n")
        new = ("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        config = ("-config", root / "openssl.cnf")
        (root / "openssl.cnf").write_text(CONFIG.format(root=root) + "[req]\ndistinguished_name = name\n[name]\n")
        made = ("-x509", "-days", "30", "-subj", "/CN=Made-up root", "-extensions", "ca")
        openssl(*new, *config, *made, "-keyout", root / "ca.key", "-out", root / "ca.pem")
        openssl(*new, *config, "-subj", "/CN=Made-up authority", "-keyout", root / "tsa.key", "-out", root / "tsa.csr")
        signed = (
            "x509",
            "-req",
            "-in",
            root / "tsa.csr",
            "-CA",
            root / "ca.pem",
            "-CAkey",
            root / "ca.key",
            "-days",
            "30",
        )
        openssl(*signed, "-extfile", root / "openssl.cnf", "-extensions", "extensions", "-out", root / "tsa.pem")
        return cls(root)

    def answer(self, query: bytes) -> bytes:
        asked, told = self.root / "query.tsq", self.root / "answer.tsr"
        asked.write_bytes(query)
        signer = ("-signer", self.root / "tsa.pem", "-inkey", self.root / "tsa.key")
        openssl("ts", "-reply", "-config", self.root / "openssl.cnf", "-queryfile", asked, *signer, "-out", told)
        return told.read_bytes()


@contextmanager
def served(answer: Callable[[bytes], bytes]) -> Iterator[str]:
    """The address at which queries are answered so; an answer of nothing is an error of the server's."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = answer(self.rfile.read(int(self.headers["Content-Length"])))
            assert self.headers["Content-Type"] == "application/timestamp-query"
            self.send_response(200 if content else 500)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.founded(tmp_path_factory.mktemp("authority") / "tsa")


def test_stamp_is_checked_with_openssl_alone(authority: Authority, tmp_path: Path) -> None:
    with served(authority.answer) as url:
        token = stamp(url, authority.root / "ca.pem", CONTENT, 10.0)
    data, stamped = tmp_path / "statement", tmp_path / "statement.tsr"
    data.write_bytes(CONTENT)
    stamped.write_bytes(token)
    verify = ("ts", "-verify", "-in", stamped, "-data", data, "-CAfile", authority.root / "ca.pem")
    openssl(*verify)
    data.write_bytes(CONTENT + b"altered")
    with pytest.raises(subprocess.CalledProcessError):
        openssl(*verify)


ANSWERS: dict[str, Callable[[Authority, bytes], bytes]] = {
    "an error": lambda _authority, _query: b"",
    "no answer": lambda _authority, _query: b"hello",
    "a long answer": lambda _authority, _query: b"x" * 100_000,
    "an answer about something else": lambda authority, _query: authority.answer(query_of(b"something else")),
    "an answer to an earlier query": lambda authority, _query: authority.answer(query_of(CONTENT)),
}


def query_of(content: bytes) -> bytes:
    return openssl("ts", "-query", "-sha256", "-cert", "-data", "/dev/stdin", feed=content)


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_answer_that_does_not_hold_is_refused(
    authority: Authority, answer: Callable[[Authority, bytes], bytes]
) -> None:
    with served(partial(answer, authority)) as url, pytest.raises(TimestampFailed):
        stamp(url, authority.root / "ca.pem", CONTENT, 10.0)


def test_answer_under_a_root_that_nobody_named_is_refused(authority: Authority, tmp_path: Path) -> None:
    other = Authority.founded(tmp_path / "other")
    with served(other.answer) as url, pytest.raises(TimestampFailed):
        stamp(url, authority.root / "ca.pem", CONTENT, 10.0)


def test_authority_that_is_away_or_says_nothing_is_given_up_in_time(authority: Authority, tmp_path: Path) -> None:
    waiting = threading.Event()
    begun = time.monotonic()
    with served(lambda _: bytes(not waiting.wait(20))) as url:
        with pytest.raises(TimestampFailed):
            stamp(url, authority.root / "ca.pem", CONTENT, 0.3)
        waiting.set()
    with pytest.raises(TimestampFailed):
        stamp("http://127.0.0.1:9/", authority.root / "ca.pem", CONTENT, 0.3)
    assert time.monotonic() - begun < 15
    (tmp_path / "roots.pem").write_text("none")
    for roots in (tmp_path / "roots.pem", tmp_path / "not-there.pem"):
        with pytest.raises(TimestampFailed, match=roots.name):
            stamp("http://127.0.0.1:9/", roots, CONTENT, 0.3)
