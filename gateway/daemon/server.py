"""The managed SFTP server of one site: started, watched, and made to take over another configuration.

Raises ServerFailed where sshd does not start, SecretExposed for a host key that others can read.
"""

from __future__ import annotations

import os

from gateway.assembly import server_spec
from gateway.errors import Defer
from gateway.logs import Logger
from gateway.settings.model import Settings
from gateway.settings.secrets import secrets_of
from gateway.transport.sshd import ManagedServer, check_server
from gateway.transport.sshd_config import logins


class Server:
    """sshd, while `[sftp_server] managed` says so."""

    def __init__(self, settings: Settings, log: Logger) -> None:
        self._settings = settings
        self._log = log
        self._server: ManagedServer | None = None

    def start(self) -> None:
        if not self._settings.sftp_server.managed:
            return
        secrets = secrets_of(self._settings.home, os.environ)
        secrets.insist([secrets.host_key, secrets.old_host_key])
        server = ManagedServer(server_spec(self._settings), self._said)
        server.start()
        self._server = server
        spec = server.spec
        self._log.info("server.started", host=spec.host, port=spec.port, pid=server.pid)

    def look_after(self) -> None:
        """Start it again where it has ended by itself."""
        if self._server is None or self._server.is_alive():
            return
        self._log.error("server.stopped", reason="it ended by itself; it is started again")
        self.stop()
        try:
            self.start()
        except Defer as error:
            self._log.warning("work.deferred", code=error.code, reason=error.reason)

    def check(self, settings: Settings) -> None:
        """ServerFailed where it could not serve these settings."""
        if settings.sftp_server.managed:
            check_server(server_spec(settings))

    def reload(self, settings: Settings) -> None:
        """Take over other settings, which `check` found good."""
        before, self._settings = self._settings, settings
        if (settings.sftp_server, settings.site) != (before.sftp_server, before.site) or self._shuts_out(settings):
            self.stop()
        if self._server is None:
            self.start()
        else:
            self._server.reload(server_spec(settings))

    def _shuts_out(self, settings: Settings) -> bool:
        """Whether somebody's key counts no more: sshd asks for keys at the login only, and its session may be open."""
        if self._server is None or not settings.sftp_server.managed:
            return False
        return not logins(self._server.spec) <= logins(server_spec(settings))

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop()
            self._server = None

    def _said(self, line: str) -> None:
        event = "server.logged"
        if "Accepted publickey" in line:
            event = "logon.accepted"
        elif "Failed publickey" in line or "Invalid user" in line or "Connection closed by authenticating" in line:
            event = "logon.refused"
        (self._log.warning if event == "logon.refused" else self._log.info)(event, reason=line)
