"""`[payloads]`: where several nodes keep the files of their site. Raises ValueError, which pydantic takes for a fault of the value."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from gateway.settings.values import Table, check_host

_S3: Final = re.compile(
    r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(?P<prefix>[A-Za-z0-9_-][A-Za-z0-9._-]*(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*)*)/?)?"
)
_FILE: Final = re.compile(r"file://(?P<path>/[^\x00-\x1f\x7f%?#]+)")
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


def _check_url(url: str) -> str:
    found = _FILE.fullmatch(url)
    if (
        url
        and not _S3.fullmatch(url)
        and (found is None or not {".", "..", ""}.isdisjoint(found["path"].rstrip("/").split("/")[1:]))
    ):
        raise ValueError("no store that is known here")
    return url


def _check_endpoint(url: str) -> str:
    """A server without TLS may be one of this machine alone: the requests are signed, and not secret."""
    if not url:
        return url
    parts = urlsplit(url)
    if (
        parts.scheme not in ("https", "http")
        or not parts.hostname
        or parts.path.strip("/")
        or parts.query
        or "@" in parts.netloc
    ):
        raise ValueError("no address of a server")
    check_host(parts.hostname)
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise ValueError("a server that is reached without TLS")
    return url if parts.port is None else url.rstrip("/")


class PayloadsSettings(Table):
    """`[payloads]`: with `url` "" the files are in this machine's HOME/state alone."""

    url: Annotated[
        str,
        AfterValidator(_check_url),
        Field(
            max_length=500, description='"file:///DIRECTORY", "s3://BUCKET" or "s3://BUCKET/PREFIX", in quotes, or ""'
        ),
    ] = ""
    endpoint: Annotated[
        str,
        AfterValidator(_check_endpoint),
        Field(
            max_length=300,
            description='the address of a server that speaks S3, such as "https://s3.example.org:9000", in quotes; http:// on this machine alone; "" is Amazon\'s',
        ),
    ] = ""
    region: Annotated[
        str, Field(pattern=r"^[a-z0-9-]{1,40}$", description='a region such as "eu-west-2", in quotes')
    ] = "us-east-1"
    server_side_encryption: Annotated[
        Literal["", "AES256", "aws:kms"], Field(description='one of "", "AES256" and "aws:kms"')
    ] = ""
    kms_key: Annotated[
        str,
        Field(pattern=r"^[A-Za-z0-9:/_-]{0,300}$", description='the identity of a key of the server, in quotes, or ""'),
    ] = ""

    @property
    def directory(self) -> Path | None:
        """The directory that all nodes mount; None where it is none."""
        found = _FILE.fullmatch(self.url)
        return None if found is None else Path(found["path"])

    @property
    def bucket(self) -> tuple[str, str] | None:
        """Bucket and prefix, None where it is none of S3."""
        found = _S3.fullmatch(self.url)
        return None if found is None else (found["bucket"], found["prefix"] or "")

    @property
    def is_remote(self) -> bool:
        """Whether it is reached by the network."""
        return self.bucket is not None
