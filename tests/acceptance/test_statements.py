"""Two real sites exchange signed statements: anybody checks them with gpg, and a chain that was made anew is contradicted.

Nobody can wait for midnight in a test: the ledgers begin with an event of the day before.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from gateway.domain.statement import FLOW, file_name, read
from gateway.ledger.chain import GENESIS, ChainEntry
from tests.acceptance.copies import copied_pair
from tests.acceptance.sites import Site, wait_until
from tests.fakes.timestamp_authority import Authority, needs_openssl, openssl, served
from tests.fakes.yesterday import begin_yesterday


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Site]]:
    """Two sites that know since yesterday that the other takes statements, and have exchanged them."""
    root = tmp_path_factory.mktemp("statements")
    with copied_pair(root / "pair") as pair, ExitStack() as stack:
        for site, other in (pair, pair[::-1]):
            begin_yesterday(site.home, other.code)
        if stamped := shutil.which("openssl") is not None:
            authority = Authority.founded(root / "tsa")
            shutil.copy(authority.root / "ca.pem", pair[0].home.timestamp_roots)
            pair[0].edit_config("audit", timestamp_url=stack.enter_context(served(authority.answer)))
        for site in pair:
            site.start()
        for site in pair:
            wait_until(partial(ended, site), 60, f"the receipt of {site.code}'s statement")
        if stamped:
            wait_until(lambda: list(pair[0].home.statements.glob("DWP/*.tsr")), 60, "the stamp")
        for site in pair:
            site.stop()
        yield pair


def ended(site: Site) -> bool:
    """Whether this site's statement was receipted."""
    return any((row["flow"], row["direction"], row["state"]) == (FLOW, "out", "receipted") for row in site.rows())


def yesterday() -> str:
    return (datetime.now(UTC) - timedelta(days=1)).date().isoformat()


def test_statement_is_checked_with_gpg_alone_and_lies_at_both_ends(pair: tuple[Site, Site], tmp_path: Path) -> None:
    home = tmp_path / "anybody"
    home.mkdir(mode=0o700)
    gpg = ["gpg", "--homedir", str(home), "--batch", "--no-autostart", "--trust-model", "always"]
    for site, other in (pair, pair[::-1]):
        (own,) = (site.home.statements / site.code).glob("*.asc")
        (kept,) = (other.home.statements / site.code).iterdir()
        assert own.read_bytes() == kept.read_bytes()
        assert other.inbound(FLOW, site.code) == {file_name(site.code, yesterday()): own.read_bytes()}
        card = json.loads(site.gateway("card").stdout)
        subprocess.run([*gpg, "--import"], input=card["openpgp"].encode(), check=True, capture_output=True)
        done = subprocess.run([*gpg, "--status-fd", "1", "--verify", str(kept)], check=True, capture_output=True)
        assert f"VALIDSIG {card['fingerprint']}" in done.stdout.decode()
        shown = site.json("audit", "statement")
        assert shown["signed"] == own.read_text()
        assert (shown["site"], shown["day"], shown["head"]["sequence"]) == (site.code, yesterday(), 1)
        assert site.gateway("audit", "statement", "--day", yesterday()).stdout == own.read_text()
        site.gateway("audit", "verify")
    today = datetime.now(UTC).date().isoformat()
    assert pair[0].gateway("audit", "statement", "--day", today, check=False).returncode == 64
    assert pair[0].gateway("audit", "statement", "--day", "2020-01-01", check=False).returncode == 65


@needs_openssl
def test_stamp_beside_a_statement_is_checked_with_openssl_alone(pair: tuple[Site, Site]) -> None:
    home = pair[0].home
    (token,) = home.statements.glob("DWP/*.tsr")
    statement = token.with_suffix(".asc")
    openssl("ts", "-verify", "-in", token, "-data", statement, "-CAfile", home.timestamp_roots)


def test_chain_that_was_made_anew_is_contradicted_by_its_partner_by_name(
    pair: tuple[Site, Site], tmp_path: Path
) -> None:
    la = pair[1]
    root = tmp_path / "site"
    shutil.copytree(pair[0].home.root, root, ignore=shutil.ignore_patterns("S.*", "*.bell"), symlinks=True)
    dwp = Site(root, "DWP", pair[0].port)
    exported = tmp_path / "heads.json"
    exported.write_text(la.gateway("audit", "heads", dwp.code, "--json").stdout)
    stated = read(next((dwp.home.statements / dwp.code).glob("*.asc")).read_bytes()).head
    told = {(row["sequence"], row["sha256"]): row for row in json.loads(exported.read_text())}
    assert told[stated.sequence, stated.sha256]["source"] == f"statement of {yesterday()}"
    assert dwp.gateway("audit", "verify", "--heads", exported).returncode == 0
    make_anew(dwp)
    alone = dwp.gateway("audit", "verify", check=False)
    assert alone.returncode == 70
    assert f"this site's statement names another event {stated.sequence}" in alone.stdout
    found = dwp.gateway("audit", "verify", "--heads", exported, "--json", check=False)
    assert found.returncode == 70
    messages = [fault["message"] for fault in json.loads(found.stdout)["faults"] if fault["check"] == "head"]
    assert f"{la.code} holds another event {stated.sequence} than our chain has" in messages


def make_anew(site: Site) -> None:
    """Another first event, and every digest after it right again."""
    with closing(sqlite3.connect(site.home.ledger)) as connection, connection:
        previous = GENESIS
        rows = connection.execute("SELECT * FROM events ORDER BY sequence").fetchall()
        for row in rows:
            entry = ChainEntry(*row)
            detail = '{"reason":"nothing to see"}' if entry.sequence == 1 else entry.detail
            entry = ChainEntry(*[*row[:7], detail, previous])
            previous = entry.digest()
            connection.execute(
                "UPDATE events SET detail = ?, previous = ?, sha256 = ? WHERE sequence = ?",
                (detail, entry.previous, previous, entry.sequence),
            )
    site.home.ledger_head.unlink()
