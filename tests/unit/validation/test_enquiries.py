"""Enquiries and replies as readers see them: what is attached, who named it, and what a hostile document gets."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from gateway.domain.enquiry import Attachment, Letter, write_enquiry, write_reply
from gateway.domain.xml_lines import Office
from gateway.errors import ContentInvalid
from gateway.settings.resources import resource
from gateway.validation.contract import Report
from gateway.validation.enquiry import EnquiryValidator, read_letter
from gateway.validation.factory import build
from gateway.validation.pdf.validator import PdfValidator
from gateway.validation.plan import enquiry_plan
from gateway.validation.redirect import LIMITS
from gateway.validation.xml.validator import XmlValidator

TODAY = date(2026, 11, 21)
SCHEMAS = resource("schemas")
VECTORS = Path(__file__).resolve().parents[2] / "vectors" / "pdf"
PDF = (VECTORS / "none--plain.pdf").read_bytes()
HOSTILE = sorted(path.name for path in VECTORS.glob("pdf-*.pdf"))
CANARY = "Xylophone7Canary"


def validator(flow: str) -> EnquiryValidator:
    envelope = XmlValidator(SCHEMAS, flow, LIMITS, allow_test_numbers=True, today=lambda: TODAY)
    return EnquiryValidator(envelope, PdfValidator())


VALIDATORS = {flow: validator(flow) for flow in ("enquiry", "reply")}


def document(*attachments: Attachment, flow: str = "enquiry", reference: str = "HBE-2026/117") -> bytes:
    letter = Letter(
        message_id="ENQ-00000001",
        office=Office("HB01", "Oldborough"),
        created=datetime(2026, 11, 20, 9, tzinfo=UTC),
        authority="E09000030",
        reference=reference,
        paragraphs=["Is it hers?"],
        attachments=attachments,
    )
    return write_enquiry(letter, "nino", date(2026, 11, 25)) if flow == "enquiry" else write_reply(letter)


def read(content: bytes, flow: str = "enquiry") -> Report:
    return VALIDATORS[flow].validate_bytes(content)


def codes(content: bytes) -> set[str]:
    return {finding.code for finding in read(content).findings}


@pytest.mark.parametrize("flow", ["enquiry", "reply"])
def test_facts_are_what_the_ledger_may_keep(flow: str) -> None:
    facts = dict(read(document(Attachment("a.pdf", PDF), flow=flow), flow).facts)
    assert facts.pop("message_id") == "ENQ-00000001"
    asks = {"kind": "nino", "reply_by": "2026-11-25"} if flow == "enquiry" else {}
    told = {"authority": "E09000030", "office": "HB01", "reference": "HBE-2026/117", "records": "1", "attachments": "1"}
    assert facts == {**told, **asks}


def test_attachments_come_out_as_they_went_in() -> None:
    attached = [Attachment("a.pdf", PDF), Attachment("Llŷr's (2).PDF", PDF + b"\n"), Attachment("c.pdf", PDF)]
    content = document(*attached)
    assert read(content).findings == ()
    assert list(read_letter(content).attachments) == attached


@pytest.mark.parametrize("name", HOSTILE)
def test_pdf_that_may_not_travel_alone_may_not_travel_attached(name: str) -> None:
    content = document(Attachment("a.pdf", PDF), Attachment("b.pdf", (VECTORS / name).read_bytes()))
    alone = PdfValidator().validate_bytes((VECTORS / name).read_bytes())
    report = read(content)
    assert not report.valid
    assert {finding.code for finding in report.findings} == {finding.code for finding in alone.findings}
    assert all(finding.where.startswith("attachment 2, ") for finding in report.findings)
    assert report.facts == {}


@pytest.mark.parametrize(
    "name", ["a.exe", "a.pdf.exe", "apdf", ".pdf", "a/b.pdf", "..\\b.pdf", "../b.pdf", "a\u202efdp.pdf", "a.pdf "]
)
def test_name_that_is_not_of_a_pdf_or_leads_elsewhere_is_refused(name: str) -> None:
    assert codes(document(Attachment(name, PDF))) == {"xml-value"}


def test_two_attachments_of_one_name_are_refused() -> None:
    assert codes(document(Attachment("a.pdf", PDF), Attachment("a.pdf", PDF))) == {"repeated-reference"}


def test_sixth_attachment_is_refused() -> None:
    assert read(document(*(Attachment(f"{n}.pdf", PDF) for n in range(5)))).valid
    assert codes(document(*(Attachment(f"{n}.pdf", PDF) for n in range(6)))) == {"xml-element-unexpected"}


def test_parts_cannot_be_moved_from_one_attachment_to_another() -> None:
    content = document(Attachment("a.pdf", PDF * 1), Attachment("b.pdf", PDF))
    numbers = re.findall(rb"<AttachmentParts>(\d+)<", content)
    fewer, more = int(numbers[0]) - 1, int(numbers[1]) + 1
    moved = iter((fewer, more))
    spoilt = re.sub(rb"<AttachmentParts>\d+<", lambda _: b"<AttachmentParts>%d<" % next(moved), content)
    assert codes(spoilt) == {"content-altered"}


def test_parts_that_belong_to_no_attachment_are_refused() -> None:
    content = (
        document().replace(b" <Trailer>", b" <Part>AAAA</Part>\n <Trailer>").replace(b"<PartCount>0", b"<PartCount>1")
    )
    assert codes(content) == {"content-altered"}


def test_part_that_is_no_base_64_is_refused() -> None:
    spoilt = re.sub(rb"<Part>[^<]*<", b"<Part>A===<", document(Attachment("a.pdf", PDF)), count=1)
    assert not read(spoilt).valid


@pytest.mark.parametrize("reference", ["QQ-12-34-56", "AB/123456", "QQ123456C", "Ashworth", "HB-1-2-3-4"])
def test_reference_that_may_not_be_kept_is_refused(reference: str) -> None:
    assert "code" in codes(document(reference=reference))


def test_no_text_is_repeated_in_a_finding() -> None:
    content = document(Attachment("a.pdf", PDF))
    for leaf in re.finditer(rb">[^<\s][^<]*<", content):
        spoilt = content[: leaf.start()] + f">{CANARY}<".encode() + content[leaf.end() :]
        assert CANARY not in repr(read(spoilt).findings)


@pytest.mark.parametrize("content", [b"", b"<Claims/>", b"<Enquiry xmlns='urn:gateway:enquiry:1.0'/>", b"%PDF-1.7"])
def test_what_is_no_letter_is_not_taken_apart(content: bytes) -> None:
    with pytest.raises(ContentInvalid):
        read_letter(content)


def test_reply_is_no_enquiry() -> None:
    assert {finding.code for finding in read(document(flow="reply")).findings} == {"xml-namespace"}


def test_letters_are_read_by_the_validator_that_their_plan_describes(tmp_path: Path) -> None:
    path = tmp_path / "enquiry.xml"
    path.write_bytes(document(Attachment("a.pdf", PDF)))
    assert build(enquiry_plan(SCHEMAS, "enquiry")).validate(path).schema == "enquiry/1.0"
    assert not build(enquiry_plan(SCHEMAS, "reply")).validate(path).valid
