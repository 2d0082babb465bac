"""What follows from a schema for all that it accepts, and that a document which is looked at once gets the report it always got."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from functools import cache
from random import Random

import pytest
from lxml import etree

from gateway.sample.catalog import samplers
from gateway.settings.resources import resource
from gateway.validation.contract import Report
from gateway.validation.xml.catalog import SchemaSource, find_versions
from gateway.validation.xml.codes import XmlLimits
from gateway.validation.xml.rules import read_rules
from gateway.validation.xml.schema_bounds import keeps_bounds
from gateway.validation.xml.validator import XmlValidator

TODAY = date(2026, 11, 21)
SCHEMAS = resource("schemas")
FLOWS = sorted(path.parent.parent.name for path in SCHEMAS.glob("*/1.0/*.xsd") if path.stem == path.parent.parent.name)
LIMITS = XmlLimits()
XSI = "{http://www.w3.org/2001/XMLSchema-instance}"


@cache
def validator(flow: str) -> XmlValidator:
    return XmlValidator(SCHEMAS, flow, LIMITS, allow_test_numbers=True, today=lambda: TODAY)


def by_parts(flow: str, content: bytes) -> Report:
    """What is found where no document is small enough for one look."""
    checker = validator(flow)
    small, checker._small = checker._small, 0
    try:
        return checker.validate_bytes(content)
    finally:
        checker._small = small


def document(flow: str, defect: str | None = None) -> bytes:
    sampler = samplers()[flow]
    sender = "E09000012" if flow in {"outcome", "redirect"} else "DWP"
    return sampler.make(
        sender=sender, recipient="E09000030", index=1, random=Random(1), today=TODAY, defect=defect
    ).content


# -- the schemas that there are


@pytest.mark.parametrize("flow", FLOWS)
def test_every_schema_bounds_its_documents(flow: str) -> None:
    for source in find_versions(SCHEMAS, flow).values():
        assert keeps_bounds(source, read_rules(source).record, LIMITS)
        assert not keeps_bounds(source, read_rules(source).record, XmlLimits(depth=3))


def scatter(root: etree._Element, record: etree._Element) -> None:
    """One more record where others do not stand: after the last element."""
    root.append(etree.fromstring(etree.tostring(record)))


def interrupt(_root: etree._Element, record: etree._Element) -> None:
    """Two records with something else of the document between them."""
    first = record.getparent()[0]  # type: ignore[index]
    record.addnext(etree.fromstring(etree.tostring(record)))
    record.addnext(etree.fromstring(etree.tostring(first)))


def bury(root: etree._Element, _record: etree._Element) -> None:
    """Elements inside each other, deeper than any limit."""
    for _ in range(LIMITS.depth):
        root = etree.SubElement(root, root.tag)


def adorn(root: etree._Element, _record: etree._Element) -> None:
    """More attributes than any limit."""
    for number in range(LIMITS.attributes + 1):
        root.set(f"a{number}", "")


@pytest.mark.parametrize("flow", FLOWS)
@pytest.mark.parametrize("spoil", [scatter, interrupt, bury, adorn])
def test_schema_refuses_what_has_not_the_shape_of_a_document(
    flow: str, spoil: Callable[[etree._Element, etree._Element], None]
) -> None:
    root = etree.fromstring(document(flow))
    (version,) = (each for each in validator(flow)._versions.values() if root.tag in each.ruleset.roots)
    assert version.accepts(root)
    record = root.find(version.ruleset.record or "*")
    spoil(root, root[0] if record is None else record)  # an enquiry may have none
    assert not version.accepts(root)
    content = etree.tostring(root)
    assert validator(flow).validate_bytes(content) == by_parts(flow, content)


@pytest.mark.parametrize("flow", ["claim", "etd", "outcome"])
def test_one_look_finds_what_many_find(flow: str) -> None:
    for defect in (None, *samplers()[flow].defects):
        content = document(flow, defect)
        assert validator(flow).validate_bytes(content) == by_parts(flow, content), defect


def test_type_that_no_schema_has_is_a_finding() -> None:
    root = etree.fromstring(document("claim"))
    root[1].set(f"{XSI}type", "nothing")
    report = validator("claim").validate_bytes(etree.tostring(root))
    assert [finding.code for finding in report.findings] == ["xml-schema"]


# -- schemas of other kinds

PLAIN = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns="urn:a" targetNamespace="urn:a" blockDefault="#all">
<xs:element name="All" type="AllType"/>
<xs:complexType name="AllType"><xs:sequence>
<xs:element name="Head" type="xs:string"/><xs:element name="One" type="OneType" maxOccurs="unbounded"/><xs:group ref="Tail"/>
</xs:sequence></xs:complexType>
<xs:complexType name="OneType"><xs:choice><xs:element name="A" type="Short"/><xs:element name="B" type="xs:date"/></xs:choice></xs:complexType>
<xs:group name="Tail"><xs:sequence><xs:element name="End" type="Short"/></xs:sequence></xs:group>
<xs:simpleType name="Short"><xs:restriction base="xs:string"><xs:maxLength value="9"/></xs:restriction></xs:simpleType>
</xs:schema>"""


def bounded(text: str, depth: int = 24) -> bool:
    return keeps_bounds(SchemaSource("a/1.0", "urn:a", etree.fromstring(text)), "{urn:a}One", XmlLimits(depth=depth))


def test_depth_of_a_plain_schema_is_known() -> None:
    assert bounded(PLAIN, depth=3)
    assert not bounded(PLAIN, depth=2)


@pytest.mark.parametrize(
    ("here", "instead"),
    [
        (' blockDefault="#all"', ""),
        ('name="A" type="Short"', 'name="A" type="OneType"'),
        ('name="A" type="Short"', 'name="A" type="xs:anyType"'),
        ('name="A" type="Short"', 'name="A" type="Absent"'),
        ('name="A" type="Short"', 'name="A"'),
        ('name="A" type="Short"', 'name="A" type="Short" block=""'),
        ('<xs:element name="A" type="Short"/>', "<xs:any/>"),
        ('<xs:element name="A" type="Short"/>', '<xs:group ref="Absent"/>'),
        ('<xs:element name="A" type="Short"/>', '<xs:element name="One" type="Short"/>'),
        ("</xs:choice>", '</xs:choice><xs:attribute name="a"/>'),
        ("</xs:choice>", "</xs:choice><xs:anyAttribute/>"),
        ('<xs:complexType name="AllType"><xs:sequence>', '<xs:complexType name="AllType"><xs:sequence maxOccurs="2">'),
        ("</xs:schema>", '<xs:element name="Other" substitutionGroup="All"/></xs:schema>'),
    ],
)
def test_nothing_follows_from_a_schema_of_another_kind(here: str, instead: str) -> None:
    assert here in PLAIN
    assert not bounded(PLAIN.replace(here, instead))
