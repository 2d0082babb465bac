"""The second factor: codes of six digits that change every 30 seconds (TOTP, RFC 6238), as authenticator apps show them.

A code is taken from 30 seconds before its time to 30 seconds after, since clocks differ, and once. Raises nothing.
"""

from __future__ import annotations

from base64 import b32encode
from collections.abc import Callable
from hmac import compare_digest
from typing import Final

import pyotp

STEP_SECONDS: Final = 30
_SECRET_BYTES: Final = 20
_AROUND: Final = (-1, 0, 1)


def new_secret(random_bytes: Callable[[int], bytes]) -> str:
    """160 random bits (RFC 4226, section 4), in Base32, as apps take them."""
    return b32encode(random_bytes(_SECRET_BYTES)).decode()


def address_of(secret: str, user: str, site: str) -> str:
    """The `otpauth:` address that an app reads from a picture."""
    return pyotp.TOTP(secret).provisioning_uri(name=user, issuer_name=f"Gateway {site}")


def step_of(secret: str, code: str, now: float) -> int | None:
    """The time step that a code is right for, the latest one; None where it is wrong. Spaces do not count."""
    typed = "".join(code.split())
    otp = pyotp.TOTP(secret)
    found = None
    for around in _AROUND:
        at = int(now) // STEP_SECONDS + around
        if compare_digest(otp.generate_otp(max(at, 0)).encode(), typed.encode(errors="replace")):
            found = at
    return found
