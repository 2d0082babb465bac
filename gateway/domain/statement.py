"""A site's daily statement: where its audit chain stood at the end of a day, and what became of transfers that day.

The document is one line of canonical JSON in a clear-signed OpenPGP message (RFC 9580, section 7), so that anybody checks it
with gpg alone; docs/formats/statement.md says what each field means. `read` raises ContentInvalid for anything else. Pure: the
form alone is judged here, and the signature by `crypto`. Why it is safe: the form has one line, in ASCII, between armour
lines that are fixed, so what is read is exactly what gpg verifies.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Final, Literal

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from gateway.domain.manifest import AuditHead, Digest, FlowName, Moment, SiteCode
from gateway.errors import ContentInvalid

FLOW: Final = "statement"
FORM: Final = "statement-form"
"""The code of a file that has not the form of a statement."""
SIGNATURE: Final = "statement-signature"
"""The code of a statement that is not signed by the site that it is of."""
SITE: Final = "statement-site"
"""The code of a statement about another site than its sender, or about a day that has not ended."""
MAX_BYTES: Final = 64 * 1024

_FORM: Final = re.compile(
    rb"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA(?:256|384|512)\n\n(\{[\x20-\x7e]*\})\n"
    rb"-----BEGIN PGP SIGNATURE-----\n\n(?:[A-Za-z0-9+/=]{1,76}\n){1,100}-----END PGP SIGNATURE-----\n"
)


def _day(text: str) -> str:
    date.fromisoformat(text)
    return text


Day = Annotated[str, AfterValidator(_day), Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
StateName = Annotated[str, Field(pattern=r"^[a-z]{1,20}$")]
Counts = dict[FlowName, dict[Literal["in", "out"], dict[StateName, Annotated[int, Field(ge=0, lt=2**53)]]]]
"""How often transfers came into a state, by flow, direction and state."""

_RECORD = ConfigDict(frozen=True, strict=True, extra="ignore")


class Previous(BaseModel):
    """The statement before: its day, the SHA-256 of its file, and its head."""

    model_config = _RECORD
    day: Day
    sha256: Digest
    head: AuditHead


class Statement(BaseModel):
    """What a site signs of a day. `counts` are of the events after the head of `previous`, up to `head`."""

    model_config = _RECORD
    format: Literal[1]
    site: SiteCode
    day: Day
    made: Moment
    head: AuditHead
    counts: Counts
    previous: Previous | None

    def to_bytes(self) -> bytes:
        """The line that is signed: JSON with sorted keys and without spaces."""
        return orjson.dumps(self.model_dump(), option=orjson.OPT_SORT_KEYS)


def line_of(signed: bytes) -> bytes:
    """The one line that is signed in a clear-signed statement; its signature is not looked at."""
    found = _FORM.fullmatch(signed) if len(signed) <= MAX_BYTES else None
    if found is None:
        raise ContentInvalid("It is no clear-signed statement of one line.", FORM)
    return found[1]


def read(signed: bytes) -> Statement:
    """What a clear-signed statement says; its signature is not looked at."""
    try:
        return Statement.model_validate(orjson.loads(line_of(signed)))
    except orjson.JSONDecodeError as error:
        raise ContentInvalid("What is signed is not JSON.", FORM) from error
    except ValidationError as error:
        # The name of the field alone: further in, names are what the sender wrote.
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        raise ContentInvalid(f"{first['loc'][0]}: {first['type']}.", FORM) from None


def file_name(site: str, day: str) -> str:
    """The name under which a statement travels."""
    return f"{FLOW}-{site}-{day}.asc"


def evidence_name(day: str, sha256: str) -> str:
    """The name under which it is kept, below a directory of its site: two statements of one day are both kept."""
    return f"{day}.{sha256[:16]}.asc"


def stamp_name(day: str, sha256: str) -> str:
    """The name of the time stamp beside it, RFC 3161's answer as it came."""
    return f"{day}.{sha256[:16]}.tsr"
