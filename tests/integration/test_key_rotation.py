"""Two certificates on either side, on real gpg: what was sealed before, during and after a change of keys."""

from __future__ import annotations

import io
import os
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from gateway import errors
from gateway.crypto.contract import FormerKey, Opened, Rotations
from gateway.crypto.gnupg.engine import GnuPgEngine
from gateway.crypto.gnupg.key_agent import KeyAgent
from gateway.crypto.gnupg.keyrings import Keyrings
from gateway.crypto.gnupg.keystore import GnuPgKeyStore

DAY = 86_400.0
NO_ROTATION = Rotations()
CONTENT = b"QQ123456C, what a claim could say\n"


@dataclass(frozen=True)
class Seat:
    """One site's keys as its configuration names them."""

    root: Path
    own: str
    other: str
    pinned: str
    rotations: Rotations = NO_ROTATION

    @property
    def store(self) -> GnuPgKeyStore:
        return GnuPgKeyStore(self.root)

    def engine(self, clock: Callable[[], float] = time.time) -> GnuPgEngine:
        return GnuPgEngine(self.root, self.own, {self.other: self.pinned}, clock, rotations=self.rotations)

    def seal(self, path: Path, signer: str | None = None) -> Path:
        with self.engine() as engine:
            engine.seal(io.BytesIO(CONTENT), self.other, path, signer)
        return path

    def open(self, sealed: Path, clock: Callable[[], float] = time.time) -> Opened:
        output = sealed.with_suffix(".plain")
        output.unlink(missing_ok=True)
        with self.engine(clock) as engine:
            try:
                opened = engine.open(sealed, self.other, output, 1 << 20)
            except errors.EnvelopeRefused:
                assert not output.exists()
                raise
        assert output.read_bytes() == CONTENT
        return opened


@dataclass(frozen=True)
class Pair:
    """DWP before and after it changed its key, and an authority that knows both keys until a date."""

    before: Seat
    after: Seat
    la_before: Seat
    la: Seat
    until: float


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    root = tmp_path_factory.mktemp("rotation")
    dwp, la = GnuPgKeyStore(root / "dwp"), GnuPgKeyStore(root / "la")
    old = dwp.create_own("Gateway DWP <dwp@gateway.invalid>", 60).fingerprint
    theirs = la.create_own("Gateway LA <la@gateway.invalid>", 60).fingerprint
    dwp.pin("LA", la.export_own())
    la.pin("DWP", dwp.export_own())
    until = time.time() + 20 * DAY
    before, la_before = Seat(root / "dwp", old, "LA", theirs), Seat(root / "la", theirs, "DWP", old)
    before.seal(root / "underway-out.pgp")
    la_before.seal(root / "underway-in.pgp")
    new = dwp.create_own("Gateway DWP <dwp@gateway.invalid>", 60, another=True).fingerprint
    la.pin("DWP", dwp.export_own(new), old=dwp.export_own(old))
    rotations = Rotations(partners={"DWP": FormerKey(old, until)})
    return Pair(
        before,
        replace(before, own=new, rotations=Rotations(own=old)),
        la_before,
        replace(la_before, pinned=new, rotations=rotations),
        until,
    )


@pytest.fixture
def root(pair: Pair) -> Path:
    return pair.before.root.parent


def test_what_was_sealed_before_is_opened_after_in_either_direction(pair: Pair, root: Path) -> None:
    out = pair.la.open(root / "underway-out.pgp")
    assert (out.signer, out.encrypted_to) == (pair.before.own, pair.la.own)
    back = pair.after.open(root / "underway-in.pgp")
    # The manifest of such a consignment names the old key too, and has to agree.
    assert (back.signer, back.encrypted_to) == (pair.la.own, pair.before.own)


def test_either_key_signs_while_both_are_pinned_and_the_new_one_is_encrypted_to(
    pair: Pair, root: Path, tmp_path: Path
) -> None:
    assert pair.la.open(pair.after.seal(tmp_path / "new.pgp")).signer == pair.after.own
    assert pair.la.open(pair.after.seal(tmp_path / "old.pgp", signer=pair.before.own)).signer == pair.before.own
    assert pair.after.open(pair.la.seal(tmp_path / "back.pgp")).encrypted_to == pair.after.own


