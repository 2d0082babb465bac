"""A copy of a site at work, a lost disk, and a site that goes on from the copy: docs/operators/restoring.md, by its own commands."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.acceptance.promises import Book, sha256
from tests.acceptance.reading import rows, transfer_states
from tests.acceptance.sites import ROOT, Site, claim, wait_until
from tests.conftest import Tally

pytestmark = pytest.mark.timeout(600)

SECONDS = 120.0
WHY = ("--reason", "the disk was lost, case 4711")


class Safe:
    """The recovery key, which is never on a site's machine."""

    def __init__(self, root: Path) -> None:
        self.home = root / "safe"
        self.home.mkdir(mode=0o700)
        made = ("--pinentry-mode", "loopback", "--passphrase", "", "--quick-gen-key", "Recovery <safe@example.org>")
        self.gpg(*made, "future-default", "default", "never")

    def gpg(self, *arguments: str | Path) -> bytes:
        command = ["gpg", "--homedir", self.home, "--batch", "--quiet", *arguments]
        return subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL).stdout

    def give_certificate(self, site: Site) -> None:
        (site.home.config / "recovery.asc").write_bytes(self.gpg("--armor", "--export"))
        site.edit_config("backup", recovery_key="recovery.asc")

    def open_keys(self, copy: Path) -> Path:
        keys = self.home / "keys.tar"
        keys.write_bytes(self.gpg("--decrypt", copy / "keys.tar.pgp"))
        return keys

    def close(self) -> None:
        subprocess.run(["gpgconf", "--homedir", self.home, "--kill", "all"], check=False)


@pytest.fixture
def safe(tmp_path: Path) -> Iterator[Safe]:
    made = Safe(tmp_path)
    yield made
    made.close()


def lose(site: Site) -> None:
    """The disk, and every process that worked on it."""
    die(site)
    shutil.rmtree(site.home.root)


def heads(site: Site, of: Site) -> Path:
    """What a site knows of another's chain, as it sends it there."""
    path = site.home.root.parent / f"{site.code}-knows-{of.code}.json"
    path.write_text(site.gateway("audit", "heads", of.code, "--json").stdout)
    return path


def wait_for(site: Site, name: str, state: str) -> None:
    try:
        wait_until(lambda: transfer_states(site).get(name) == state, SECONDS, f"{name} {state}")
    except AssertionError as error:
        raise AssertionError(f"{error}; the log of {site.code} ends\n{site.log_text()[-4000:]}") from None


