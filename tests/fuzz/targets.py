"""What is fuzzed: every reader of what other people wrote, each with the law that holds for all input whatever.

A target's `make` gives a function that reads one input and returns what was said about it (reasons, findings). It may
raise the errors named in `refusals`, and nothing else; `oracle.judge` holds it to that. A target that breaks a law of its
own, such as reading back what it wrote, raises AssertionError. `make fuzz` runs them under atheris; `make test` runs them
over the seeds and over every input that was ever found.
"""

from __future__ import annotations

import os
import random
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from gateway.archive.unpacking import UnpackLimits, unpack
from gateway.crypto.framing import check_framing
from gateway.domain import back_office_answer, card, manifest, receipt, statement
from gateway.domain.characters import unsafe
from gateway.domain.enquiry import ENQUIRY, REPLY, reference_fault
from gateway.domain.identity import from_text
from gateway.domain.known_faults import FLOW as FAULTS
from gateway.domain.known_faults import of_facts
from gateway.domain.manifest import Manifest
from gateway.domain.receipt import Receipt
from gateway.errors import (
    ArchiveRefused,
    CardRefused,
    ConfigurationInvalid,
    ContentInvalid,
    EnvelopeRefused,
    GatewayError,
    MailUnreadable,
    ManifestRefused,
    ReceiptRefused,
)
from gateway.logs import mask
from gateway.settings.directories import make as make_directories
from gateway.settings.directories import site_directories
from gateway.settings.home import Home
from gateway.settings.model import Partner
from gateway.settings.read import examine, load
from gateway.settings.resources import resource
from gateway.settings.write import render_partner
from gateway.storage.file_group import Group
from gateway.transport.mail.message import attachment, name_of, sender_of
from gateway.transport.names import is_sealed_name
from gateway.validation.contract import Report, Validator
from gateway.validation.enquiry import EnquiryValidator, read_letter
from gateway.validation.extract.compiled import library
from gateway.validation.extract.fields import MESSAGES as EXTRACT_CODES
from gateway.validation.extract.validator import ExtractValidator
from gateway.validation.pdf.validator import PdfValidator
from gateway.validation.pdf.words import MESSAGES as PDF_CODES
from gateway.validation.redirect import LIMITS, RedirectValidator, unwrap
from gateway.validation.xml.codes import XmlCode
from gateway.validation.xml.validator import XmlValidator

Check = Callable[[bytes], Sequence[str]]

TODAY: Final = date(2026, 11, 21)
ID: Final = "019ab5f0-1c2d-7abc-8def-0123456789ab"
OURS: Final = "6BB0605BC2528189"
"""The key id that sealed seeds are encrypted to."""
_XML_CODES: Final = frozenset(map(str, XmlCode))
_ALL_CODES: Final = _XML_CODES | set(PDF_CODES) | set(EXTRACT_CODES)


@dataclass(frozen=True)
class Target:
    """One reader. `longest` bounds an input in bytes, `words` are pieces that a fuzzer may put in."""

    name: str
    make: Callable[[Path], Check]
    refusals: tuple[type[GatewayError], ...] = ()
    longest: int = 16_384
    words: tuple[bytes, ...] = ()


# -- signed documents


def _manifest(_scratch: Path) -> Check:
    def check(data: bytes) -> Sequence[str]:
        found = Manifest.parse(data)
        assert Manifest.parse(found.to_bytes()) == found
        manifest.accept(
            found,
            name=ID,
            sender="DWP",
            recipient="E09000030",
            signer="A" * 40,
            encrypted_to="B" * 40,
            now=from_text("2026-11-21T10:00:00Z"),
            permitted=lambda flow: flow == "claim",
            max_bytes=lambda _flow: 10_000,
        )
        assert found.consignment == ID
        assert all(item.size <= 10_000 and "/" not in item.name for item in found.items)
        return ()

    return check


def _receipt(_scratch: Path) -> Check:
    def check(data: bytes) -> Sequence[str]:
        found = Receipt.parse(data)
        assert Receipt.parse(found.to_bytes()) == found
        items = {item.transfer: item.sha256 for item in found.items}
        receipt.accept(
            found, name=ID, sender="E09000030", recipient="DWP", sealed_sha256=found.sealed_sha256, items=items
        )
        return ()

    return check


