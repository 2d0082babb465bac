"""Which passwords are taken, and that their hash is what it should be."""

from __future__ import annotations

from threading import BoundedSemaphore

import pytest
from argon2 import PasswordHasher, Type

from gateway.administration.credentials.passwords import MOST, Passwords, require_good
from gateway.errors import PasswordRefused
from tests.fakes.credentials import CHEAP, GOOD


@pytest.mark.parametrize(
    "password",
    [
        "short-one-1",
        "x" * (MOST + 1),
        "password1234",
        "Passw0rd!2024",
        "P@$$w0rd2026!",
        "letmein-letmein",
        "WelcomeToLondon1",
        "administrator1",
        "123456789012",
        "210987654321",
        "abcdefghijkl",
        "qwertyuiop[]",
        "1qaz2wsx3edc",
        "aaaaaaaaaaaaa",
        "abcabcabcabc",
        "Hb1042 is my own",
        "something with invented",
        "four dwp offices",
        "correct horse battery staple",
        "housing-benefit-2026",
    ],
)
def test_what_others_guess_first_is_refused(password: str) -> None:
    with pytest.raises(PasswordRefused) as caught:
        require_good(password, "hb1042", "Invented Person", "four")
    assert password not in str(caught.value)


@pytest.mark.parametrize(
    "password",
    [
        GOOD,
        "lantern oyster gravel",
        "x7#kQ!vz2Lw9",
        "ключ от подвала",
        "8305 1947 2266 0193",
        "ж" * 3 + "тихий омут и лес",
    ],
)
def test_no_kind_of_character_is_asked_for(password: str) -> None:
    require_good(password, "hb1042", "Invented Person", "DWP")


def test_one_password_in_two_forms_is_one() -> None:
    passwords = Passwords(CHEAP, BoundedSemaphore(1))
    known = passwords.hash("caf\u00e9 au lait noir")
    assert passwords.verify(known, "cafe\u0301 au lait noir")
    assert not passwords.verify(known, "cafe au lait noir")


def test_nobodys_password_is_verified_like_anybodys_and_is_never_right() -> None:
    passwords = Passwords(CHEAP, BoundedSemaphore(1))
    assert not passwords.verify(None, "nobody's")
    assert not passwords.verify("no hash", "nobody's")
    assert not passwords.verify(None, "x" * 100_000)


def test_the_real_hash_is_argon2id_with_the_memory_of_rfc_9106() -> None:
    real = PasswordHasher()
    assert (real.type, real.time_cost, real.memory_cost) == (Type.ID, 3, 64 * 1024)