def test_site_goes_on_from_a_copy_that_was_taken_at_work_and_gives_out_no_file_twice(
    pair: tuple[Site, Site], safe: Safe, tmp_path: Path
) -> None:
    dwp, la = pair
    book, copies = Book(pair), tmp_path / "copies"
    safe.give_certificate(la)
    la.start()
    dwp.start()
    names = []
    for index in range(6):  # each copy meets files somewhere on their way
        name, content = claim(index)
        book.drop(dwp, "claim", la.code, name, content)
        names.append(name)
        if index % 3 == 2:
            for site in pair:
                taken = site.json("backup", copies, "--keep", "2")
                assert taken["faults"] == []
                assert taken["keys"] is (site is la)
            wait_until(lambda: transfer_states(dwp).get(names[0]) == "receipted", SECONDS, "a second")
    for name in names:
        wait_for(dwp, name, "receipted")
    copy = Path(la.json("backup", copies, "--keep", "2")["path"])
    assert len(list(copies.glob(f"{la.code}-*"))) == 2
    assert not la.home.backup.exists()
    assert b"PRIVATE KEY" not in b"".join(path.read_bytes() for path in copy.rglob("*") if path.is_file())

    lose(la)
    had, new = claim(7), claim(8)
    dwp.drop("claim", la.code, *had)
    book.drop(dwp, "claim", la.code, *new)
    wait_for(dwp, had[0], "sealed")
    wait_for(dwp, new[0], "sealed")
    refused = la.gateway("restore", copies, check=False)
    assert (refused.returncode, la.home.root.exists()) == (64, False)
    back = la.json("restore", copy, "--keys", safe.open_keys(copy))
    assert (back["site"], back["faults"]) == (la.code, [])
    assert len(back["put_aside"]) == len(names)
    assert la.inbound("claim", "DWP") == {}

    # It does nothing, and nobody can make it do anything.
    for command in (("run",), ("run", "--role", "vault"), ("submit", "claim", "DWP", tmp_path / "safe" / "keys.tar")):
        stopped = la.gateway(*command, check=False)
        assert stopped.returncode == 70
        assert "put back from a copy" in stopped.stderr
    assert la.gateway("recover", *WHY, check=False).returncode == 64
    done = la.json("recover", "--heads", heads(dwp, la), *WHY)
    assert done["held"] == []
    assert la.gateway("recover", "--heads", heads(dwp, la), *WHY, check=False).returncode == 64

    # A person has fetched what the back office lacked; here, nobody had fetched anything.
    for path in back["put_aside"]:
        aside = la.home.root / path
        shutil.move(aside, la.home.inbound / aside.relative_to(la.home.spool / "restored" / "inbound"))
    la.start()
    wait_until(lambda: len(la.transfers(state="held")) == 2, SECONDS, "the files that may have been delivered")
    ids = {row["name"]: row["id"] for row in la.transfers(state="held")}
    assert ids.keys() == {had[0], new[0]}
    la.gateway("release", ids[had[0]], "--delivered", "--reason", "the back office has it, by its list")
    la.gateway("release", ids[new[0]], "--reason", "the back office does not have it")
    for name in (had[0], new[0]):
        wait_for(dwp, name, "receipted")
    assert had[0] not in la.inbound("claim", "DWP")
    assert new[0] in la.inbound("claim", "DWP")
    late = claim(9)
    book.drop(dwp, "claim", la.code, *late)
    wait_until(lambda: la.transfers(state="held"), SECONDS, "made within the leeway of clocks")
    la.gateway("release", la.transfers(state="held")[0]["id"], "--reason", "made after the loss")
    wait_for(dwp, late[0], "receipted")
    book.note(dwp, "claim", la.code, *had)
    with pytest.raises(AssertionError):
        book.assert_promises()
    book.dropped.pop()
    story = json.loads(la.gateway("audit", "verify", "--deep", "--heads", heads(dwp, la), "--json").stdout)
    assert story["faults"] == []
    assert dwp.json("audit", "verify", "--deep")["faults"] == []


def test_site_stays_stopped_where_a_partner_has_seen_more_than_the_copy_has(
    pair: tuple[Site, Site], safe: Safe, tmp_path: Path
) -> None:
    dwp, la = pair
    safe.give_certificate(dwp)
    la.start()
    dwp.start()
    first, second = claim(0), claim(1)
    dwp.drop("claim", la.code, *first)
    wait_for(dwp, first[0], "receipted")
    copy = Path(dwp.json("backup", tmp_path / "copies")["path"])
    dwp.drop("claim", la.code, *second)
    wait_for(dwp, second[0], "receipted")
    lose(dwp)
    dwp.gateway("restore", copy, "--keys", safe.open_keys(copy))
    refused = dwp.gateway("recover", "--heads", heads(la, dwp), *WHY, check=False)
    assert refused.returncode == 70
    assert "Partners know more than the copy has" in refused.stderr
    assert dwp.gateway("run", check=False).returncode == 70


def test_copy_that_was_changed_is_refused_and_no_site_is_made(pair: tuple[Site, Site], tmp_path: Path) -> None:
    dwp, _ = pair
    copy = Path(dwp.json("backup", tmp_path / "copies")["path"])
    target = Site(tmp_path / "again", "DWP", dwp.port)
    tampered = copy / "home" / "config" / "gateway.toml"
    tampered.write_bytes(tampered.read_bytes() + b"# more\n")
    refused = target.gateway("restore", copy, check=False)
    assert refused.returncode == 70
    assert "config/gateway.toml" in refused.stderr
    assert not target.home.root.exists()
    assert not list(tmp_path.glob(".init-*"))