def test_gateway_that_has_not_reloaded_yet_works_on_with_the_old_key(pair: Pair, tmp_path: Path) -> None:
    # The keyring of the current certificate was replaced under its hands; the old one lies beside it.
    assert pair.la_before.open(pair.before.seal(tmp_path / "m.pgp")).signer == pair.before.own
    assert pair.before.open(pair.la_before.seal(tmp_path / "n.pgp")).encrypted_to == pair.before.own
    with pytest.raises(errors.SignerUnknown):
        pair.la_before.open(pair.after.seal(tmp_path / "o.pgp"))


@pytest.mark.parametrize("whole", [True, False], ids=["taken", "half taken"])
def test_card_that_is_taken_while_gpg_starts_makes_nobody_a_stranger(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, whole: bool
) -> None:
    """Between our look at the keyrings and gpg's, the current certificate goes to another keyring."""
    old, new = pair.before.own, pair.after.own
    store = GnuPgKeyStore(tmp_path / "la")
    theirs = store.create_own("Gateway LA <la@gateway.invalid>", 60).fingerprint
    store.pin("DWP", pair.before.store.export_own(old))
    site = Seat(tmp_path / "la", theirs, "DWP", old)
    pair.before.store.pin("NEW-LA", store.export_own())
    sealed = replace(pair.before, other="NEW-LA", pinned=theirs).seal(tmp_path / "m.pgp")
    stranger = replace(pair.after, other="NEW-LA", pinned=theirs).seal(tmp_path / "s.pgp")
    ensure, asked = KeyAgent.ensure, 0

    def late(agent: KeyAgent) -> None:
        nonlocal asked
        asked += 1
        if asked == 1:
            store.pin("DWP", pair.after.store.export_own(new))
            if not whole:
                Keyrings(site.root).partner_ring("DWP").unlink()
        ensure(agent)

    monkeypatch.setattr(KeyAgent, "ensure", late)
    assert site.open(sealed).signer == old
    assert asked == 2
    with pytest.raises(errors.SignerUnknown):
        site.open(stranger)


def test_old_key_is_refused_from_its_end_date_on_and_the_new_one_is_not(pair: Pair, tmp_path: Path) -> None:
    old = pair.after.seal(tmp_path / "old.pgp", signer=pair.before.own)
    new = pair.after.seal(tmp_path / "new.pgp")
    assert pair.la.open(old, lambda: pair.until - 1).signer == pair.before.own
    with pytest.raises(errors.SignerSuperseded):
        pair.la.open(old, lambda: pair.until)
    assert pair.la.open(new, lambda: pair.until + DAY).signer == pair.after.own


def test_old_certificate_that_is_missing_makes_work_wait_before_its_date_and_matters_no_more_after(
    pair: Pair, tmp_path: Path
) -> None:
    new = pair.after.seal(tmp_path / "new.pgp")
    ring = pair.la.root / "partners" / f"DWP.{pair.before.own}.kbx"
    kept = ring.rename(tmp_path / "kept.kbx")
    try:
        with pytest.raises(errors.PartnerKeyUnusable):
            pair.la.open(new)
        assert pair.la.open(new, lambda: pair.until).signer == pair.after.own
    finally:
        kept.rename(ring)


def test_fingerprint_that_was_revoked_signs_nothing_and_is_encrypted_to_by_nobody(pair: Pair, tmp_path: Path) -> None:
    old, new = pair.before.own, pair.after.own
    for revoked in (old, new):
        la = replace(pair.la, rotations=replace(pair.la.rotations, revoked={"DWP": [revoked]}))
        signed = pair.after.seal(tmp_path / f"{revoked}.pgp", signer=revoked)
        with pytest.raises(errors.SignerRevoked):
            la.open(signed)
        other = pair.after.seal(tmp_path / f"{revoked}-other.pgp", signer=new if revoked == old else old)
        assert la.open(other).signer != revoked
    with pytest.raises(errors.PartnerKeyRevoked):
        la.seal(tmp_path / "none.pgp")
    assert not (tmp_path / "none.pgp").exists()