def _card(_scratch: Path) -> Check:
    def check(data: bytes) -> Sequence[str]:
        found = card.parse(data)
        assert card.parse(found.to_json()) == found
        assert not any(mark in f"{found.site}{found.name}{found.ssh_key}{found.host_key}" for mark in "\n\r\0")
        return ()

    return check


# -- configuration


def _configuration(scratch: Path) -> Check:
    """The input is gateway.toml and, after a NUL octet, one partner's file."""
    home = Home(scratch / "site")
    make_directories(site_directories(home))
    partner_file = home.partners_d / "E09000030.toml"

    def check(data: bytes) -> Sequence[str]:
        main, _, partner = data.partition(b"\0")
        home.gateway_toml.write_bytes(main)
        partner_file.write_bytes(partner or _PARTNER)
        _, faults = examine(home)
        found = load(home)
        assert bool(faults) == bool(found.stopped), "loaded what has faults"
        for each in found.partners.values():
            assert Partner.model_validate(tomllib.loads(render_partner(each))) == each
        return ()

    return check


_PARTNER: Final = (
    b'code = "E09000030"\nname = "T"\nfingerprint = "89ABCDEF0123456789ABCDEF0123456789ABCDEF"\nlink = "none"\n'
)


# -- content


def _xml(flow: str) -> Callable[[Path], Check]:
    def make(_scratch: Path) -> Check:
        validator = XmlValidator(resource("schemas"), flow, allow_test_numbers=True, today=lambda: TODAY)
        return lambda data: _told(validator.validate_bytes(data), _XML_CODES)

    return make


def _redirect(_scratch: Path) -> Check:
    schemas = resource("schemas")
    envelope = XmlValidator(schemas, "redirect", LIMITS, allow_test_numbers=True, today=lambda: TODAY)
    validator = RedirectValidator(
        envelope,
        lambda flow: (
            PdfValidator()
            if flow == "laid"
            else XmlValidator(schemas, flow, allow_test_numbers=True, today=lambda: TODAY)
        ),
    )

    def check(data: bytes) -> Sequence[str]:
        report = validator.validate_bytes(data)
        said = _told(report, _ALL_CODES)
        try:
            unwrap(data)
        except ContentInvalid as error:
            assert not report.valid, "what was found right cannot be taken apart"
            return [*said, error.reason]
        return said

    return check


def _enquiry(_scratch: Path) -> Check:
    """An enquiry or a reply: each input is read as both."""
    schemas = resource("schemas")
    validators = [
        EnquiryValidator(
            XmlValidator(schemas, flow, LIMITS, allow_test_numbers=True, today=lambda: TODAY), PdfValidator()
        )
        for flow in (ENQUIRY, REPLY)
    ]

    def check(data: bytes) -> Sequence[str]:
        reports = [validator.validate_bytes(data) for validator in validators]
        said = [line for report in reports for line in _told(report, _ALL_CODES)]
        try:
            letter = read_letter(data)
        except ContentInvalid as error:
            assert not any(report.valid for report in reports), "what was found right cannot be taken apart"
            return [*said, error.reason]
        for report in reports:
            if report.valid:
                assert reference_fault(letter.reference) is None
                assert unsafe("".join(letter.paragraphs)) is None
                assert report.facts["reference"] == letter.reference
        return said

    return check


def _faults(_scratch: Path) -> Check:
    validator = XmlValidator(resource("schemas"), FAULTS, allow_test_numbers=True, today=lambda: TODAY)

    def check(data: bytes) -> Sequence[str]:
        report = validator.validate_bytes(data)
        if report.valid:
            board = of_facts(report.facts)
            assert board is not None, "what was found right is no board"
            for fault in board.faults:
                assert mask(f"{fault.what}\n{fault.workaround}") == f"{fault.what}\n{fault.workaround}"
        return _told(report, _XML_CODES)

    return check


def _extract(_scratch: Path) -> Check:
    """What compiled code passes over, where there is some, the rules in Python pass as well."""
    plain = ExtractValidator(resource("schemas"), allow_test_numbers=True)
    compiled = ExtractValidator(resource("schemas"), allow_test_numbers=True, library=library())

    def check(data: bytes) -> Sequence[str]:
        with _in_memory(data) as path:
            report = plain.validate(path)
            assert compiled.validate(path) == report
            return _told(report, frozenset(EXTRACT_CODES))

    return check