# -- the drill


@pytest.mark.torture
@pytest.mark.parametrize("seed", range(20))
def test_machine_that_dies_under_traffic_is_restored_from_its_last_copy_and_loses_nothing(
    pair: tuple[Site, Site], safe: Safe, tmp_path: Path, tally: Tally, seed: int
) -> None:
    drill(pair, safe, tmp_path, random.Random(f"drill {seed}"), tally)


def drill(pair: tuple[Site, Site], safe: Safe, tmp_path: Path, rng: random.Random, tally: Tally) -> None:
    """The receiving machine dies at a random moment. A copy is taken of what its disk has, the disk goes, and the site goes on from
    the copy. The person who decides about what is held knows what the back office has.
    """
    dwp, la = pair
    book = Book(pair)
    safe.give_certificate(la)
    dwp.edit_config("link", receipt_overdue_hours=0.0005)
    la.start()
    dwp.start()
    files = [claim(index, seed=rng.randrange(10**6)) for index in range(12)]
    dies = rng.randrange(len(files))
    for number, (name, content) in enumerate(files):
        book.drop(dwp, "claim", la.code, name, content)
        time.sleep(rng.uniform(0, 0.4))
        if number == dies:
            die(la)
    copy = Path(la.json("backup", tmp_path / "copies")["path"])
    had = {sha256(content) for content in la.inbound("claim", "DWP").values()}
    shutil.rmtree(la.home.root)
    back = la.json("restore", copy, "--keys", safe.open_keys(copy))
    assert len(back["put_aside"]) == len(had)
    known = heads(dwp, la)
    asked = (
        ("--heads", known) if json.loads(known.read_text()) else ("--without", "DWP")
    )  # it died before its first receipt
    held = la.json("recover", *asked, *WHY)["held"]
    for path in back["put_aside"]:  # nobody had fetched them
        aside = la.home.root / path
        shutil.move(aside, la.home.inbound / aside.relative_to(la.home.spool / "restored" / "inbound"))
    assert held == [] or {each["transfer"] for each in held} == {row["id"] for row in la.transfers(state="held")}
    la.start()
    names = {name for name, _ in files}

    def decided() -> bool:
        for row in la.transfers(state="held"):
            delivered = ("--delivered",) if row["sha256"] in had else ()
            la.gateway("release", row["id"], *delivered, "--reason", "the back office's list")
        states = transfer_states(dwp)
        return all(states.get(name) == "receipted" for name in names)

    wait_until(decided, SECONDS, "an end for each file")
    tally("files of a lost machine", tried=len(files), lost=0)
    book.assert_promises()


