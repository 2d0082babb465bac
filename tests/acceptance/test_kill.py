"""kill -9 of anything, at any moment, at both sites while files travel both ways; then it runs on, to the same end.

Moments and victims are drawn from a seed. What "the same end" means is in `same_end`: every file delivered once, byte for
byte, and receipted; nothing left in the vaults, in the queues or in quarantine; promises I1 to I5 held.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from datetime import date
from functools import partial
from pathlib import Path

import pytest

from gateway.sample.extract import ExtractSampler
from gateway.sample.laid import LaidSampler
from gateway.settings.resources import resource
from tests.acceptance import sites
from tests.acceptance.promises import Book
from tests.acceptance.reading import files_below, rows
from tests.acceptance.sites import Site, claim, wait_until
from tests.fakes.forger import place

ROLES = ("inspect", "vault", "link")
SECONDS = 100.0
"""How long all files may take once nobody kills any more: a role that died often waits before it starts again."""

TODAY = date(2026, 11, 22)
Pair = tuple[Site, Site]


class Traffic:
    """Files for both directions, dropped a few at a time: claims and documents to the authority, extracts to DWP."""

    def __init__(self, pair: Pair, seed: int, claims: int, others: int = 2) -> None:
        self.book = Book(pair)
        self._dwp, self._la = pair
        self._claims = [(self._dwp, "claim", self._la.code, *claim(index, seed=seed)) for index in range(claims)]
        self._others = [self._other(index, seed) for index in range(others)]

    def _other(self, index: int, seed: int) -> tuple[Site, str, str, str, bytes]:
        if index % 2:
            extract = ExtractSampler(resource("schemas"), rows=40).make(
                sender=self._la.code, recipient="DWP", index=index, random=random.Random(seed), today=TODAY
            )
            return self._la, "extract", "DWP", extract.name, extract.content
        laid = LaidSampler().make(
            sender="DWP", recipient=self._la.code, index=index, random=random.Random(seed), today=TODAY
        )
        return self._dwp, "laid", self._la.code, laid.name, laid.content

    def drop(self, count: int) -> bool:
        """Drop so many more claims and one of the others; whether there are any left."""
        for file in (*self._claims[:count], *self._others[:1]):
            self.book.drop(*file)
        del self._claims[:count], self._others[:1]
        return bool(self._claims or self._others)


def moved(pair: Pair) -> int:
    """How far the work has come: something that grows with every step of either site."""
    return sum(rows(site, "SELECT coalesce(max(sequence), 0) AS head FROM events")[0]["head"] for site in pair)


def after_some_work(pair: Pair, rng: random.Random) -> None:
    """Wait until a few more steps are done, and then a moment, so that the next step is hit in its middle."""
    start = moved(pair)
    steps = rng.randint(1, 12)
    deadline = time.monotonic() + 6
    while moved(pair) < start + steps and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(rng.uniform(0, 0.06))


def receipted(pair: Pair) -> int:
    """How many transfers of both sites have their receipt."""
    return sum(
        int(rows(site, "SELECT count(*) AS n FROM transfers WHERE state = 'receipted'")[0]["n"]) for site in pair
    )


def same_end(pair: Pair, book: Book) -> None:
    """Everything has arrived once and is receipted, and nothing else is left anywhere."""
    number = len(book.dropped)

    try:
        wait_until(lambda: receipted(pair) == number, SECONDS, "the last receipt")
        wait_until(lambda: not leftovers(pair), 90, "tidy sites")
    except AssertionError as error:
        raise AssertionError(f"{error}: {account(pair)}") from None
    for site in pair:
        for flow, partner in {(file.flow, file.site.code) for file in book.dropped if file.partner == site.code}:
            dropped = {
                file.name: file.content for file in book.dropped if (file.flow, file.partner) == (flow, site.code)
            }
            assert site.inbound(flow, partner) == dropped
    book.assert_promises()
    assert not leftovers(pair)


def leftovers(pair: Pair) -> list[Path]:
    """Files in places that are empty when all work is done. A partner cannot remove its `.part` files: they stay a day."""
    found: list[Path] = []
    for site in pair:
        home = site.home
        places = (home.custody, home.opened, home.sealed_in, home.sealed_out, home.quarantine, home.landing)
        found += [path for path in files_below(*places) if path.suffix != ".part" or home.landing not in path.parents]
        found += [path for path in files_below(home.outbound) if path.name != "README.md"]
    return found


def account(pair: Pair) -> str:
    """What is unfinished, for whoever reads a failure."""
    said = [f"left over: {[str(path) for path in leftovers(pair)]}"]
    for site in pair:
        for table in ("transfers", "consignments", "receipts"):
            found = rows(site, f"SELECT direction, state, code, count(*) AS n FROM {table} GROUP BY 1, 2, 3")  # noqa: S608 - our own names
            said.append(f"{site.code} {table}: {[tuple(row.values()) for row in found]}")
        said.append(site.log_text()[-1500:])
    return "\n".join(said)


def kill_everything(site: Site) -> None:
    """kill -9 of the supervisor, the roles and the SFTP server's guard, as a power cut would do it to processes."""
    assert site.daemon is not None
    victims = [site.daemon.pid, *children(site.daemon.pid)]
    for pid in victims:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    site.daemon.wait()
    site.daemon = None


