"""A finding about a character names that character, says which may stand, and repeats nothing else of the value."""

from __future__ import annotations

import re
import sys
import unicodedata
from datetime import date
from functools import cache
from pathlib import Path

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from lxml import etree

from gateway.domain.characters import byte_called, called
from gateway.errors import ConfigurationInvalid
from gateway.settings.resources import resource
from gateway.validation.alphabets import Alphabet, alphabet_of, alphabet_of_codes, collapsed, widened
from gateway.validation.contract import Finding
from gateway.validation.xml.catalog import XSD, SchemaSource, find_versions
from gateway.validation.xml.rules import read_rules
from gateway.validation.xml.validator import XmlValidator
from tests.examples import examples
from tests.vectors.xml.build import BODY, PLAIN, XML

SCHEMAS = resource("schemas")


@cache
def validator() -> XmlValidator:
    return XmlValidator(SCHEMAS, "referral", allow_test_numbers=True, today=lambda: date(2026, 11, 21))


def only(content: str | bytes) -> Finding:
    report = validator().validate_bytes(content.encode() if isinstance(content, str) else content)
    (finding,) = report.findings
    assert report.total == 1
    return finding


@pytest.mark.parametrize(
    ("character", "name"),
    [
        ("\u00a0", "NO-BREAK SPACE (U+00A0)"),
        ("\u2013", "EN DASH (U+2013)"),
        ("\u2019", "RIGHT SINGLE QUOTATION MARK (U+2019)"),
        ("\n", "LINE FEED (U+000A)"),
        ("\x1a", "SUBSTITUTE (U+001A)"),
        ("\x1f", "UNIT SEPARATOR (U+001F)"),
        ("\x7f", "DELETE (U+007F)"),
        ("\x85", "CONTROL CHARACTER (U+0085)"),
        ("\ue000", "PRIVATE USE CHARACTER (U+E000)"),
        ("\u0378", "UNASSIGNED CHARACTER (U+0378)"),
        ("\ufffe", "NONCHARACTER (U+FFFE)"),
        ("\U0001f600", "GRINNING FACE (U+1F600)"),
        ("\ud800", "UNPAIRED SURROGATE (U+D800)"),
        ("\udce9", "the byte E9 (no UTF-8)"),
    ],
)
def test_character_has_its_name_in_unicode_or_its_class(character: str, name: str) -> None:
    assert called(character) == name


@given(st.characters())
def test_every_character_is_called_something_that_can_be_read(character: str) -> None:
    assert re.fullmatch(r"[A-Z0-9 ()-]+ \(U\+[0-9A-F]{4,6}\)|the byte [0-9A-F]{2} \(no UTF-8\)", called(character))


def test_byte_of_another_encoding_is_named_as_windows_has_it() -> None:
    assert byte_called(0xE9) == "the byte E9, in Windows code page 1252 LATIN SMALL LETTER E WITH ACUTE (U+00E9),"
    assert byte_called(0x81) == "the byte 81"


# -- alphabets


def patterns() -> dict[str, tuple[str, ...]]:
    """Every type of the schemas that has patterns."""
    found: dict[str, tuple[str, ...]] = {}
    for path in sorted(SCHEMAS.glob("*/*/*.xsd")):
        for node in etree.parse(path).iter(f"{XSD}simpleType"):
            if given_here := tuple(each.get("value", "") for each in node.iter(f"{XSD}pattern")):
                found[f"{path.stem}:{node.get('name')}"] = given_here
    return found


PATTERNS = patterns()


def python(pattern: str) -> re.Pattern[str]:
    """The pattern as Python has it: `\\p{L}` and `\\p{M}` are the only constructs of ours that it lacks."""
    letters = "".join(map(chr, [*range(0x41, 0x5B), *range(0x61, 0x7B), 0xE2, 0x0175, 0x0301]))
    return re.compile(pattern.replace(r"\p{L}", letters).replace(r"\p{M}", ""), re.ASCII)


@pytest.mark.parametrize("name", PATTERNS)
@given(data=st.data())
@examples(25)
def test_alphabet_holds_every_character_of_every_right_value(name: str, data: st.DataObject) -> None:
    right = data.draw(st.from_regex(python(data.draw(st.sampled_from(PATTERNS[name]))), fullmatch=True))
    assert alphabet_of(PATTERNS[name]).fault(right) is None


