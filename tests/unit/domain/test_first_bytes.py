"""What a sealed file begins as: whom it is encrypted for, and no byte of what came unsealed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from gateway.domain.first_bytes import TAKEN, described

KEY = bytes.fromhex("0123456789abcdef")


@pytest.mark.parametrize(
    "start",
    [
        b"\x85\x01\x0c\x03" + KEY + b"\x01rest",  # old format, length of two bytes
        b"\x84\x5e\x03" + KEY + b"\x01rest",
        b"\xc1\x5e\x03" + KEY + b"\x01rest",  # new format
        b"\xc1\xc1\x0c\x03" + KEY + b"\x01rest",
    ],
)
def test_a_message_says_for_which_key_it_is_and_its_first_bytes_are_given(start: bytes) -> None:
    said = described(start)
    assert "encrypted for the key 0123456789ABCDEF" in said
    assert said.endswith(start[:16].hex(" "))


def test_a_key_that_a_message_does_not_name(tmp_path: Path) -> None:
    assert "a key that it does not name" in described(b"\x84\x5e\x03" + bytes(8) + b"\x01")
    made = subprocess.run(
        ["gpg", "--homedir", tmp_path, "--batch", "--passphrase", "x", "--pinentry-mode", "loopback", "-c"],
        input=b"content",
        capture_output=True,
        check=True,
    )
    assert "a passphrase opens" in described(made.stdout[:TAKEN])


@pytest.mark.parametrize(
    ("start", "words"),
    [
        (b"", "empty"),
        (b"-----BEGIN PGP MESSAGE-----\n", "armoured"),
        (b"%PDF-1.7\nQQ123456C", "a PDF"),
        (b"\xef\xbb\xbf<?xml version", "XML"),
        (b"QQ123456C,SMITH,1950-01-01", "text"),
        ("QQ123456C,MÜLLER".encode("latin-1"), "nothing that is known"),
        (b"\xcb\x20b\x05claimQQ123456C", "a message that is not encrypted"),
        (b"\xac\x20b\x05claimQQ123456C", "a message that is not encrypted"),
        (b"\xa3\x01\x78\x9c", "compressed"),
        (b"\x90\x0d\x03\x00\x02\x08\x01", "signed and not encrypted"),
        (b"\x84", "nothing that is known"),
        (b"\x84\x5e\x07" + KEY + b"QQ123456C", "nothing that is known"),
        (b"\xff" * 32, "nothing that is known"),
        (bytes(32), "nothing that is known"),
    ],
)
def test_of_what_came_unsealed_no_byte_is_told(start: bytes, words: str) -> None:
    said = described(start)
    assert words in said
    assert "First bytes" not in said
    assert "first bytes" not in said
    assert "QQ" not in said
    assert b"QQ".hex() not in said
