"""The GnuPG engine on real gpg: what it seals opens with stock gpg, and nothing gets past the acceptance rule."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway import errors
from gateway.crypto.contract import OpenPgp
from gateway.crypto.gnupg.engine import GnuPgEngine, OpenLimits
from gateway.crypto.gnupg.keystore import GnuPgKeyStore
from tests.fakes.openpgp import (
    LONG_AGO,
    SHORTLY_AFTER,
    StockGpg,
    bomb,
    literal,
    packet,
    protected,
    session_key_packet,
    unprotected,
)

DWP, OTHER, STRANGER = "DWP <dwp@site.invalid>", "Other <other@site.invalid>", "Stranger <nobody@site.invalid>"
EXPIRED, REVOKED = "Expired <expired@site.invalid>", "Revoked <revoked@site.invalid>"
MEGABYTE = 1 << 20
CONTENT = b"QQ123456C, what a claim could say\n" * 4
DAY = 86_400
YEAR = 366 * DAY


@dataclass(frozen=True)
class Town:
    """One site with the real engine, and the correspondents who write to it with stock gpg."""

    keyrings: Path
    own: str
    stock: StockGpg
    inside: StockGpg
    pinned: dict[str, str]
    good: bytes
    session_key: bytes

    def engine(self, clock: Callable[[], float] = time.time, limits: OpenLimits | None = None) -> GnuPgEngine:
        return GnuPgEngine(self.keyrings, self.own, self.pinned, clock, limits or OpenLimits())

    def sealed(self, *options: str, content: bytes = CONTENT) -> bytes:
        return self.stock.seal(self.own, content, "--local-user", f"={DWP}", *options)

    def signed(self, *options: str, user_id: str = DWP) -> bytes:
        """Signed and not encrypted: the packets that are found inside an encrypted message."""
        signing = ["-z", "0", "--digest-algo", "SHA256", "--local-user", f"={user_id}", *options, "--sign"]
        return self.stock.run(*signing, feed=CONTENT)

    def wrapped(self, packets: bytes) -> bytes:
        """Any packets, encrypted to the site."""
        return session_key_packet(self.good) + protected(self.session_key, packets)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    # Deeper than a Unix socket's path may be, as the homes of tests and of careful administrators are.
    root = tmp_path_factory.mktemp("town") / ("deep" * 20) / ("deeper" * 10)
    keyrings = root / "site"
    store = GnuPgKeyStore(keyrings)
    own = store.create_own("Ynys Môn gateway <gateway@la.invalid>", 30).fingerprint
    stock = StockGpg(tmp_path_factory.mktemp("g"))
    revoker = StockGpg(tmp_path_factory.mktemp("r"))
    inside = StockGpg(keyrings / "own")
    pinned = {}
    try:
        two_days_ago = ("--faked-system-time", f"{int(time.time()) - 2 * DAY}!")  # frozen, as LONG_AGO
        for code, user_id in (("DWP", DWP), ("OTHER", OTHER), ("REVOKED", REVOKED)):
            pinned[code] = stock.make_key(user_id, *two_days_ago)
        stock.make_key(STRANGER)
        pinned["EXPIRED"] = stock.make_key(EXPIRED, "--faked-system-time", LONG_AGO, expires="20d")
        for code, user_id in (("DWP", DWP), ("OTHER", OTHER), ("EXPIRED", EXPIRED)):
            store.pin(code, stock.certificate(user_id))
        revoker.learn(stock.certificate(REVOKED))
        revoker.learn(stock.revocation(pinned["REVOKED"]))
        store.pin("REVOKED", revoker.certificate(REVOKED))
        stock.learn(store.export_own())
        with GnuPgEngine(keyrings, own, pinned, time.time) as engine:
            engine.own_certificate()
            engine.seal(io.BytesIO(b""), "OTHER", root / "warm.pgp")
            good = stock.seal(own, CONTENT, "--local-user", f"={DWP}")
            yield Town(keyrings, own, stock, inside, pinned, good, inside.session_key(good))
    finally:
        stock.close()
        revoker.close()


@pytest.fixture
def engine(town: Town) -> Iterator[GnuPgEngine]:
    with town.engine() as engine:
        yield engine


def opened(engine: OpenPgp, message: bytes, directory: Path, partner: str = "DWP", most: int = MEGABYTE) -> bytes:
    """Open a message in a directory of its own; after a refusal nothing may lie there."""
    sealed, vault = directory / "m.pgp", directory / "vault"
    sealed.write_bytes(message)
    vault.mkdir(exist_ok=True)
    try:
        report = engine.open(sealed, partner, vault / "out", most)
    except errors.GatewayError:
        assert list(vault.iterdir()) == []
        raise
    assert [path.name for path in vault.iterdir()] == ["out"]
    assert report.sealed_sha256 == hashlib.sha256(message).hexdigest()
    content = (vault / "out").read_bytes()
    assert report.size == len(content)
    return content


# -- what is sealed


@pytest.mark.parametrize("size", [0, 1, 5_000, 30 * MEGABYTE])
def test_what_one_site_seals_another_opens_with_stock_gpg(
    town: Town, engine: GnuPgEngine, tmp_path: Path, size: int
) -> None:
    content = os.urandom(size)
    sealed = engine.seal(io.BytesIO(content), "OTHER", tmp_path / "out.pgp")
    message = (tmp_path / "out.pgp").read_bytes()
    assert (sealed.size, sealed.sha256) == (len(message), hashlib.sha256(message).hexdigest())
    assert [path.name for path in tmp_path.iterdir()] == ["out.pgp"]
    assert town.stock.run("--decrypt", feed=message) == content


def test_a_sealed_message_has_no_compression_and_no_name_and_one_recipient(
    town: Town, engine: GnuPgEngine, tmp_path: Path
) -> None:
    engine.seal(io.BytesIO(CONTENT), "OTHER", tmp_path / "out.pgp")
    packets = town.stock.run("--list-packets", str(tmp_path / "out.pgp")).decode()
    assert packets.count(":pubkey enc packet:") == 1
    assert ":compressed packet:" not in packets
    assert 'name=""' in packets
    assert "digest algo 8" in packets


def test_round_trip_between_two_engines_names_signer_and_recipient(
    town: Town, engine: GnuPgEngine, tmp_path: Path
) -> None:
    report_before = time.time() - 2
    os.umask(0o077)  # the roles'
    (tmp_path / "m.pgp").write_bytes(town.good)
    report = engine.open(tmp_path / "m.pgp", "DWP", tmp_path / "out", MEGABYTE)
    assert report.signer == town.pinned["DWP"]
    assert report.encrypted_to == town.own
    assert report.signed_at < report_before + YEAR
    assert (tmp_path / "out").read_bytes() == CONTENT
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o600


def test_a_failing_reader_surfaces_as_itself_and_leaves_no_file(engine: GnuPgEngine, tmp_path: Path) -> None:
    class Failing:
        reads = 0

        def read(self, _size: int = -1, /) -> bytes:
            self.reads += 1
            if self.reads == 3:
                raise errors.CustodyLost
            return bytes(100_000)

    with pytest.raises(errors.CustodyLost):
        engine.seal(Failing(), "OTHER", tmp_path / "out.pgp")
    assert list(tmp_path.iterdir()) == []


def test_an_operating_system_error_of_the_reader_surfaces_as_itself(engine: GnuPgEngine, tmp_path: Path) -> None:
    failure = OSError(5, "Input/output error")

    class Failing:
        def read(self, _size: int = -1, /) -> bytes:
            raise failure

    with pytest.raises(OSError, match="Input/output") as caught:
        engine.seal(Failing(), "OTHER", tmp_path / "out.pgp")
    assert caught.value is failure
    assert list(tmp_path.iterdir()) == []


def test_sealing_never_takes_the_place_of_a_file(engine: GnuPgEngine, tmp_path: Path) -> None:
    (tmp_path / "out.pgp").write_bytes(b"first")
    with pytest.raises(errors.DiskFailed):
        engine.seal(io.BytesIO(CONTENT), "OTHER", tmp_path / "out.pgp")
    assert (tmp_path / "out.pgp").read_bytes() == b"first"
    assert [path.name for path in tmp_path.iterdir()] == ["out.pgp"]


@pytest.mark.parametrize("partner", ["EXPIRED", "REVOKED", "UNKNOWN", "../OTHER"])
def test_nothing_is_sealed_to_a_certificate_that_does_not_stand(
    engine: GnuPgEngine, tmp_path: Path, partner: str
) -> None:
    with pytest.raises(errors.PartnerKeyUnusable):
        engine.seal(io.BytesIO(CONTENT), partner, tmp_path / "out.pgp")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_sealed_when_the_pinned_fingerprint_is_not_the_certificates(town: Town, tmp_path: Path) -> None:
    pinned = {**town.pinned, "OTHER": town.pinned["DWP"]}
    with (
        GnuPgEngine(town.keyrings, town.own, pinned, time.time) as engine,
        pytest.raises(errors.PartnerKeyUnusable),
    ):
        engine.seal(io.BytesIO(CONTENT), "OTHER", tmp_path / "out.pgp")


def test_our_own_key_expires_at_our_own_clock(town: Town, tmp_path: Path) -> None:
    with town.engine(clock=lambda: time.time() + YEAR) as engine, pytest.raises(errors.OwnKeyUnusable):
        engine.seal(io.BytesIO(CONTENT), "OTHER", tmp_path / "out.pgp")


# -- what is opened, and what is refused


def test_a_good_message_is_opened_however_often(town: Town, engine: GnuPgEngine, tmp_path: Path) -> None:
    for attempt in ("one", "two"):
        (tmp_path / attempt).mkdir()
        assert opened(engine, town.good, tmp_path / attempt) == CONTENT


def test_a_stock_rsa_correspondent_is_understood(town: Town, tmp_path: Path) -> None:
    user_id = "Old hand <rsa@site.invalid>"
    fingerprint = town.stock.make_key(user_id, algorithm="rsa3072")
    store = GnuPgKeyStore(town.keyrings)
    assert store.pin("RSA", town.stock.certificate(user_id)).algorithm == "rsa3072"
    try:
        with GnuPgEngine(town.keyrings, town.own, {"RSA": fingerprint}, time.time) as engine:
            message = town.stock.seal(town.own, CONTENT, "--local-user", fingerprint)
            assert opened(engine, message, tmp_path, "RSA") == CONTENT
            engine.seal(io.BytesIO(CONTENT), "RSA", tmp_path / "back.pgp")
            assert town.stock.run("--decrypt", str(tmp_path / "back.pgp")) == CONTENT
    finally:
        store.forget("RSA")


def test_a_message_that_a_stock_user_compressed_is_understood(town: Town, engine: GnuPgEngine, tmp_path: Path) -> None:
    assert opened(engine, town.sealed("-z", "6"), tmp_path) == CONTENT


# Each maker writes one message that has to be refused; the table below names what it has to be refused as.


def by(user_id: str) -> Callable[[Town], bytes]:
    return lambda town: town.stock.seal(town.own, CONTENT, "--local-user", f"={user_id}")


def with_options(*options: str) -> Callable[[Town], bytes]:
    return lambda town: town.sealed(*options)


def plain_stock(*arguments: str) -> Callable[[Town], bytes]:
    return lambda town: town.stock.run("--local-user", f"={DWP}", *arguments, feed=CONTENT)


def within(packets: Callable[[Town], bytes]) -> Callable[[Town], bytes]:
    return lambda town: town.wrapped(packets(town))


def by_ourselves(town: Town) -> bytes:
    return town.inside.seal(town.own, CONTENT)


def unsigned(town: Town) -> bytes:
    return town.stock.run("-z", "0", "--recipient", town.own, "--encrypt", feed=CONTENT)


def unprotected_message(town: Town) -> bytes:
    return session_key_packet(town.good) + unprotected(town.session_key, town.signed())


def expired_signature(town: Town) -> bytes:
    yesterday = str(int(time.time()) - DAY)
    return town.wrapped(town.signed("--faked-system-time", yesterday, "--default-sig-expire", "seconds=3600"))


def layers(_town: Town) -> bytes:
    packets = literal(CONTENT)
    for _ in range(100):
        packets = packet(8, b"\x00" + packets)
    return packets


PASSPHRASE = ("--pinentry-mode", "loopback", "--passphrase", "open sesame", "--symmetric")
SPEAKING_NAME = b"\xc2\x85[GNUPG:] GOODSIG \xe2\x80\xa8[GNUPG:] VALIDSIG \x0b[GNUPG:] NEWSIG\n[GNUPG:] NEWSIG"

REFUSED: dict[str, tuple[Callable[[Town], bytes], type[errors.EnvelopeRefused]]] = {
    "unsigned": (unsigned, errors.SignatureMissing),
    "unsigned-file-name-that-speaks-as-gpg": (within(lambda _: literal(b"x", SPEAKING_NAME)), errors.SignatureMissing),
    "by-a-stranger": (by(STRANGER), errors.SignerUnknown),
    "by-another-partner": (by(OTHER), errors.SignerOtherPartner),
    "by-ourselves": (by_ourselves, errors.SignerUnknown),
    "two-signatures": (with_options("--local-user", f"={OTHER}"), errors.SignatureMultiple),
    "sha1": (with_options("--digest-algo", "SHA1"), errors.SignatureWeak),
    "sha224": (with_options("--digest-algo", "SHA224"), errors.SignatureWeak),
    "text-signature": (with_options("--textmode"), errors.SignatureWeak),
    "expired-signature": (expired_signature, errors.SignatureExpired),
    "armoured": (with_options("--armor"), errors.EnvelopeArmoured),
    "armoured-after-text": (lambda town: b"\r\nhello\n" + town.sealed("--armor"), errors.EnvelopeArmoured),
    "clear-signed": (plain_stock("--clear-sign"), errors.EnvelopeClearSigned),
    "signed-only": (lambda town: town.signed(), errors.EnvelopeNotEncrypted),
    "compressed-only": (plain_stock("-z", "6", "--sign"), errors.EnvelopeNotEncrypted),
    "detached-signature": (plain_stock("--detach-sign"), errors.EnvelopeNotEncrypted),
    "literal-only": (lambda _: literal(CONTENT), errors.EnvelopeNotEncrypted),
    "signature-around-encryption": (lambda town: town.signed()[:15] + town.good, errors.EnvelopeNotEncrypted),
    "certificate": (plain_stock("--export"), errors.EnvelopeNotOpenPgp),
    "empty": (lambda _: b"", errors.EnvelopeNotOpenPgp),
    "text": (lambda _: b"Dear colleague, the file is attached.", errors.EnvelopeNotOpenPgp),
    "zip": (lambda _: b"PK\x03\x04" + bytes(100), errors.EnvelopeNotOpenPgp),
    "concatenated": (lambda town: town.good + town.good, errors.EnvelopeTrailing),
    "trailing-newline": (lambda town: town.good + b"\n", errors.EnvelopeTrailing),
    "trailing-packet": (lambda town: town.good + packet(60, b"x"), errors.EnvelopeTrailing),
    "trailing-content": (lambda town: town.good + literal(b"more"), errors.EnvelopeTrailing),
    "content-after-the-signed": (within(lambda town: town.signed() + literal(b"more")), errors.EnvelopeTrailing),
    "content-before-the-signed": (within(lambda town: literal(b"more") + town.signed()), errors.EnvelopeTrailing),
    "two-signed-within-one": (within(lambda town: town.signed() + town.signed()), errors.EnvelopeTrailing),
    "encrypted-twice": (within(lambda town: town.good), errors.EnvelopeTrailing),
    "nothing-within": (within(lambda _: b""), errors.EnvelopeDamaged),
    "a-hundred-layers": (within(layers), errors.EnvelopeDamaged),
    "no-integrity-protection": (unprotected_message, errors.EnvelopeNoIntegrity),
    "two-recipients": (with_options("--recipient", f"={STRANGER}"), errors.EnvelopeMoreRecipients),
    "somebody-else": (plain_stock("--recipient", f"={STRANGER}", "--sign", "--encrypt"), errors.EnvelopeRecipient),
    "hidden-recipient": (with_options("--throw-keyids"), errors.EnvelopeRecipient),
    "passphrase-beside-our-key": (with_options(*PASSPHRASE), errors.EnvelopeMoreRecipients),
    "passphrase-alone": (plain_stock(*PASSPHRASE), errors.EnvelopeRecipient),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_message_that_breaks_the_rule_is_refused_by_its_name_and_leaves_no_plaintext(
    town: Town, engine: GnuPgEngine, tmp_path: Path, kind: str
) -> None:
    maker, refusal = REFUSED[kind]
    with pytest.raises(errors.EnvelopeRefused) as caught:
        opened(engine, maker(town), tmp_path)
    assert type(caught.value) is refusal


def test_a_message_by_an_expired_key_is_refused(town: Town, engine: GnuPgEngine, tmp_path: Path) -> None:
    message = town.wrapped(town.signed("--faked-system-time", SHORTLY_AFTER, user_id=EXPIRED))
    with pytest.raises(errors.SignerExpired):
        opened(engine, message, tmp_path, "EXPIRED")


def test_a_key_that_expires_by_our_own_clock_is_refused(town: Town, tmp_path: Path) -> None:
    with town.engine(clock=lambda: time.time() + YEAR) as engine, pytest.raises(errors.SignerExpired):
        opened(engine, town.good, tmp_path)


def test_a_message_by_a_revoked_key_is_refused(town: Town, engine: GnuPgEngine, tmp_path: Path) -> None:
    with pytest.raises(errors.SignerRevoked):
        opened(engine, by(REVOKED)(town), tmp_path, "REVOKED")


def test_the_same_message_from_another_partners_landing_is_refused(
    town: Town, engine: GnuPgEngine, tmp_path: Path
) -> None:
    with pytest.raises(errors.SignerOtherPartner):
        opened(engine, town.good, tmp_path, "OTHER")


def test_a_partner_without_a_certificate_is_a_fault_on_our_side(
    town: Town, engine: GnuPgEngine, tmp_path: Path
) -> None:
    with pytest.raises(errors.PartnerKeyUnusable):
        opened(engine, town.good, tmp_path, "UNKNOWN")


@pytest.mark.parametrize("fortieth", range(40))
def test_a_truncated_message_is_refused_and_leaves_no_plaintext(
    town: Town, engine: GnuPgEngine, tmp_path: Path, fortieth: int
) -> None:
    with pytest.raises((errors.EnvelopeDamaged, errors.EnvelopeNotOpenPgp)):
        opened(engine, town.good[: len(town.good) * fortieth // 40], tmp_path)


@pytest.mark.parametrize("fortieth", range(40))
def test_an_altered_message_is_refused_and_leaves_no_plaintext(
    town: Town, engine: GnuPgEngine, tmp_path: Path, fortieth: int
) -> None:
    altered = bytearray(town.good)
    altered[len(altered) * fortieth // 40] ^= 1 << fortieth % 8
    with pytest.raises(errors.EnvelopeRefused):
        opened(engine, bytes(altered), tmp_path)


def test_no_bit_of_the_unprotected_session_key_packet_can_be_altered_unseen(
    town: Town, engine: GnuPgEngine, tmp_path: Path
) -> None:
    # Where one key has several spellings: the length in bits, the point's prefix, the point's 256th bit.
    for octet, bit in ((13, 0), (13, 1), (13, 2), (14, 6), (46, 7)):
        altered = bytearray(town.good)
        altered[octet] ^= 1 << bit
        with pytest.raises(errors.EnvelopeDamaged):
            opened(engine, bytes(altered), tmp_path)


def test_a_large_message_altered_at_its_end_leaves_no_plaintext(
    town: Town, engine: GnuPgEngine, tmp_path: Path
) -> None:
    altered = bytearray(town.sealed(content=bytes(3 * MEGABYTE)))
    altered[-1] ^= 1
    with pytest.raises(errors.EnvelopeDamaged):
        opened(engine, bytes(altered), tmp_path, most=10 * MEGABYTE)


def test_a_secret_key_that_is_gone_is_our_trouble_and_not_the_senders(tmp_path: Path) -> None:
    keyrings = tmp_path / "site"
    own = GnuPgKeyStore(keyrings).create_own("Gateway <gateway@la.invalid>", 30).fingerprint
    stock = StockGpg(tmp_path / "g")
    try:
        dwp = stock.make_key(DWP)
        GnuPgKeyStore(keyrings).pin("DWP", stock.certificate(DWP))
        stock.learn(GnuPgKeyStore(keyrings).export_own())
        good = stock.seal(own, CONTENT)
        for secret in (keyrings / "own" / "private-keys-v1.d").iterdir():
            secret.unlink()
        with GnuPgEngine(keyrings, own, {"DWP": dwp}, time.time) as engine, pytest.raises(errors.OwnKeyUnusable):
            opened(engine, good, tmp_path)
    finally:
        stock.close()


# -- limits


def test_a_message_of_exactly_the_limit_is_opened(town: Town, engine: GnuPgEngine, tmp_path: Path) -> None:
    assert len(opened(engine, town.sealed(content=bytes(MEGABYTE)), tmp_path)) == MEGABYTE


@pytest.mark.parametrize("size", [MEGABYTE + 1, 20 * MEGABYTE])
def test_a_message_beyond_the_limit_is_refused_while_it_is_written(
    town: Town, engine: GnuPgEngine, tmp_path: Path, size: int
) -> None:
    with pytest.raises(errors.EnvelopeTooLarge):
        opened(engine, town.sealed(content=bytes(size)), tmp_path)


@pytest.mark.parametrize(("depth", "gigabytes"), [(2, 3), (3, 3)])
def test_a_bomb_is_refused_by_its_growth_long_before_a_generous_limit(
    town: Town, engine: GnuPgEngine, tmp_path: Path, depth: int, gigabytes: int
) -> None:
    message = town.wrapped(bomb(depth, gigabytes))
    assert len(message) < 10_000
    before = time.monotonic()
    for most in (MEGABYTE, gigabytes << 31):
        with pytest.raises(errors.EnvelopeTooLarge):
            opened(engine, message, tmp_path, most=most)
    # Half a second on an idle machine; to unpack it all takes a minute.
    assert time.monotonic() - before < 10


def test_a_bomb_of_signatures_is_refused(town: Town, engine: GnuPgEngine, tmp_path: Path) -> None:
    many = zlib.compress(town.signed() * 100_000, 9, wbits=-15)
    with pytest.raises(errors.EnvelopeExhausting):
        opened(engine, town.wrapped(packet(8, b"\x01" + many)), tmp_path)


def test_too_little_memory_is_not_taken_for_acceptance(town: Town, tmp_path: Path) -> None:
    with (
        town.engine(limits=OpenLimits(memory_bytes=4_000_000)) as engine,
        pytest.raises((errors.EnvelopeDamaged, errors.CryptoFailed)),
    ):
        opened(engine, town.good, tmp_path)


# -- faults on our side


def test_a_full_disk_is_no_fault_of_the_message(
    town: Town, engine: GnuPgEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int, _octets: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (tmp_path / "sealed").mkdir()
    with monkeypatch.context() as patched:
        patched.setattr("gateway.storage.atomic_file.os.write", full)
        with pytest.raises(errors.DiskFull):
            engine.seal(io.BytesIO(bytes(3 * MEGABYTE)), "OTHER", tmp_path / "sealed" / "out.pgp")
        (tmp_path / "m.pgp").write_bytes(town.good)
        with pytest.raises(errors.DiskFull):
            engine.open(tmp_path / "m.pgp", "DWP", tmp_path / "sealed" / "out", MEGABYTE)
    assert list((tmp_path / "sealed").iterdir()) == []


def test_a_missing_sealed_file_and_a_link_in_its_place_are_faults_of_the_disk(
    town: Town, engine: GnuPgEngine, tmp_path: Path
) -> None:
    (tmp_path / "m.pgp").write_bytes(town.good)
    (tmp_path / "link.pgp").symlink_to(tmp_path / "m.pgp")
    for name in ("absent.pgp", "link.pgp"):
        with pytest.raises(errors.DiskFailed):
            engine.open(tmp_path / name, "DWP", tmp_path / "out", MEGABYTE)
    assert not (tmp_path / "out").exists()


def test_the_draft_of_a_killed_process_does_not_stand_in_the_way(
    town: Town, engine: GnuPgEngine, tmp_path: Path
) -> None:
    (tmp_path / "vault").mkdir()
    (tmp_path / "vault" / ".out.draft").write_bytes(b"half a file")
    assert opened(engine, town.good, tmp_path) == CONTENT


def test_a_site_without_a_key_says_so(tmp_path: Path) -> None:
    with GnuPgEngine(tmp_path / "nowhere", "A" * 40, {}, time.time) as engine, pytest.raises(errors.OwnKeyUnusable):
        engine.own_certificate()


def test_the_engine_is_the_contract(engine: GnuPgEngine, town: Town) -> None:
    contract: OpenPgp = engine
    assert contract.own_certificate().fingerprint == town.own
    assert contract.own_certificate().user_id == "Ynys Môn gateway <gateway@la.invalid>"
    assert contract.partner_certificate("REVOKED").revoked
    assert contract.partner_certificate("DWP").can_encrypt
