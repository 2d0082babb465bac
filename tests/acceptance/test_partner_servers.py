"""Whole sites whose partner has an SFTP server of another make: asyncssh with habits, and ProFTPD."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.ledger.queries.failing_lanes import FEW
from tests.acceptance.large import large_laid
from tests.acceptance.promises import Book
from tests.acceptance.sites import Site, claim, wait_until
from tests.fakes.asyncssh_partner import ACCOUNT, AsyncsshPartner, Quirk, asyncssh_partner
from tests.fakes.proftpd_partner import Proftpd, needs_proftpd, proftpd_partner
from tests.fakes.sshd_site import current_account

Pair = tuple[Site, Site]
SECONDS = 90.0


def _reach_by(pair: Pair, server: AsyncsshPartner | Proftpd, account: str, host_key: str) -> None:
    """Let DWP's files to the authority go over that server, whose `in` is the authority's landing."""
    dwp, la = pair
    path = dwp.home.partners_d / f"{la.code}.toml"
    text = path.read_text(encoding="utf-8")
    for line in (f"port = {server.port}", f'user = "{account}"', f'host_key = "{host_key}"'):
        key = line.partition(" ")[0]
        text, found = re.subn(rf"(?m)^{key} = .*$", line, text)
        assert found == 1
    path.write_text(text, encoding="utf-8")
    server.drop.rmdir()
    server.drop.symlink_to(la.home.landing_in(dwp.code))


def _key_of(site: Site) -> str:
    return site.home.client_key.with_suffix(".pub").read_text(encoding="ascii").strip()


@contextmanager
def _over_asyncssh(pair: Pair, directory: Path, quirks: Sequence[Quirk]) -> Iterator[AsyncsshPartner]:
    with asyncssh_partner(directory / "server", quirks, authorized=_key_of(pair[0])) as server:
        _reach_by(pair, server, ACCOUNT, server.host_key)
        try:
            yield server
        finally:
            pair[0].stop()  # before its partner's server


def _arrive_once(pair: Pair, number: int = 3) -> None:
    """Files go over the server that is set up: each is delivered once, receipted, and leaves no `.part` behind."""
    dwp, la = pair
    book = Book(pair)
    for site in pair:
        site.start()
    names = [book.drop(dwp, "claim", la.code, *claim(index)).name for index in range(number)]
    for name in names:
        dwp.wait_for(name, "receipted", SECONDS)
    assert sorted(la.inbound("claim", dwp.code)) == sorted(names)
    assert wait_until(lambda: not list(la.home.landing_in(dwp.code).iterdir()), SECONDS, "an empty landing")
    assert dwp.gateway("status", check=False).returncode == 0
    book.assert_promises()


@pytest.mark.parametrize(
    "quirks",
    [
        [Quirk.FSYNC_UNSUPPORTED, Quirk.LONG_BANNER, Quirk.REKEYS_OFTEN],
        [Quirk.FSYNC_FAILS, Quirk.MISSING_DENIED],
        [Quirk.NO_SIZE_IN_STAT, Quirk.NO_SIZE_IN_LSTAT, Quirk.MISSING_FAILS],
    ],
    ids=" ".join,
)
def test_files_arrive_once_over_a_server_with_habits_of_its_own(
    pair: Pair, tmp_path: Path, quirks: list[Quirk]
) -> None:
    with _over_asyncssh(pair, tmp_path, quirks):
        _arrive_once(pair)
        (adapted, *_) = pair[0].events("lane.adapted")
        assert adapted["partner"] == pair[1].code


@needs_proftpd
def test_files_arrive_once_over_proftpd(pair: Pair, tmp_path: Path) -> None:
    with proftpd_partner(tmp_path / "server", authorized=_key_of(pair[0])) as server:
        _reach_by(pair, server, current_account(), server.host_key.line)
        _arrive_once(pair)


def _status(site: Site) -> tuple[int, dict[str, Any]]:
    done = site.gateway("status", "--json", check=False)
    return done.returncode, json.loads(done.stdout)


def test_lane_that_can_never_work_is_named_alarmed_once_over_a_restart_and_well_after_its_first_success(
    pair: Pair, tmp_path: Path
) -> None:
    dwp, la = pair
    with _over_asyncssh(pair, tmp_path, [Quirk.RENAME_DENIED]) as server:
        book = Book(pair)
        dwp.start()
        name = book.drop(dwp, "claim", la.code, *claim()).name
        wait_until(lambda: len(dwp.events("lane.deferred")) >= 2, SECONDS, "two failures")
        assert not dwp.events("lane.stuck")
        dwp.stop()  # what was counted so far is not forgotten
        dwp.start()
        (alarm,) = wait_until(lambda: dwp.events("lane.stuck"), SECONDS, "the alarm")
        assert (alarm["level"], alarm["partner"], alarm["code"]) == ("error", la.code, "link-remote-refused")
        assert alarm["count"] == 5
        before = len(dwp.events("lane.deferred"))
        wait_until(lambda: len(dwp.events("lane.deferred")) >= before + 3, SECONDS, "more failures")
        assert len(dwp.events("lane.stuck")) == 1, "told once a day"
        code, health = _status(dwp)
        assert code == 69
        assert not health["healthy"]
        (lane,) = health["lanes"]
        assert lane["alarm"]["failures"] > 5
        assert any(la.code in need and "(rename)" in need for need in health["needs"])
        tried = dwp.gateway("partner", "test", la.code, check=False)
        assert tried.returncode == 69
        assert "failed" in tried.stdout
        assert "times in a row" in tried.stderr
        doctor = dwp.gateway("doctor", "--links", check=False)
        assert doctor.returncode != 0
        assert "would fail: rename" in doctor.stdout
        assert ".." not in tried.stderr
        assert tried.stderr.count("Check `path`") == 1, "one fault, one remedy"
        landing = la.home.landing_in(dwp.code)  # but for the attempt of this moment
        wait_until(lambda: not list(landing.iterdir()), SECONDS, "what uploads and trials put there is gone")
        server.quirks.clear()
        la.start()
        dwp.wait_for(name, "receipted", SECONDS)
        wait_until(lambda: dwp.events("lane.recovered"), SECONDS, "the recovery")
        code, health = _status(dwp)
        assert (code, health["lanes"][0]["alarm"]) == (0, None)
        book.assert_promises()


def test_scanner_that_takes_every_upload_gets_few_copies_and_is_named(pair: Pair, tmp_path: Path) -> None:
    dwp, la = pair
    dwp.edit_config("link", retry_base_seconds=0.2, retry_cap_seconds=600.0)
    with _over_asyncssh(pair, tmp_path, [Quirk.SCANNER_TAKES_PARTS]) as server:
        dwp.start()
        dwp.drop("claim", la.code, *claim())
        (alarm,) = wait_until(lambda: dwp.events("lane.stuck"), SECONDS, "the alarm")
        assert (alarm["code"], alarm["count"]) == ("link-upload-vanished", FEW)
        code, health = _status(dwp)
        assert code == 69
        assert health["lanes"][0]["code"] == "link-upload-vanished"
        assert health["lanes"][0]["next_try"] > alarm["timestamp"]
        assert len(server.taken("scanned")) == FEW
        tried = dwp.gateway("partner", "test", la.code, check=False)
        assert tried.returncode == 69
        assert "before they are renamed.\n" in tried.stderr
        assert ".." not in tried.stderr


def test_account_that_prints_before_sftp_is_named(pair: Pair, tmp_path: Path) -> None:
    dwp, la = pair
    with _over_asyncssh(pair, tmp_path, [Quirk.GREETS]):
        dwp.start()
        dwp.drop("claim", la.code, *claim())
        wait_until(lambda: dwp.events("lane.stuck"), SECONDS, "the alarm")
        code, health = _status(dwp)
        assert (code, health["lanes"][0]["code"]) == (69, "link-greeting")
        tried = dwp.gateway("partner", "test", la.code, check=False)
        assert tried.returncode == 75
        assert "prints text" in tried.stderr


def test_large_file_that_fails_again_and_again_is_named_though_the_small_ones_get_through(
    pair: Pair, tmp_path: Path
) -> None:
    dwp, la = pair
    with _over_asyncssh(pair, tmp_path, [Quirk.LARGE_FAILS]):
        for site in pair:
            site.start()
        name, content = claim()
        dwp.drop("claim", la.code, name, content)
        dwp.drop("laid", la.code, *large_laid(la.code))
        dwp.wait_for(name, "receipted", SECONDS)
        wait_until(lambda: dwp.events("lane.stuck"), SECONDS, "the alarm")
        code, health = _status(dwp)
        assert code == 69
        assert any("has a file that failed" in need for need in health["needs"])
