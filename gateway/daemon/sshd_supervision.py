"""Supervision of one site's managed SFTP server: starts it, restarts it, reloads it, counts its log-ins, and shuts partners
out whose landing is full. At a node that the ledger has not seen for most of its lease sshd rests: what partners left there would wait until the node is back, and
they have other nodes' addresses.

Raises ServerFailed where sshd does not start, SecretExposed for a host key that others can read.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Final

from gateway.assembly.links import server_spec
from gateway.daemon.node_there import last, trouble, what_is_away
from gateway.daemon.stopped_partners import note_shut_out
from gateway.domain.logins import Result
from gateway.errors import Defer
from gateway.logs import Logger
from gateway.settings.model import Settings
from gateway.settings.secrets import secrets_of
from gateway.spool.logins import LoginCounts
from gateway.spool.shut_out import noted_suspended
from gateway.stages.landing_quota import landing_usage
from gateway.transport.sshd.config import logins
from gateway.transport.sshd.logins import Attempt, Connections
from gateway.transport.sshd.machine import check_server
from gateway.transport.sshd.server import ManagedServer
from gateway.transport.sshd.spec import ServerSpec

_WRITE_AGAIN_SECONDS: Final = 30.0
"""How long until counts that could not be written are written again."""
_REST: Final = 0.6
"""Part of the lease: two heartbeats are missing then, and the looks at it leave time until the lease is over."""
_START_AGAIN_SECONDS: Final = 5.0
_LANDINGS_SECONDS: Final = 2.0
"""How often the landings are measured. Between two looks a partner writes what its line carries."""


class Server:
    """sshd, while `[sftp_server] managed` says so."""

    def __init__(self, settings: Settings, log: Logger) -> None:
        self._settings = settings.with_suspended({})  # whom the ledger suspends, the link role writes down
        self._log = log
        self._server: ManagedServer | None = None
        self._began = time.monotonic()
        self._connections = Connections({})
        self._lock = threading.Lock()  # a thread of its own reads what sshd logs
        self._counts: LoginCounts | None = None
        self._write_at = self._start_at = self._landings_at = 0.0
        self._shut_out: frozenset[str] = frozenset()
        self._suspended: frozenset[str] = frozenset()

    def start(self) -> None:
        if not self._settings.sftp_server.managed:
            return
        secrets = secrets_of(self._settings.home, os.environ)
        secrets.insist([secrets.host_key, secrets.old_host_key])
        spec = server_spec(self._settings)
        self._begin_counting(spec)
        self._shut_out, self._suspended = self._full_landings(spec), self._noted_suspended()
        note_shut_out(self._settings.home, self._shut_out)
        server = ManagedServer(self._without_shut_out(spec), self._read_line)
        server.start()
        self._server = server
        self._log.info("server.started", host=spec.host, port=spec.port, pid=server.pid)

    def look_after(self) -> None:
        """Restart sshd where it has ended by itself, write the counts of log-ins, and look at the landings."""
        with self._lock:
            overdue = list(self._connections.overdue(time.monotonic()))
        self._count(overdue)
        if self._counts is not None and time.monotonic() >= self._write_at:
            self._write(self._counts.step)
        if not self._settings.sftp_server.managed or time.monotonic() < self._start_at:
            return
        if self._node_is_away():
            if self._server is not None:
                self._log.warning("server.closed", reason=self._what_is_away())
                self.stop()
            return
        if self._server is not None and self._server.is_alive():
            self._look_at_landings()
            return
        if self._server is not None:
            self._log.error("server.stopped", reason="it ended by itself; it is started again")
        self._start_anew()

    def _node_is_away(self) -> bool:
        """Whether this gateway is a node which has not been there for most of its lease, nor had a lease to begin: what comes is to go elsewhere
        by the time that others have its lanes.
        """
        node, now = self._settings.node, time.monotonic()
        if not node.name or now - self._began < node.lease_seconds:
            return False
        return now - last(self._settings.home.node_seen, now) > node.lease_seconds * _REST

    def _what_is_away(self) -> str:
        found = trouble(self._settings.home.run)
        if found is None:
            return "the vault has not said for most of a lease that this node reaches its ledger and its store: its log says why"
        return f"this node has not reached {what_is_away(found.code)} for most of its lease"

    def _start_anew(self) -> None:
        """End sshd with every session, and start it; where that fails it is tried again a little later."""
        self.stop()
        try:
            self.start()
        except Defer as error:
            self._start_at = time.monotonic() + _START_AGAIN_SECONDS
            self._log.warning("work.deferred", code=error.code, reason=error.reason)

    def check(self, settings: Settings) -> None:
        """Raise ServerFailed where sshd could not serve these settings."""
        if settings.sftp_server.managed:
            check_server(server_spec(settings.with_suspended({})))

    def reload(self, settings: Settings) -> None:
        """Take over other settings, which `check` has accepted."""
        settings = settings.with_suspended({})
        before, self._settings = self._settings, settings
        if (settings.sftp_server, settings.site) != (before.sftp_server, before.site) or self._shuts_out(settings):
            self.stop()
        if self._server is None:
            self.start()
        else:
            spec = server_spec(settings)
            with self._lock:
                self._connections.know(_owners(spec))
            self._server.reload(self._without_shut_out(spec))

    def _shuts_out(self, settings: Settings) -> bool:
        """Whether a key is no longer accepted: sshd checks keys at log-in only, so a session with that key may be open."""
        if self._server is None or not settings.sftp_server.managed:
            return False
        return not logins(self._server.spec) <= logins(server_spec(settings))

    def stop(self) -> None:
        if self._server is None:
            return
        self._server.stop()
        self._server = None
        with self._lock:
            left = list(self._connections.end())
        self._count(left)
        if self._counts is not None:
            self._write(self._counts.finish)

    # -- landings

    def _look_at_landings(self) -> None:
        """Shut out whose landing is too full or whom a person suspended, and let in whose is not any more and whom nobody did.

        sshd checks keys at log-in only. So to shut somebody out ends every session: the others connect again within seconds.
        """
        if self._server is None or time.monotonic() < self._landings_at:
            return
        self._landings_at = time.monotonic() + _LANDINGS_SECONDS
        spec = server_spec(self._settings)
        before, full = self._shut_out, self._full_landings(spec)
        rested, suspended = self._suspended, self._noted_suspended()
        if full - before or suspended - rested:
            self._start_anew()
        elif (full, suspended) != (before, rested):
            self._shut_out, self._suspended = full, suspended
            try:
                note_shut_out(self._settings.home, full)
                self._server.reload(self._without_shut_out(spec))
            except Defer as error:
                self._log.warning("work.deferred", code=error.code, reason=error.reason)
        for code in sorted(full - before):
            lies = landing_usage(self._settings.home.landing_in(code))
            said = {} if lies is None else {"bytes": lies.bytes, "count": lies.files}
            self._log.error("partner.shut-out", partner=code, **said)
        for code in sorted(suspended - rested):
            self._log.warning("partner.left-out", partner=code)
        for code in sorted((before - full) & {account.partner for account in spec.accounts}):
            self._log.info("partner.let-in", partner=code)
        for code in sorted(rested - suspended):
            self._log.info("partner.resumed", partner=code)

    def _noted_suspended(self) -> frozenset[str]:
        """Partners that are suspended by the ledger's word, as the link role wrote it down."""
        return noted_suspended(self._settings.home.shut_out)

    def _full_landings(self, spec: ServerSpec) -> frozenset[str]:
        """Partners that could log in, and in whose landing lies too much."""
        settings, full = self._settings, set()
        for account in spec.accounts:
            lies, code = landing_usage(settings.home.landing_in(account.partner)), account.partner
            if lies and lies.shuts_out(settings.landing_quota(code), is_shut_out=code in self._shut_out):
                full.add(code)
        return frozenset(full)

    def _without_shut_out(self, spec: ServerSpec) -> ServerSpec:
        out = self._shut_out | self._suspended
        return replace(spec, accounts=tuple(each for each in spec.accounts if each.partner not in out))

    # -- log-ins

    def _begin_counting(self, spec: ServerSpec) -> None:
        with self._lock:
            self._connections.know(_owners(spec))
        if self._counts is None:
            self._counts = LoginCounts(self._settings.home.logins, time.time, time.monotonic, os.urandom)
            self._write(self._counts.step)

    def _read_line(self, message: str) -> None:
        self._log.info("server.logged", reason=message)
        with self._lock:
            attempts = list(self._connections.read(message, time.monotonic()))
        self._count(attempts)

    def _count(self, attempts: Iterable[Attempt]) -> None:
        for attempt in attempts:
            login = attempt.login
            if self._counts is not None:
                self._counts.count(login)
            keys = {"partner": login.partner, "fingerprint": login.fingerprint, "address": attempt.address}
            known = {key: value for key, value in keys.items() if value is not None}
            if login.result is Result.ACCEPTED:
                self._log.info("logon.accepted", **known)
            else:
                # Load balancers look whether the port is open: that is no warning.
                say = self._log.info if login.result is Result.NO_LOGIN else self._log.warning
                say("logon.refused", code=str(login.result), **known)

    def _write(self, action: Callable[[], None]) -> None:
        """Write the counts; where that fails they are kept, and written later."""
        try:
            action()
        except Defer as error:
            self._write_at = time.monotonic() + _WRITE_AGAIN_SECONDS
            self._log.warning("work.deferred", code=error.code, reason=error.reason, stage="logins")


def _owners(spec: ServerSpec) -> Mapping[str, str]:
    """Partners by their keys' fingerprints."""
    return {fingerprint: partner for partner, fingerprint in logins(spec)}