@given(name=st.sampled_from(sorted(PATTERNS)), data=st.data(), stranger=st.characters(exclude_categories=["Cs"]))
@examples(400)
def test_the_one_character_that_may_not_stand_is_named_and_no_other_part_of_the_value(
    name: str, data: st.DataObject, stranger: str
) -> None:
    alphabet = alphabet_of(PATTERNS[name])
    assume(not alphabet.holds(stranger))
    right = data.draw(st.from_regex(python(PATTERNS[name][0]), fullmatch=True))
    place = data.draw(st.integers(0, len(right)))
    fault = alphabet.fault(right[:place] + stranger + right[place:])
    # The same words, whatever stands around it.
    told = f"; {alphabet.words} may" if alphabet.is_told else ""
    assert fault == alphabet.fault(stranger) == f"{called(stranger)} may not stand in it{told}"


def test_alphabets_say_in_words_which_characters_may_stand() -> None:
    words = {name.partition(":")[2]: alphabet_of(each).words for name, each in PATTERNS.items()}
    assert words["PersonNameType"] == "letters of any alphabet, their accents, 0 to 9, space and & ' ( ) , - . / ’"
    assert words["PostcodeType"] == "0 to 9, A to Z and space"
    assert words["MoneyType"] == "0 to 9 and ."
    assert words["EmailType"].startswith("everything but CHARACTER TABULATION (U+0009), ")


def test_only_what_looks_like_a_code_and_is_none_is_strange_in_a_code() -> None:
    alphabet = alphabet_of_codes(["yes", "no"])
    assert alphabet.fault("maybe") is None
    assert alphabet.fault("yes\u00a0") == "NO-BREAK SPACE (U+00A0) may not stand in it"


@pytest.mark.parametrize("pattern", [".", "a.b", r"[^\p{L}]", "[a"])
def test_pattern_that_is_not_read_here_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"pattern|set"):
        alphabet_of([pattern])


def test_white_space_is_collapsed_as_xml_schema_does_it() -> None:
    assert collapsed("\n  a \t b\u00a0 ") == "a b\u00a0"
    assert Alphabet(((0x61, 0x62),)).fault(collapsed(" a ")) is None


# -- in documents

FIELDS = {
    "GivenName": (XML + BODY, "Siân"),
    "FamilyName": (XML + BODY, "Llŵyd"),
    "OfficeName": (XML + BODY, "<OfficeName>Oldborough"),
    "OfficeCode": (XML + BODY, "DWP0101"),
    "Postcode": (XML + BODY, "ZZ1 1AA"),
    "HbReference": (XML + BODY, "1234567"),
    "Nino": (XML + BODY, "QQ123456A"),
    "DateOfBirth": (XML + BODY, "1961-05-04"),
    "Fact": (XML + BODY, "<Fact>earnings"),
    "MessageId": (XML + BODY, "VECTOR-0001"),
}


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("stranger", ["\u00a0", "\u2013", "\u201c", "\u200b", "\u3000", "\U0001f600"])
def test_character_that_may_not_stand_in_a_field_is_named(field: str, stranger: str) -> None:
    document, value = FIELDS[field]
    for changed in (value + stranger, value[:-2] + stranger + value[-2:]):
        finding = only(document.replace(value, changed))
        assert finding.message.startswith(f"{field}: ")
        assert f"{called(stranger)} may not stand in it" in finding.message
        assert value.partition(">")[2] or value not in finding.message
        assert stranger not in finding.message


VERSIONS = {
    source.name: source
    for flow in sorted(
        path.parent.parent.name for path in SCHEMAS.glob("*/*/*.xsd") if path.parent.parent.name != "types"
    )
    for source in find_versions(SCHEMAS, flow).values()
}
LETTERS = [character for character in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(character)[0] in "LM"]


@pytest.mark.parametrize("version", VERSIONS)
def test_name_of_any_letters_and_accents_that_unicode_has_passes_in_every_schema(version: str) -> None:
    source = VERSIONS[version]
    ruleset = read_rules(source)
    of_names = {name: alphabet for name, alphabet in ruleset.alphabets.items() if alphabet.groups}
    assert {"TitleType", "PersonNameType", "FullNameType"} <= of_names.keys()
    schema = etree.fromstring(source.to_bytes())
    names = etree.SubElement(schema, f"{XSD}element", name="ManyNames")
    within = etree.SubElement(etree.SubElement(names, f"{XSD}complexType"), f"{XSD}sequence")
    document = etree.Element(f"{{{source.namespace}}}ManyNames")
    for name, alphabet in of_names.items():
        etree.SubElement(within, f"{XSD}element", name=f"A{name}", type=name, maxOccurs="unbounded")
        for at in range(0, len(LETTERS), 35):
            text = "".join(LETTERS[at : at + 35])
            assert alphabet.fault(text) is None
            etree.SubElement(document, f"{{{source.namespace}}}A{name}").text = text
    etree.XMLSchema(schema).assertValid(document)


