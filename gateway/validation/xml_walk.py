"""One walk over a document's tree: every value checked, every count and total compared, facts collected.

Values go through `govtypes`, since libxml2 passes some that the standard refuses and knows no calendar day. Nothing is
raised, and no finding carries a value. The loop runs for every element of every document, so it is kept plain.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from lxml import etree

from gateway.validation.contract import Finding
from gateway.validation.govtypes import Rule, to_count, to_date, to_pence
from gateway.validation.xml_codes import XmlCode, XmlLimits
from gateway.validation.xml_rules import Relation, Ruleset

_MOST_STEPS: Final = 24


@dataclass
class Walked:
    """What the walk saw. `findings` stops at the limit, `total` does not; `flagged` are the elements found wrong."""

    findings: list[Finding] = field(default_factory=list)
    total: int = 0
    flagged: set[etree._Element] = field(default_factory=set)
    facts: dict[str, str] = field(default_factory=dict)
    too_long: bool = False


class Walker:
    """Walks documents of one schema version with the checks of one day."""

    def __init__(self, ruleset: Ruleset, checks: Mapping[str, Rule], limits: XmlLimits) -> None:
        self._ruleset = ruleset
        self._checks = checks
        self._limits = limits
        tallied = ruleset.counted | ruleset.summed
        self._duties: dict[str, tuple[Rule | None, Relation | None, bool]] = {
            tag: (checks.get(tag), ruleset.relations.get(tag), tag in tallied)
            for tag in {*checks, *ruleset.relations, *tallied}
        }

    def walk(self, root: etree._Element) -> Walked:
        seen = Walked()
        tally: dict[str, list[int]] = {tag: [] for tag in self._ruleset.counted | self._ruleset.summed}
        claims: list[tuple[etree._Element, Relation, str]] = []
        duties, longest = self._duties, self._limits.text
        for element in root.iter(etree.Element):
            text = element.text
            if text is not None and len(text) > longest:
                self._add(seen, element, XmlCode.TEXT_TOO_LONG, f"longer than {longest} characters")
                seen.too_long = True
                return seen
            duty = duties.get(element.tag)
            if duty is None:
                continue
            rule, relation, tallied = duty
            if rule is not None and (fault := rule.fault(text or "")):
                self._add(seen, element, rule.code, fault)
            elif relation is not None:
                claims.append((element, relation, text or ""))
            if tallied:
                tally[element.tag].append(to_pence(text or "") or 0)
        for element, relation, text in claims:
            self._compare(seen, element, relation, text, tally)
        if self._ruleset.record is not None:
            seen.facts["records"] = str(len(tally[self._ruleset.record]))
        return seen

    def _compare(
        self,
        seen: Walked,
        element: etree._Element,
        relation: Relation,
        text: str,
        tally: Mapping[str, list[int]],
    ) -> None:
        if relation.fact is not None:
            seen.facts.setdefault(relation.fact, text)
        elif relation.counts is not None:
            if to_count(text) != len(tally[relation.counts]):
                name = etree.QName(relation.counts).localname
                self._add(seen, element, XmlCode.COUNT_MISMATCH, f"not the number of {name} elements in the file")
        elif relation.sums is not None:
            if to_pence(text) != sum(tally[relation.sums]):
                name = etree.QName(relation.sums).localname
                self._add(seen, element, XmlCode.TOTAL_MISMATCH, f"not the sum of every {name} in the file")
        elif relation.not_before is not None:
            parent = element.getparent()
            first = to_date(parent.findtext(relation.not_before) or "") if parent is not None else None
            last = to_date(text)
            if first is not None and last is not None and last < first:
                name = etree.QName(relation.not_before).localname
                self._add(seen, element, XmlCode.DATE_ORDER, f"before {name}")

    def _add(self, seen: Walked, element: etree._Element, code: str, fault: str) -> None:
        seen.total += 1
        seen.flagged.add(element)
        if len(seen.findings) < self._limits.findings:
            name = local_name(element, self._ruleset.names)
            seen.findings.append(Finding(str(code), place(element, self._ruleset), f"{name}: {fault}."))


def local_name(element: etree._Element, known: frozenset[str]) -> str:
    """The element's name if the schema has it: any other could be personal data that slipped into a tag."""
    name = etree.QName(element).localname
    return name if name in known else "An unknown element"


def record_number(record: etree._Element) -> int:
    """Which of the records it is, counted from one."""
    return sum(1 for _ in record.itersiblings(str(record.tag), preceding=True)) + 1


def place(element: etree._Element, ruleset: Ruleset, numbers: Mapping[etree._Element, int] | None = None) -> str:
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
