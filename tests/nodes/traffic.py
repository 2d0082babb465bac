"""What goes both ways in a sweep, and whether all of it came as it should: each file noted when it is dropped."""

from __future__ import annotations

import hashlib
import itertools
import random
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from gateway.sample.claim import claim_sampler
from gateway.sample.contract import Sampler
from gateway.sample.extract import ExtractSampler
from gateway.settings.home import Home
from gateway.settings.resources import resource
from tests.nodes.authorities import DWP
from tests.nodes.department import Department, Node, drop


@dataclass(frozen=True)
class File:
    """A file that was dropped: at the Department for `partner` (out), or at that authority for the Department (in)."""

    out: bool
    flow: str
    partner: str
    name: str
    content: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    def canaries(self) -> Iterator[bytes]:
        """Pieces of the content, which may be found where plaintext belongs and nowhere else."""
        for part in (1, 2, 3):
            at = len(self.content) * part // 4
            yield self.content[at : at + 48]


class Traffic:
    """Files both ways, in an order that `chance` draws."""

    def __init__(self, department: Department, authorities: dict[str, Home], chance: random.Random) -> None:
        self._department, self.authorities, self._chance = department, authorities, chance
        self._today = date(2026, 11, 22)
        self._numbers = itertools.count(1)
        self._claims: Sampler = claim_sampler()
        self._extracts: Sampler = ExtractSampler(resource("schemas"), rows=20)
        self._reach = {code: reached(home) for code, home in authorities.items()}
        self.files: list[File] = []

    def wave(self, out: int, back: int, nodes: Sequence[Node], past: Node | None = None) -> list[File]:
        """Drop so many at these nodes of the Department, and so many at authorities: those that can reach another node than `past`."""
        makers = [code for code, reached in self._reach.items() if reached - {past and past.port}]
        made = [self._made(self._chance.choice([*self.authorities]), out=True) for _ in range(out)]
        made += [self._made(self._chance.choice(makers), out=False) for _ in range(back)]
        self._chance.shuffle(made)
        for file in made:
            if file.out:
                drop(self._chance.choice(nodes).home, file.flow, file.partner, file.name, file.content)
            else:
                drop(self.authorities[file.partner], file.flow, DWP, file.name, file.content)
        self.files += made
        return made

    def evenly(self, each: int, nodes: Sequence[Node]) -> list[File]:
        """Drop so many for each partner, at these nodes in turn, the partners in turn."""
        made = [self._made(partner, out=True) for _ in range(each) for partner in self.authorities]
        for file, node in zip(made, itertools.cycle(nodes)):
            drop(node.home, file.flow, file.partner, file.name, file.content)
        self.files += made
        return made

    def _made(self, partner: str, *, out: bool) -> File:
        number = next(self._numbers)
        sampler = self._claims if out else self._extracts
        sender, recipient = (DWP, partner) if out else (partner, DWP)
        drawn = random.Random(f"{self._chance.random()}/{number}")
        made = sampler.make(sender=sender, recipient=recipient, index=number, random=drawn, today=self._today)
        return File(out, sampler.flow, partner, made.name, made.content)

    # -- where it stands

    def unreceipted(self, files: Sequence[File]) -> list[File]:
        """Those whose sender does not have the verified receipt."""
        names = {
            (row[0], row[1])
            for row in self._department.rows(
                "SELECT partner, name FROM transfers WHERE direction = 'out' AND state = 'receipted'"
            )
        }
        back = {code: self._receipted(code) for code in {file.partner for file in files if not file.out}}
        return [
            file
            for file in files
            if ((file.partner, file.name) not in names if file.out else file.name not in back[file.partner])
        ]

    def _receipted(self, code: str) -> set[str]:
        query = "SELECT name FROM transfers WHERE direction = 'out' AND state = 'receipted'"
        return {row[0] for row in of_authority(self.authorities[code], query)}

    def arrived(self) -> tuple[Counter[tuple[str, str, str]], Counter[tuple[str, str, str]]]:
        """What was dropped, and what lies before the back offices of both ends: recipient's partner, direction and digest."""
        wanted = Counter((file.partner, "out" if file.out else "in", file.sha256) for file in self.files)
        found: Counter[tuple[str, str, str]] = Counter()
        for code, home in self.authorities.items():
            found.update((code, "out", digest) for digest in digests(home.inbound / "claim" / DWP))
            found.update(
                (code, "in", digest) for digest in digests(self._department.shared / "inbound" / "extract" / code)
            )
        return wanted, found


def digests(directory: Path) -> Iterator[str]:
    """Of the files that a back office would take."""
    if directory.is_dir():
        for path in directory.iterdir():
            if not path.name.startswith(".") and not path.name.endswith((".triage.json", ".exceptions.csv")):
                yield hashlib.sha256(path.read_bytes()).hexdigest()


def reached(home: Home) -> set[int]:
    """At which ports an authority may reach the Department."""
    text = (home.partners_d / f"{DWP}.toml").read_text(encoding="utf-8")
    return {int(port) for port in re.findall(r'(?m)^port = (\d+)|127.0.0.1:(\d+)"', text) for port in port if port}


def of_authority(home: Home, query: str) -> list[tuple[str, ...]]:
    with closing(sqlite3.connect(f"file:{home.ledger}?mode=ro", uri=True, timeout=10)) as connection:
        return connection.execute(query).fetchall()
