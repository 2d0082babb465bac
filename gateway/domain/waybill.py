"""The waybill of sealed files that are carried by hand: a text for whoever carries them, clear-signed by their sender.

`read` raises ContentInvalid for anything else. Pure: the form alone is judged here, and the signature by `crypto`. Why it is
safe: the text is ASCII, and what is read must give the same text again, byte for byte. So nothing hides around the message or in
how a clear-signed text is escaped, and what is read is what gpg verifies. It names no file that is sealed inside, and nobody.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway.domain.identity import from_text, is_id
from gateway.errors import ContentInvalid

FILE: Final = "waybill.asc"
"""The waybill's own name, beside what it lists."""
FORM: Final = "waybill-form"
"""The code of a file that has not the form of a waybill."""
MOST: Final = 5_000
"""Files of one waybill: more go into the next."""
MAX_BYTES: Final = 1 << 20

_SIGNED: Final = re.compile(
    rb"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA(?:256|384|512)\n\n([\x20-\x7e\n]+)\n"
    rb"-----BEGIN PGP SIGNATURE-----\n\n(?:[A-Za-z0-9+/=]{1,76}\n){1,100}-----END PGP SIGNATURE-----\n"
)
_TITLE: Final = "WAYBILL 1: sealed files, carried by hand"
_HEAD: Final = re.compile(
    r"Number: +(?P<number>\S+)\n"
    r"From: +(?P<sender>[A-Z0-9][A-Z0-9-]{1,15})\n"
    r"To: +(?P<recipient>[A-Z0-9][A-Z0-9-]{1,15})\n"
    r"Made: +(?P<made>\S+)\n"
    r"Arrive by: +(?P<arrive_by>\S+)\n"
)
_LINE: Final = re.compile(
    r"(?P<sha256>[0-9a-f]{64}) +(?P<size>[1-9][0-9]{0,15}) +(?P<files>0|[1-9][0-9]{0,6}) +(?P<name>\S+)"
)
_RECEIPT: Final = ".receipt.pgp"


@dataclass(frozen=True)
class WaybillFile:
    """A sealed file: a consignment with `files` in it, or a receipt, which has none. `size` in bytes."""

    name: str
    size: int
    sha256: str
    files: int

    @property
    def is_receipt(self) -> bool:
        return self.name.endswith(_RECEIPT)


@dataclass(frozen=True)
class Waybill:
    """What is carried in one directory. `made` and `arrive_by` are RFC 3339; a consignment that comes later than `arrive_by` may have
    expired, None where there is none.
    """

    number: str
    sender: str
    recipient: str
    made: str
    arrive_by: str | None
    files: tuple[WaybillFile, ...]

    def to_text(self) -> str:
        """The text that is signed, without a line feed at its end."""
        receipts = sum(each.is_receipt for each in self.files)
        lines = [
            f"{each.sha256}  {each.size:>12}  {each.files:>5}  {each.name}" for each in self.files
        ]  # the digest first, as sha256sum has it
        return "\n".join(
            [
                _TITLE,
                "",
                f"Number:       {self.number}",
                f"From:         {self.sender}",
                f"To:           {self.recipient}",
                f"Made:         {self.made}",
                f"Arrive by:    {self.arrive_by or '-'}",
                f"Consignments: {len(self.files) - receipts}",
                f"Files inside: {sum(each.files for each in self.files)}",
                f"Receipts:     {receipts}",
                f"Bytes:        {sum(each.size for each in self.files)}",
                "",
                f"{'SHA-256':<64}  {'BYTES':>12}  FILES  NAME",
                *lines,
            ]
        )


def make(
    number: str, sender: str, recipient: str, made: str, expires: Sequence[str], files: Sequence[WaybillFile]
) -> Waybill:
    """The waybill of these files; `expires` are the moments at which the consignments among them end."""
    return Waybill(number, sender, recipient, made, min(expires, default=None), tuple(files))


def read(signed: bytes) -> Waybill:
    """What a clear-signed waybill says; its signature is not looked at."""
    found = _SIGNED.fullmatch(signed) if len(signed) <= MAX_BYTES else None
    if found is None:
        raise ContentInvalid("It is no clear-signed waybill.", FORM)
    text = found[1].decode("ascii")
    head = _HEAD.search(text)
    if head is None or not is_id(head["number"]):
        raise ContentInvalid("Its heading is not a waybill's.", FORM)
    arrive_by = None if head["arrive_by"] == "-" else head["arrive_by"]
    _, _, listed = text.partition("NAME\n")
    files = tuple(_file(line) for line in listed.split("\n"))
    waybill = Waybill(head["number"], head["sender"], head["recipient"], head["made"], arrive_by, files)
    try:
        for moment in (waybill.made, waybill.arrive_by):
            if moment is not None:
                from_text(moment)
    except ValueError as error:
        raise ContentInvalid("It names a moment that is none.", FORM) from error
    if len(files) > MOST or len({each.name for each in files}) != len(files) or waybill.to_text() != text:
        raise ContentInvalid("Its lines and its counts do not agree.", FORM)
    return waybill


def _file(line: str) -> WaybillFile:
    found = _LINE.fullmatch(line)
    stem = "" if found is None else found["name"].removesuffix(".pgp").removesuffix(".receipt")
    if found is None or not is_id(stem) or found["name"] not in (f"{stem}.pgp", f"{stem}{_RECEIPT}"):
        raise ContentInvalid("One of its lines is not about a sealed file.", FORM)
    return WaybillFile(found["name"], int(found["size"]), found["sha256"], int(found["files"]))
