"""When the partner is in trouble: away, changed, full, expired, cut off. Nothing is lost, and it goes on by itself."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from gateway.assembly.stores import key_store
from gateway.sample.extract import ExtractSampler
from gateway.sample.laid import LaidSampler
from gateway.settings.resources import resource
from gateway.transport.keys import make_key_pair
from tests.acceptance.copies import set_port
from tests.acceptance.promises import Book
from tests.acceptance.reading import rows
from tests.acceptance.sites import Site, claim, introduce, wait_until
from tests.fakes.openpgp import StockGpg
from tests.fakes.proxy import Faults, spoiling_proxy

SECONDS = 90.0
"""How long anything may take here: a busy machine is slow, and a good one never waits."""

_GETS_THROUGH = 20_000
"""Bytes after which a spoilt connection is cut or stalls: the login takes fewer, the file more."""


def test_file_for_a_partner_that_is_down_waits_and_is_delivered_once_when_it_is_up(pair: tuple[Site, Site]) -> None:
    dwp, la = pair
    book = Book(pair)
    dwp.start()
    name, content = claim()
    book.drop(dwp, "claim", la.code, name, content)
    _wait_for_lane(dwp, la, "link-unreachable")
    lane = wait_until(lambda: _lane_in_status(dwp, la, next_try=True), SECONDS, "a lane that waits for its next try")
    assert (lane["state"], lane["code"]) == ("deferred", "link-unreachable")
    assert {event["level"] for event in dwp.events("lane.deferred")} == {"warning"}
    book.assert_promises()
    la.start()
    _wait_for(dwp, name, "receipted")
    wait_until(lambda: _lane(dwp, la)["code"] is None, SECONDS, "the lane's recovery")
    assert dwp.events("lane.recovered")
    # Away once more, with a session still open on our side.
    la.stop()
    again, other = claim(1)
    book.drop(dwp, "claim", la.code, again, other)
    wait_until(lambda: _lane(dwp, la)["failures"], SECONDS, "a failure of the lane")
    la.start()
    _wait_for(dwp, again, "receipted")
    assert la.inbound("claim", "DWP") == {name: content, again: other}
    assert len(la.events("consignment.landed")) == 2
    book.assert_promises()


def test_changed_host_key_gets_no_byte_of_us_until_a_person_releases_the_lane(pair: tuple[Site, Site]) -> None:
    dwp, la = pair
    book = Book(pair)
    for path in (la.home.host_key, la.home.host_key.with_suffix(".pub")):
        path.unlink()
    make_key_pair(la.home.host_key)
    la.start()
    with spoiling_proxy(la.port) as proxy:
        set_port(dwp, la.code, proxy.port)
        dwp.start()
        name, content = claim()
        book.drop(dwp, "claim", la.code, name, content)
        wait_until(lambda: _lane(dwp, la)["held"], SECONDS, "the hold of the lane")
        tried = proxy.connections
        (alarm,) = dwp.events("lane.held")
        assert (alarm["level"], alarm["code"], alarm["partner"]) == ("error", "link-host-key", la.code)
        assert not la.events("logon.accepted")
        assert list(la.home.landing_in("DWP").iterdir()) == []
        assert _lane_in_status(dwp, la)["state"] == "held"
        assert proxy.connections == tried, "time alone opens no lane that is held"
        dwp.gateway("release", la.code, "--reason", "without looking")
        wait_until(lambda: len(dwp.events("lane.held")) == 2, SECONDS, "the second hold")
        assert list(la.home.landing_in("DWP").iterdir()) == []
        book.assert_promises()
    introduce(dwp, la)
    assert dwp.daemon is not None
    dwp.daemon.send_signal(signal.SIGHUP)
    wait_until(lambda: dwp.events("gateway.reloaded"), SECONDS, "the reload")
    assert _lane(dwp, la)["held"], "a new card alone lets nothing go"
    dwp.gateway("release", la.code, "--reason", "new host key confirmed by telephone")
    _wait_for(dwp, name, "receipted")
    assert la.inbound("claim", "DWP") == {name: content}
    book.assert_promises()


def test_full_disk_at_the_partner_defers_and_work_resumes_when_space_comes_back(pair: tuple[Site, Site]) -> None:
    dwp, la = pair
    book = Book(pair)
    landing = la.home.landing_in("DWP")
    with _small_disk(landing, 192 * 1024):
        filler = landing / "filler.part"
        # All but a page or two: the sealed file does not fit, its name does.
        filler.write_bytes(bytes(shutil.disk_usage(landing).free - 4096))
        la.start()
        dwp.start()
        names = []
        for index in range(3):
            name, content = claim(index)
            book.drop(dwp, "claim", la.code, name, content)
            names.append(name)
        _wait_for_lane(dwp, la, "link-remote-full")
        assert [path.name for path in landing.iterdir() if not path.name.endswith(".part")] == []
        assert la.inbound("claim", "DWP") == {}
        book.assert_promises()
        filler.unlink()
        for name in names:
            _wait_for(dwp, name, "receipted")
        assert set(la.inbound("claim", "DWP")) == set(names)
        book.assert_promises()
        la.stop()


def test_partner_with_another_openpgp_key_than_the_pinned_one_delivers_nothing_either_way(
    pair: tuple[Site, Site], tmp_path: Path
) -> None:
    dwp, la = pair
    book = Book(pair)
    fresh = key_store(tmp_path / "fresh").create_own("Somebody Else <gateway@example.invalid>", 30)
    shutil.rmtree(la.home.keyrings / "own")
    (tmp_path / "fresh" / "own").rename(la.home.keyrings / "own")
    la.edit_config("openpgp", fingerprint=fresh.fingerprint)
    dwp.start()
    la.start()
    name, content = claim()
    book.drop(dwp, "claim", la.code, name, content)
    extract, table = _extract(la.code)
    book.drop(la, "extract", "DWP", extract, table)
    assert _wait_for_quarantine(la)["code"] == "envelope-recipient"
    assert _wait_for_quarantine(dwp)["code"] == "signer-unknown"
    for site in pair:
        (alarm,) = site.events("consignment.quarantined")
        assert alarm["level"] == "error"
        (locked,) = site.json("quarantine", "list")
        assert (locked["consignment"], locked["code"]) == (alarm["consignment"], alarm["code"])
    assert la.inbound("claim", "DWP") == {}
    assert dwp.inbound("extract", la.code) == {}
    # Nobody answered, so both still answer for their files.
    assert _states(dwp, "out") == _states(la, "out") == ["sent"]
    book.assert_promises()


def test_keyring_that_does_not_hold_the_pinned_key_defers_sealing(pair: tuple[Site, Site], tmp_path: Path) -> None:
    dwp, la = pair
    book = Book(pair)
    dwp.start()  # a start on such a ring would stop the partner
    ring = dwp.home.keyrings / "partners" / f"{la.code}.kbx"
    kept = ring.rename(tmp_path / "kept.kbx")
    store = key_store(tmp_path / "other")
    store.create_own("Somebody Else <gateway@example.invalid>", 30)
    key_store(dwp.home.keyrings).pin(la.code, store.export_own())
    name, content = claim()
    book.drop(dwp, "claim", la.code, name, content)
    _wait_for_deferred_consignment(dwp, "crypto-partner-key")
    assert list(dwp.home.sealed_out.rglob("*.pgp")) == []
    book.assert_promises()
    kept.replace(ring)
    la.start()
    _wait_for(dwp, name, "receipted")
    assert la.inbound("claim", "DWP") == {name: content}
    book.assert_promises()


def test_expired_key_of_a_partner_defers_sealing_and_refuses_what_it_signed(
    pair: tuple[Site, Site], tmp_path: Path
) -> None:
    dwp, la = pair
    book = Book(pair)
    key_store(dwp.home.keyrings).pin(la.code, _expired_certificate(la))
    dwp.start()
    la.start()
    name, content = claim()
    book.drop(dwp, "claim", la.code, name, content)
    extract, table = _extract(la.code)
    book.drop(la, "extract", "DWP", extract, table)
    _wait_for_deferred_consignment(dwp, "crypto-partner-key")
    assert _wait_for_quarantine(dwp)["code"] == "signer-expired"
    assert dwp.inbound("extract", la.code) == {}
    book.assert_promises()
    # The same key, its expiry extended: a new card is all it takes.
    introduce(dwp, la)
    _wait_for(dwp, name, "receipted")
    assert la.inbound("claim", "DWP") == {name: content}
    book.assert_promises()


def test_upload_that_is_cut_or_stalls_leaves_parts_only_and_is_delivered_once(pair: tuple[Site, Site]) -> None:
    dwp, la = pair
    book = Book(pair)
    dwp.edit_config("link", answer_timeout=1.5, grace=1.5, least_bytes_per_second=1_000_000)
    la.start()
    with spoiling_proxy(la.port, Faults(cut_at=_GETS_THROUGH)) as proxy:
        set_port(dwp, la.code, proxy.port)
        dwp.start()
        name, content = _document(la.code)
        book.drop(dwp, "laid", la.code, name, content)
        _wait_for_lane(dwp, la, "link-broken")
        _assert_parts_only(la)
        proxy.faults = Faults(stall_at=_GETS_THROUGH)
        _wait_for_lane(dwp, la, "link-timeout")
        _assert_parts_only(la)
        book.assert_promises()
        proxy.faults = Faults()
        _wait_for(dwp, name, "receipted")
        assert la.inbound("laid", "DWP") == {name: content}
        assert len(la.events("consignment.landed")) == 1
        assert list(la.home.landing_in("DWP").iterdir()) == []
        book.assert_promises()


# -- what the tests wait for and look at


def _lane(site: Site, partner: Site) -> dict[str, Any]:
    found = rows(site, "SELECT * FROM lanes WHERE partner = ?", partner.code)
    return found[0] if found else {"held": 0, "code": None, "due": 0.0, "failures": 0}


def _lane_in_status(site: Site, partner: Site, *, next_try: bool = False) -> dict[str, Any]:
    """The lane as `gateway status --json` tells of it; with `next_try`, nothing while an attempt is under way."""
    told = json.loads(site.gateway("status", "--json", check=False).stdout)
    (lane,) = (lane for lane in told["lanes"] if lane["partner"] == partner.code)
    assert isinstance(lane, dict)
    return {} if next_try and lane["next_try"] is None else lane


def _wait_for_lane(site: Site, partner: Site, code: str) -> None:
    _told(site, lambda: _lane(site, partner)["code"] == code, f"lane to {partner.code} {code}")


def _wait_for(site: Site, name: str, state: str) -> None:
    query = "SELECT id FROM transfers WHERE direction = 'out' AND name = ? AND state = ?"
    _told(site, lambda: rows(site, query, name, state), f"{name} {state}")


def _wait_for_deferred_consignment(site: Site, code: str) -> None:
    query = "SELECT id FROM consignments WHERE direction = 'out' AND state = 'packed' AND attempts > 0 AND code = ?"
    _told(site, lambda: rows(site, query, code), f"a consignment that waits for {code}")


def _wait_for_quarantine(site: Site) -> dict[str, Any]:
    found = _told(site, lambda: rows(site, "SELECT * FROM quarantine"), "quarantine")
    assert len(found) == 1
    return dict(found[0])


def _told(site: Site, condition: Any, what: str) -> Any:
    try:
        return wait_until(condition, SECONDS, what)
    except AssertionError as error:
        raise AssertionError(f"{error}; the log of {site.code} ends\n{site.log_text()[-4000:]}") from None


def _states(site: Site, direction: str) -> list[str]:
    return [row["state"] for row in rows(site, "SELECT state FROM transfers WHERE direction = ?", direction)]


def _assert_parts_only(la: Site) -> None:
    assert [path for path in la.home.landing_in("DWP").iterdir() if not path.name.endswith(".pgp.part")] == []
    assert la.inbound("laid", "DWP") == {}
    assert la.events("consignment.landed") == []


# -- what goes wrong


def _extract(authority: str) -> tuple[str, bytes]:
    sample = ExtractSampler(resource("schemas"), rows=40).make(
        sender=authority, recipient="DWP", index=0, random=random.Random(7), today=date(2026, 11, 22)
    )
    return sample.name, sample.content


def _document(authority: str) -> tuple[str, bytes]:
    """A LAID that is larger, sealed too, than what gets through."""
    samples = (
        LaidSampler().make(
            sender="DWP", recipient=authority, index=seed, random=random.Random(seed), today=date(2026, 11, 22)
        )
        for seed in count()
    )
    sample = next(sample for sample in samples if len(sample.content) > 4 * _GETS_THROUGH)
    return sample.name, sample.content


def _expired_certificate(site: Site) -> str:
    """The site's certificate as it would be had its owner let it expire: the same keys, an earlier end."""
    home = Path(f"/tmp/gpg-{site.port}")  # a socket's path is short
    shutil.copytree(site.home.keyrings / "own", home, ignore=shutil.ignore_patterns("S.*", "agent.*"))
    gpg = StockGpg(home)
    try:
        fingerprint = json.loads(site.gateway("card").stdout)["fingerprint"]
        gpg.run("--quick-set-expire", fingerprint, "seconds=1")
        wait_until(lambda: _validity(gpg, fingerprint) == "e", 20, "the key's expiry")
        return gpg.run("--armor", "--export", fingerprint).decode()
    finally:
        gpg.close()
        shutil.rmtree(home)


def _validity(gpg: StockGpg, fingerprint: str) -> str:
    listing = gpg.run("--trust-model", "pgp", "--with-colons", "--list-keys", fingerprint).decode()
    return next(line.split(":")[1] for line in listing.splitlines() if line.startswith("pub:"))


@contextmanager
def _small_disk(directory: Path, size: int) -> Iterator[None]:
    """A tmpfs of that size on the directory; the test is skipped where this process may not mount one."""
    directory.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", str(directory)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted without the right to mount: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(directory)], check=True)
