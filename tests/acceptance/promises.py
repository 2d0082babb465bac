"""The promises I1 to I5 of docs/threat-model.md, asserted over two sites and everything that a test dropped there.

A `Book` notes what is dropped. `Book.assert_promises` waits until both sites have caught up with their own ledgers, and
then holds the spools, the vaults, the ledgers and every other byte on the two sites' disks against what was dropped.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from gateway.assembly.stores import open_pgp
from gateway.cli import main
from gateway.domain.receipt import MAX_BYTES, Receipt
from gateway.domain.triage import ENDING
from gateway.settings.read import load
from gateway.spool.returns import LETTERS
from tests.acceptance.reading import files_below, rows
from tests.acceptance.sites import Site, wait_until

RETURNED = frozenset({"rejected", "quarantined", "expired"})
ACKNOWLEDGED = frozenset({"receipted", "ingested"})
WORDS = frozenset({"ingested", "refused"})

_WINDOW = 48
_NUMBER = re.compile(rb"QQ\d{6}[A-D]")


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass(frozen=True)
class Dropped:
    """One file as an operator dropped it."""

    site: Site
    flow: str
    partner: str
    name: str
    content: bytes

    @property
    def sha256(self) -> str:
        return sha256(self.content)

    def canaries(self) -> set[bytes]:
        """Pieces of the content, and the insurance numbers in it: none may be found where no plaintext belongs."""
        pieces = {self.content[at : at + _WINDOW] for at in (len(self.content) * part // 4 for part in (1, 2, 3))}
        return {piece for piece in pieces if len(piece) == _WINDOW} | set(_NUMBER.findall(self.content))


class _Searched(NamedTuple):
    """What a file was when it was searched, and what was not in it."""

    stamp: tuple[int, int, int, int]
    canaries: frozenset[bytes]


@dataclass
class Book:
    """Every file that a test dropped at one of two sites."""

    pair: tuple[Site, Site]
    dropped: list[Dropped] = field(default_factory=list)
    _without: dict[Path, _Searched] = field(default_factory=dict)
    _opened: dict[str, frozenset[str]] = field(default_factory=dict)

    def drop(self, site: Site, flow: str, partner: str, name: str, content: bytes) -> Dropped:
        """Drop a file by a rename, and note it."""
        site.drop(flow, partner, name, content)
        return self.note(site, flow, partner, name, content)

    def note(self, site: Site, flow: str, partner: str, name: str, content: bytes) -> Dropped:
        """Note a file that got into the spool in another way."""
        file = Dropped(site, flow, partner, name, content)
        self.dropped.append(file)
        return file

    def assert_promises(self) -> None:
        """I1 to I5 over both sites, as of a moment in which neither has anything half done."""
        wait_until(lambda: all(_caught_up(site) for site in self.pair), 60, "a quiet moment")
        self._assert_one_end_each()
        self._assert_delivered_whole_and_once()
        self._assert_no_plaintext_elsewhere()
        for site in self.pair:
            # In this process: a quarter of a second instead of two, a hundred times.
            assert main(["--home", str(site.home.root), "audit", "verify"]) == 0, f"the audit of {site.code}"
            _assert_custody(site)
            self._assert_receipts(site)

    # -- I1

    def _assert_one_end_each(self) -> None:
        copies = Counter((file.site.code, file.flow, file.partner, file.sha256) for file in self.dropped)
        submitted = cache(_submitted)
        for (code, flow, partner, digest), number in copies.items():
            site = self._site(code)
            known = rows(
                site,
                "SELECT * FROM transfers WHERE direction = 'out' AND flow = ? AND partner = ? AND sha256 = ?",
                *(flow, partner, digest),
            )
            waiting = submitted(site.home.outbound / flow / partner)[digest]
            returned = submitted(site.home.returned / flow / partner)[digest]
            ended_here = sum(row["state"] in RETURNED for row in known)
            refused = returned - ended_here
            assert refused >= 0, f"{ended_here} transfers ended at {code}, {returned} files came back"
            assert waiting + refused + len(known) == number, (
                f"{number} dropped at {code} for {partner}: {waiting} wait, {refused} were refused, "
                f"{[row['state'] for row in known]}"
            )
            for row in known:
                self._assert_agreement(site, row)

    def _assert_agreement(self, site: Site, row: dict[str, Any]) -> None:
        """What the sender's ledger says of a transfer is what the receiver's says."""
        other = next(other for other in self.pair if other.code == row["partner"])
        there = rows(
            other, "SELECT * FROM transfers WHERE direction = 'in' AND partner = ? AND id = ?", site.code, row["id"]
        )
        assert len(there) <= 1
        assert all(found["sha256"] == row["sha256"] for found in there)
        delivered = [found for found in there if found["state"] in {"delivered", "ingested"}]
        if row["state"] in ACKNOWLEDGED:
            assert delivered, f"{row['name']} is {row['state']}, and {other.code} does not have it"
        if row["state"] in RETURNED:
            assert not delivered, f"{row['name']} is {row['state']}, and {other.code} has it"

    def _site(self, code: str) -> Site:
        return next(site for site in self.pair if site.code == code)

    # -- I2

    def _assert_delivered_whole_and_once(self) -> None:
        for site in self.pair:
            known = rows(site, "SELECT * FROM transfers WHERE direction = 'in' AND state IN ('delivered', 'ingested')")
            said = Counter((row["flow"], row["partner"], row["sha256"]) for row in known)
            found = Counter(
                (path.parent.parent.name, path.parent.name, sha256(path.read_bytes()))
                for path in files_below(site.home.inbound)
                # Neither the README, nor what triage says beside a file.
                if path.parent != site.home.inbound and not path.name.endswith(ENDING)
            )
            assert found == said, f"at {site.code} lies what the ledger does not say, or the other way round"
            assert len({(row["partner"], row["id"]) for row in known}) == len(known)

    # -- I3

    def _assert_no_plaintext_elsewhere(self) -> None:
        canaries = set().union(*(file.canaries() for file in self.dropped))
        for site in self.pair:
            places = [path for path in site.home.state.iterdir() if path not in {site.home.vault, site.home.run}]
            temporary = site.home.root.parent / "temporary"
            outside = [*places, site.home.landing, site.home.config, temporary]
            assert self._quoting(canaries, files_below(*outside)) == [], f"plaintext at {site.code}"
            assert self._quoting(canaries, [site.log]) == [], f"plaintext in the log of {site.code}"
            assert self._quoting(canaries, files_below(site.home.receipts)) == [], "a receipt quotes the file"
            opened = {path.name for path in site.home.opened.iterdir()}
            waiting = rows(site, "SELECT id FROM consignments WHERE direction = 'in' AND state IN ('landed', 'opened')")
            assert opened <= {row["id"] for row in waiting}, "the vault keeps what nobody waits for"

    def _quoting(self, canaries: set[bytes], paths: Iterable[Path]) -> list[Path]:
        """The files that hold one of the canaries; what was searched before and is unchanged is searched for new ones alone."""
        found = []
        for path in paths:
            try:
                if path.is_symlink() or not path.is_file():
                    continue
                status = path.stat()
                content = path.read_bytes()
            except FileNotFoundError:
                continue  # it was being worked on
            stamp = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
            before = self._without.get(path)
            known = before.canaries if before and before.stamp == stamp else frozenset[bytes]()
            if _holds(content, canaries - known):
                found.append(path)
            else:
                self._without[path] = _Searched(stamp, frozenset(canaries | known))
        return found

    # -- I5

    def _assert_receipts(self, site: Site) -> None:
        """What ended with the partner's word has that word in evidence, sealed and signed as it came: gpg is asked again,
        once for each receipt.
        """
        ended = rows(
            site,
            "SELECT partner, consignment, group_concat(id) AS ids FROM transfers"
            " WHERE direction = 'out' AND consignment IS NOT NULL"
            " AND state IN ('receipted', 'ingested', 'rejected', 'quarantined') GROUP BY partner, consignment",
        )
        for row in ended:
            evidence = site.home.evidence / row["partner"] / f"{row['consignment']}.receipt.pgp"
            row |= {"evidence": evidence, "sha256": sha256(evidence.read_bytes())}
        self._open(site, [row for row in ended if row["sha256"] not in self._opened])
        for row in ended:
            assert set(row["ids"].split(",")) <= self._opened[row["sha256"]]

    def _open(self, site: Site, receipts: Sequence[dict[str, Any]]) -> None:
        """Note the transfers that each of these receipts tells of."""
        if not receipts:
            return
        engine = open_pgp(load(site.home))
        plain = site.home.root.parent / "receipt.json"
        try:
            for row in receipts:
                engine.open(row["evidence"], row["partner"], plain, MAX_BYTES)
                receipt = Receipt.parse(plain.read_bytes())
                plain.unlink()
                self._opened[row["sha256"]] = frozenset(item.transfer for item in receipt.items)
        finally:
            engine.close()
            plain.unlink(missing_ok=True)


def _holds(content: bytes, canaries: set[bytes]) -> bool:
    """Whether any of the canaries is in the content: the numbers are looked for all at once."""
    numbers = {canary for canary in canaries if len(canary) != _WINDOW}
    return not numbers.isdisjoint(_NUMBER.findall(content)) or any(piece in content for piece in canaries - numbers)


def _assert_custody(site: Site) -> None:
    """Custody holds exactly what has not come to its end, byte for byte; what has ended left with a receipt or came back."""
    submitted, receipts = cache(_submitted), cache(_receipts_in)
    for row in rows(site, "SELECT * FROM transfers WHERE direction = 'out'"):
        kept = site.home.custody / row["id"]
        if row["state"] in ACKNOWLEDGED:
            assert not kept.exists()
            (item,) = receipts(site.home.receipts / row["flow"] / row["partner"])[row["id"]]
            assert item["outcome"] in {"delivered", "duplicate"} | WORDS  # the back office's answer takes its place
            assert item["sha256"] == row["sha256"]
        elif row["state"] in RETURNED:
            assert not kept.exists()
            assert submitted(site.home.returned / row["flow"] / row["partner"])[row["sha256"]]
        else:
            assert sha256(kept.read_bytes()) == row["sha256"], f"custody of {row['name']}, {row['state']}"


def _receipts_in(directory: Path) -> dict[str, list[dict[str, Any]]]:
    """The items of the receipts in a directory, by transfer: of those receipts that tell of one."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for path in directory.glob("*.receipt.json"):
        items = json.loads(path.read_bytes())["items"]
        if len(items) == 1:
            found[items[0]["transfer"]] += items
    return found


# -- what the disk holds


def _caught_up(site: Site) -> bool:
    """Whether the disk is as the ledger says, and stays so for a moment."""
    before = _head(site)
    unsettled = rows(
        site,
        "SELECT id FROM transfers WHERE direction = 'out' AND (spool_file IS NOT NULL OR custody AND state IN"
        " ('receipted', 'ingested', 'rejected', 'quarantined', 'expired'))",
    )
    known = {row["id"] for row in rows(site, "SELECT id FROM transfers WHERE direction = 'out' AND custody")}
    if unsettled or {path.name for path in site.home.custody.iterdir()} != known:
        return False
    if rows(site, "SELECT id FROM transfers WHERE direction = 'in' AND state = 'opened'"):
        return False
    time.sleep(0.1)
    return bool(_head(site) == before)


def _head(site: Site) -> Any:
    return rows(site, "SELECT max(sequence) AS head FROM events")[0]["head"]


def _submitted(directory: Path) -> Counter[str]:
    """The files of a directory, by the digest of their bytes; letters are none."""
    return Counter(
        sha256(path.read_bytes())
        for path in directory.glob("*")
        if path.is_file() and not path.is_symlink() and not path.name.endswith(LETTERS)
    )
