"""A device with passkeys, as far as a console sees it: answers what a browser would send, rightly or as an attacker would have it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url

ORIGIN = "http://localhost:9640"
HOST = "localhost"
_PRESENT, _VERIFIED, _NEW_KEY = 0x01, 0x04, 0x40


@dataclass
class Device:
    """One with one key. `counter` goes up with each use, unless it is 0; `origin` and `host` are where its browser believes to be."""

    counter: int = 0
    verifies: bool = True
    origin: str = ORIGIN
    host: str = HOST
    identity: bytes = field(default_factory=lambda: os.urandom(32))
    handle: str | None = None
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def create(self, options: str) -> str:
        """Make the key."""
        asked = json.loads(options)
        self.handle = asked["user"]["id"]
        numbers = self.key.public_key().public_numbers()
        public = cbor2.dumps({1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")})
        credential = bytes(16) + len(self.identity).to_bytes(2, "big") + self.identity + public
        attested = {"fmt": "none", "attStmt": {}, "authData": self._about(_NEW_KEY) + credential}
        said = self._said("webauthn.create", asked["challenge"])
        return self._answer(clientDataJSON=said, attestationObject=cbor2.dumps(attested))

    def get(self, options: str) -> str:
        """Sign a challenge."""
        if self.counter:
            self.counter += 1
        said = self._said("webauthn.get", json.loads(options)["challenge"])
        about = self._about()
        signature = self.key.sign(about + sha256(said).digest(), ec.ECDSA(SHA256()))
        answer = {"clientDataJSON": said, "authenticatorData": about, "signature": signature}
        return self._answer(
            **answer, **({} if self.handle is None else {"userHandle": base64url_to_bytes(self.handle)})
        )

    def _about(self, flags: int = 0) -> bytes:
        flags |= _PRESENT | (_VERIFIED if self.verifies else 0)
        return sha256(self.host.encode()).digest() + bytes([flags]) + self.counter.to_bytes(4, "big")

    def _said(self, kind: str, challenge: str) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": self.origin}).encode()

    def _answer(self, **response: bytes) -> str:
        identity = bytes_to_base64url(self.identity)
        inside: dict[str, Any] = {name: bytes_to_base64url(value) for name, value in response.items()}
        return json.dumps({"id": identity, "rawId": identity, "type": "public-key", "response": inside})
