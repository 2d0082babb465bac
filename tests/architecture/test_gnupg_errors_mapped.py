"""Nothing that gpg or python-gnupg can say is unknown to the gateway."""

from __future__ import annotations

import inspect
import re
import shutil
from pathlib import Path

import gnupg
import pytest

from gateway.crypto.gnupg import status_words
from gateway.crypto.gnupg.gpg_process import GpgProcess

# Strings that lie among gpg's status keywords in its program file, and are the words of an editor's lock and of gtar.
_NO_KEYWORDS = {"ENTER", "LEAVE", "ABORT", "MOUNTPOINT", "BLOCKDEV"}


def test_every_keyword_that_python_gnupg_handles_is_known_to_the_verdict() -> None:
    handlers = (gnupg.Verify, gnupg.Crypt)
    found = {
        word
        for handler in handlers
        for word in re.findall(r"'([A-Z][A-Z_]{3,})'", inspect.getsource(handler.handle_status))
    }
    assert found | set(gnupg.Verify.TRUST_LEVELS) <= status_words.KNOWN
    assert {"BADSIG", "NO_SECKEY", "DECRYPTION_FAILED", "UNEXPECTED"} <= found


def test_every_keyword_in_the_installed_gpg_is_known_to_the_verdict() -> None:
    program = shutil.which("gpg")
    assert program is not None
    octets = Path(program).read_bytes()
    at = octets.find(b"\0GOODSIG\0BADSIG\0")
    if at < 0:
        pytest.skip("this gpg keeps its keywords in another order")
    start = octets.rfind(b"\0ENTER\0", 0, at)
    row = re.match(rb"(?:\0+[A-Z][A-Z0-9_]*)+", octets[start:])
    assert row is not None
    words = {word.decode("ascii") for word in row.group().split(b"\0") if word}
    assert len(words) > 80
    assert words - _NO_KEYWORDS <= status_words.KNOWN


def test_the_three_sets_of_keywords_do_not_overlap() -> None:
    once, never, indifferent = set(status_words.ONCE), status_words.NEVER, status_words.INDIFFERENT
    assert not once & never
    assert not once & indifferent
    assert not never & indifferent


def test_python_gnupg_still_has_the_steps_that_are_replaced() -> None:
    """The confinement hangs on these private steps; an upgrade that renames one has to be noticed here."""
    for step in ("make_args", "_open_subprocess", "_read_response", "_collect_output"):
        ours, theirs = getattr(GpgProcess, step), getattr(gnupg.GPG, step)
        assert ours is not theirs
        assert list(inspect.signature(ours).parameters) == list(inspect.signature(theirs).parameters)
    source = inspect.getsource(gnupg)
    assert source.count("Popen(") == 1
    assert source.count("_open_subprocess(") > 5
