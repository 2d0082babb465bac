"""What every OpenPGP engine promises, tried on each implementation: two sites that write to one another."""

from __future__ import annotations

import hashlib
import io
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway import errors
from gateway.crypto.contract import OpenPgp
from gateway.crypto.gnupg.engine import GnuPgEngine
from gateway.crypto.gnupg.keystore import GnuPgKeyStore


@dataclass(frozen=True)
class Pair:
    """Two sites, each pinned at the other."""

    dwp: OpenPgp
    town: OpenPgp


def gnupg_pair(root: Path) -> Pair:
    stores = {code: GnuPgKeyStore(root / code) for code in ("DWP", "E09000030")}
    keys = {code: store.create_own(f"{code} gateway <gateway@{code}.invalid>", 30) for code, store in stores.items()}
    engines = {}
    for code, other in (("DWP", "E09000030"), ("E09000030", "DWP")):
        pinned = {other: stores[code].pin(other, stores[other].export_own()).fingerprint}
        engines[code] = GnuPgEngine(root / code, keys[code].fingerprint, pinned, time.time)
    return Pair(engines["DWP"], engines["E09000030"])


ENGINES: dict[str, Callable[[Path], Pair]] = {"gnupg": gnupg_pair}


@pytest.fixture(scope="module", params=ENGINES)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    pair = ENGINES[request.param](tmp_path_factory.mktemp("pair"))
    try:
        yield pair
    finally:
        pair.dwp.close()
        pair.town.close()


class Dribble:
    """A reader that gives as little as it may."""

    def __init__(self, octets: bytes) -> None:
        self._rest = io.BytesIO(octets)

    def read(self, size: int = -1, /) -> bytes:
        return self._rest.read(min(size, 1_000) if size > 0 else 1_000)


@pytest.mark.parametrize("size", [0, 1, 65_536, 1_000_001])
def test_what_is_sealed_is_opened_whole_and_named_by_its_digest(pair: Pair, tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    before = time.time()
    sealed = pair.dwp.seal(Dribble(content), "E09000030", tmp_path / "m.pgp")
    message = (tmp_path / "m.pgp").read_bytes()
    assert sealed.size == len(message)
    assert sealed.sha256 == hashlib.sha256(message).hexdigest()
    opened = pair.town.open(tmp_path / "m.pgp", "DWP", tmp_path / "out", max(size, 1))
    assert (tmp_path / "out").read_bytes() == content
    assert opened.size == size
    assert opened.sealed_sha256 == sealed.sha256
    assert opened.signer == pair.dwp.own_certificate().fingerprint
    assert opened.encrypted_to == pair.town.own_certificate().fingerprint
    assert abs(opened.signed_at - before) < 60
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.pgp", "out"]


def test_the_same_engine_answers_after_a_refusal(pair: Pair, tmp_path: Path) -> None:
    (tmp_path / "bad.pgp").write_bytes(b"no message")
    with pytest.raises(errors.EnvelopeNotOpenPgp):
        pair.town.open(tmp_path / "bad.pgp", "DWP", tmp_path / "out", 100)
    pair.dwp.seal(io.BytesIO(b"good"), "E09000030", tmp_path / "m.pgp")
    pair.town.open(tmp_path / "m.pgp", "DWP", tmp_path / "out", 100)
    assert (tmp_path / "out").read_bytes() == b"good"


def test_the_sender_cannot_open_what_it_sealed(pair: Pair, tmp_path: Path) -> None:
    pair.dwp.seal(io.BytesIO(b"good"), "E09000030", tmp_path / "m.pgp")
    with pytest.raises(errors.EnvelopeRecipient):
        pair.dwp.open(tmp_path / "m.pgp", "E09000030", tmp_path / "out", 100)
    assert not (tmp_path / "out").exists()


def test_one_byte_beyond_the_limit_is_too_large(pair: Pair, tmp_path: Path) -> None:
    pair.dwp.seal(io.BytesIO(bytes(101)), "E09000030", tmp_path / "m.pgp")
    with pytest.raises(errors.EnvelopeTooLarge):
        pair.town.open(tmp_path / "m.pgp", "DWP", tmp_path / "out", 100)
    assert [path.name for path in tmp_path.iterdir()] == ["m.pgp"]


def test_an_output_that_exists_is_never_replaced(pair: Pair, tmp_path: Path) -> None:
    pair.dwp.seal(io.BytesIO(b"good"), "E09000030", tmp_path / "m.pgp")
    (tmp_path / "out").write_bytes(b"mine")
    with pytest.raises(errors.DiskFailed):
        pair.town.open(tmp_path / "m.pgp", "DWP", tmp_path / "out", 100)
    with pytest.raises(errors.DiskFailed):
        pair.dwp.seal(io.BytesIO(b"good"), "E09000030", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == b"mine"


def test_an_unknown_partner_is_not_sealed_to(pair: Pair, tmp_path: Path) -> None:
    with pytest.raises(errors.PartnerKeyUnusable):
        pair.dwp.seal(io.BytesIO(b"good"), "E06000000", tmp_path / "m.pgp")
    with pytest.raises(errors.PartnerKeyUnusable):
        pair.dwp.partner_certificate("E06000000")
    assert list(tmp_path.iterdir()) == []


def test_line_that_is_clear_signed_is_verified_by_the_site_that_it_is_for(pair: Pair) -> None:
    signed = pair.dwp.sign(b'{"day":"2026-11-27"}')
    assert signed.startswith(
        b'-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{"day":"2026-11-27"}\n-----BEGIN PGP '
    )
    assert pair.town.verify(signed, "DWP") == pair.dwp.own_certificate().fingerprint


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (lambda signed: signed.replace(b"27", b"28"), errors.SignatureBad),
        (lambda signed: signed.partition(b"-----BEGIN PGP SIGNATURE")[0], errors.EnvelopeRefused),
        (lambda _: b"no message", errors.EnvelopeRefused),
        (lambda _: b"", errors.EnvelopeRefused),
    ],
    ids=["altered", "unsigned", "text", "nothing"],
)
def test_line_that_was_altered_after_it_was_signed_is_refused(
    pair: Pair, spoil: Callable[[bytes], bytes], error: type[errors.GatewayError]
) -> None:
    with pytest.raises(error):
        pair.town.verify(spoil(pair.dwp.sign(b'{"day":"2026-11-27"}')), "DWP")


