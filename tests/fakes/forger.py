"""A correspondent that knows the contract and nothing of our program: it makes consignments, receipts and cards, good or forged.

Everything follows docs/wire-format.md alone, with stock gpg, tar, zstd and ssh-keygen as separate programs. Nothing of
`gateway` is imported here, so that a mistake which writer and reader of the gateway share shows.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from tests.fakes.openpgp import Recipe, StockGpg

DEFAULT_RECIPE = Recipe()
NOBODYS_HEAD: Final[Mapping[str, Any]] = MappingProxyType({"sequence": 7, "sha256": "7" * 64})


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def uuid7() -> str:
    """RFC 9562, section 5.7."""
    value = int(time.time() * 1000) << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    text = f"{value:032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def moment(seconds_from_now: float = 0.0) -> str:
    return datetime.fromtimestamp(time.time() + seconds_from_now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class Payload:
    """One file to send, and what the manifest says of it where that is not the truth."""

    content: bytes
    name: str = "claims-1.xml"
    flow: str = "claim"
    transfer: str = field(default_factory=uuid7)
    said: dict[str, Any] = field(default_factory=dict)

    def item(self) -> dict[str, Any]:
        return {
            "transfer": self.transfer,
            "flow": self.flow,
            "name": self.name,
            "size": len(self.content),
            "sha256": sha256(self.content),
            "schema": "claim/1.0",
            "reference": None,
            "redirected_from": None,
        } | self.said


@dataclass(frozen=True)
class Parcel:
    """A sealed file: its id, its bytes, and what was sealed in it."""

    id: str
    sealed: bytes
    document: dict[str, Any]

    @property
    def name(self) -> str:
        return f"{self.id}.pgp"


class Forger:
    """One made-up organisation with keys of its own."""

    def __init__(self, root: Path, code: str, recipe: Recipe = DEFAULT_RECIPE) -> None:
        self.code = code
        self.root = root
        root.mkdir(parents=True, mode=0o700)
        self.user_id = f"{code} (made up) <gateway@{code.lower()}.invalid>"
        # A socket's path is short: the keys lie below the system's temporary directory, wherever `root` is.
        self._keys = Path(tempfile.mkdtemp(prefix="forger-"))
        self.gpg = StockGpg(self._keys / "g")
        self.fingerprint = self.gpg.make_key_by(self.user_id, recipe)
        self.known: dict[str, str] = {}
        self._sequence = 0

    def close(self) -> None:
        self.gpg.close()
        shutil.rmtree(self._keys, ignore_errors=True)  # the agent removes its sockets at the same time

    # -- introductions

    def card(self) -> str:
        """A card without an endpoint: its sealed files are carried by hand."""
        key = self.root / "ssh"
        if not key.exists():
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(key)],
                check=True,
                stdin=subprocess.DEVNULL,
            )
        card = {
            "version": 1,
            "site": self.code,
            "name": f"Made-up {self.code}",
            "openpgp": self.gpg.certificate(self.user_id),
            "fingerprint": self.fingerprint,
            "ssh_key": key.with_suffix(".pub").read_text(encoding="ascii").strip(),
            "host_key": None,
            "endpoint": None,
        }
        return json.dumps(card)

    def learn(self, card: str) -> None:
        """Take a partner's card, and believe it."""
        told = json.loads(card)
        self.gpg.learn(told["openpgp"])
        self.known[told["site"]] = told["fingerprint"]

    # -- consignments

    def next_sequence(self) -> int:
        self._sequence += 1
        return self._sequence

    def manifest(self, recipient: str, payloads: Sequence[Payload], **changes: Any) -> dict[str, Any]:
        """The manifest as it should be, but for `changes`."""
        return {
            "version": 1,
            "consignment": uuid7(),
            "sender": self.code,
            "recipient": recipient,
            "signer": self.fingerprint,
            "encrypted_to": self.known[recipient],
            "sequence": self.next_sequence() if "sequence" not in changes else 0,
            "created": moment(),
            "expires": moment(7 * 86400),
            "audit_head": {**NOBODYS_HEAD},
            "items": [payload.item() for payload in payloads],
        } | changes

    def archive(self, manifest: bytes, payloads: Sequence[bytes], *tar_options: str, program: str = "tar") -> bytes:
        """`manifest.json`, `payload/0001`, ... packed by stock tar in its own default format, and by zstd."""
        members = {"manifest.json": manifest}
        members |= {f"payload/{number:04d}": content for number, content in enumerate(payloads, 1)}
        with tempfile.TemporaryDirectory(prefix="forger-") as place:
            for name, content in members.items():
                path = Path(place) / name
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(content)
            command = [program, "-C", place, *tar_options, "-cf", "-", *members]
            return compressed(subprocess.run(command, check=True, capture_output=True).stdout)

    def seal(self, content: bytes, recipient: str, *options: str) -> bytes:
        """Signed by us and encrypted to the recipient, but for `options` of gpg."""
        who = ["--no-encrypt-to", "--local-user", self.fingerprint]
        return self.gpg.seal(self.known[recipient], content, *who, *options)

    def encrypt(self, content: bytes, recipient: str) -> bytes:
        """Encrypted, and signed by nobody."""
        return self.gpg.run("-z", "0", "--recipient", self.known[recipient], "--encrypt", feed=content)

    def consignment(self, recipient: str, payloads: Sequence[Payload], **changes: Any) -> Parcel:
        """A whole consignment; `changes` are those of the manifest."""
        document = self.manifest(recipient, payloads, **changes)
        packed = self.archive(json.dumps(document).encode(), [payload.content for payload in payloads])
        return Parcel(document["consignment"], self.seal(packed, recipient), document)

    def open(self, sealed: bytes) -> tuple[dict[str, Any], dict[str, bytes]]:
        """What a partner sealed for us: `gpg -d ID.pgp | zstd -d | tar x`, the manifest and the members by name."""
        plain = self.gpg.run("--decrypt", feed=sealed)
        packed = subprocess.run(["zstd", "-dcq"], input=plain, check=True, capture_output=True).stdout
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            files = {member.name: _content(archive, member) for member in archive.getmembers()}
        return json.loads(files["manifest.json"]), files

    # -- receipts

    def receipt(self, manifest: dict[str, Any], sealed: bytes, outcome: str = "delivered", **changes: Any) -> Parcel:
        """The answer to a consignment that a partner sealed for us, but for `changes`."""
        rejected = outcome not in {"delivered", "duplicate"}
        document = {
            "version": 1,
            "consignment": manifest["consignment"],
            "sealed_sha256": sha256(sealed),
            "sender": self.code,
            "recipient": manifest["sender"],
            "level": "delivered",
            "issued": moment(),
            "audit_head": {**NOBODYS_HEAD},
            "items": [
                {
                    "transfer": item["transfer"],
                    "sha256": item["sha256"],
                    "outcome": outcome,
                    "code": "made-up" if rejected else None,
                    "reason": "The forger does not like it." if rejected else None,
                }
                for item in manifest["items"]
            ],
        } | changes
        return self.sealed_receipt(manifest["consignment"], json.dumps(document).encode(), manifest["sender"], document)

    def sealed_receipt(
        self, consignment: str, content: bytes, recipient: str, document: dict[str, Any] | None = None
    ) -> Parcel:
        return Parcel(consignment, self.seal(content, recipient), document or {})

    def read_receipt(self, sealed: bytes) -> dict[str, Any]:
        """What a partner answered."""
        told: dict[str, Any] = json.loads(self.gpg.run("--decrypt", feed=sealed))
        return told


def compressed(content: bytes) -> bytes:
    return subprocess.run(["zstd", "-cq"], input=content, check=True, capture_output=True).stdout


def place(directory: Path, name: str, content: bytes) -> Path:
    """As an upload ends: complete under its name by one rename."""
    part = directory / f"{name}.part"
    part.write_bytes(content)
    return part.rename(directory / name)


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    stream = archive.extractfile(member)
    return b"" if stream is None else stream.read()
