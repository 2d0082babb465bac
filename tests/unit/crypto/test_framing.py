"""The outermost packets of a sealed file, from bytes alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import errors
from gateway.crypto.framing import check_framing

OURS = "6BB0605BC2528189"
POINT = b"\x40" + bytes(range(1, 33))
WRAPPED = b"\x30" + bytes(48)
ECDH = b"\x03" + bytes.fromhex(OURS) + b"\x12\x01\x07" + POINT + WRAPPED
STRANGER = ECDH.replace(bytes.fromhex(OURS), bytes(range(8)))
PROTECTED = b"\x01" + bytes(range(200))


def new(tag: int, body: bytes) -> bytes:
    return bytes([0xC0 | tag, 0xFF]) + len(body).to_bytes(4, "big") + body


def old(tag: int, body: bytes) -> bytes:
    return bytes([0x80 | tag << 2 | 1]) + len(body).to_bytes(2, "big") + body


def chunked(tag: int, body: bytes, power: int = 9) -> bytes:
    """The body in chunks of 2**power octets, the rest behind a last length."""
    step, out, at = 1 << power, bytes([0xC0 | tag]), 0
    while len(body) - at >= step:
        out += bytes([0xE0 | power]) + body[at : at + step]
        at += step
    return out + b"\xff" + (len(body) - at).to_bytes(4, "big") + body[at:]


def check(message: bytes) -> None:
    check_framing(lambda at, count: message[at : at + count], len(message), frozenset({OURS}))


def refusal(message: bytes) -> type[errors.EnvelopeRefused]:
    with pytest.raises(errors.EnvelopeRefused) as caught:
        check(message)
    return type(caught.value)


@pytest.mark.parametrize("key", [new(1, ECDH), old(1, ECDH)])
@pytest.mark.parametrize(
    "body",
    [
        new(18, PROTECTED),
        b"\xd2\x64" + PROTECTED[:100],
        b"\xd2\xc0\x09" + PROTECTED,
        chunked(18, b"\x01" + bytes(5000)),
        chunked(18, b"\x01" + bytes(100_000), power=13),
    ],
)
def test_every_way_of_writing_lengths_is_understood(key: bytes, body: bytes) -> None:
    check(key + body)


def test_an_rsa_session_key_is_understood() -> None:
    integer = b"\x0c\x00" + b"\x80" + bytes(383)
    check(new(1, b"\x03" + bytes.fromhex(OURS) + b"\x01" + integer) + new(18, PROTECTED))


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (b"", errors.EnvelopeNotOpenPgp),
        (b"hello", errors.EnvelopeNotOpenPgp),
        (b"-----BEGIN PGP MESSAGE-----\n", errors.EnvelopeArmoured),
        (b"\xef\xbb\xbf-----BEGIN PGP MESSAGE-----\n", errors.EnvelopeArmoured),
        (b"\n-----BEGIN PGP SIGNED MESSAGE-----\n", errors.EnvelopeClearSigned),
        (new(11, b"b\0\0\0\0\0x"), errors.EnvelopeNotEncrypted),
        (b"\xa3" + bytes(20), errors.EnvelopeNotEncrypted),
        (new(6, bytes(50)), errors.EnvelopeNotOpenPgp),
        (new(3, bytes(20)) + new(18, PROTECTED), errors.EnvelopeRecipient),
        (new(18, PROTECTED), errors.EnvelopeRecipient),
        (new(9, PROTECTED), errors.EnvelopeNoIntegrity),
        (new(20, PROTECTED), errors.EnvelopeRecipient),
        (new(1, b"\x06" + ECDH[1:]) + new(18, PROTECTED), errors.EnvelopeUnsupported),
        (new(1, ECDH[:5]) + new(18, PROTECTED), errors.EnvelopeDamaged),
        (new(1, ECDH)[:40], errors.EnvelopeTruncated),
        (new(1, ECDH) + b"\xd2\x00", errors.EnvelopeTruncated),
        (new(1, ECDH) + b"\xd2", errors.EnvelopeTruncated),
        (new(1, STRANGER) + new(1, ECDH) + new(18, PROTECTED), errors.EnvelopeMoreRecipients),
        (new(1, ECDH), errors.EnvelopeTruncated),
        (new(1, ECDH) + new(9, PROTECTED), errors.EnvelopeNoIntegrity),
        (new(1, ECDH) + new(20, PROTECTED), errors.EnvelopeUnsupported),
        (new(1, ECDH) + new(18, b"\x02" + PROTECTED), errors.EnvelopeUnsupported),
        (new(1, ECDH) + new(1, ECDH) + new(18, PROTECTED), errors.EnvelopeMoreRecipients),
        (new(1, ECDH) + new(3, bytes(20)) + new(18, PROTECTED), errors.EnvelopeMoreRecipients),
        (new(1, ECDH.replace(bytes.fromhex(OURS), bytes(8))) + new(18, PROTECTED), errors.EnvelopeRecipient),
        (new(1, ECDH.replace(bytes.fromhex(OURS), bytes(range(8)))) + new(18, PROTECTED), errors.EnvelopeRecipient),
        (new(1, ECDH) + new(18, PROTECTED) + b"\n", errors.EnvelopeTrailing),
        (new(1, ECDH) + chunked(18, b"\x01" + bytes(5000)) + b"x", errors.EnvelopeTrailing),
        (new(1, ECDH) + new(18, PROTECTED)[:-1], errors.EnvelopeTruncated),
        (new(1, ECDH) + chunked(18, b"\x01" + bytes(5000))[:-1], errors.EnvelopeTruncated),
        (new(1, ECDH) + chunked(18, b"\x01" + bytes(5000))[:2000], errors.EnvelopeTruncated),
        (new(1, ECDH) + chunked(18, b"\x01" + bytes(5000), power=4), errors.EnvelopeDamaged),
        (new(1, bytes(5000)) + new(18, PROTECTED), errors.EnvelopeDamaged),
        (chunked(1, ECDH * 20) + new(18, PROTECTED), errors.EnvelopeDamaged),
        (new(1, ECDH + b"x") + new(18, PROTECTED), errors.EnvelopeDamaged),
        (new(1, ECDH.replace(b"\x01\x07", b"\x01\x06")) + new(18, PROTECTED), errors.EnvelopeDamaged),
        (new(1, ECDH.replace(POINT, POINT[:-1] + b"\xa0")) + new(18, PROTECTED), errors.EnvelopeDamaged),
        (new(1, ECDH[:20]) + new(18, PROTECTED), errors.EnvelopeDamaged),
    ],
)
def test_another_frame_is_refused_by_name(message: bytes, expected: type[errors.EnvelopeRefused]) -> None:
    assert refusal(message) is expected


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_and_nothing_else_happens(message: bytes) -> None:
    refusal(message)


@given(st.integers(0, 400), st.binary(max_size=20))
def test_bytes_in_the_place_of_any_others_are_judged_without_another_error(at: int, other: bytes) -> None:
    message = bytearray(new(1, ECDH) + chunked(18, b"\x01" + bytes(700)))
    message[at : at + len(other)] = other
    try:
        check(bytes(message))
    except errors.EnvelopeRefused:
        return


def test_a_file_of_tiny_chunks_costs_no_time() -> None:
    size = 1 << 30
    asked = 0
    head = new(1, ECDH)

    def peek(at: int, count: int) -> bytes:
        nonlocal asked
        asked += 1
        return head[at : at + count] if at < len(head) else (b"\xd2\xe0\x01" + b"\xe0" * 6)[at - len(head) :][:count]

    with pytest.raises(errors.EnvelopeDamaged):
        check_framing(peek, size, frozenset({OURS}))
    assert asked < 20
