"""Nothing personal outside spool and vault: three sites exchange every flow, good files and bad, and everything is searched.

The people in the files have names, homes, numbers and accounts that occur nowhere else. They are looked for in what lies on
disk, in what was logged and printed, in what the kernel shows of every process, and in the memory of those processes that
must never have seen a file's content.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.cli import main
from gateway.daemon.lock import holder
from gateway.demo import sites as demo_sites
from gateway.demo.loop import close_the_loop
from gateway.demo.play import play
from gateway.demo.script import Act, Ending, acts
from gateway.demo.sites import AUTHORITIES, DWP, DemoSite
from gateway.sample.catalog import samplers
from tests.acceptance import canaries
from tests.acceptance.canaries import PEOPLE, SOUGHT, Processes, Search
from tests.acceptance.reading import files_below

NAMED = "QQ546372D"
"""The number in a file's name: the name is the operator's, and stands in the ledger; the logs mask it."""
_DEFECTS = 1
"""How many defective files of each flow are sent."""
_SECONDS = 300.0


@dataclass
class Printed:
    """What one command printed, and its exit status."""

    command: str
    text: str
    status: int


@pytest.mark.timeout(900)  # three sites start in a minute on an idle machine, and in several on a busy one
def test_nothing_personal_is_found_outside_spool_and_vault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    canaries.people(monkeypatch)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    search, names = Search(), Search({"file's name": NAMED})
    makers, today = samplers(), datetime.now(UTC).date()
    script = list(_selection(list(acts(makers, today))))
    began = time.time()
    with Processes(search) as processes, _running(tmp_path / "sites") as sites:
        results = play(script, sites, lambda _done, _total: None, _SECONDS)
        results += close_the_loop(makers, sites, today, _SECONDS)
        assert [result for result in results if not result.as_expected] == []
        assert {result.flow for result in results} == set(makers)
        loop = json.loads(demo_sites.gateway("referrals", "--json", home=sites[0].home.root))["totals"]
        assert loop["answered"] > loop["outstanding"] > 0
        # Extracts with an odd value travel too, and answer what nobody asked; nothing else does.
        odd = [act for act in script if act.flow == "extract" and act.ending is Ending.WITH_EXCEPTIONS]
        assert (loop["answers_unasked"] > 0) is bool(odd)
        held = {f"memory of {role} at {site.code}": here for site in sites for role, here in _memories(site)}
        printed = [*_views(sites, script, capfd), *_mistakes(sites, script, capfd)]

    # The search finds them where they may be: in what was delivered, and in what came back.
    everywhere = set().union(*search.in_files(files_below(*(site.home.spool for site in sites))).values())
    assert {told.partition(",")[0] for told in everywhere} >= set(SOUGHT)

    found = search.in_files(_outside(sites, temporary, began))
    found |= search.in_files(path for site in sites for path in _letters(site))
    found |= {f"ledger of {site.code}": here for site in sites if (here := search.found(_columns(site)))}
    found |= {each.command: here for each in printed if (here := search.found(each.text.encode()))}
    found |= {where: here for where, here in held.items() if here}
    assert found | processes.found == {}
    assert names.in_files(site.log for site in sites) == {}
    assert any(NAMED in each.text for each in printed), "the file with a number in its name was not there"

    # And it looked where it should.
    assert processes.looks > 20
    assert {"gpg", "sshd"} <= processes.programs
    assert len(held) == 2 * len(sites) or os.geteuid() != 0
    assert all(list(site.home.vault.rglob("*.*")) == [] for site in sites), "the vault keeps what nobody waits for"


# -- the run


def _selection(script: Sequence[Act]) -> Iterator[Act]:
    """The first good file of each flow on each road, a few of the bad ones, and the one that a person releases."""
    roads: set[tuple[str, str, str]] = set()
    bad = dict.fromkeys(((act.flow, act.ending) for act in script), 0)
    for act in script:
        road = (act.flow, act.sender, act.recipient)
        if act.ending is Ending.DELIVERED and road not in roads:
            roads.add(road)
            yield act
        elif act.ending in (Ending.RETURNED, Ending.WITH_EXCEPTIONS) and bad[act.flow, act.ending] < _DEFECTS:
            bad[act.flow, act.ending] += 1
            yield act
        elif act.ending is Ending.RELEASED:
            yield act
    claim = next(act for act in script if act.flow == "claim" and act.recipient == AUTHORITIES[1])
    named = replace(claim.sample, name=f"claims for {NAMED}.xml", content=_of_another_message(claim.sample.content))
    yield replace(claim, sample=named)


def _of_another_message(content: bytes) -> bytes:
    """The same claim in a message of its own, or it would be taken for a duplicate."""
    start = content.index(b"<MessageId>") + len(b"<MessageId>")
    end = content.index(b"<", start)
    return content[: end - 4] + b"0000" + content[end:]


@contextmanager
def _running(root: Path) -> Iterator[list[DemoSite]]:
    sites = demo_sites.start(demo_sites.make_sites(root))
    try:
        demo_sites.wait_until_ready(sites, _SECONDS)
        yield sites
    finally:
        demo_sites.stop(sites)


def _memories(site: DemoSite) -> Iterator[tuple[str, set[str]]]:
    """Of the processes that never see a file's content: the one that talks to the network, and the supervisor."""
    assert site.daemon is not None
    link = holder(site.home.run, "link")
    assert link is not None
    with suppress(PermissionError):  # not everybody may look into another process
        yield "link", canaries.in_memory(link)
        yield "supervisor", canaries.in_memory(site.daemon.pid)