@pytest.mark.parametrize("loses", ["DWP", "E09000030"])
def test_site_goes_on_from_an_older_copy_and_every_file_is_accounted_for(
    pair: tuple[Site, Site], safe: Safe, tmp_path: Path, tally: Tally, loses: str
) -> None:
    older_copy(pair, safe, tmp_path, random.Random(2), tally, loses, refused_answers)
    dwp, la = pair
    lost = dwp if loses == "DWP" else la
    event = lost.json("audit", "verify")["restored"][0]["event"]
    recovered = [row for row in lost.transfers() if row["created"] >= row_time(lost, event)]
    assert recovered
    for row in (recovered[0], lost.transfers()[-1]):  # across the restoration, and from before it
        out = tmp_path / f"{row['id']}.zip"
        lost.gateway("evidence", row["id"], "--out", out)
        done = subprocess.run(
            [sys.executable, ROOT / "tools" / "verify_evidence.py", out], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout


def row_time(site: Site, event: int) -> str:
    """When an event was, as rows have it."""
    return str(rows(site, f"SELECT at FROM events WHERE sequence = {event:d}")[0]["at"])  # noqa: S608 - a number


def refused_answers(lost: Site, kept: Site, answer: Path) -> None:
    """What is no whole answer of the partner's changes nothing, and the site stays where it is."""
    late, changed, mine = (answer.with_name(name) for name in ("late", "changed", "mine"))
    kept.gateway("partner", "answer", lost.code, "--since", "0s", "--out", late, *WHY)
    changed.write_bytes(answer.read_bytes()[:-9] + bytes([answer.read_bytes()[-9] ^ 1]) + answer.read_bytes()[-8:])
    mine.write_bytes(b"no answer")
    for path in (late, changed, mine):
        assert lost.gateway("recover", "--from-partners", path, *WHY, check=False).returncode == 64, path.name
    assert lost.gateway("run", check=False).returncode == 70


@pytest.mark.torture
@pytest.mark.parametrize("seed", range(20))
def test_drill_with_an_older_copy_loses_nothing_that_anybody_knows_of(
    pair: tuple[Site, Site], safe: Safe, tmp_path: Path, tally: Tally, seed: int
) -> None:
    rng = random.Random(f"older {seed}")
    older_copy(pair, safe, tmp_path, rng, tally, rng.choice(["DWP", "E09000030"]))


def older_copy(
    pair: tuple[Site, Site],
    safe: Safe,
    tmp_path: Path,
    rng: random.Random,
    tally: Tally,
    loses: str,
    before: Callable[[Site, Site, Path], None] = lambda _lost, _kept, _answer: None,
) -> None:
    """One of the two loses its disk under traffic, at a random moment after a copy. What the back office had by then it keeps; what
    the sender's operators dropped, and nobody has a trace of, they drop again.
    """
    dwp, la = pair
    lost, kept = (dwp, la) if loses == "DWP" else (la, dwp)
    safe.give_certificate(lost)
    dwp.edit_config("link", receipt_overdue_hours=0.0005)
    la.start()
    dwp.start()
    files = dict(claim(index, seed=rng.randrange(10**6)) for index in range(14))
    copied, dies = sorted(rng.sample(range(1, len(files)), 2))
    copy, had = Path(), list[bytes]()
    for number, (name, content) in enumerate(files.items()):
        dwp.drop("claim", la.code, name, content)
        time.sleep(rng.uniform(0, 0.5))
        if number == copied:
            copy = Path(lost.json("backup", tmp_path / "copies")["path"])
        if number == dies:
            die(lost)
            had = list(la.inbound("claim", "DWP").values()) if lost is la else []
            shutil.rmtree(lost.home.root)
            if lost is dwp:
                break  # nobody can drop anything there
    lost.json("restore", copy, "--keys", safe.open_keys(copy))
    answer = tmp_path / "answer"
    since = ("--since", "1h", "--out", answer, *WHY)
    wait_until(lambda: kept.gateway("partner", "answer", lost.code, *since, check=False).returncode == 0, SECONDS, "it")
    before(lost, kept, answer)
    done = lost.json("recover", "--from-partners", answer, *WHY)
    lost.start()

    def decided() -> bool:
        for row in la.transfers(state="held"):
            delivered = ("--delivered",) if row["sha256"] in {sha256(each) for each in had} else ()
            la.gateway("release", row["id"], *delivered, "--reason", "the back office's list")
        known = {row["name"]: row["state"] for row in dwp.transfers(direction="out")}
        for name in files.keys() - known.keys():
            if not (dwp.home.outbound / "claim" / la.code / name).exists():
                dwp.drop("claim", la.code, name, files[name])
        return known.keys() == files.keys() and set(known.values()) == {"receipted"}

    wait_until(decided, SECONDS, "an end for each file")
    tally("files of a lost disk and an older copy", tried=len(files), lost=0)
    there = [*had, *la.inbound("claim", "DWP").values()]
    assert sorted(map(sha256, there)) == sorted(map(sha256, files.values()))
    for site, other in ((dwp, la), (la, dwp)):
        assert site.json("audit", "verify", "--deep", "--heads", heads(other, site))["faults"] == []
    told = lost.json("audit", "verify")
    assert [each["event"] for each in told["restored"]] == [done["event"]]


def die(site: Site) -> None:
    site.stop(9)
    wait_until(lambda: not any(map(site.role, ("gateway", "inspect", "vault", "link"))), 30, "the end of all roles")
