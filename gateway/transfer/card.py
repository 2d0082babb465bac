"""A site's public introduction: what `gateway card` prints and `gateway partner add` takes.

`parse` raises CardRefused for anything that is not a card of this version. A card proves nothing by itself: whoever
takes it confirms the fingerprint by another channel. Fields that this version does not know are ignored, so that later
versions can add some; an unknown version is refused.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.errors import CardRefused

MAX_BYTES: Final = 64 * 1024
"""A card with a certificate of one signing and one encryption key has about 2 KiB."""

_SSH_KEY: Final = r"^(ssh|ecdsa)-[a-z0-9@.-]{1,60} [A-Za-z0-9+/]{16,4000}={0,3}( [^\x00-\x1f\x7f]{0,200})?$"

SshKey = Annotated[str, Field(pattern=_SSH_KEY, description="An OpenSSH public key on one line.")]


class CardEndpoint(BaseModel):
    """Where the site's SFTP server is, and the account and directory for the partner that takes the card."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", hide_input_in_errors=True)

    host: Annotated[str, Field(pattern=r"^[A-Za-z0-9:._-]{1,253}$")]
    port: Annotated[int, Field(ge=1, le=65535)]
    user: Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_.-]{0,31}$")]
    path: Annotated[str, Field(pattern=r"^[A-Za-z0-9._/-]{1,200}$")]


class Card(BaseModel):
    """A card, version 1."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", hide_input_in_errors=True)

    version: Literal[1]
    site: Annotated[str, Field(pattern=r"^[A-Z0-9][A-Z0-9-]{1,15}$", description="The site's code.")]
    name: Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]{1,120}$", description="The organisation's name.")]
    openpgp: Annotated[
        str,
        Field(
            max_length=MAX_BYTES,
            pattern=r"^-----BEGIN PGP PUBLIC KEY BLOCK-----",
            description="The site's OpenPGP certificate, ASCII-armoured.",
        ),
    ]
    fingerprint: Annotated[
        str, Field(pattern=r"^[0-9A-F]{40}$", description="The primary fingerprint of the certificate.")
    ]
    ssh_key: Annotated[SshKey, Field(description="The key that the site connects with, one line.")]
    host_key: Annotated[SshKey | None, Field(description="The key of the site's SFTP server, one line, or null.")]
    endpoint: Annotated[CardEndpoint | None, Field(description="Where the site is reached, or null.")]

    def to_json(self) -> bytes:
        """The card as JSON for people to keep: indented, in the order of the fields, with a last line end."""
        return orjson.dumps(self.model_dump(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


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
        names = sorted({".".join(str(part) for part in detail["loc"]) for detail in error.errors(include_input=False)})
        raise CardRefused(f"The card is not valid: see {', '.join(names)}.") from error


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a card, as kept in schemas/card.schema.json."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Card",
        **Card.model_json_schema(mode="serialization"),
    }
