"""Time stamps by an authority (RFC 3161): that a file was there at a moment, said by somebody else.

Raises TimestampFailed, whatever went wrong. The library comes with the extra `timestamps`, so it is imported when it is needed.
Why it is safe: an authority learns a digest and nothing else; its answer is bounded, and counts only where it is about that digest
and that request, and is signed under a certificate that the sysadmin has put beside the configuration.
"""

from __future__ import annotations

import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import Final

from cryptography.x509 import load_pem_x509_certificates

from gateway.errors import TimestampFailed

_MOST: Final = 64 * 1024
"""Bytes of an answer; one with a chain of certificates has six thousand."""


def stamp(url: str, roots: Path, content: bytes, seconds: float) -> bytes:
    """The authority's answer about the SHA-256 of `content`, verified: DER, as `openssl ts -verify -in` takes it.

    `roots` holds the certificates that the authority's own has to lead to, PEM. `seconds` is how long it may say nothing.
    """
    try:
        from rfc3161_client import (  # noqa: PLC0415 - see above
            HashAlgorithm,
            TimestampRequestBuilder,
            VerificationError,
            VerifierBuilder,
            decode_timestamp_response,
        )
    except ImportError as error:
        raise TimestampFailed("rfc3161-client is not installed here") from error
    request = TimestampRequestBuilder().data(content).hash_algorithm(HashAlgorithm.SHA256).build()
    try:
        verifier = VerifierBuilder.from_request(request)
        for root in load_pem_x509_certificates(roots.read_bytes()):
            verifier = verifier.add_root_certificate(root)
        built = verifier.build()
    except (OSError, ValueError) as error:
        raise TimestampFailed(f"{roots.name} holds no certificates that can be read") from error
    answer = _ask(url, request.as_bytes(), seconds)
    try:
        built.verify_message(decode_timestamp_response(answer), content)
    except (ValueError, VerificationError) as error:
        raise TimestampFailed("the authority's answer is no time stamp that holds") from error
    return answer


def _ask(url: str, query: bytes, seconds: float) -> bytes:
    asked = urllib.request.Request(  # noqa: S310 - the configuration takes http and https alone
        url, data=query, headers={"Content-Type": "application/timestamp-query"}
    )
    try:
        with urllib.request.urlopen(asked, timeout=seconds) as response:  # noqa: S310 - as above
            answer: bytes = response.read(_MOST + 1)
    except (OSError, HTTPException, ValueError) as error:
        raise TimestampFailed(f"the authority does not answer: {type(error).__name__}") from error
    if len(answer) > _MOST:
        raise TimestampFailed("the authority's answer is too long")
    return answer
