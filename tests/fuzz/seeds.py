"""Writes what the fuzzing begins with into `corpus/`: `python -m tests.fuzz.seeds`. Small files, from samples and vectors.

Made up and the same bytes each time. What a fuzzer finds goes into `found/TARGET/` by hand, and stays.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

import zstandard

from gateway.archive import tar
from gateway.domain.enquiry import Attachment, Letter, write_enquiry, write_reply
from gateway.domain.xml_lines import Office
from gateway.sample.catalog import samplers
from gateway.sample.extract import ExtractSampler
from gateway.settings.resources import resource
from gateway.transport.mail.message import compose
from tests.fuzz.targets import ID, OURS, TODAY

HERE: Final = Path(__file__).parent
CORPUS: Final = HERE / "corpus"
FOUND: Final = HERE / "found"
VECTORS: Final = HERE.parent / "vectors"

_OTHER: Final = "019ab5f0-1c2d-7abc-8def-0123456789ac"
_SEALED: Final = "019aa6f2-7c1e-7b3a-9d55-3f0a1b2c3d4e"
_PAYLOAD: Final = b"<claim>1</claim>"
_KEY: Final = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE9IsG3CW+wK1L9oAq77MqOfikOezj2XeB2osiHEoghX"


def seeds() -> Iterator[tuple[str, str, bytes]]:
    """Target, name and content of every seed."""
    yield from _documents()
    yield from _configurations()
    yield from _contents()
    yield from _carriers()
    for name, document in (("right", _statement()), ("first", _statement(previous=None, counts={}))):
        armour = b"\n-----BEGIN PGP SIGNATURE-----\n\niHUEARYIAB0WIQ==\n=abcd\n-----END PGP SIGNATURE-----\n"
        yield "statement", name, b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n" + document + armour
    at = datetime(2026, 11, 28, 12, tzinfo=UTC)
    mail = compose(f"{_SEALED}.pgp", b"sealed", "gateway@dwp.example", "gateway@la.example", at, "unique")
    boundary = mail.partition(b'boundary="')[2].partition(b'"')[0]
    mail = mail.replace(boundary, b"b")  # else it is another one each time
    yield "mail", "right", mail
    yield "mail", "damaged", mail.replace(b"c2VhbGVk", b"c2VhbG!k")
    yield "mail", "alone", b"Subject: hello\r\n\r\nno parts"
    yield "answer", "plain", b"Reference 12/345 is not ours."
    yield "answer", "number", "Für QQ 12 34 56 A\r\n\x07zurück".encode()
    yield "answer", "utf16", "Not ours: QQ123456A".encode("utf-16")
    yield "answer", "cp1252", "caf\xe9 \x80".encode("cp1252", "replace")


def _statement(**changes: Any) -> bytes:
    head = {"sequence": 7, "sha256": "a" * 64}
    document = {
        "format": 1,
        "site": "E09000030",
        "day": "2026-11-20",
        "made": "2026-11-21T00:00:05.000Z",
        "head": head,
        "counts": {"claim": {"in": {"delivered": 12}}},
        "previous": {"day": "2026-11-19", "sha256": "b" * 64, "head": head},
        **changes,
    }
    return json.dumps(document, sort_keys=True).encode()


def _manifest(**changes: Any) -> dict[str, Any]:
    item = {
        "transfer": _OTHER,
        "flow": "claim",
        "name": "claims-1.xml",
        "size": len(_PAYLOAD),
        "sha256": hashlib.sha256(_PAYLOAD).hexdigest(),
        "schema": "claim/1.0",
        "reference": None,
        "redirected_from": None,
    }
    return {
        "version": 1,
        "consignment": ID,
        "sender": "DWP",
        "recipient": "E09000030",
        "signer": "A" * 40,
        "encrypted_to": "B" * 40,
        "sequence": 42,
        "created": "2026-11-21T10:00:00Z",
        "expires": "2026-11-28T10:00:00Z",
        "audit_head": {"sequence": 1071, "sha256": "0" * 64},
        "items": [item],
        **changes,
    }


def _documents() -> Iterator[tuple[str, str, bytes]]:
    yield "manifest", "right", json.dumps(_manifest()).encode()
    yield "manifest", "expired", json.dumps(_manifest(expires="2026-11-20T10:00:00+01:00")).encode()
    yield "manifest", "number", json.dumps(_manifest(sender="QQ123456C")).encode()
    yield "manifest", "version-2", b'{"version": 2}'
    answer = {"transfer": _OTHER, "sha256": "f" * 64, "outcome": "delivered", "code": None, "reason": None}
    receipt = {
        "version": 1,
        "consignment": ID,
        "sealed_sha256": "e" * 64,
        "sender": "E09000030",
        "recipient": "DWP",
        "level": "delivered",
        "issued": "2026-11-21T10:00:00Z",
        "audit_head": {"sequence": 88, "sha256": "0" * 64},
        "items": [answer],
    }
    yield "receipt", "right", json.dumps(receipt).encode()
    refused = [{**answer, "outcome": "rejected", "code": "content-invalid", "reason": "line 4: nino"}]
    head = {"sequence": 7, "sha256": "1" * 64}
    yield "receipt", "rejected", json.dumps({**receipt, "items": refused, "seen_head": head}).encode()
    word = [{**answer, "outcome": "ingested"}]
    yield "receipt", "ingested", json.dumps({**receipt, "level": "ingested", "items": word}).encode()
    card: dict[str, Any] = {
        "version": 1,
        "site": "E09000030",
        "name": "Cyngor Sir Ynys Môn",
        "openpgp": "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDME\n-----END PGP PUBLIC KEY BLOCK-----\n",
        "fingerprint": "0123456789ABCDEF0123456789ABCDEF01234567",
        "ssh_key": _KEY,
        "host_key": _KEY,
        "endpoint": {"host": "gateway.example", "port": 22, "user": "gateway", "path": "in"},
    }
    yield "card", "right", json.dumps(card).encode()
    yield "card", "bare", json.dumps({**card, "host_key": None, "endpoint": None}).encode()


def _configurations() -> Iterator[tuple[str, str, bytes]]:
    main = b'[site]\ncode = "DWP"\nname = "The Department"\n[openpgp]\nfingerprint = "0123456789ABCDEF0123456789ABCDEF01234567"\n'
    partner = (
        'code = "E09000030"\nname = "Tower Hamlets"\nfingerprint = "89ABCDEF0123456789ABCDEF0123456789ABCDEF"\n'
        f'link = "push"\nssh_key = "{_KEY}"\n[endpoint]\nhost = "127.0.0.1"\nuser = "gateway"\nhost_key = "{_KEY}"\n'
    ).encode()
    yield "configuration", "least", main
    yield "configuration", "partner", main + b"\0" + partner
    yield "configuration", "settings", main + b"[flows.extract]\nmax_bytes = 7\n[limits]\nconsignment_files = 2\n"
    yield (
        "configuration",
        "strange",
        b'[site]\ncode = 2026-11-21\nname = [1, {a = "b"}]\n[limit]\n"x" = """y"""\n[flows]\nclam = 3\n',
    )


def _contents() -> Iterator[tuple[str, str, bytes]]:
    makers = samplers()
    for flow, defects in (
        ("claim", (None, "nino", "unknown-element", "total-mismatch")),
        ("redirect", (None, "history-gap")),
        ("faults", (None, "fault-names-a-number")),
    ):
        for defect in defects:
            sample = makers[flow].make(
                sender="E08000004" if flow == "redirect" else "DWP",
                recipient="E09000030",
                index=1,
                random=random.Random(f"fuzz/{flow}/{defect}"),
                today=TODAY,
                defect=defect,
            )
            yield flow, defect or "right", sample.content
    yield from _letters()
    for name in ("none--1.1", "none--1.0", "date-order--periods-turned", "authority-mismatch--to-itself"):
        seed = "right" if name == "none--1.1" else name
        yield "etd", seed, (VECTORS / "etd" / f"{name}.xml").read_bytes()
    rows = ExtractSampler(resource("schemas"), rows=30)
    content = rows.make(sender="E09000030", recipient="DWP", index=1, random=random.Random(1), today=TODAY).content
    lines = content.splitlines(keepends=True)
    yield "extract", "right", content
    yield "extract", "short", b"".join(lines[:4])
    for name in (
        "none--one-page",
        "none--object-streams",
        "pdf-javascript--names-tree",
        "pdf-unreadable--page-tree-loops",
    ):
        yield "pdf", name, (VECTORS / "pdf" / f"{name}.pdf").read_bytes()


def _letters() -> Iterator[tuple[str, str, bytes]]:
    pdf = (VECTORS / "pdf" / "none--one-page.pdf").read_bytes()
    letter = Letter(
        message_id="ENQ-00000001",
        office=Office("HB01", "Oldborough"),
        created=datetime(2026, 11, 20, 9, tzinfo=UTC),
        authority="E09000030",
        reference="HBE-2026/117",
        paragraphs=["Is it hers?", "QQ123456A"],
        attachments=[Attachment("a.pdf", pdf), Attachment("b.pdf", pdf)],
    )
    yield "enquiry", "attached", write_enquiry(letter, "nino", date(2026, 11, 25))
    yield "enquiry", "reply", write_reply(replace(letter, attachments=()))
    yield "enquiry", "number", write_enquiry(replace(letter, reference="QQ-12-34-56", attachments=()), "award", TODAY)


def _carriers() -> Iterator[tuple[str, str, bytes]]:
    manifest = json.dumps(_manifest()).encode()

    def member(name: str, content: bytes) -> bytes:
        return tar.header(name, len(content), 0) + content + tar.padding(len(content))

    whole = member("manifest.json", manifest) + member("payload/0001", _PAYLOAD) + tar.END
    raw = zstandard.ZstdCompressor(level=-7, write_content_size=False)
    yield "archive", "right", zstandard.compress(whole)
    yield "archive", "checksum", zstandard.ZstdCompressor(write_checksum=True).compress(whole)
    yield "archive", "cut", raw.compress(whole)[:-9]
    yield "archive", "stored", _stored(whole)
    session_key = b"\x03" + bytes.fromhex(OURS) + b"\x12\x01\x07\x40" + bytes(range(1, 33)) + b"\x30" + bytes(48)
    protected = b"\x01" + bytes(600)
    for name, body in (("short", protected[:200]), ("long", protected)):
        packet = b"\xd2\xff" + len(body).to_bytes(4, "big") + body
        yield "envelope", name, b"\xc1" + bytes([len(session_key)]) + session_key + packet
    chunked = b"\xd2\xe9" + protected[:512] + bytes([len(protected) - 512]) + protected[512:]
    yield "envelope", "chunks", b"\x84" + bytes([len(session_key)]) + session_key + chunked
    yield "envelope", "armoured", b"-----BEGIN PGP MESSAGE-----\n\nhQ\n"


def _stored(content: bytes) -> bytes:
    """One Zstandard frame of uncompressed blocks (RFC 8878): every octet of the tar is there to be changed."""
    blocks = [content[at : at + 1000] for at in range(0, len(content), 1000)]
    out = b"\x28\xb5\x2f\xfd\x00\x58"
    for number, block in enumerate(blocks, 1):
        out += (len(block) << 3 | (number == len(blocks))).to_bytes(3, "little") + block
    return out


def write(directory: Path = CORPUS) -> None:
    for target, name, content in seeds():
        path = directory / target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


if __name__ == "__main__":
    write()
