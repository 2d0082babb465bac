"""Passwords: which are taken, and their hash.

By NIST SP 800-63B and the NCSC: long, none of the common ones, nothing that everybody knows of the person; no rule about kinds of
characters, since such rules make passwords that people write down. The hash is argon2id with the library's parameters (RFC 9106,
second recommendation: 64 MiB). So much memory at once is bounded, however many people sign in. Raises PasswordRefused.
"""

from __future__ import annotations

import re
import unicodedata
from contextlib import AbstractContextManager
from functools import cached_property
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from gateway.errors import PasswordRefused

LEAST: Final = 12
MOST: Final = 256
_LEET: Final = str.maketrans("013457@$!", "oieastasi")
_RUNS: Final = (
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890123456789",
    "qwertyuiopasdfghjklzxcvbnm",
    "1qaz2wsx3edc4rfv5tgb",
)
_WORDS: Final = """
password passwort passwd pass letmein welcome welcometo qwerty qwertyuiop azerty iloveyou ilove loveyou monkey dragon sunshine
princess football liverpool arsenal chelsea everton manchester united rangers celtic london england scotland wales britain summer
winter spring autumn monday january february september october november december secret changeme change default temp temporary
test testing trustno trust noone master superman batman spiderman starwars pokemon hello hellothere admin administrator root user
login logon access guest system computer internet google facebook microsoft windows gateway console council councils authority
department benefit benefits housing pension claim claims claimant my your the our me you is new old now please one two a i an and
of to correct horse battery staple
"""
_COMMON: Final = frozenset(_WORDS.split())
"""Words that common passwords consist of, beside digits and signs. A password of nothing else is refused."""
_LONGEST_WORD: Final = max(map(len, _COMMON))
_UNIT: Final = 4
_PART: Final = 4


class Passwords:
    """Hashing and verifying, so many at once as `turns` lets in."""

    def __init__(self, hasher: PasswordHasher, turns: AbstractContextManager[object]) -> None:
        self._hasher = hasher
        self._turns = turns

    def hash(self, password: str) -> str:
        with self._turns:
            return self._hasher.hash(_plain(password))

    def verify(self, known: str | None, password: str) -> bool:
        """Whether it is the password of that hash. Takes as long where there is none: who asks learns nothing of user ids."""
        with self._turns:
            try:
                return self._hasher.verify(known or self._nobodys, _plain(password)[:MOST]) and known is not None
            except (VerificationError, InvalidHashError):
                return False

    def prepare(self) -> None:
        """Make what `verify` needs for people that there are not, so that the first such attempt takes no longer than others."""
        _ = self._nobodys

    @cached_property
    def _nobodys(self) -> str:
        return self._hasher.hash("nobody's")


def require_good(password: str, user: str, name: str, site: str) -> None:
    """PasswordRefused, with the reason, for a password that is short, common, or made of what everybody knows."""
    text = _plain(password)
    if len(text) < LEAST:
        raise PasswordRefused(f"a password has at least {LEAST} characters")
    if len(text) > MOST:
        raise PasswordRefused(f"a password has at most {MOST} characters")
    folded = text.casefold()
    middle = re.sub(r"^[\W\d_]+|[\W\d_]+$", "", folded)  # what is put before and after a word
    known = [part for part in re.split(r"\W+", f"{user} {name} {site}".casefold()) if len(part) >= _PART]
    if any(part in folded for part in known):
        raise PasswordRefused("the password contains the user id, a part of the name, or the site's code")
    if re.fullmatch(rf"(.{{1,{_UNIT}}}?)\1*.{{0,{_UNIT}}}", folded) and len(set(folded)) <= _UNIT:
        raise PasswordRefused("the password repeats a few characters")
    if _is_run(folded):
        raise PasswordRefused("the password follows the alphabet, the digits or the keyboard")
    if any(_is_guessed(re.sub(r"[\W\d_]", "", each)) for each in (folded, middle.translate(_LEET))):
        raise PasswordRefused("the password is one of the common ones, or made of their words")


def _plain(password: str) -> str:
    """One form for what keyboards and systems write in several."""
    return unicodedata.normalize("NFKC", password)


def _is_run(folded: str) -> bool:
    """Whether most of it lies in a row somewhere."""
    found = 0
    for start in range(len(folded) - _PART + 1):
        part = folded[start : start + _PART]
        found += any(part in run or part in run[::-1] for run in _RUNS)
    return found * 2 > len(folded) - _PART + 1


def _is_guessed(letters: str) -> bool:
    """Whether it consists of common words alone."""
    ends = {0}
    for end in range(1, len(letters) + 1):
        if any(letters[start:end] in _COMMON for start in ends if end - start <= _LONGEST_WORD):
            ends.add(end)
    return len(letters) >= _PART and len(letters) in ends