@pytest.mark.parametrize(
    "name",
    [
        "李",
        "王伟",
        "김민수",
        "𞤀𞤣",
        "ᲐᲑ",
        "ⶀ",
        "Ꙁ",
        "𗀀",
        "一",
        "さくら",
        "サクラ",
        "አበበ",
        "राम",
        "Ψ",
        "Nguyễn",
        "葛\U000e0100",
    ],
)
def test_name_passes_in_any_alphabet(name: str) -> None:
    assert validator().validate_bytes((XML + BODY.replace("Llŵyd", name)).encode()).findings == ()
    strange = only(XML + BODY.replace("Llŵyd", name + "\u2013"))
    assert strange.message.startswith(
        "FamilyName: not of the right form; EN DASH (U+2013) may not stand in it; letters"
    )


@given(
    name=st.text(
        st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="<&\ufffe\uffff"), min_size=1, max_size=20
    )
)
@example(name="\u0378")
@example(name="#")
@example(name="#\u2013")
@examples(300)
def test_name_passes_or_is_refused_with_the_name_of_the_first_character_that_may_not_stand(name: str) -> None:
    assume(name.strip(" "))
    report = validator().validate_bytes((XML + BODY.replace("Llŵyd", name)).encode())
    allowed = "0123456789 '’.,&()/-"
    stranger = next((each for each in name if unicodedata.category(each)[0] not in "LM" and each not in allowed), None)
    if stranger is None:
        assert report.findings == ()
    else:
        (finding,) = report.findings
        assert finding.code == "xml-value"
        assert f"; {called(stranger)} may not stand in it; letters of any alphabet" in finding.message


@pytest.mark.parametrize("pattern", [r"\p{L}+", r"[\p{L}][0-9]+", r"[\p{Lu}]+", r"[^\p{L}]+", r"[\p{L}]+|a"])
def test_group_in_a_pattern_that_is_not_one_set_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="not one set"):
        widened(pattern)


