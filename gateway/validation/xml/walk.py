"""One walk over a document's tree: every value checked, every count and total compared, facts collected.

Values go through `government_types`, since libxml2 passes some that the standard refuses and knows no calendar day. Nothing is
raised, and no finding carries a value. The loop runs for every element of every document, so it is kept plain.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from lxml import etree

from gateway.validation.contract import Finding
from gateway.validation.government_types import Rule, to_pence
from gateway.validation.xml.agreement import Agreement
from gateway.validation.xml.codes import XmlCode, XmlLimits
from gateway.validation.xml.rules import Relation, Ruleset

_MOST_STEPS: Final = 24
_NO_RULE: Final = Rule("", lambda _text: None, lambda _text: True)


@dataclass
class Walked:
    """What the walk saw. `findings` stops at the limit, `total` does not; `flagged` are the elements found wrong.

    `given_up` says that the rest of the document was not looked at.
    """

    findings: list[Finding] = field(default_factory=list)
    total: int = 0
    flagged: set[etree._Element] = field(default_factory=set)
    given_up: bool = False
    agreement: Agreement | None = None
    record: str | None = None

    def facts(self, but: Collection[etree._Element] = ()) -> dict[str, str]:
        """What the document tells, without the texts of the elements `but`."""
        if self.agreement is None:
            return {}
        facts = self.agreement.facts(but)
        if self.record is not None:
            facts["records"] = str(self.agreement.counts[self.record])
        return facts


class Walker:
    """Walks documents of one schema version with the checks of one day."""

    def __init__(self, ruleset: Ruleset, checks: Mapping[str, Rule], limits: XmlLimits) -> None:
        self._ruleset = ruleset
        self._checks = checks
        self._limits = limits
        tallied = ruleset.counted | ruleset.summed
        self._duties: dict[str, tuple[Callable[[str], object], Rule, tuple[Relation, ...], bool]] = {
            tag: (rule.is_right or _unknown, rule, ruleset.relations.get(tag, ()), tag in tallied)
            for tag in {*checks, *ruleset.relations, *tallied}
            for rule in (checks.get(tag, _NO_RULE),)
        }

    def walk(self, root: etree._Element) -> Walked:
        agreement = Agreement(self._ruleset.counted | self._ruleset.summed)
        seen = Walked(agreement=agreement, record=self._ruleset.record)
        counts, pence = agreement.counts, agreement.pence
        claims: list[tuple[etree._Element, tuple[Relation, ...], str]] = []
        duty_of, longest, summed = self._duties.get, self._limits.text, self._ruleset.summed
        for element in root.iter(etree.Element):
            text = element.text
            if text is None:
                text = ""
            elif len(text) > longest:
                self._add(seen, element, XmlCode.TEXT_TOO_LONG, f"longer than {longest} characters")
                seen.given_up = True
                return seen
            duty = duty_of(element.tag)
            if duty is None:
                continue
            is_right, rule, relations, tallied = duty
            if not is_right(text) and (fault := rule.fault(text)):
                strange = self._ruleset.character_fault(element.tag, text)
                code, words = rule.coded(fault)
                self._add(seen, element, code, f"{words}; {strange}" if strange else words)
                if seen.total > self._limits.enough:
                    seen.given_up = True
                    return seen
                if lists := tuple(relation for relation in relations if relation.facts is not None):
                    claims.append((element, lists, ""))  # its place on the list, with nothing in it
            elif relations:
                claims.append((element, relations, text))
            if tallied:
                counts[element.tag] += 1
                if element.tag in summed:
                    pence[element.tag] += to_pence(text) or 0
        for element, relations, text in claims:
            for relation in relations:
                if (found := agreement.disagreement(element, relation, text)) is not None:
                    self._add(seen, element, *found)
        return seen

    def _add(self, seen: Walked, element: etree._Element, code: str, fault: str) -> None:
        seen.total += 1
        seen.flagged.add(element)
        if len(seen.findings) < self._limits.findings:
            name = local_name(element, self._ruleset.names)
            seen.findings.append(Finding(str(code), location(element, self._ruleset), f"{name}: {fault}."))


def _unknown(_text: str) -> bool:
    return False


def local_name(element: etree._Element, known: frozenset[str]) -> str:
    """The element's name if the schema has it: any other could be personal data that slipped into a tag."""
    name = etree.QName(element).localname
    return name if name in known else "An unknown element"


def record_number(record: etree._Element) -> int:
    """Which of the records it is, counted from one; they stand side by side."""
    parent = record.getparent()
    first = parent.find(record.tag) if parent is not None else None
    return parent.index(record) - parent.index(first) + 1 if parent is not None and first is not None else 1


def location(element: etree._Element, ruleset: Ruleset, numbers: Mapping[etree._Element, int] | None = None) -> str:
    """Where an element is: `line 41, Claim[2]/Claimant/DateOfBirth`, with only such names as the schema has.

    `numbers` gives the records' numbers where the tree no longer holds all of them.
    """
    steps = list(_steps(element, ruleset, numbers or {}))[:_MOST_STEPS]
    line = f"line {element.sourceline}"
    return f"{line}, {'/'.join(reversed(steps))}" if steps else line


def _steps(element: etree._Element, ruleset: Ruleset, numbers: Mapping[etree._Element, int]) -> Iterator[str]:
    """From the element upwards, the root left out unless it is the element itself."""
    node: etree._Element | None = element
    while node is not None:
        parent = node.getparent()
        if parent is None and node is not element:
            return
        name = etree.QName(node).localname
        shown = name if name in ruleset.names else "?"
        yield f"{shown}[{numbers.get(node) or record_number(node)}]" if node.tag == ruleset.record else shown
        node = parent
