"""The site's database as it is in a sweep: a server, its standby where there is one, and each node's own way to both of them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psycopg

from gateway.demo.postgresql import Server

_GATE: Final = Path(__file__).with_name("gate.py")


class Way:
    """One node's way to one server."""

    def __init__(self, server: Server) -> None:
        self._socket = str(server.root / ".s.PGSQL.5432")
        self.port = 0
        self.open()

    def open(self) -> None:
        command = [sys.executable, "-S", str(_GATE), self._socket, str(self.port)]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        with self._process.stdout as said:
            self.port = int(said.readline())

    def cut(self) -> None:
        """Every connection is reset, and none can be made."""
        self._process.kill()
        self._process.wait()

    def swallow(self) -> None:
        """Connections stay, and no answer comes."""
        self._process.send_signal(signal.SIGSTOP)

    def pass_on(self) -> None:
        self._process.send_signal(signal.SIGCONT)


class Database:
    """`standby`: a second server follows the first, which waits for it at each commit."""

    def __init__(self, root: Path, *, standby: bool) -> None:
        self._root = root
        self.servers = [Server(self._made("first"), durable=False)]
        self.servers[0].start()
        self._sql(self.servers[0], "CREATE DATABASE ledger", "postgres")
        if standby:
            self.servers.append(Server(self._made("second"), durable=False, like=self.servers[0]))
            self.servers[1].start()
            self._wait_for("*", self.servers[0])
        self.leading = self.servers[0]
        self.ways: dict[str, list[Way]] = {}

    def _made(self, name: str) -> Path:
        directory = self._root / name
        directory.mkdir()
        return directory

    def _sql(self, server: Server, statement: str, database: str = "ledger") -> None:
        with psycopg.connect(self._url(server, database), autocommit=True) as connection:
            connection.execute(statement)

    def _wait_for(self, names: str, server: Server) -> None:
        """Have a server's commits wait for these standbys."""
        self._sql(server, f"ALTER SYSTEM SET synchronous_standby_names = '{names}'", "postgres")
        self._sql(server, "SELECT pg_reload_conf()", "postgres")

    def _url(self, server: Server, database: str = "ledger") -> str:
        return server.url.replace("/postgres?", f"/{database}?")

    @property
    def url(self) -> str:
        """Of the server that leads, past all ways."""
        return self._url(self.leading)

    @property
    def directories(self) -> list[Path]:
        """Where the servers have their files."""
        return [server.root for server in self.servers]

    def url_for(self, node: str) -> str:
        """As a node of that name knows it: by its own ways, to the servers in turn."""
        if node not in self.ways:
            self.ways[node] = [Way(server) for server in self.servers]
        ways = self.ways[node]
        hosts = ",".join("127.0.0.1" for _ in ways)
        ports = ",".join(str(way.port) for way in ways)
        several = "&target_session_attrs=read-write" if len(ways) > 1 else ""
        return f"postgresql:///ledger?host={hosts}&port={ports}&user={self.leading.role}{several}"

    def restart(self, seconds: float) -> None:
        """kill -9 of the leading server, and its start after that time."""
        self.leading.kill()
        time.sleep(seconds)
        self.leading.start()

    def fall_behind(self) -> int:
        """From here on the standby gets nothing; the process that sends to it."""
        pid = self._number("SELECT pid FROM pg_stat_replication")
        os.kill(pid, signal.SIGSTOP)
        return pid

    def catch_up(self, sender: int) -> None:
        """Let it have all of it."""
        os.kill(sender, signal.SIGCONT)

    def pause_replay(self) -> None:
        """The standby takes everything, and does not show it: a commit with `remote_apply` waits."""
        self._sql(self._follower, "SELECT pg_wal_replay_pause()", "postgres")

    def waiting(self) -> int:
        """How many commits wait for the standby."""
        return self._number("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")

    def queueing(self) -> int:
        """How many transactions wait for the end of another one."""
        return self._number("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")

    def _number(self, question: str) -> int:
        with psycopg.connect(self._url(self.leading, "postgres"), autocommit=True) as connection:
            row = connection.execute(question).fetchone()
        assert row is not None
        return int(row[0])

    @property
    def _follower(self) -> Server:
        return next(server for server in self.servers if server is not self.leading)

    def wait_for_nobody(self) -> None:
        """Have commits of the leading server not wait for the standby."""
        self._wait_for("", self.leading)

    def promote(self, sender: int | None = None) -> None:
        """kill -9 of the leading server for good, and before of what sends to the standby; the standby leads, and waits for nobody."""
        if sender is not None:
            os.kill(sender, signal.SIGKILL)
        self.leading.kill()
        follower = self._follower
        follower.run("pg_ctl", "promote", "-w")
        self.leading = follower
        self._wait_for("", follower)

    def close(self) -> None:
        for ways in self.ways.values():
            for way in ways:
                way.pass_on()
                way.cut()
        for server in self.servers:
            if server.lives:
                server.stop()


@contextmanager
def database(*, standby: bool) -> Iterator[Database]:
    root = Path(tempfile.mkdtemp(prefix="gateway-pg-"))
    root.chmod(0o711)  # the server's account passes through
    made = Database(root, standby=standby)
    try:
        yield made
    finally:
        made.close()
        shutil.rmtree(root)
