"""Keys made, shown, pinned and forgotten with real gpg, and the agent that serves them."""

from __future__ import annotations

import io
import os
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway import errors
from gateway.crypto.contract import KeyStore
from gateway.crypto.gnupg.engine import GnuPgEngine
from gateway.crypto.gnupg.key_agent import KeyAgent
from gateway.crypto.gnupg.keystore import GnuPgKeyStore
from tests.fakes.openpgp import LONG_AGO, StockGpg

USER_ID = "DWP gateway <gateway@dwp.invalid>"


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StockGpg]:
    stock = StockGpg(tmp_path_factory.mktemp("f"))
    try:
        stock.make_key("One <one@la.invalid>")
        stock.make_key("Two <two@la.invalid>")
        yield stock
    finally:
        stock.close()


@pytest.fixture
def store(tmp_path: Path) -> GnuPgKeyStore:
    return GnuPgKeyStore(tmp_path / "keyrings")


def agents_of(home: Path) -> list[int]:
    """Process ids of agents whose command line names this home."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if words[0].endswith(b"gpg-agent") and os.fsencode(home) in words:
                found.append(int(entry.name))
    return found


def until(*, gone: Path) -> None:
    deadline = time.monotonic() + 5
    while agents_of(gone):
        assert time.monotonic() < deadline, "the agent still runs"
        time.sleep(0.01)


def test_our_key_is_made_as_the_contract_says(store: GnuPgKeyStore, tmp_path: Path) -> None:
    contract: KeyStore = store
    before = time.time() - 1
    made = contract.create_own(USER_ID, 30)
    assert made.algorithm == "ed25519/cv25519"
    assert made.user_id == USER_ID
    assert made.can_sign
    assert made.can_encrypt
    assert not made.revoked
    assert made.created >= before
    assert made.expires == pytest.approx(made.created + 30 * 86_400, abs=5)
    assert contract.inspect(contract.export_own()) == made
    until(gone=tmp_path / "keyrings" / "own")


def test_the_secret_key_is_readable_by_its_owner_alone(store: GnuPgKeyStore, tmp_path: Path) -> None:
    store.create_own(USER_ID, 30)
    own = tmp_path / "keyrings" / "own"
    secrets = list((own / "private-keys-v1.d").iterdir())
    assert len(secrets) == 2
    assert {stat.S_IMODE(path.stat().st_mode) for path in secrets} == {0o600}
    for directory in (tmp_path / "keyrings", own, own / "private-keys-v1.d", tmp_path / "keyrings" / "partners"):
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_a_second_key_is_not_made(store: GnuPgKeyStore) -> None:
    store.create_own(USER_ID, 30)
    with pytest.raises(errors.CryptoFailed):
        store.create_own(USER_ID, 30)


@pytest.mark.parametrize(
    "user_id", ["", "nobody", "A <b>", "Name <a@b>\n%no-protection", "Name (x) <a@b>", " Padded <a@b>", "Name <a b@c>"]
)
def test_a_user_id_that_could_steer_gpg_is_refused(store: GnuPgKeyStore, user_id: str) -> None:
    with pytest.raises(errors.UsageWrong):
        store.create_own(user_id, 30)


@pytest.mark.parametrize("days", [0, -1, 1_000_000])
def test_an_expiry_that_cannot_be_is_refused(store: GnuPgKeyStore, days: int) -> None:
    with pytest.raises(errors.UsageWrong):
        store.create_own(USER_ID, days)


def test_without_a_key_there_is_nothing_to_export(store: GnuPgKeyStore) -> None:
    with pytest.raises(errors.OwnKeyUnusable):
        store.export_own()


def test_a_certificate_that_another_one_follows_is_set_aside_and_forgotten_with_it(
    store: GnuPgKeyStore, foreign: StockGpg, tmp_path: Path
) -> None:
    own = store.create_own(USER_ID, 30)
    first = store.pin("LA", foreign.certificate("One <one@la.invalid>"))
    pinned = {"LA": first.fingerprint}
    with GnuPgEngine(tmp_path / "keyrings", own.fingerprint, pinned, time.time) as engine:
        assert engine.partner_certificate("LA") == first
        second = store.pin("LA", foreign.certificate("Two <two@la.invalid>"))
        # The configuration decides, and not what was put there last.
        assert engine.partner_certificate("LA") == first
        pinned["LA"] = second.fingerprint
        assert engine.partner_certificate("LA") == second
        store.forget("LA")
        with pytest.raises(errors.PartnerKeyUnusable):
            engine.partner_certificate("LA")
    assert list((tmp_path / "keyrings" / "partners").iterdir()) == []
    store.forget("LA")


def test_looking_at_a_certificate_keeps_nothing(store: GnuPgKeyStore, foreign: StockGpg, tmp_path: Path) -> None:
    seen = store.inspect(foreign.certificate("One <one@la.invalid>"))
    assert seen.user_id == "One <one@la.invalid>"
    assert sorted(path.name for path in (tmp_path / "keyrings").iterdir()) == ["own", "partners"]
    assert list((tmp_path / "keyrings" / "partners").iterdir()) == []


def test_revoked_and_expired_certificates_say_so(
    store: GnuPgKeyStore, tmp_path_factory: pytest.TempPathFactory
) -> None:
    stock = StockGpg(tmp_path_factory.mktemp("r"))
    try:
        old = "Old <old@la.invalid>"
        stock.make_key(old, "--faked-system-time", LONG_AGO, expires="20d")
        expired = store.inspect(stock.certificate(old))
        assert expired.expires is not None
        assert expired.expires < time.time()
        gone = "Gone <gone@la.invalid>"
        fingerprint = stock.make_key(gone)
        stock.learn(stock.revocation(fingerprint))
        revoked = store.inspect(stock.certificate(gone))
        assert revoked.revoked
        assert not revoked.can_sign
        assert not revoked.can_encrypt
    finally:
        stock.close()


def test_only_one_public_certificate_passes(store: GnuPgKeyStore, foreign: StockGpg, tmp_path: Path) -> None:
    one, two = foreign.certificate("One <one@la.invalid>"), foreign.certificate("Two <two@la.invalid>")
    both = foreign.run("--armor", "--export").decode()
    secret = foreign.run("--armor", "--export-secret-keys", "=One <one@la.invalid>").decode()
    # A secret key can be dressed as a public one: the armour's headline is nothing but text.
    dressed = secret.replace("PRIVATE KEY BLOCK", "PUBLIC KEY BLOCK")
    bare = one.replace("PUBLIC KEY BLOCK", "MESSAGE")
    for wrong in (
        "",
        "hello",
        one + two,
        both,
        secret,
        dressed,
        bare,
        one[:200],
        one.replace("\n", "\nÄ", 1),
        one * 1000,
    ):
        with pytest.raises(errors.CardRefused):
            store.inspect(wrong)
        with pytest.raises(errors.CardRefused):
            store.pin("LA", wrong)
    assert list((tmp_path / "keyrings" / "partners").iterdir()) == []


def test_a_user_id_of_control_characters_is_shown_without_them(
    store: GnuPgKeyStore, tmp_path_factory: pytest.TempPathFactory
) -> None:
    stock = StockGpg(tmp_path_factory.mktemp("u"))
    try:
        hostile = "Sîan \x85fpr\u2028pub\x0bpub <sian@la.invalid>"
        stock.make_key(hostile)
        seen = store.inspect(stock.run("--armor", "--export").decode())
        assert seen.user_id == "Sîan ?fpr?pub?pub <sian@la.invalid>"
    finally:
        stock.close()


@pytest.mark.parametrize("code", ["", "../x", "a/b", ".", "x" * 40, "a b"])
def test_a_code_that_is_no_code_never_becomes_a_path(store: GnuPgKeyStore, foreign: StockGpg, code: str) -> None:
    with pytest.raises(errors.CardRefused):
        store.pin(code, foreign.certificate("One <one@la.invalid>"))
    with pytest.raises(errors.CardRefused):
        store.forget(code)


# -- the agent


@pytest.fixture
def site(tmp_path: Path, foreign: StockGpg) -> Iterator[tuple[Path, str, dict[str, str]]]:
    """A site in a deep directory, with one partner; its agent is gone at the end."""
    keyrings = tmp_path / ("deep" * 30) / "keyrings"
    store = GnuPgKeyStore(keyrings)
    own = store.create_own(USER_ID, 30)
    pinned = {"LA": store.pin("LA", foreign.certificate("One <one@la.invalid>")).fingerprint}
    yield keyrings, own.fingerprint, pinned
    until(gone=keyrings / "own")


Site = tuple[Path, str, dict[str, str]]


def test_the_agent_goes_with_the_last_who_uses_it(site: Site, tmp_path: Path) -> None:
    keyrings = site[0]
    first, second = GnuPgEngine(*site, time.time), GnuPgEngine(*site, time.time)
    first.seal(io.BytesIO(b"1"), "LA", tmp_path / "1.pgp")
    second.seal(io.BytesIO(b"2"), "LA", tmp_path / "2.pgp")
    assert len(agents_of(keyrings / "own")) == 1
    first.close()
    second.seal(io.BytesIO(b"3"), "LA", tmp_path / "3.pgp")
    assert len(agents_of(keyrings / "own")) == 1
    second.close()
    until(gone=keyrings / "own")
    second.close()


def test_nothing_is_left_of_a_redirected_socket(site: Site, tmp_path: Path) -> None:
    keyrings = site[0]
    with GnuPgEngine(*site, time.time) as engine:
        engine.seal(io.BytesIO(b"1"), "LA", tmp_path / "1.pgp")
        short = Path((keyrings / "own" / "S.gpg-agent").read_text().split("socket=")[1].strip()).parent
        assert stat.S_IMODE(short.stat().st_mode) == 0o700
    assert not short.exists()
    assert not (keyrings / "own" / "S.gpg-agent").exists()


def test_an_agent_that_died_is_started_again(site: Site, tmp_path: Path) -> None:
    with GnuPgEngine(*site, time.time) as engine:
        engine.seal(io.BytesIO(b"1"), "LA", tmp_path / "1.pgp")
        (agent,) = agents_of(site[0] / "own")
        os.kill(agent, 9)
        until(gone=site[0] / "own")
        engine.seal(io.BytesIO(b"2"), "LA", tmp_path / "2.pgp")


def test_a_vault_that_was_killed_does_not_stand_in_the_way(site: Site, tmp_path: Path) -> None:
    keyrings, own, pinned = site
    script = (
        "import io, os, signal, sys, time; from pathlib import Path; from gateway.crypto.gnupg.engine import GnuPgEngine\n"
        f"engine = GnuPgEngine(Path(sys.argv[1]), {own!r}, {pinned!r}, time.time)\n"
        "engine.seal(io.BytesIO(b'1'), 'LA', Path(sys.argv[2])); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(keyrings), str(tmp_path / "1.pgp")], check=False)
    assert killed.returncode == -9
    with GnuPgEngine(keyrings, own, pinned, time.time) as engine:
        engine.seal(io.BytesIO(b"2"), "LA", tmp_path / "2.pgp")


def test_a_vanished_socket_directory_is_made_again(site: Site, tmp_path: Path) -> None:
    own = site[0] / "own"
    with GnuPgEngine(*site, time.time) as engine:
        engine.seal(io.BytesIO(b"1"), "LA", tmp_path / "1.pgp")
        (agent,) = agents_of(own)
        shutil.rmtree(Path((own / "S.gpg-agent").read_text().split("socket=")[1].strip()).parent)
        engine.seal(io.BytesIO(b"2"), "LA", tmp_path / "2.pgp")
        os.kill(agent, 9)


def test_an_agent_that_does_not_answer_is_away(site: Site, tmp_path: Path) -> None:
    with GnuPgEngine(*site, time.time) as engine:
        engine.seal(io.BytesIO(b"1"), "LA", tmp_path / "1.pgp")
        (agent,) = agents_of(site[0] / "own")
        os.kill(agent, 19)
        try:
            with pytest.raises(errors.KeyAgentAway):
                engine.seal(io.BytesIO(b"2"), "LA", tmp_path / "2.pgp")
        finally:
            os.kill(agent, 18)
    assert not (tmp_path / "2.pgp").exists()


def test_a_missing_secret_key_is_our_own_fault(site: Site, tmp_path: Path) -> None:
    shutil.rmtree(site[0] / "own" / "private-keys-v1.d")
    with GnuPgEngine(*site, time.time) as engine, pytest.raises(errors.OwnKeyUnusable):
        engine.seal(io.BytesIO(b"2"), "LA", tmp_path / "2.pgp")


def test_closing_an_agent_that_was_never_needed_does_nothing(tmp_path: Path) -> None:
    KeyAgent(tmp_path).close()
    assert list(tmp_path.iterdir()) == []
