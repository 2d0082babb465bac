"""The laws of the canonical form: the same facts in other bytes give the same digest, and any changed fact gives another."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from random import Random
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from gateway.domain.triage import claim_digest
from gateway.sample.catalog import samplers, versions
from gateway.settings.resources import resource
from gateway.validation.contract import RecordMark, Report
from gateway.validation.sandbox.messages import report_from_plain, report_to_plain
from gateway.validation.xml.catalog import find_versions
from gateway.validation.xml.marks import TriageRule, marks
from gateway.validation.xml.rules import read_rules
from gateway.validation.xml.validator import XmlValidator
from tests.examples import examples

TODAY = date(2026, 11, 21)
FLOWS = ("claim", "etd", "referral")
RULES: dict[str, TriageRule | None] = {
    namespace: read_rules(source).triage
    for flow in FLOWS
    for namespace, source in find_versions(resource("schemas"), flow).items()
}


LEAST = f"{'a' * 32} "


def document(flow: str, seed: int) -> etree._Element:
    made = samplers()[flow].make(sender="DWP", recipient="E09000030", index=1, random=Random(seed), today=TODAY)
    return etree.fromstring(made.content)


def marked(root: etree._Element, content: bytes = b"") -> tuple[RecordMark, ...]:
    """The marks, which are the same by the text (`content`, or what the tree is written as) and by the tree alone."""
    rule = RULES[etree.QName(root).namespace or ""]
    made = marks(root, rule, content or etree.tostring(root, encoding="utf-8", xml_declaration=True))
    assert made == marks(root, rule)
    return made


def reread(text: str) -> tuple[etree._Element, bytes]:
    parser = etree.XMLParser(remove_comments=True, remove_pis=True, strip_cdata=True)
    return etree.fromstring(text.encode(), parser), text.encode()


@given(st.sampled_from(FLOWS), st.integers(0, 2**32))
@examples(40)
def test_the_same_facts_in_other_bytes_give_the_same_marks(flow: str, seed: int) -> None:
    root = document(flow, seed)
    text = etree.tostring(root, encoding="unicode")
    prefixed = re.sub(r"<(/?)(\w)", r"<\1g:\2", text).replace("xmlns=", "xmlns:g=")
    assert marked(*reread(prefixed)) == marked(root)
    wide = text.replace("><", ">\r\n\t<!-- said --><").replace("\n", "\n\n  ")
    assert marked(*reread(wide)) == marked(root)
    told = text.replace(
        " xmlns=", ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="a b" xmlns='
    )
    assert marked(*reread(told)) == marked(root)


@given(st.sampled_from(FLOWS), st.integers(0, 2**32), st.randoms(use_true_random=False))
@examples(60)
def test_any_changed_fact_gives_another_digest(flow: str, seed: int, random: Random) -> None:
    root = document(flow, seed)
    before = marked(root)
    rule = RULES[etree.QName(root).namespace or ""]
    assert rule is not None
    number, record = random.choice(list(enumerate(root.iterchildren(rule.record))))
    counted = [leaf for child in record if child.tag not in rule.but for leaf in child.iter() if not len(leaf)]
    leaf = random.choice(counted)
    leaf.text = f"{leaf.text or ''}7"
    after = marked(root)
    assert after[number].fact != before[number].fact
    assert after[:number] + after[number + 1 :] == before[:number] + before[number + 1 :]


@given(st.sampled_from(FLOWS), st.integers(0, 2**32))
@examples(30)
def test_what_does_not_count_changes_no_digest(flow: str, seed: int) -> None:
    root = document(flow, seed)
    before = [(mark.fact, mark.award, mark.day) for mark in marked(root)]
    rule = RULES[etree.QName(root).namespace or ""]
    assert rule is not None
    for record in root.iterchildren(rule.record):
        for child in record:
            if child.tag in rule.but and not len(child):
                child.text = "another"
    assert [(mark.fact, mark.award, mark.day) for mark in marked(root)] == before


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("QQ123456C", "QQ123456 ", True),
        ("QQ123456C", "qq 12 34 56 c", True),
        ("QQ123456C", "QQ123457C", False),
    ],
)
def test_a_person_is_the_number_without_its_suffix(one: str, other: str, *, same: bool) -> None:
    digests = set()
    for nino in (one, other):
        root = document("etd", 5)
        for element in root.iter("{*}Nino"):
            element.text = nino
        digests.add((marked(root)[0].fact, marked(root)[0].award))
    assert (len(digests) == 1) is same


def test_both_versions_of_a_notice_say_the_same() -> None:
    made = versions()["etd"]["1.0"].make(sender="DWP", recipient="E09000030", index=1, random=Random(2), today=TODAY)
    later = made.content.replace(b"urn:gateway:etd:1.0", b"urn:gateway:etd:1.1")
    assert marked(etree.fromstring(made.content)) == marked(etree.fromstring(later))


ODD: dict[str, Callable[[str], str]] = {
    "a character by its number": lambda text: re.sub(r">(\w)(\w+)</", lambda m: f">&#{ord(m[1])};{m[2]}</", text),
    "CDATA": lambda text: re.sub(r">(\w+)</", r"><![CDATA[\1]]></", text),
    "a comment with a record": lambda text: text.replace("<Header>", "<!-- <Notice><Claim><Referral> --><Header>"),
    "another namespace": lambda text: text.replace(" xmlns=", ' xmlns:odd="urn:odd" xmlns=', 1),
    "the namespace again": lambda text: re.sub(r"<(Notice|Claim|Referral)>", rf'<\1 xmlns="{_space(text)}">', text),
    "attributes": lambda text: text.replace("<Nino>", "<Nino odd='1'>"),
}


def _space(text: str) -> str:
    return text.partition('xmlns="')[2].partition('"')[0]


@given(st.sampled_from(FLOWS), st.integers(0, 2**32), st.sampled_from(sorted(ODD)))
@examples(60)
def test_what_is_written_in_an_unusual_way_says_the_same(flow: str, seed: int, how: str) -> None:
    root = document(flow, seed)
    text = etree.tostring(root, encoding="unicode")
    assert marked(*reread(ODD[how](text))) == marked(root)


def test_characters_may_be_written_by_their_names_or_as_they_are() -> None:
    text = etree.tostring(document("etd", 5), encoding="unicode")
    rule = RULES[_space(text)]
    said = "1 > 0 \"and\" 'so' <3 & e\u0301"
    made = set()
    for each in (
        "1 > 0 \"and\" 'so' &lt;3 &amp; \u00e9",
        "1 &gt; 0 &quot;and&quot; &apos;so&apos; &lt;3 &amp; e\u0301",
        "&#49; > 0 \"and\" 'so' &#x3c;3 &#38; \u00e9",
    ):
        root, content = reread(
            re.sub(r"<PersonRole>.*?</PersonRole>", f"<PersonRole>{each}</PersonRole>", text, count=1, flags=re.DOTALL)
        )
        assert said in (normalize("NFD", element.text or "") for element in root.iter("{*}PersonRole"))
        made |= {marks(root, rule, content), marks(root, rule)}
    assert len(made) == 1


def test_an_element_that_is_empty_says_the_same_however_it_is_written() -> None:
    text = etree.tostring(document("etd", 5), encoding="unicode")
    ways = (
        re.sub(r"<PersonRole>.*?</PersonRole>", each, text, flags=re.DOTALL)
        for each in ("<PersonRole/>", "<PersonRole> </PersonRole>")
    )
    one, other = (marked(*reread(each)) for each in ways)
    assert one == other != marked(*reread(text))


def test_a_record_with_a_fault_has_no_mark() -> None:
    validator = XmlValidator(resource("schemas"), "etd", allow_test_numbers=True, today=lambda: TODAY)
    text = etree.tostring(document("etd", 3), encoding="unicode")
    good = validator.validate_bytes(text.encode())
    bad = validator.validate_bytes(re.sub(r"<DateOfBirth>\d{4}", "<DateOfBirth>2099", text, count=1).encode())
    assert len(good.marks) == int(good.facts["records"])
    assert {mark.row for mark in good.marks} - {mark.row for mark in bad.marks} == {bad.exceptions[0].row}


def test_marks_survive_the_readers_pipe_and_lies_do_not() -> None:
    report = Report("etd/1.1", marks=(RecordMark(1, b"a" * 16, b"", 739_000, (b"b" * 16,)),))
    plain = report_to_plain(report)
    assert report_from_plain(plain) == report
    for lie in (
        [0, 0, LEAST],
        [1, 0, "QQ123456C"],
        [1, 3652060, LEAST],
        [1, -1, LEAST],
        [1, "today", LEAST],
        [1, 0, LEAST, 7],
    ):
        with pytest.raises(ValueError, match="mark"):
            report_from_plain({**plain, "marks": [lie]})


def test_a_reference_is_the_same_in_any_case_and_spacing() -> None:
    assert claim_digest("HB/1234 567a") == claim_digest(" hb/1234567A") != claim_digest("HB/1234568A")
