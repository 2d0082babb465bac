"""Two sites whose OpenPGP is pretended, and the verifier with its `gpg` pretended as well: what the ledger proves is real."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.administration.evidence import contents
from tests.fakes.two_ledgers import FINGERPRINTS, Pair, PretendedPgp, two_ledgers

TOOL = Path(__file__).parents[4] / "tools" / "verify_evidence.py"

Verify = Callable[[Path], list[str]]


class PretendedStore:
    """Certificates that are their fingerprints, and one signature for everything."""

    def __init__(self, own: str) -> None:
        self._own = own

    def kept(self, partner: str | None = None) -> tuple[str, ...]:
        return (FINGERPRINTS[partner or self._own],)

    def export_own(self, fingerprint: str) -> str:
        return fingerprint

    def export_partner(self, _partner: str, fingerprint: str) -> str:
        return fingerprint

    def sign_binary(self, _text: bytes, fingerprint: str) -> bytes:
        return fingerprint.encode()


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
    spec = importlib.util.spec_from_file_location("verify_evidence", TOOL)
    assert spec is not None
    assert spec.loader is not None
    tool: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)

    def signed_by(certificates: bytes, message: bytes, _signature: bytes | None = None) -> tuple[str, bytes, bytes]:
        return certificates.decode(), b"SHA256", message

    monkeypatch.setattr(tool, "signed_by", signed_by)
    monkeypatch.setattr(tool, "check_form", lambda _signature, _fingerprint: None)

    def check(file: Path) -> list[str]:
        said: list[str] = []
        tool.Evidence(io.BytesIO(file.read_bytes()), set(), said.append)
        return said

    return check