# -- what people read


def _views(sites: Sequence[DemoSite], script: Sequence[Act], capfd: pytest.CaptureFixture[str]) -> Iterator[Printed]:
    """Everything that a person can ask for, as a table and as data."""
    for site in sites:
        ids = [row[0] for row in _ask(site, "SELECT id FROM transfers")]
        partner = AUTHORITIES[0] if site.code == DWP else DWP
        questions: list[tuple[str, ...]] = [
            *((name,) for name in ("transfers", "status", "inbound", "referrals", "calendar", "doctor")),
            *(("quarantine", "list"), ("partner", "list"), ("audit", "verify"), ("config", "check"), ("card",)),
            *(("show", str(identity)) for identity in ids),
            *(("extract", "exceptions", str(identity)) for identity in ids),
            ("partner", "test", partner),
        ]
        for question in questions:
            yield _run(site, capfd, *question)
            if question[0] not in {"card", "config"}:
                yield _run(site, capfd, *question, "--json")
    for act in script:
        if act.flow == "extract" and act.ending is Ending.DELIVERED:
            dwp = next(site for site in sites if site.code == DWP)
            yield _run(dwp, capfd, "extract", "summary", str(dwp.home.inbound / act.flow / act.sender / act.name))


def _mistakes(sites: Sequence[DemoSite], script: Sequence[Act], capfd: pytest.CaptureFixture[str]) -> Iterator[Printed]:
    """What is said of every file that came back, and of commands that go wrong."""
    homes = {site.code: site for site in sites}
    for act in script:
        site = homes[act.sender]
        returned = site.home.returned / act.flow / act.recipient / act.name
        if act.ending is Ending.RETURNED and returned.is_file():
            for extra in ((), ("--json",)):
                done = _run(site, capfd, "validate", act.flow, str(returned), *extra)
                yield done
            yield _run(site, capfd, "submit", "nothing", act.recipient, str(returned))
    for site in sites:
        yield _run(site, capfd, "show", "0")
        yield _run(site, capfd, "partner", "add", str(next(files_below(site.home.inbound))))


def _run(site: DemoSite, capfd: pytest.CaptureFixture[str], *arguments: str) -> Printed:
    capfd.readouterr()
    status = main(["--home", str(site.home.root), *arguments])
    printed = capfd.readouterr()
    assert status != 70, f"gateway {arguments}: {printed.err}"
    return Printed(f"gateway {' '.join(arguments)} at {site.code}", printed.out + printed.err, status)


