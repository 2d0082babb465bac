"""An authority for time stamps on this machine: OpenSSL's own, behind a small web server, under a made-up root."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="takes the program openssl")

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
