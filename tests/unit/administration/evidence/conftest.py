"""Two sites whose OpenPGP is pretended, and the verifier with its `gpg` pretended as well: what the ledger proves is real."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.administration.evidence import contents
from tests.acceptance.evidence_forgery import SIGNATURE, Members, packed
from tests.fakes.two_ledgers import FINGERPRINTS, Pair, PretendedPgp, two_ledgers
from tests.fakes.verifier import verifier

Verify = Callable[[Path], list[str]]


def lied(members: Members) -> bytes:
    """The members in a file that DWP signed."""
    return signed(packed([(name, content) for name, content in members if name != SIGNATURE]))


def signed(unsigned: bytes) -> bytes:
    """A ZIP without a comment, with DWP's signature in its place."""
    message = f"evidence {hashlib.sha256(unsigned[:-2]).hexdigest()}".encode()
    signature = PretendedStore("DWP").sign_binary(message, FINGERPRINTS["DWP"])
    return unsigned[:-2] + len(signature).to_bytes(2, "little") + signature


class PretendedStore:
    """Certificates that are their fingerprints, and signatures that are digests."""

    def __init__(self, own: str) -> None:
        self._own = own

    def kept(self, partner: str | None = None) -> tuple[str, ...]:
        return (FINGERPRINTS[partner or self._own],)

    def export_own(self, fingerprint: str) -> str:
        return fingerprint

    def export_partner(self, _partner: str, fingerprint: str) -> str:
        return fingerprint

    def sign_binary(self, text: bytes, fingerprint: str) -> bytes:
        return fingerprint.encode() + hashlib.sha256(text).digest()


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    """Two sites with nothing in their ledgers; evidence is DWP's."""
    monkeypatch.setattr(contents, "open_pgp", lambda settings: PretendedPgp(settings.site.code))
    monkeypatch.setattr(contents, "key_store", lambda _keyrings: PretendedStore("DWP"))
    with two_ledgers(tmp_path / "sites") as made:
        yield made


@pytest.fixture
def verify(monkeypatch: pytest.MonkeyPatch) -> Verify:
    """What the verifier says of a file; ValueError where it does not hold."""
    tool = verifier()

    def signed_by(certificates: bytes, message: bytes, signature: bytes = b"") -> tuple[str, bytes]:
        assert signature in (b"", certificates + hashlib.sha256(message).digest())
        return certificates.decode(), message.split(b"\n")[3] if message.startswith(b"-----BEGIN") else message

    monkeypatch.setattr(tool, "signed_by", signed_by)

    def check(file: Path) -> list[str]:
        said: list[str] = []
        tool.Evidence(set(), said.append).check(io.BytesIO(file.read_bytes()))
        return said

    return check
