"""The judge of gpg's status lines; the lines are those that gpg 2.2.40 wrote of real messages."""

from __future__ import annotations

import signal

import pytest

from gateway import errors
from gateway.crypto.gnupg.certificates import Key, KeySet
from gateway.crypto.gnupg.process_limits import Ended, Run
from gateway.crypto.gnupg.signature import Pin, Terms
from gateway.crypto.gnupg.status_words import INDIFFERENT, NEVER, ONCE
from gateway.crypto.gnupg.verdict import judge_opening, judge_sealing

SIGNER = "3668DFDEB40BB094FA44895703E1772EED7B1B5D"
STRANGER = "BEE6ACDFBC8BA531A2F1D7E91F9030EB4EEC01A3"
OWN = "AE6E034F8681C3F8224761E0634FD983E679E95A"
OWN_SUB = "339D1370D3CF36E0693D5AE76BB0605BC2528189"
SIGNED_AT = 1795307917
NOW = float(SIGNED_AT + 60)
LATER = NOW + 10_000

GOOD = f"""\
ENC_TO 6BB0605BC2528189 18 0
KEY_CONSIDERED {OWN} 0
DECRYPTION_KEY {OWN_SUB} {OWN} u
BEGIN_DECRYPTION
DECRYPTION_INFO 2 9 0
PLAINTEXT 62 1795307917
PLAINTEXT_LENGTH 6
NEWSIG
KEY_CONSIDERED {SIGNER} 0
SIG_ID Uo94f+pZGP3BZq46Dmz3giaFNEk 2026-11-22 1795307917
GOODSIG 03E1772EED7B1B5D site a <a@x.invalid>
VALIDSIG {SIGNER} 2026-11-22 {SIGNED_AT} 0 4 0 22 10 00 {SIGNER}
DECRYPTION_OKAY
GOODMDC
END_DECRYPTION
""".splitlines()


def key(fingerprint: str, capabilities: str, expires: float | None = LATER, *, revoked: bool = False) -> Key:
    return Key(fingerprint, fingerprint[-16:], 1.0, expires, revoked, not revoked, capabilities, "ed25519")


def terms(now: float = NOW, partner: KeySet | None = None) -> Terms:
    theirs = partner or KeySet("site a", (key(SIGNER, "sc"), key("B" * 40, "e")))
    return Terms((Pin(theirs),), (KeySet("site b", (key(OWN, "sc"), key(OWN_SUB, "e"))),), now)


def changed(*changes: tuple[str, str | None]) -> list[str]:
    """The good lines, with each line that begins with a text replaced by another, or left out."""
    replaced = dict(changes)
    assert all(any(line.startswith(beginning) for line in GOOD) for beginning in replaced)
    lines = []
    for line in GOOD:
        beginning = next((beginning for beginning in replaced if line.startswith(beginning)), None)
        replacement = line if beginning is None else replaced[beginning]
        if replacement is not None:
            lines.append(replacement)
    return lines


def with_line(line: str, after: str) -> list[str]:
    at = next(index for index, known in enumerate(GOOD) if known.startswith(after))
    return [*GOOD[: at + 1], line, *GOOD[at + 1 :]]


def undeciphered(cause: str) -> list[str]:
    """What GnuPG 2.4 says where it gets no session key, with libgpg-error's number for the cause."""
    return f"""\
ENC_TO 6BB0605BC2528189 18 0
KEY_CONSIDERED {OWN} 0
NO_SECKEY 6BB0605BC2528189
ERROR pkdecrypt_failed {cause}
BEGIN_DECRYPTION
DECRYPTION_FAILED
END_DECRYPTION
FAILURE gpg-exit 33554433
""".splitlines()


def verdict(lines: list[str], returncode: int = 0, ended: Ended | None = None, on: Terms | None = None) -> type[object]:
    with pytest.raises(errors.GatewayError) as caught:
        judge_opening(Run(tuple(lines), returncode, ended), on or terms())
    return type(caught.value)


def test_the_lines_of_a_good_message_are_accepted() -> None:
    accepted = judge_opening(Run(tuple(GOOD), 0), terms())
    assert accepted.signer == SIGNER
    assert accepted.signed_at == SIGNED_AT


