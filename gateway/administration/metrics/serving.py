"""Answers requests for metrics and health, by HTTP at one socket that is open before the role gives up the network.

`/metrics` is for Prometheus. `/healthz` says whether the roles that are there make steps, `/readyz` whether the site can do its work:
200 where all holds, else 503, with a line for each check. A request is answered in a thread of its own, few at a time, each
with a deadline. Raises AddressTaken where the address cannot be listened at.
"""

from __future__ import annotations

import socket
import socketserver
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Final

from gateway.administration.metrics.exposition import Check, Exposition
from gateway.daemon.listening import listening

MOST_REQUESTS: Final = 16
"""Requests that are answered side by side; the next ones are turned away."""
REQUEST_SECONDS: Final = 10.0


class MetricsServer(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Listens from the start, and answers once there is an exposition. `failed` is what ended a request that was not its client's
    doing.
    """

    daemon_threads = True
    exposition: Exposition | None = None
    failed: BaseException | None = None

    def __init__(self, listen: str) -> None:
        self._slots = threading.BoundedSemaphore(MOST_REQUESTS)
        super().__init__(("", 0), _Request, bind_and_activate=False)
        self.socket.close()  # the one that socketserver made
        self.socket = listening(listen, self.request_queue_size)
        self.server_address = self.socket.getsockname()

    def process_request(self, request: socket.socket | tuple[bytes, socket.socket], client_address: object) -> None:
        if self._slots.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: object
    ) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._slots.release()

    def handle_error(self, _request: object, _client_address: object) -> None:
        error = sys.exception()
        if not isinstance(error, OSError):  # else the client's connection broke
            self.failed = error


class _Request(BaseHTTPRequestHandler):
    """One request, answered once; the connection ends with it."""

    timeout = REQUEST_SECONDS
    server: MetricsServer

    def do_GET(self) -> None:
        exposition = self.server.exposition
        answers: dict[str, Callable[[Exposition], tuple[int, bytes, str]]] = {
            "/metrics": lambda there: (200, *there.text(self.headers.get("Accept", ""))),
            "/healthz": lambda there: _told(there.alive()),
            "/readyz": lambda there: _told(there.ready()),
        }
        answer = answers.get(self.path.partition("?")[0])
        if answer is None:
            self._send(404, b"/metrics, /healthz, /readyz\n", "text/plain")
        elif exposition is None:
            self._send(503, b"starting\n", "text/plain")
        else:
            self._send(*answer(exposition))

    def version_string(self) -> str:
        return "gateway"

    def log_message(self, *_: object) -> None:
        """Say nothing: whoever asks chooses the words."""

    def _send(self, status: int, content: bytes, media_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(content)


def _told(checks: list[Check]) -> tuple[int, bytes, str]:
    lines = "".join(f"{check.name}: {check.why or 'ok'}\n" for check in checks)
    return 503 if any(check.why for check in checks) else 200, lines.encode(), "text/plain; charset=utf-8"