# -- where it is searched


def _outside(sites: Sequence[DemoSite], temporary: Path, began: float) -> Iterator[Path]:
    """Every file of the sites but those in the spool and in the vault, and whatever is new where temporary files lie."""
    for site in sites:
        unpacked = site.home.root / "unpacked"  # where an officer asked for it
        for path in files_below(site.home.root):
            if not any(path.is_relative_to(place) for place in (site.home.spool, site.home.vault, unpacked)):
                yield path
    yield from files_below(temporary)
    for place in (Path("/tmp"), Path("/var/tmp"), Path("/dev/shm")):
        for path in place.iterdir():
            with suppress(OSError):
                if path.lstat().st_mtime >= began and path.is_file():
                    yield path


def _letters(site: DemoSite) -> Iterator[Path]:
    """What the gateway itself writes into the spool."""
    for path in files_below(site.home.spool):
        if path.name.endswith((".why.txt", ".receipt.json")):
            yield path


def _columns(site: DemoSite) -> bytes:
    """Every value of every table: a value may lie in two pages of the file."""
    tables = [row[0] for row in _ask(site, "SELECT name FROM sqlite_master WHERE type = 'table'")]
    values = [str(value) for table in tables for row in _ask(site, f'SELECT * FROM "{table}"') for value in row]  # noqa: S608 - names of our own tables
    assert len(values) > 1000
    return "\n".join(values).encode()


def _ask(site: DemoSite, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(f"file:{site.home.ledger}?mode=ro", uri=True, timeout=10)) as connection:
        return list(connection.execute(query))


# -- the search itself


def _planted() -> Mapping[str, tuple[str, bytes]]:
    """Each form of each canary in the middle of other octets."""
    noise = bytes(range(256))
    return {
        f"{what}, {form}": (what, noise + needle + noise)
        for what, text in SOUGHT.items()
        for form, needle in canaries.forms(text)
    }


def test_each_form_of_each_canary_is_found_in_the_open_and_compressed() -> None:
    search = Search()
    assert search.found(bytes(range(256)) * 50 + " ".join(PEOPLE).encode()) == set()
    for told, (what, data) in _planted().items():
        assert any(each.startswith(what) for each in search.found(data)), told
    for name, data in canaries.squeezed(b"-" * 100 + SOUGHT["family name"].encode()).items():
        assert any("compressed" in each for each in search.found(b"before " + data + b" after")), name


def test_a_canary_planted_where_it_may_not_be_is_found_there(tmp_path: Path) -> None:
    search = Search()
    number = SOUGHT["number A"]
    (tmp_path / "log").write_bytes(b'{"reason": "no such person: ' + number.encode() + b'"}\n')
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite3")) as ledger:
        ledger.executescript("PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0; CREATE TABLE t (c TEXT)")
        ledger.execute("INSERT INTO t VALUES (?)", (PEOPLE["passphrase"],))
        ledger.commit()
        found = search.in_files(files_below(tmp_path))
    assert {Path(path).name for path in found} == {"log", "ledger.sqlite3-wal"}
    (tmp_path / f"{number}.tmp").touch()
    assert str(tmp_path / f"{number}.tmp") in search.in_files(files_below(tmp_path))


def test_a_canary_on_a_command_line_or_in_memory_is_found(tmp_path: Path) -> None:
    processes = Processes(Search())
    script = "import sys; kept = sys.stdin.readline(); print(flush=True); sys.stdin.readline()"
    child = subprocess.Popen(
        [sys.executable, "-c", script, "--employer", PEOPLE["passphrase"]],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(f"{PEOPLE['street']}\n")
        child.stdin.flush()
        child.stdout.readline()
        processes.look()
        assert f"{child.pid}/cmdline" in processes.found
        assert canaries.in_memory(child.pid) == {"street", "passphrase"}
    finally:
        child.kill()
        child.communicate()