def children(parent: int) -> list[int]:
    """The processes that a process started, and those that these started."""
    found: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
            except OSError:
                continue  # it has ended
            found[int(entry.name)] = int(fields[1])
    family = [parent]
    for pid in family:
        family += [child for child, its_parent in found.items() if its_parent == pid]
    return family[1:]


def have_ended(processes: list[int]) -> bool:
    return not any(Path(f"/proc/{pid}").exists() for pid in processes)


def process_with(*words: str) -> int | None:
    """The process whose command line has all these arguments."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if all(os.fsencode(word) in command for word in words):
                return int(entry.name)
    return None


# -- the roles, under their supervisor


@pytest.mark.torture
def test_roles_killed_at_random_moments_at_both_sites_come_to_the_same_end(pair: Pair) -> None:
    rng = random.Random(1)
    traffic = Traffic(pair, seed=1, claims=90)
    for site in pair:
        site.start()
    victims = [(site, role) for site in pair for role in ROLES] * 2
    rng.shuffle(victims)
    for site, role in victims:
        traffic.drop(7)
        after_some_work(pair, rng)
        site.kill(role)
    while traffic.drop(7):
        pass
    same_end(pair, traffic.book)
    for site in pair:
        died = [event["reason"].split()[0] for event in site.events("role.died")]
        assert sorted(died) == sorted(list(ROLES) * 2)
        assert len(site.events("role.restarted")) == 6
        assert site.stop() == 0


@pytest.mark.torture
@pytest.mark.parametrize(("role", "places"), [("inspect", 2), ("vault", 1)])
def test_role_killed_three_times_in_the_same_batch_holds_no_innocent_file(pair: Pair, role: str, places: int) -> None:
    traffic = Traffic(pair, seed=7, claims=60, others=0)
    while traffic.drop(60):
        pass
    for site in pair:
        site.start()
    rng = random.Random(role)
    for _ in range(3):
        for site in pair[-places:]:
            after_some_work(pair, rng)
            site.kill(role)
    same_end(pair, traffic.book)
    for site in pair:
        assert site.events("transfer.held") == []
        assert site.events("consignment.held") == []
        # A vault that finds nothing more to do ends its killed predecessor's key agent all the same.
        wait_until(partial(site.role, "vault"), 90, "the last vault")
        assert site.stop() == 0
        assert process_with("gpg-agent", str(site.home.keyrings / "own")) is None


# -- the supervisor, and all at once


def test_killed_supervisor_takes_its_roles_and_its_server_along_and_the_next_run_finishes_the_work(pair: Pair) -> None:
    rng = random.Random(11)
    traffic = Traffic(pair, seed=11, claims=60)
    for site in pair:
        site.start()
    for site in pair:
        traffic.drop(15)
        after_some_work(pair, rng)
        assert site.daemon is not None
        family = children(site.daemon.pid)
        assert len(family) >= 4
        site.daemon.kill()
        site.daemon.wait()
        site.daemon = None
        # Started again at once, while the roles of the killed one are still finishing what they have in hand.
        site.start()
        wait_until(partial(have_ended, family), 90, "their end")
    while traffic.drop(15):
        pass
    same_end(pair, traffic.book)
    for site in pair:
        assert site.stop() == 0


def test_everything_killed_at_once_at_both_sites_again_and_again_comes_to_the_same_end(pair: Pair) -> None:
    rng = random.Random(13)
    traffic = Traffic(pair, seed=13, claims=100)
    for _ in range(2):
        for site in pair:
            site.start()
        traffic.drop(25)
        after_some_work(pair, rng)
        traffic.drop(5)
        after_some_work(pair, rng)
        for site in pair:
            kill_everything(site)
    for site in pair:
        site.start()
    while traffic.drop(25):
        pass
    same_end(pair, traffic.book)


# -- roles as systemd runs them, one process each


class Alone:
    """A role that runs by itself, and is started again by hand."""

    def __init__(self, site: Site, role: str) -> None:
        self.site = site
        self.role = role
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [
            sys.executable,
            "-P",
            "-m",
            "gateway",
            "--home",
            str(self.site.home.root),
            "run",
            "--role",
            self.role,
        ]
        with self.site.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=sites.ENVIRONMENT
            )
        pid = self.process.pid
        wait_until(lambda: self.site.role(self.role) == pid, 90, f"the start of {self.role}")

    def end(self, number: signal.Signals) -> int:
        process, self.process = self.process, None
        if process is None:
            return 0
        process.send_signal(number)
        return process.wait(20)


def carry_all(pair: Pair) -> None:
    """Take the sealed files that wait in either site's `out` to the other's `in`, as a person with a stick would."""
    for site, other in (pair, pair[::-1]):
        for path in sorted(site.home.landing_out(other.code).glob("*.pgp")):
            place(other.home.landing_in(site.code), path.name, path.read_bytes())
            path.unlink()


@pytest.mark.torture
def test_roles_run_one_by_one_are_killed_and_started_again_while_files_are_carried_by_hand(pair: Pair) -> None:
    for site, other in (pair, pair[::-1]):
        path = site.home.partners_d / f"{other.code}.toml"
        path.write_text(path.read_text().replace('link = "push"', 'link = "none"'))
    rng = random.Random(17)
    traffic = Traffic(pair, seed=17, claims=60)
    processes = [Alone(site, role) for site in pair for role in ROLES]
    with ExitStack() as stack:
        for alone in processes:
            alone.start()
            stack.callback(alone.end, signal.SIGKILL)
        victims = list(processes)
        rng.shuffle(victims)
        for alone in victims:
            traffic.drop(8)
            after_some_work(pair, rng)
            carry_all(pair)
            alone.end(signal.SIGKILL)
            alone.start()
        while traffic.drop(8):
            pass

        def all_receipted() -> bool:
            carry_all(pair)
            return receipted(pair) == len(traffic.book.dropped)

        try:
            wait_until(all_receipted, SECONDS, "the last receipt")
        except AssertionError as error:
            raise AssertionError(f"{error}: {account(pair)}") from None
        same_end(pair, traffic.book)
        assert [alone.end(signal.SIGTERM) for alone in processes] == [0] * 6


# -- what the roles lean on


def test_killed_key_agents_and_sftp_servers_come_back_and_nothing_is_lost(pair: Pair) -> None:
    rng = random.Random(19)
    traffic = Traffic(pair, seed=19, claims=60)
    for site in pair:
        site.start()
    for site in pair:
        traffic.drop(10)
        own = str(site.home.keyrings / "own")
        agent = wait_until(partial(process_with, "gpg-agent", own), 90, "an agent")
        after_some_work(pair, rng)
        os.kill(agent, signal.SIGKILL)
        traffic.drop(10)
        after_some_work(pair, rng)
        server = wait_until(partial(server_of, site), 90, "an SFTP server")
        os.kill(server, signal.SIGKILL)
        wait_until(partial(server_after, site, server), 90, "its successor")
    while traffic.drop(10):
        pass
    same_end(pair, traffic.book)
    for site in pair:
        assert len(site.events("server.stopped")) == 1
        assert len(site.events("server.started")) == 2
        assert site.stop() == 0
        assert process_with("gpg-agent", str(site.home.keyrings / "own")) is None


def server_of(site: Site) -> int | None:
    """The site's sshd, while it runs."""
    try:
        pid = int((site.home.sshd / "sshd.pid").read_text())
    except (OSError, ValueError):
        return None
    return pid if Path(f"/proc/{pid}").exists() else None


def server_after(site: Site, old: int) -> bool:
    return server_of(site) not in {None, old}
