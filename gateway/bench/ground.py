"""Where the bench runs: a directory with two sites, a server, keys, and everybody who takes part, made when first needed."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from gateway.bench.contest import Say, once
from gateway.bench.contract import BenchFile, Contestant
from gateway.bench.files import claims
from gateway.bench.pair import Gateway, Pair
from gateway.bench.rclone import Rclone, is_installed
from gateway.bench.scripts import BATCH, SINGLE, Keys, Script, end_agents, make_keys
from gateway.bench.server import Server, start_server


@dataclass
class Ground:
    """One run of the bench: `root` is an empty directory of its own, `seed` makes its files its own."""

    root: Path
    today: date
    seed: int
    quick: bool
    say: Say
    stack: ExitStack

    @cached_property
    def pair(self) -> Pair:
        self.say("making two sites")
        return Pair(self.root / "sites")

    @cached_property
    def server(self) -> Server:
        server = start_server(self.root / "server")
        self.stack.callback(server.stop)
        return server

    @cached_property
    def keys(self) -> Keys:
        # Not below root: the path of a key agent's socket has to be short.
        home = self.stack.enter_context(TemporaryDirectory(prefix="bench-keys-", ignore_cleanup_errors=True))
        keys = make_keys(Path(home))
        self.stack.callback(end_agents, keys)
        return keys

    def batch(self, name: str = "batch script", *, gpg_options: str = "") -> Script:
        """The script of one gpg a file and one connection for all."""
        root = self.root / name.replace(" ", "-")
        return Script(name, BATCH, root, self.server, self.keys, gpg_options=gpg_options)

    def single(self) -> Script:
        """The script of one connection a file."""
        most = 4 if self.quick else 40
        return Script("connection per file", SINGLE, self.root / "single", self.server, self.keys, most_files=most)

    def rclone(self) -> Sequence[Contestant]:
        """rclone, or nobody where it is not installed: no figure is better than one that nobody measured."""
        if is_installed():
            return [Rclone(self.root / "rclone", self.server)]
        self.say("rclone is not installed (Debian: rclone): it is left out")
        return []

    @contextmanager
    def gateway(self, pair: Pair | None = None) -> Iterator[Gateway]:
        """The two gateways, running, with their first connections behind them."""
        pair = pair or self.pair
        with pair.running():
            gateway = Gateway(pair)
            with self.files(lambda directory: claims(3, self.next_seed(), self.today, directory)) as files:
                once(gateway, files)
            yield gateway

    @contextmanager
    def files(self, make: Callable[[Path], Sequence[BenchFile]]) -> Iterator[Sequence[BenchFile]]:
        """Files in a directory of their own, gone at the end."""
        directory = self.root / "files"
        directory.mkdir()
        try:
            yield make(directory)
        finally:
            shutil.rmtree(directory)

    def next_seed(self) -> int:
        """A seed that no files of this run were made with."""
        self.seed += 1
        return self.seed
