"""The addresses that a link may lead to, and the setting that says which."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.flows.catalog import FLOWS
from gateway.settings.flow_settings import DEFAULT_FLOWS, LaidSettings
from gateway.settings.resources import resource
from gateway.validation.factory import build
from gateway.validation.pdf.links import KNOWN, LINKS, Fault, fault_of
from gateway.validation.pdf.syntax import Text, spelled
from gateway.validation.pdf.validator import PdfValidator
from gateway.validation.plan import pdf_plan
from tests.vectors.pdf.makers import write
from tests.vectors.pdf.offices import letter

ALL = frozenset(KNOWN)
VECTORS = Path(__file__).parents[2] / "vectors" / "pdf"


def linked(address: bytes) -> bytes:
    action = b"<< /S /URI /URI <%b> >>" % address.hex().encode()
    return write(letter(page=b"/Annots [ << /Subtype /Link /Rect [ 0 0 9 9 ] /A %b >> ]" % action))


@pytest.mark.parametrize(
    "address",
    [
        b"https://www.example.invalid",
        b"https://www.example.invalid:8443/a/b%20c?x=1&y=(2)#part",
        b"HTTPS://WWW.EXAMPLE.INVALID/",
        b"https://[2001:db8::1]/",
        b"https://www.example.invalid/?from=a@b.invalid",
        b"mailto:benefits@example.invalid",
        b"mailto:a@example.invalid,b@example.invalid?cc=c@example.invalid&subject=My%20claim&body=Dear%0D%0Asir",
        b"mailto:?subject=A claim",
        b"tel:+44(0)20-7946-0000",
        b"tel:02079460000;ext=12",
        b"http://www.example.invalid/",
    ],
)
def test_address_of_a_kind_that_is_allowed_passes(address: bytes) -> None:
    assert fault_of(address, ALL) is None


@pytest.mark.parametrize(
    ("address", "fault"),
    [
        (b"", Fault.NO_SCHEME),
        (b"www.example.invalid", Fault.NO_SCHEME),
        (b"/etc/passwd", Fault.NO_SCHEME),
        (b"//example.invalid/share", Fault.NO_SCHEME),
        (b"\\\\example.invalid\\share", Fault.NO_SCHEME),
        (b" https://www.example.invalid", Fault.NO_SCHEME),
        (b"\x00https://www.example.invalid", Fault.NO_SCHEME),
        (b"\xef\xbb\xbfhttps://www.example.invalid", Fault.NO_SCHEME),
        ("https://a".encode("utf-16"), Fault.NO_SCHEME),
        (b"ht\ttps://www.example.invalid", Fault.NO_SCHEME),
        (b"%68ttps://www.example.invalid", Fault.NO_SCHEME),
        (b"javascript:alert(1)", Fault.SCHEME),
        (b"JavaScript:alert(1)", Fault.SCHEME),
        (b"data:text/html,x", Fault.SCHEME),
        (b"file:///C:/x.exe", Fault.SCHEME),
        (b"ftp://example.invalid/", Fault.SCHEME),
        (b"ms-msdt:/id", Fault.SCHEME),
        (b"search-ms:query=x", Fault.SCHEME),
        (b"https:www.example.invalid", Fault.HOST),
        (b"https:/www.example.invalid", Fault.HOST),
        (b"https:///etc/passwd", Fault.HOST),
        (b"https://", Fault.HOST),
        (b"https://www.gov.uk@example.invalid/", Fault.HOST),
        (b"https://user:word@example.invalid/", Fault.HOST),
        (b"https://www.gov.uk%2fexample.invalid/", Fault.HOST),
        (b"https://www.example.invalid:port/", Fault.HOST),
        (b"https:\\\\example.invalid\\share", Fault.CHARACTERS),
        (b"https://example.invalid\\@other.invalid/", Fault.CHARACTERS),
        (b"https://www.example.invalid/\r\nX: y", Fault.CHARACTERS),
        (b"https://www.example.invalid/%00", Fault.CHARACTERS),
        (b"https://www.example.invalid/%0d%0aX", Fault.CHARACTERS),
        (b'https://www.example.invalid/" --run', Fault.CHARACTERS),
        (b"https://www.example.invalid/`id`", Fault.CHARACTERS),
        ("https://www.example.invalid/\u202e".encode(), Fault.CHARACTERS),
        (b"https://www.example.invalid ", Fault.CHARACTERS),
        (b"mailto:a@example.invalid?attach=/etc/passwd", Fault.MAIL),
        (b"mailto:a@example.invalid?%61ttachment=x", Fault.MAIL),
        (b"mailto:a@example.invalid?subject=x&X-Header=y", Fault.MAIL),
        (b"mailto:a@example.invalid?subject=x%0Abcc:b@example.invalid", Fault.CHARACTERS),
        (b"mailto:a@example.invalid%0Abcc:b", Fault.CHARACTERS),
        (b"tel:*21*0900#", Fault.NUMBER),
        (b"tel:", Fault.NUMBER),
    ],
)
def test_any_other_address_is_refused_for_what_is_wrong_with_it(address: bytes, fault: Fault) -> None:
    found = fault_of(address, ALL)
    assert found is not None
    assert found[0] is fault
    assert "pdf-external" in {it.code for it in PdfValidator(links=KNOWN).validate_bytes(linked(address)).findings}


@given(st.binary(max_size=40), st.sampled_from([b"", b"https://a", b"mailto:", b"mailto:a?subject=", b"tel:", b"x:"]))
def test_whatever_passes_is_printable_and_of_a_kind_that_is_allowed(rest: bytes, start: bytes) -> None:
    address = start + rest
    for allowed in (ALL, frozenset(LINKS), frozenset({"tel"})):
        if fault_of(address, allowed) is None:
            assert address.isascii()
            assert address.decode("ascii").isprintable()
            assert address.partition(b":")[0].decode("ascii").lower() in allowed
            assert not set(b'"<>\\`|^{}') & set(address)


@given(st.binary(max_size=60), st.booleans())
def test_a_text_is_read_as_it_was_written(content: bytes, in_hex: bool) -> None:  # noqa: FBT001 - hypothesis
    octal = b"(" + re.sub(rb"[^A-Za-z]", lambda it: b"\\%03o" % it[0][0], content) + b")"
    assert spelled(Text(b"<" + content.hex().encode() + b">" if in_hex else octal)) == content


@pytest.mark.parametrize(
    ("written", "means"), [(b"(a\\(b\\)\\\\)", b"a(b)\\"), (b"(a\\\nb\\r)", b"ab\r"), (b"<6>", b"`")]
)
def test_escapes_of_a_text_are_those_of_the_standard(written: bytes, means: bytes) -> None:
    assert spelled(Text(written)) == means


def test_what_an_address_says_is_in_no_finding_and_no_representation() -> None:
    report = PdfValidator().validate_bytes(linked(b"http://www.example.invalid/QQ123456C"))
    assert [(it.code, it.where) for it in report.findings] == [("pdf-external", "object 3 0")]
    assert report.findings[0].message == (
        "The PDF has a link (http:) of a kind that is not allowed here. Take the link out, and save the PDF again."
    )
    assert "QQ123456C" not in repr(report)
    assert "QQ123456C" not in repr(Text(b"(QQ123456C)"))


def test_scheme_of_an_unknown_kind_is_not_repeated() -> None:
    (finding,) = PdfValidator().validate_bytes(linked(b"qq123456c:x")).findings
    assert "qq123456c" not in finding.message.lower()


@pytest.mark.parametrize("scheme", KNOWN)
def test_flow_allows_what_its_setting_lists_and_nothing_else(scheme: str, tmp_path: Path) -> None:
    addresses = {"https": b"https://a", "http": b"http://a", "mailto": b"mailto:a@example.invalid", "tel": b"tel:1"}
    for other, address in addresses.items():
        path = tmp_path / "a.pdf"
        path.write_bytes(linked(address))
        assert build(pdf_plan([scheme])).validate(path).valid is (other == scheme)
        assert build(FLOWS["laid"].plan(resource("schemas"), True, (scheme,))).validate(path).valid is (other == scheme)
        assert not build(pdf_plan([])).validate(path).valid


def test_settings_know_the_kinds_and_the_default_that_the_validator_knows() -> None:
    (listed, _) = get_args(LaidSettings.model_fields["links"].annotation)
    assert set(get_args(listed)) == set(KNOWN)
    laid = DEFAULT_FLOWS["laid"]
    assert isinstance(laid, LaidSettings)
    assert laid.links == LINKS
