"""A site's public introduction: what `gateway card` prints and `gateway partner add` takes.

`parse` raises CardRefused for anything that is not a card of this version. A card proves nothing by itself: whoever
takes it for the first time confirms the fingerprint by another channel. A later one can be signed by the key that was
confirmed then. Fields that this version does not know are ignored, so that later versions can add some; an unknown
version is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.domain.manifest import Fingerprint, Moment
from gateway.errors import CardRefused
from gateway.settings.values import MOST_ADDRESSES

MAX_BYTES: Final = 64 * 1024
"""A card with a certificate of one signing and one encryption key has about 2 KiB."""

MOST_DAYS: Final = 90
"""For so long at most a key is accepted after its successor was introduced."""

_SSH_KEY: Final = r"^(ssh|ecdsa)-[a-z0-9@.-]{1,60} [A-Za-z0-9+/]{16,4000}={0,3}( [^\x00-\x1f\x7f]{0,200})?$"

_HOST: Final = r"^[A-Za-z0-9:._-]{1,253}$"

SshKey = Annotated[str, Field(pattern=_SSH_KEY, description="An OpenSSH public key on one line.")]
Armour = Annotated[str, Field(max_length=MAX_BYTES, pattern=r"^-----BEGIN PGP PUBLIC KEY BLOCK-----")]

_SIGNED_AS: Final = b"gateway-card-1\n"


class CardAddress(BaseModel):
    """Another address where the site is reached, with the account, directory and host key of the first."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", hide_input_in_errors=True)

    host: Annotated[str, Field(pattern=_HOST)]
    port: Annotated[int, Field(ge=1, le=65535)]


class CardEndpoint(BaseModel):
    """Where the site's SFTP server is, and the account and directory for the partner that takes the card."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", hide_input_in_errors=True)

    host: Annotated[str, Field(pattern=_HOST)]
    port: Annotated[int, Field(ge=1, le=65535)]
    user: Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_.-]{0,31}$")]
    path: Annotated[str, Field(pattern=r"^[A-Za-z0-9._/-]{1,200}$")]
    others: Annotated[
        tuple[CardAddress, ...],
        Field(
            strict=False,
            max_length=MOST_ADDRESSES,
            description="Where else the site is reached, in the order in which a partner tries them after the first.",
        ),
    ] = ()

    @property
    def addresses(self) -> tuple[tuple[str, int], ...]:
        """Host and port of each, in the order in which they are tried."""
        return ((self.host, self.port), *((each.host, each.port) for each in self.others))


_RECORD: Final = ConfigDict(frozen=True, strict=True, extra="ignore", hide_input_in_errors=True)


class OldOpenPgp(BaseModel):
    """The site's OpenPGP key before: its certificate, and until when its signatures are to be accepted."""

    model_config = _RECORD
    fingerprint: Fingerprint
    openpgp: Armour
    until: Moment


class OldSsh(BaseModel):
    """An SSH key that the site had before, and until when it is to be accepted."""

    model_config = _RECORD
    key: SshKey
    until: Moment


class Before(BaseModel):
    """The keys that the site had before, where it is changing one: each is accepted beside the new one until its date."""

    model_config = _RECORD
    openpgp: OldOpenPgp | None = None
    ssh_key: OldSsh | None = None
    host_key: OldSsh | None = None


class Card(BaseModel):
    """A card, version 1. Everything behind `endpoint` is optional."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", hide_input_in_errors=True)

    version: Literal[1]
    site: Annotated[str, Field(pattern=r"^[A-Z0-9][A-Z0-9-]{1,15}$", description="The site's code.")]
    name: Annotated[
        str,
        Field(
            pattern=r"^[^\x00-\x1f\x7f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]{1,120}$",
            description="The organisation's name.",
        ),
    ]
    openpgp: Annotated[Armour, Field(description="The site's OpenPGP certificate, ASCII-armoured.")]
    fingerprint: Annotated[Fingerprint, Field(description="The primary fingerprint of the certificate.")]
    ssh_key: Annotated[SshKey, Field(description="The key that the site connects with, one line.")]
    host_key: Annotated[SshKey | None, Field(description="The key of the site's SFTP server, one line, or null.")]
    endpoint: Annotated[CardEndpoint | None, Field(description="Where the site is reached, or null.")]
    issued: Annotated[Moment | None, Field(description="When the card was made: an older one is not taken.")] = None
    before: Annotated[Before | None, Field(description="The keys before, while one is being changed.")] = None
    revoked: Annotated[
        tuple[Armour, ...],
        Field(
            strict=False, max_length=16, description="Certificates of the site that are revoked, with the revocation."
        ),
    ] = ()
    signatures: Annotated[
        dict[Fingerprint, Annotated[str, Field(max_length=8192)]],
        Field(
            max_length=4,
            description="Detached signatures over the rest of the card, ASCII-armoured, by the fingerprint of who signed.",
        ),
    ] = {}

    def to_json(self) -> bytes:
        """The card as JSON for people to keep: indented, in the order of the fields, with a last line end."""
        return orjson.dumps(self._values(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)

    def signed_by(self, signatures: Mapping[str, str]) -> Card:
        """The same card with these signatures."""
        return self.model_copy(update={"signatures": dict(signatures)})

    def signed_text(self) -> bytes:
        """What is signed, of a card that was made here; of one that was read, see `signed_text` below."""
        return _canonical(self._values())

    def _values(self) -> dict[str, Any]:
        """Without the optional fields that say nothing, so that a card without them is one of the first form."""
        return self.model_dump(mode="json", exclude_defaults=True)


def signed_text(data: bytes) -> bytes:
    """What the signatures of a card are over, fields of later versions included; `data` is one that `parse` takes."""
    return _canonical(orjson.loads(data))


def _canonical(values: Mapping[str, Any]) -> bytes:
    """The card without its signatures as canonical JSON (RFC 8785), behind a line that no other signed thing has."""
    rest = {name: value for name, value in values.items() if name != "signatures"}
    return _SIGNED_AS + orjson.dumps(rest, option=orjson.OPT_SORT_KEYS)


def parse(data: bytes) -> Card:
    """The card in `data`; CardRefused names the fields at fault, never their values."""
    if len(data) > MAX_BYTES:
        raise CardRefused(f"The card is larger than {MAX_BYTES} bytes.")
    try:
        values = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise CardRefused(f"The card is not JSON (line {error.lineno}).") from error
    if not isinstance(values, dict):
        raise CardRefused("The card is not a JSON object.")
    version = values.get("version")
    if type(version) is not int:  # true and 1.0 equal 1, and are no version
        raise CardRefused("The card names no version.")
    if version != 1:
        raise CardRefused(f"The card is of version {min(version, 9999)}, which this gateway does not know: upgrade it.")
    try:
        return Card.model_validate(values)
    except ValidationError as error:
        names = sorted({_location(detail["loc"]) for detail in error.errors(include_input=False)})
        raise CardRefused(f"The card is not valid: see {', '.join(names)}.") from error


def require_others(card: Card, site: str) -> None:
    """CardRefused for the card of the site itself."""
    if card.site == site:
        raise CardRefused("This is this site's own card.")


def _location(location: Sequence[str | int]) -> str:
    """Where a fault is, in words of ours: what a card has for keys of `signatures` is not repeated."""
    return "signatures" if location[:1] == ("signatures",) else ".".join(map(str, location))


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a card, as kept in schemas/card.schema.json."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Card",
        **Card.model_json_schema(mode="validation"),
    }
