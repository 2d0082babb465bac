"""How the values of one document agree with each other: counts, totals, the order of dates, references used once.

Nothing is raised, and no sentence made here carries a value. Why it is safe: whatever is asked of many elements is
computed once, so that a document made of nothing but totals costs no more than any other; lists are cut at `MOST_LISTED`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date
from typing import Final

from lxml import etree

from gateway.validation.govtypes import to_count, to_date, to_pence
from gateway.validation.xml_codes import XmlCode
from gateway.validation.xml_rules import Relation

MOST_LISTED: Final = 5_000
"""How many texts a list among the facts holds at most; `NAME_total` says how many there were."""

Disagreement = tuple[XmlCode, str]
"""The code of a finding, and what is wrong, to stand after a colon."""


class Agreement:
    """Of one document. `counts` and `pence` are kept by whoever walks over it, for the tags given here."""

    def __init__(self, tallied: Iterable[str]) -> None:
        self.counts: dict[str, int] = dict.fromkeys(tallied, 0)
        self.pence: dict[str, int] = dict.fromkeys(self.counts, 0)
        self._inside: dict[tuple[etree._Element, str], tuple[int, int]] = {}
        self._first: dict[tuple[etree._Element, str], date | None] = {}
        self._met: dict[str, set[str]] = {}
        self._single: dict[str, str] = {}
        self._lists: dict[str, list[str]] = {}
        self._listed: dict[str, int] = {}

    def facts(self) -> dict[str, str]:
        """What was collected on the way: single texts, and lists as JSON."""
        facts = dict(self._single)
        for name, texts in self._lists.items():
            facts[name] = json.dumps(texts, separators=(",", ":"))
            facts[f"{name}_total"] = str(self._listed[name])
        return facts

    def disagreement(self, element: etree._Element, relation: Relation, text: str) -> Disagreement | None:
        """What is wrong between this element and the others; to be asked once of each, in the document's order."""
        if relation.fact is not None:
            self._single.setdefault(relation.fact, text)
        elif relation.facts is not None:
            self._list(relation.facts, text)
        elif relation.unique:
            return self._repetition(element, text)
        elif relation.counts is not None:
            if to_count(text) != self._counted(element, relation.counts, relation.within)[0]:
                return (
                    XmlCode.COUNT_MISMATCH,
                    f"not the number of {_local(relation.counts)} elements {_where(relation)}",
                )
        elif relation.sums is not None:
            if to_pence(text) != self._counted(element, relation.sums, relation.within)[1]:
                return XmlCode.TOTAL_MISMATCH, f"not the sum of every {_local(relation.sums)} {_where(relation)}"
        elif relation.not_before is not None:
            return self._order(element, relation.not_before, text)
        return None

    def _list(self, name: str, text: str) -> None:
        texts = self._lists.setdefault(name, [])
        self._listed[name] = self._listed.get(name, 0) + 1
        if len(texts) < MOST_LISTED:
            texts.append(text)

    def _repetition(self, element: etree._Element, text: str) -> Disagreement | None:
        met = self._met.setdefault(str(element.tag), set())
        if text in met:
            return XmlCode.REPEATED, "the same as an earlier one, though each may be used only once"
        met.add(text)
        return None

    def _counted(self, element: etree._Element, tag: str, within: str | None) -> tuple[int, int]:
        """How often the element `tag` stands in the document, or around `element` within `within`; and its sum in pence."""
        if within is None:
            return self.counts[tag], self.pence[tag]
        around = next(element.iterancestors(within), None)
        if around is None:
            return 0, 0
        known = self._inside.get((around, tag))
        if known is None:
            amounts = [to_pence(each.text or "") or 0 for each in around.iter(tag)]
            known = self._inside[around, tag] = len(amounts), sum(amounts)
        return known

    def _order(self, element: etree._Element, earlier: str, text: str) -> Disagreement | None:
        around = element.getparent()
        if around is None:
            return None
        if (around, earlier) not in self._first:
            self._first[around, earlier] = to_date(around.findtext(earlier) or "")
        first, last = self._first[around, earlier], to_date(text)
        if first is not None and last is not None and last < first:
            return XmlCode.DATE_ORDER, f"before {_local(earlier)}"
        return None


def _where(relation: Relation) -> str:
    return "in the file" if relation.within is None else f"in the same {_local(relation.within)}"


def _local(tag: str) -> str:
    return etree.QName(tag).localname