SCHEMA = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:x" xmlns="urn:x" xmlns:x="urn:x">
<xs:simpleType name="A"><xs:restriction base="xs:string"><xs:pattern value="[\\p{L}]+"/></xs:restriction></xs:simpleType>
<xs:simpleType name="B"><xs:restriction base="A"/></xs:simpleType>%s</xs:schema>"""


@pytest.mark.parametrize(
    "use",
    [
        '<xs:element name="e" type="x:A"/>',
        '<xs:element name="e" type="A"><xs:simpleType><xs:restriction base="B"/></xs:simpleType></xs:element>',
        '<xs:complexType name="C"><xs:attribute name="a" type="B"/></xs:complexType>',
        '<xs:complexType name="C"><xs:simpleContent><xs:extension base="A"/></xs:simpleContent></xs:complexType>',
        '<xs:complexType name="C"><xs:simpleContent><xs:restriction base="A"/></xs:simpleContent></xs:complexType>',
        '<xs:simpleType name="C"><xs:list itemType="B"/></xs:simpleType>',
        '<xs:simpleType name="C"><xs:union memberTypes="xs:date A"/></xs:simpleType>',
        '<xs:simpleType name="C"><xs:restriction base="xs:string"><xs:pattern value="a\\p{L}"/></xs:restriction></xs:simpleType>',
    ],
)
def test_schema_that_uses_letters_where_the_gateway_would_not_see_them_is_refused(use: str) -> None:
    SchemaSource("x/1.0", "urn:x", etree.fromstring(SCHEMA % '<xs:element name="e" type="B"/>')).to_bytes()
    with pytest.raises(ConfigurationInvalid, match=r"^the schema x/1\.0 "):
        SchemaSource("x/1.0", "urn:x", etree.fromstring(SCHEMA % use)).to_bytes()


def test_two_fields_with_such_characters_are_two_findings() -> None:
    document = XML + BODY.replace("Siân", "Si\u00a0n").replace("Llŵyd", "Ll\u2013yd")
    report = validator().validate_bytes(document.encode())
    assert sorted(finding.message.partition(":")[0] for finding in report.findings) == ["FamilyName", "GivenName"]
    assert report.total == 2


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("\n" + XML + BODY, "something stands before the XML declaration: an empty line"),
        (" " + XML + BODY, "something stands before the XML declaration: white space"),
        ("\n\ufeff" + XML + BODY, "before the XML declaration: a byte order mark, ZERO WIDTH NO-BREAK SPACE (U+FEFF)"),
        ("<!-- QQ -->" + XML + BODY, "before the XML declaration: a comment"),
        ("\u00a0" + XML + BODY, "before the XML declaration: NO-BREAK SPACE (U+00A0)"),
        (
            XML.replace("UTF-8", "ISO-8859-1") + PLAIN,
            "names the encoding ISO-8859-1; a file may be in UTF-8 or in ASCII",
        ),
        (XML.replace("UTF-8", "Llwyd") + PLAIN, "names an encoding that is not taken"),
        (XML.replace("UTF-8", "ASCII") + BODY, "says ASCII, and LATIN SMALL LETTER A WITH CIRCUMFLEX (U+00E2) is not"),
        (XML.replace("1.0", "1.1") + PLAIN, "does not say version 1.0"),
        ((XML + BODY).encode("utf-16"), "UTF-16"),
        ((XML + BODY).encode("utf-16-be"), "UTF-16"),
        ((XML + PLAIN.replace("Sian", "Siân")).encode("cp1252"), "LATIN SMALL LETTER A WITH CIRCUMFLEX (U+00E2)"),
        (XML + BODY.replace("Siân", "Si\x07n"), "BELL (U+0007)"),
        (XML + BODY.replace("Siân", "Si\ufffen"), "NONCHARACTER (U+FFFE)"),
        (XML + BODY.replace("Siân", "Si\x00n"), "NULL (U+0000)"),
        ("\0" + XML + BODY, "something stands before the XML declaration: NULL (U+0000). Nothing may stand before it"),
        ("\0\0\0" + XML + BODY, "something stands before the XML declaration: NULL (U+0000)"),
        ("\n\0" + XML + BODY, "something stands before the XML declaration: NULL (U+0000)"),
        ("\ufeff\0" + XML + BODY, "something stands before the XML declaration: NULL (U+0000)"),
        ("\0" + PLAIN, "NULL (U+0000) stands in the file"),
        ("<\0" + (XML + BODY)[1:], "NULL (U+0000) stands in the file"),
        ((XML + BODY).encode("utf-16-le"), "UTF-16"),
        ((XML + BODY).encode("utf-32"), "UTF-32"),
        ((XML + BODY).encode("utf-32-be"), "UTF-32"),
        ((XML + BODY).encode("utf-32-le"), "UTF-32"),
        (PLAIN.encode("utf-16-be"), "UTF-16"),
        (PLAIN.encode("utf-32-be"), "UTF-32"),
        (XML.replace("UTF-8", "646") + PLAIN, "names the encoding 646; a file may be in UTF-8 or in ASCII"),
        (
            XML + BODY.replace("<Priority>", "\u00a0<Priority>"),
            "holds text between its elements: NO-BREAK SPACE (U+00A0)",
        ),
        (XML + BODY.replace("<Priority>", "Llwyd<Priority>"), "holds text between its elements."),
    ],
)
def test_reason_says_what_is_wrong_with_the_file(content: str | bytes, words: str) -> None:
    finding = only(content)
    assert words.lower() in finding.message.lower()
    assert "Llwyd" not in finding.message


ASCII = [
    "ASCII",
    "ascii",
    "US-ASCII",
    "us-ascii",
    "ANSI_X3.4-1968",
    "ansi_x3.4-1986",
    "ISO646-US",
    "iso-ir-6",
    "csASCII",
    "us",
    "IBM367",
    "cp367",
]


@pytest.mark.parametrize("name", ["UTF-8", "utf-8", "Utf-8", "utf8", "UTF8", *ASCII])
def test_names_of_utf_8_and_of_ascii_pass_in_any_case(name: str, tmp_path: Path) -> None:
    path = tmp_path / "ascii.xml"
    for quote in "\"'":
        path.write_text(f"<?xml version='1.0' encoding={quote}{name}{quote}?>\r\n{PLAIN}", "ascii")
        assert validator().validate(path).findings == ()


@pytest.mark.parametrize("name", ASCII)
def test_character_beyond_ascii_is_refused_under_every_name_of_ascii(name: str) -> None:
    finding = only(XML.replace("UTF-8", name) + BODY)
    assert "says ASCII, and LATIN SMALL LETTER A WITH CIRCUMFLEX (U+00E2) is not part of that" in finding.message
