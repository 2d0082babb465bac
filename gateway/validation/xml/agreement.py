"""How the values of one document agree with each other: counts, totals, dates, authorities, references used once.

Nothing is raised, and no sentence made here carries a value. Why it is safe: whatever is asked of many elements is
computed once, so that a document made of nothing but totals costs no more than any other; lists are cut at `MOST_LISTED`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from datetime import date
from typing import Final

from lxml import etree

from gateway.validation.government_types import to_count, to_date, to_pence
from gateway.validation.xml.codes import XmlCode
from gateway.validation.xml.rules import Relation, local_path

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
        self._lists: dict[str, list[tuple[etree._Element, str]]] = {}
        self._listed: dict[str, int] = {}

    def facts(self, but: Collection[etree._Element] = ()) -> dict[str, str]:
        """What was collected on the way: single texts, and lists as JSON, with nothing in the place of what `but` says.

        Lists that belong together stay in step.
        """
        facts = dict(self._single)
        for name, listed in self._lists.items():
            texts = ["" if element in but else text for element, text in listed]
            facts[name] = json.dumps(texts, separators=(",", ":"))
            facts[f"{name}_total"] = str(self._listed[name])
        return facts

    def disagreement(self, element: etree._Element, relation: Relation, text: str) -> Disagreement | None:
        """What is wrong between this element and the others; to be asked once of each, in the document's order."""
        if relation.fact is not None:
            self._single.setdefault(relation.fact, text)
        elif relation.facts is not None:
            self._list(relation.facts, element, text)
        elif relation.unique:
            return self._repetition(element, text)
        elif relation.counts is not None:
            if to_count(text) != self._counted(element, relation.counts, relation.within)[0]:
                return (
                    XmlCode.COUNT_MISMATCH,
                    f"not the number of {local_path(relation.counts)} elements {_where(relation)}",
                )
        elif relation.sums is not None:
            if to_pence(text) != self._summed(element, relation.sums, relation.less, relation.within):
                less = f" less that of every {local_path(relation.less)}" if relation.less else ""
                return (
                    XmlCode.TOTAL_MISMATCH,
                    f"not the sum of every {local_path(relation.sums)}{less} {_where(relation)}",
                )
        elif relation.not_before is not None:
            return self._order(element, relation.not_before, text)
        elif relation.not_after is not None:
            return self._order(element, relation.not_after, text, after=True)
        elif relation.follows is not None:
            return _succession(element, *relation.follows)
        elif relation.parties:
            return self._parties(element, relation.parties)
        return None

    def _list(self, name: str, element: etree._Element, text: str) -> None:
        listed = self._lists.setdefault(name, [])
        self._listed[name] = self._listed.get(name, 0) + 1
        if len(listed) < MOST_LISTED:
            listed.append((element, text))

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

    def _summed(self, element: etree._Element, tag: str, less: str | None, within: str | None) -> int:
        taken_off = self._counted(element, less, within)[1] if less is not None else 0
        return self._counted(element, tag, within)[1] - taken_off

    def _order(self, element: etree._Element, other: str, text: str, *, after: bool = False) -> Disagreement | None:
        """Wrong where the date lies before the one at `other`; with `after`, where it lies after it."""
        around = element.getparent()
        if around is None:
            return None
        if (around, other) not in self._first:
            self._first[around, other] = to_date(around.findtext(other) or "")
        there, here = self._first[around, other], to_date(text)
        if there is None or here is None:
            return None
        if (here > there) if after else (here < there):
            return XmlCode.DATE_ORDER, f"{'after' if after else 'before'} {local_path(other)}"
        return None

    def _parties(self, element: etree._Element, tags: tuple[str, ...]) -> Disagreement | None:
        """Codes are compared as they are written: within one document an authority has one code."""
        named = [text for tag in tags if (text := element.findtext(tag))]
        if len(set(named)) < len(named):
            return XmlCode.AUTHORITY, "names the same authority twice"
        own = self._single.get("authority")
        if named and own is not None and own not in named:
            return XmlCode.AUTHORITY, "names another authority than the document is for"
        return None


def _succession(element: etree._Element, first_day: str, last_day: str) -> Disagreement | None:
    """Nobody looks further back than to the next one ahead, so that many of them cost no more than their number."""
    ahead = next(element.itersiblings(str(element.tag), preceding=True), None)
    if ahead is None:
        return None
    if ahead.find(last_day) is None:
        return XmlCode.DATE_ORDER, "begins though the one ahead of it has no end"
    end, begin = to_date(ahead.findtext(last_day) or ""), to_date(element.findtext(first_day) or "")
    if end is not None and begin is not None and begin <= end:
        return XmlCode.DATE_ORDER, "begins before the one ahead of it has ended"
    return None


def _where(relation: Relation) -> str:
    return "in the file" if relation.within is None else f"in the same {local_path(relation.within)}"