def test_line_that_another_site_signed_is_refused(pair: Pair) -> None:
    with pytest.raises(errors.SignerUnknown):
        pair.town.verify(pair.town.sign(b"{}"), "DWP")
    with pytest.raises(errors.PartnerKeyUnusable):
        pair.town.verify(pair.dwp.sign(b"{}"), "E06000000")


def test_message_that_was_signed_as_bytes_is_no_clear_signed_line(pair: Pair, tmp_path: Path) -> None:
    pair.dwp.seal(io.BytesIO(b"good"), "E09000030", tmp_path / "m.pgp")
    with pytest.raises(errors.EnvelopeRefused):
        pair.town.verify((tmp_path / "m.pgp").read_bytes(), "DWP")


def test_what_is_unwrapped_holds_the_content_and_is_the_same_each_time(pair: Pair, tmp_path: Path) -> None:
    content = os.urandom(100)
    pair.dwp.seal(io.BytesIO(content), "E09000030", tmp_path / "m.pgp")
    signed = pair.town.unwrap(tmp_path / "m.pgp", 10_000)
    assert content in signed
    assert signed == pair.town.unwrap(tmp_path / "m.pgp", len(signed))
    with pytest.raises(errors.EnvelopeTooLarge):
        pair.town.unwrap(tmp_path / "m.pgp", len(signed) - 1)
    assert [path.name for path in tmp_path.iterdir()] == ["m.pgp"]


def test_what_an_unwrapped_message_says_is_read_under_the_partners_signature_alone(pair: Pair, tmp_path: Path) -> None:
    pair.dwp.seal(io.BytesIO(b"what was signed"), "E09000030", tmp_path / "m.pgp")
    signed = pair.town.unwrap(tmp_path / "m.pgp", 10_000)
    assert pair.town.signed_content(signed, "DWP", 10_000) == b"what was signed"
    with pytest.raises(errors.SignatureBad):
        pair.town.signed_content(signed.replace(b"what was", b"what is "), "DWP", 10_000)
    with pytest.raises(errors.EnvelopeTooLarge):
        pair.town.signed_content(signed, "DWP", 3)
    for other in ("E06000000", "../DWP"):
        with pytest.raises(errors.SignerUnknown):
            pair.town.signed_content(signed, other, 10_000)
    with pytest.raises(errors.EnvelopeRefused):
        pair.town.signed_content(signed + signed, "DWP", 10_000)


def test_what_is_damaged_foreign_or_not_there_is_not_unwrapped(pair: Pair, tmp_path: Path) -> None:
    pair.dwp.seal(io.BytesIO(b"good"), "E09000030", tmp_path / "m.pgp")
    with pytest.raises(errors.OwnKeyUnusable):
        pair.dwp.unwrap(tmp_path / "m.pgp", 10_000)
    message = (tmp_path / "m.pgp").read_bytes()
    for damaged in (message[:-1], message[:-20] + bytes(20), b"no message"):
        (tmp_path / "bad.pgp").write_bytes(damaged)
        with pytest.raises(errors.EnvelopeDamaged):
            pair.town.unwrap(tmp_path / "bad.pgp", 10_000)
    with pytest.raises(errors.DiskFailed):
        pair.town.unwrap(tmp_path / "none.pgp", 10_000)