def test_a_signing_subkey_counts_as_its_primary() -> None:
    subkey = "C" * 40
    partner = KeySet("site a", (key(SIGNER, "sc"), key(subkey, "s")))
    lines = changed(("VALIDSIG", f"VALIDSIG {subkey} 2026-11-22 {SIGNED_AT} 0 4 0 22 8 00 {SIGNER}"))
    assert judge_opening(Run(tuple(lines), 0), terms(partner=partner)).signer == SIGNER
    expired = KeySet("site a", (key(SIGNER, "sc"), key(subkey, "s", NOW - 1)))
    assert verdict(lines, on=terms(partner=expired)) is errors.SignerExpired
    absent = KeySet("site a", (key(SIGNER, "sc"),))
    assert verdict(lines, on=terms(partner=absent)) is errors.SignerUnknown


def test_a_signature_that_names_another_partners_key_says_so() -> None:
    lines = changed(("GOODSIG", f"ERRSIG 1F9030EB4EEC01A3 22 10 00 1 9 {STRANGER}"), ("VALIDSIG", None))
    theirs = terms()
    known = Terms(theirs.partner, theirs.own, theirs.now, frozenset({STRANGER[-16:]}))
    assert verdict(lines, 2, on=known) is errors.SignerOtherPartner


@pytest.mark.parametrize("keyword", ONCE)
def test_no_line_of_a_good_message_may_be_missing(keyword: str) -> None:
    lines = [line for line in GOOD if line.partition(" ")[0] != keyword]
    assert issubclass(verdict(lines), errors.EnvelopeRefused)


@pytest.mark.parametrize("keyword", ONCE)
def test_no_line_of_a_good_message_may_come_twice(keyword: str) -> None:
    line = next(line for line in GOOD if line.partition(" ")[0] == keyword)
    assert issubclass(verdict([*with_line(line, keyword)]), errors.EnvelopeRefused)
    assert issubclass(verdict([*GOOD, line]), errors.EnvelopeRefused)


@pytest.mark.parametrize("keyword", sorted(NEVER))
@pytest.mark.parametrize("place", ["first", "last"])
def test_no_line_of_trouble_is_passed_over(keyword: str, place: str) -> None:
    line = f"{keyword} 03E1772EED7B1B5D 22 10 00 1795307917 4 -"
    assert verdict([line, *GOOD] if place == "first" else [*GOOD, line]) in {
        *errors.EnvelopeRefused.__subclasses__(),
        errors.OwnKeyUnusable,
    }


@pytest.mark.parametrize("keyword", sorted(INDIFFERENT - {"DECRYPTION_INFO", "DECRYPTION_KEY"}))
def test_lines_that_decide_nothing_change_nothing(keyword: str) -> None:
    judge_opening(Run((f"{keyword} 1 2 3", *GOOD), 0), terms())


def test_a_keyword_never_heard_of_is_not_passed_over() -> None:
    assert verdict([*GOOD, "MAYBEBADSIG"]) is errors.CryptoFailed


def test_the_order_of_lines_counts() -> None:
    # A signature that was good before anything was decrypted signed something else than what came out.
    moved = [line for line in GOOD if not line.startswith(("NEWSIG", "GOODSIG", "VALIDSIG"))]
    signature = [line for line in GOOD if line.startswith(("NEWSIG", "GOODSIG", "VALIDSIG"))]
    assert verdict([*moved, *signature]) is errors.EnvelopeDamaged
    assert verdict([*signature, *moved]) is errors.EnvelopeDamaged


SIGNATURE_LINES = ("NEWSIG", None), ("SIG_ID", None), ("GOODSIG", None), ("VALIDSIG", None)


