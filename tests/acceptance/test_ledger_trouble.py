"""A ledger that is old, damaged or locked: nothing is taken in, sent or delivered on its word, and nothing is lost."""

from __future__ import annotations

import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gateway.errors import LedgerCorrupt
from gateway.ledger.store import Ledger
from tests.acceptance.promises import Book, sha256
from tests.acceptance.reading import files_below, transfer_states
from tests.acceptance.sites import Site, claim, wait_until
from tests.conftest import Tally
from tests.fakes.two_ledgers import two_ledgers

pytestmark = pytest.mark.timeout(600)

SECONDS = 180.0
PAGE = 4096


def test_old_ledger_is_refused_before_anything_is_taken_in_sent_or_removed(
    pair: tuple[Site, Site], tmp_path: Path
) -> None:
    dwp, la = pair
    book = Book(pair)
    dwp.start()
    first, second, third = (claim(index) for index in range(3))
    book.drop(dwp, "claim", la.code, *first)
    wait_for(dwp, first[0], "sealed")
    backup(dwp, tmp_path / "last-night.sqlite3")
    book.drop(dwp, "claim", la.code, *second)
    wait_for(dwp, second[0], "sealed")
    dwp.stop()
    backup(dwp, tmp_path / "newest.sqlite3")
    restore(dwp, tmp_path / "last-night.sqlite3")
    book.drop(dwp, "claim", la.code, *third)
    before = kept(dwp)
    la.start()
    for command in (
        ["run"],
        ["run", "--role", "vault"],
        ["submit", "claim", la.code, str(tmp_path / "newest.sqlite3")],
    ):
        done = dwp.gateway(*command, check=False)
        assert done.returncode == 70, done.stderr
        assert "has written event" in done.stderr
    verdict = dwp.gateway("audit", "verify", check=False)
    assert verdict.returncode == 70
    assert "this site remembers event" in verdict.stdout + verdict.stderr
    assert kept(dwp) == before, "what the old ledger does not know is kept"
    assert la.inbound("claim", "DWP") == {}
    # The newest one is put back, and all goes its way.
    restore(dwp, tmp_path / "newest.sqlite3")
    dwp.start()
    for name, _ in (first, second, third):
        wait_for(dwp, name, "receipted")
    assert la.inbound("claim", "DWP") == dict((first, second, third))
    book.assert_promises()


@pytest.mark.torture
def test_ledger_that_is_locked_for_longer_than_anybody_waits_defers_and_loses_nothing(pair: tuple[Site, Site]) -> None:
    dwp, la = pair
    book = Book(pair)
    la.start()
    dwp.start()
    wait_until(lambda: len(dwp.events("role.started")) == 3, SECONDS, "roles that have tidied up")
    name, content = claim()
    with closing(sqlite3.connect(dwp.home.ledger, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        book.drop(dwp, "claim", la.code, name, content)
        wait_until(lambda: dwp.events("ledger.busy"), SECONDS, "the alarm")
        assert transfer_states(dwp) == {}
        assert sha256((dwp.home.outbound / "claim" / la.code / name).read_bytes()) == sha256(content)
        other.execute("ROLLBACK")
    wait_for(dwp, name, "receipted")
    assert wait_until(lambda: dwp.events("work.resumed"), SECONDS, "the word that it goes on")
    assert la.inbound("claim", "DWP") == {name: content}
    book.assert_promises()


# -- damage


def test_a_damaged_page_anywhere_in_the_ledger_is_found_before_the_gateway_starts(tmp_path: Path, tally: Tally) -> None:
    spoil_pages(tmp_path, tally, selection=8)


@pytest.mark.torture
def test_every_damaged_page_of_the_ledger_is_found_before_the_gateway_starts(tmp_path: Path, tally: Tally) -> None:
    spoil_pages(tmp_path, tally, selection=None)


def spoil_pages(root: Path, tally: Tally, selection: int | None) -> None:
    """Each page in its turn is overwritten with noise: the check that every start makes has to find it."""
    with two_ledgers(root / "sites") as both:
        for number in range(60):
            both.dwp.submit(f"{number}.xml", b"claim %d" % number)
        both.work()
        both.dwp.snapshot(root / "whole.sqlite3")
    whole = (root / "whole.sqlite3").read_bytes()
    rng = random.Random(4)
    used = [page for page in range(len(whole) // PAGE) if any(whole[page * PAGE : (page + 1) * PAGE])]
    chosen = used if selection is None else sorted(rng.sample(used, selection))
    assert_sound(root / "whole.sqlite3")
    for page in chosen:
        path = root / "damaged.sqlite3"
        path.write_bytes(whole[: page * PAGE] + rng.randbytes(PAGE) + whole[(page + 1) * PAGE :])
        with pytest.raises(LedgerCorrupt):
            assert_sound(path)
        tally("damaged ledger pages", tried=1, lost=0)
    assert chosen


def assert_sound(path: Path) -> None:
    """As `gateway run` looks at it."""
    with closing(Ledger(path, clock=lambda: 0.0, role="test")) as ledger:
        ledger.check()
        ledger.check_pages()


# -- what the tests look at


def wait_for(site: Site, name: str, state: str) -> None:
    try:
        wait_until(lambda: transfer_states(site).get(name) == state, SECONDS, f"{name} {state}")
    except AssertionError as error:
        raise AssertionError(f"{error}; the log of {site.code} ends\n{site.log_text()[-4000:]}") from None


def backup(site: Site, to: Path) -> None:
    with closing(sqlite3.connect(site.home.ledger)) as source, closing(sqlite3.connect(to)) as copy:
        source.backup(copy)


def restore(site: Site, backup: Path) -> None:
    for path in site.home.ledger.parent.iterdir():
        path.unlink()
    shutil.copy(backup, site.home.ledger)


def kept(site: Site) -> dict[str, str]:
    """All that the site is answerable for, by its place."""
    places = site.home.custody, site.home.sealed_out, site.home.outbound
    return {str(path): sha256(path.read_bytes()) for path in files_below(*places)}