def test_third_key_of_the_partner_is_a_strangers(pair: Pair, tmp_path: Path) -> None:
    third = pair.after.store.create_own("Gateway DWP <dwp@gateway.invalid>", 60, another=True).fingerprint
    with pytest.raises(errors.SignerUnknown):
        pair.la.open(pair.after.seal(tmp_path / "m.pgp", signer=third))
    forgetful = replace(pair.la, rotations=Rotations())
    with pytest.raises(errors.SignerUnknown):
        forgetful.open(pair.after.seal(tmp_path / "n.pgp", signer=pair.before.own))


def test_every_keyring_of_a_partner_holds_one_certificate(pair: Pair) -> None:
    rings = sorted((pair.la.root / "partners").iterdir())
    assert [ring.name for ring in rings] == [f"DWP.{pair.before.own}.kbx", "DWP.kbx"]
    assert {stat.S_IMODE(ring.stat().st_mode) for ring in rings} == {0o600}
    for fingerprint in (pair.before.own, pair.after.own):
        assert pair.la.store.inspect(pair.la.store.export_partner("DWP", fingerprint)).fingerprint == fingerprint
    with pytest.raises(errors.PartnerKeyUnusable):
        pair.la.store.export_partner("DWP", pair.la.own)


# -- a store of one's own, since these end keys


@pytest.fixture
def store(tmp_path: Path) -> GnuPgKeyStore:
    return GnuPgKeyStore(tmp_path / "keys")


def test_revoked_own_key_signs_nothing_and_still_opens(store: GnuPgKeyStore, pair: Pair, tmp_path: Path) -> None:
    own = store.create_own("Gateway X <x@gateway.invalid>", 60).fingerprint
    store.pin("LA", pair.la.store.export_own())
    pair.la.store.pin("X", store.export_own())
    seat = Seat(tmp_path / "keys", own, "LA", pair.la.own)
    sealed = replace(pair.la, other="X", pinned=own, rotations=Rotations()).seal(tmp_path / "m.pgp")
    store.revoke_own(own)
    assert store.inspect(store.export_own(own)).revoked
    assert seat.open(sealed).encrypted_to == own
    with pytest.raises(errors.OwnKeyUnusable):
        seat.seal(tmp_path / "n.pgp")
    with pytest.raises(errors.OwnKeyUnusable):
        store.sign(b"card", own)
    pair.la.store.forget("X")


def test_deleted_own_key_is_gone_and_the_other_is_as_it_was(store: GnuPgKeyStore, tmp_path: Path) -> None:
    first = store.create_own("Gateway X <x@gateway.invalid>", 60).fingerprint
    second = store.create_own("Gateway X <x@gateway.invalid>", 60, another=True).fingerprint
    secrets = tmp_path / "keys" / "own" / "private-keys-v1.d"
    assert len(os.listdir(secrets)) == 4  # noqa: PTH208  # names alone are asked for
    store.delete_own(first)
    assert len(os.listdir(secrets)) == 2  # noqa: PTH208
    with pytest.raises(errors.OwnKeyUnusable):
        store.export_own(first)
    assert store.inspect(store.export_own()).fingerprint == second
    assert store.sign(b"card", second)


def test_detached_signature_is_by_that_certificate_over_those_bytes_or_none(store: GnuPgKeyStore) -> None:
    own = store.create_own("Gateway X <x@gateway.invalid>", 60).fingerprint
    other = store.create_own("Gateway Y <y@gateway.invalid>", 60, another=True).fingerprint
    signature, certificate = store.sign(b"card", own), store.export_own(own)
    assert store.has_signed(b"card", signature, certificate)
    assert not store.has_signed(b"Card", signature, certificate)
    assert not store.has_signed(b"card", store.sign(b"card", other), certificate)
    assert not store.has_signed(b"card", signature + store.sign(b"card", own), certificate)
    for nonsense in ("", "no signature", "é", certificate):
        assert not store.has_signed(b"card", nonsense, certificate)
    store.revoke_own(own)
    assert not store.has_signed(b"card", signature, store.export_own(own))