@pytest.mark.parametrize(
    ("lines", "returncode", "expected"),
    [
        (changed(*SIGNATURE_LINES), 0, errors.SignatureMissing),
        (changed(("GOODSIG", "REVKEYSIG 03E1772EED7B1B5D x")), 0, errors.SignerRevoked),
        (with_line("KEYREVOKED", "NEWSIG"), 0, errors.SignerRevoked),
        (changed(("GOODSIG", "EXPKEYSIG 03E1772EED7B1B5D x")), 0, errors.SignerExpired),
        (changed(("GOODSIG", "EXPSIG 03E1772EED7B1B5D x")), 1, errors.SignatureExpired),
        (changed(("GOODSIG", "BADSIG 03E1772EED7B1B5D x"), ("VALIDSIG", None)), 1, errors.SignatureBad),
        (changed(("VALIDSIG", f"VALIDSIG {STRANGER} d 1 0 4 0 22 10 00 {STRANGER}")), 0, errors.SignerUnknown),
        (changed(("VALIDSIG", f"VALIDSIG {SIGNER} d 1 0 4 0 22 10 00 {STRANGER}")), 0, errors.SignerUnknown),
        (changed(("VALIDSIG", f"VALIDSIG {SIGNER} d 1 0 4 0 22 2 00 {SIGNER}")), 0, errors.SignatureWeak),
        (changed(("VALIDSIG", f"VALIDSIG {SIGNER} d 1 0 4 0 22 11 00 {SIGNER}")), 0, errors.SignatureWeak),
        (changed(("VALIDSIG", f"VALIDSIG {SIGNER} d 1 0 4 0 22 10 01 {SIGNER}")), 0, errors.SignatureWeak),
        (changed(("VALIDSIG", f"VALIDSIG {SIGNER} d x 0 4 0 22 10 00 {SIGNER}")), 0, errors.CryptoFailed),
        (changed(("VALIDSIG", f"VALIDSIG {SIGNER}")), 0, errors.CryptoFailed),
        (
            changed(("GOODSIG", f"ERRSIG 1F9030EB4EEC01A3 22 10 00 1 9 {STRANGER}"), ("VALIDSIG", None)),
            2,
            errors.SignerUnknown,
        ),
        (
            changed(("GOODSIG", f"ERRSIG 03E1772EED7B1B5D 22 1 00 1 5 {SIGNER}"), ("VALIDSIG", None)),
            2,
            errors.SignatureWeak,
        ),
        (
            changed(("GOODSIG", f"ERRSIG 03E1772EED7B1B5D 22 10 00 1 4 {SIGNER}"), ("VALIDSIG", None)),
            2,
            errors.SignatureBad,
        ),
        (changed(("GOODMDC", "BADMDC"), ("DECRYPTION_OKAY", "DECRYPTION_FAILED")), 2, errors.EnvelopeDamaged),
        (changed(("DECRYPTION_INFO", "DECRYPTION_INFO 0 9 0"), ("GOODMDC", None)), 0, errors.EnvelopeNoIntegrity),
        (changed(("ENC_TO", "ENC_TO 4CBAE43D85AEA1ED 18 0")), 0, errors.EnvelopeRecipient),
        (with_line("ENC_TO 4CBAE43D85AEA1ED 18 0", "ENC_TO"), 0, errors.EnvelopeRecipient),
        (with_line("ENC_TO 6BB0605BC2528189 18 0", "ENC_TO"), 0, errors.EnvelopeMoreRecipients),
        (changed(("ENC_TO", "ENC_TO 0000000000000000 18 0")), 0, errors.EnvelopeRecipient),
        (with_line("NEED_PASSPHRASE_SYM 9 3 8", "ENC_TO"), 0, errors.EnvelopeRecipient),
        (changed(("DECRYPTION_KEY", f"DECRYPTION_KEY {OWN_SUB} {STRANGER} u")), 0, errors.EnvelopeRecipient),
        ([*GOOD, "NODATA 3"], 2, errors.EnvelopeTrailing),
        ([*GOOD, *GOOD], 0, errors.EnvelopeTrailing),
        (with_line("ERROR proc_pkt.plaintext 89_BAD_DATA", "PLAINTEXT_LENGTH"), 2, errors.EnvelopeTrailing),
        (["PLAINTEXT 62 1", "NEWSIG"], 0, errors.EnvelopeNotEncrypted),
        (["NODATA 1", "NODATA 2", "FAILURE decrypt 4294967295"], 2, errors.EnvelopeNotOpenPgp),
        (["NEED_PASSPHRASE_SYM 9 3 8"], 2, errors.EnvelopeRecipient),
        ([], 0, errors.EnvelopeNotOpenPgp),
        ([], 2, errors.CryptoFailed),
        (GOOD, 2, errors.EnvelopeDamaged),
        (GOOD[:6], 2, errors.EnvelopeDamaged),
        (
            ["ENC_TO 6BB0605BC2528189 18 0", "NO_SECKEY 6BB0605BC2528189", "BEGIN_DECRYPTION", "DECRYPTION_FAILED"],
            2,
            errors.OwnKeyUnusable,
        ),
        (undeciphered("33554449"), 2, errors.OwnKeyUnusable),
        (undeciphered("16777226"), 2, errors.EnvelopeDamaged),
        (undeciphered("16777234"), 2, errors.EnvelopeDamaged),
        (undeciphered("no number"), 2, errors.OwnKeyUnusable),
    ],
)
def test_each_fault_has_its_own_name(lines: list[str], returncode: int, expected: type[errors.GatewayError]) -> None:
    assert verdict(lines, returncode) is expected