def _pdf(_scratch: Path) -> Check:
    return _by_path(PdfValidator(), frozenset(PDF_CODES))


def _by_path(validator: Validator, codes: frozenset[str]) -> Check:
    def check(data: bytes) -> Sequence[str]:
        with _in_memory(data) as path:
            return _told(validator.validate(path), codes)

    return check


@contextmanager
def _in_memory(data: bytes) -> Iterator[Path]:
    descriptor = os.memfd_create("input")
    try:
        os.write(descriptor, data)
        yield Path(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


def _told(report: Report, codes: frozenset[str]) -> Sequence[str]:
    """What a report says; its own law is that findings are counted, and of known codes."""
    assert report.valid == (not report.findings)
    assert report.total >= len(report.findings)
    assert {finding.code for finding in report.findings} <= codes
    return [f"{finding.where}: {finding.message}" for finding in report.findings]


# -- what carries them


def _archive(scratch: Path) -> Check:
    source, target = scratch / "archive", scratch / "target"
    target.mkdir()

    def check(data: bytes) -> Sequence[str]:
        source.write_bytes(data)
        expected: list[tuple[int, str]] = []

        def on_manifest(content: bytes) -> Sequence[manifest.Item]:
            items = Manifest.parse(content).items
            expected.extend((item.size, item.sha256) for item in items)
            return items

        try:
            with Group(target) as group:
                unpacked = unpack(source, target, on_manifest, group, UnpackLimits(payload_bytes=1 << 20))
        except GatewayError:
            assert not any(target.iterdir()), "a file is left after a refusal"
            raise
        assert [(each.size, each.sha256) for each in unpacked] == expected
        assert sorted(target.iterdir()) == [each.path for each in unpacked]
        return ()

    return check


def _envelope(_scratch: Path) -> Check:
    def check(data: bytes) -> Sequence[str]:
        check_framing(lambda at, count: data[at : at + count], len(data), frozenset({OURS}))
        # What is accepted names our key in its first packet, and nothing else can have got it through.
        assert bytes.fromhex(OURS) in data[:20]
        return ()

    return check


def _statement(_scratch: Path) -> Check:
    def check(data: bytes) -> Sequence[str]:
        found = statement.read(data)
        assert statement.read(data.replace(statement.line_of(data), found.to_bytes())) == found
        assert statement.evidence_name(found.day, "0" * 64) == f"{found.day}.{'0' * 16}.asc"
        return ()

    return check


def _answer(_scratch: Path) -> Check:
    def check(data: bytes) -> Sequence[str]:
        reason = back_office_answer.reason_of(data)
        assert reason is None or (
            0 < len(reason) <= back_office_answer.MAX_REASON and reason.replace("\n", "").isprintable()
        )
        assert reason is None or mask(reason) == reason
        reason and reason.encode()
        return [reason or ""]

    return check


def _mail(_scratch: Path) -> Check:
    def check(data: bytes) -> Sequence[str]:
        name = name_of(data)
        assert name is None or is_sealed_name(name)
        sender_of(data)
        content = attachment(data, name or f"{_SEALED}.pgp")
        assert len(content) <= len(data)
        return []

    return check


# -- all of them

_SEALED: Final = "019aa6f2-7c1e-7b3a-9d55-3f0a1b2c3d4e"
_MAIL: Final = (
    b"\r\n\r\n",
    b"--",
    b'boundary="b"',
    b"Content-Type: multipart/mixed",
    b"base64",
    b"filename*0*=",
    b"boundary*=idna''",
    b"From: a:a:a:",
    b"=?utf-8?q?",
)

_JSON: Final = (b"version", b"\\u0000", b"\\ud800", b"1e400", b"NaN", b"null", b"true", b"9223372036854775808")
_TIMES: Final = (b"0001-01-01T00:00:00+23:59", b"9999-12-31T23:59:60Z", b"2026-W01-1T00Z", b"2026-11-21T10:00:00Z")
_XML: Final = (
    *(b"<![CDATA[", b"]]>", b"<!--", b"-->", b"<!DOCTYPE", b"&#x", b"xsi:type", b"xsi:nil", b"xmlns:x", b"<?x", b"\xef\xbb\xbf"),
    *(b"<Claim>", b"</Claim>", b"<Nino>", b"QQ123456A", b"1e9", b"-0.00", b"2026-02-29", b"9999-12-31"),
)  # fmt: skip
_NOTICES: Final = (
    b"<AwardPeriod>",
    b"</AwardPeriod>",
    b"<PeriodTo>",
    b"<Reduction>",
    b"<InterestTransfer>",
    b"etd:1.0",
    b"etd:1.1",
)
_LETTERS: Final = (
    *(b"<Attachment>", b"</Attachment>", b"<AttachmentParts>", b"<Part>", b"</Part>", b"<Paragraph>", b"reply:1.0"),
    *(b"enquiry:1.0", b"QQ-12-34-56", b"HBE-2026/117", b"\xe2\x80\xae"),
)
_PDF: Final = (
    *(b" 0 obj", b"endobj", b"stream\n", b"endstream", b"xref", b"trailer", b"startxref", b"%%EOF", b"/Kids", b"/Count"),
    *(b"/JavaScript", b"/J#53", b"/OpenAction", b"/AA", b"/Names", b"/ObjStm", b"/Prev", b"/XRefStm", b"/Length", b"<<", b">>"),
    *(b"/Type", b"/Pages", b"/Parent", b"/FlateDecode", b"/DecodeParms", b"/Predictor", b"/Encrypt", b"null", b"1 0 R"),
)  # fmt: skip

TARGETS: Final[Mapping[str, Target]] = {
    target.name: target
    for target in (
        Target("manifest", _manifest, (ManifestRefused,), words=(*_JSON, *_TIMES)),
        Target("receipt", _receipt, (ReceiptRefused,), words=(*_JSON, *_TIMES)),
        Target("card", _card, (CardRefused,), words=(*_JSON, b"ssh-ed25519 ", b"BEGIN PGP PUBLIC KEY BLOCK")),
        Target(
            "configuration",
            _configuration,
            (ConfigurationInvalid,),
            words=(b"[flows.claim]", b"[[site]]", b"'''", b'"""', b"inf", b"0x_", b"1979-05-27T07:32:00Z", b"\n\x00code"),
        ),
        Target("claim", _xml("claim"), longest=32_768, words=_XML),
        Target("etd", _xml("etd"), longest=32_768, words=(*_XML, *_NOTICES)),
        Target("redirect", _redirect, (ContentInvalid,), longest=32_768, words=_XML),
        Target("enquiry", _enquiry, (ContentInvalid,), longest=32_768, words=(*_XML, *_LETTERS)),
        Target("faults", _faults, words=(*_XML, b"<KnownFault>", b"</KnownFault>", b"<Issue>", b"<Since>", b"QQ 12 34 56 A")),
        Target("extract", _extract, longest=32_768, words=(b"D,", b"A,", b"R,", b'"', b'""', b"\r\n", b"QQ123456C", b"31/02/2026")),
        Target("pdf", _pdf, longest=32_768, words=_PDF),
        Target("archive", _archive, (ArchiveRefused, ManifestRefused), words=(b"ustar\x0000", b"\x28\xb5\x2f\xfd", b"mtime=")),
        Target("envelope", _envelope, (EnvelopeRefused,), words=(b"\xc1", b"\xd2", b"\xe9", b"\xff\x00\x00\x02\x00")),
        Target("statement", _statement, (ContentInvalid,), words=(*_JSON, *_TIMES, b"-----BEGIN PGP SIGNATURE-----", b"Hash: SHA1")),
        Target("mail", _mail, (MailUnreadable,), words=_MAIL),
        Target("answer", _answer, words=(b"\xff\xfe", b"\xfe\xff", b"QQ123456A", b"\xe2\x80\xae", b"QQ 12 34 56 A")),
    )
}  # fmt: skip


def mutated(seed: bytes, random_source: random.Random) -> bytes:
    """The seed with a few octets changed, dropped, doubled or cut: what a test without a fuzzer can try."""
    data = bytearray(seed)
    for _ in range(random_source.randint(1, 6)):
        at = random_source.randrange(len(data) + 1)
        match random_source.randrange(4):
            case 0 if at < len(data):
                data[at] = random_source.randrange(256)
            case 1:
                del data[at : at + random_source.randint(1, 40)]
            case 2:
                data[at:at] = data[at : at + random_source.randint(1, 40)]
            case _:
                data[at:at] = bytes(random_source.randrange(256) for _ in range(3))
    return bytes(data)
