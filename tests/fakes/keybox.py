"""The outline of a GnuPG keyring file, for sites whose keys nothing is sealed with."""

from __future__ import annotations

from pathlib import Path


def write_keybox(path: Path, *fingerprints: str) -> None:
    """A keyring that says that it holds the certificates with these primary fingerprints."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_bytes(_blob(1, b"KBXf") + b"".join(_blob(2, bytes.fromhex(each)) for each in fingerprints))


def _blob(kind: int, content: bytes) -> bytes:
    """A blob with `content` where a certificate's has its primary fingerprint."""
    body = bytes([kind, 1]) + bytes(14) + content + bytes(8)
    return (len(body) + 4).to_bytes(4, "big") + body