@pytest.mark.parametrize(
    ("returncode", "ended", "lines", "expected"),
    [
        (-signal.SIGXCPU, None, GOOD[:6], errors.EnvelopeExhausting),
        (-signal.SIGSEGV, None, GOOD[:6], errors.EnvelopeDamaged),
        (-signal.SIGKILL, None, GOOD[:6], errors.CryptoFailed),
        (-signal.SIGKILL, Ended.CHATTER, GOOD, errors.EnvelopeExhausting),
        (-signal.SIGKILL, Ended.DEADLINE, GOOD[:6], errors.EnvelopeExhausting),
        (-signal.SIGKILL, Ended.DEADLINE, GOOD[:1], errors.KeyAgentAway),
        (-signal.SIGKILL, Ended.FEED_FAILED, GOOD, errors.CryptoFailed),
        (0, Ended.CHATTER, GOOD, errors.EnvelopeExhausting),
    ],
)
def test_how_gpg_ended_comes_before_what_it_said(
    returncode: int, ended: Ended | None, lines: list[str], expected: type[errors.GatewayError]
) -> None:
    assert verdict(lines, returncode, ended) is expected


def test_keys_and_signatures_expire_at_the_gateways_own_clock() -> None:
    assert verdict(GOOD, on=terms(now=LATER)) is errors.SignerExpired
    lines = changed(("VALIDSIG", f"VALIDSIG {SIGNER} d {SIGNED_AT} {int(NOW)} 4 0 22 10 00 {SIGNER}"))
    assert verdict(lines) is errors.SignatureExpired
    judge_opening(Run(tuple(lines), 0), terms(now=NOW - 1))


def test_a_key_that_the_keyring_calls_revoked_is_refused_whatever_gpg_says() -> None:
    revoked = KeySet("site a", (key(SIGNER, "sc", revoked=True),))
    assert verdict(GOOD, on=terms(partner=revoked)) is errors.SignerRevoked


def test_reasons_never_hold_what_a_partner_wrote() -> None:
    for lines, code in (
        (changed(("GOODSIG", "BADSIG 03E1772EED7B1B5D QQ123456C")), 1),
        ([*GOOD, "ERROR QQ123456C 1"], 2),
    ):
        with pytest.raises(errors.GatewayError) as caught:
            judge_opening(Run(tuple(lines), code), terms())
        assert "QQ123456C" not in caught.value.reason


SEALED = ["BEGIN_SIGNING H8", "SIG_CREATED S 22 8 00 1 " + SIGNER, "BEGIN_ENCRYPTION 2 9", "END_ENCRYPTION"]


def test_a_complete_seal_passes() -> None:
    judge_sealing(Run(tuple(SEALED), 0))


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (Run(("INV_RECP 10 " + STRANGER, "FAILURE sign-encrypt 53"), 2), errors.PartnerKeyUnusable),
        (Run(("INV_SGNR 9", "FAILURE sign-encrypt 17"), 2), errors.OwnKeyUnusable),
        (Run(tuple(SEALED), 2), errors.CryptoFailed),
        (Run(tuple(SEALED[:-1]), 0), errors.CryptoFailed),
        (Run(tuple(SEALED[2:]), 0), errors.CryptoFailed),
        (Run((*SEALED, "FAILURE gpg-exit 1"), 0), errors.CryptoFailed),
        (Run((), -9, Ended.DEADLINE), errors.KeyAgentAway),
        (Run(tuple(SEALED), -9, Ended.DEADLINE), errors.CryptoFailed),
        (Run((), -9, Ended.WRITE_FAILED), errors.CryptoFailed),
    ],
)
def test_an_incomplete_seal_says_whose_fault_it_is(run: Run, expected: type[errors.GatewayError]) -> None:
    with pytest.raises(errors.GatewayError) as caught:
        judge_sealing(run)
    assert type(caught.value) is expected
