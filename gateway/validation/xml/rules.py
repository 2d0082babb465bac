"""Reads out of a schema what the gateway checks beyond it: types, codes, facts, counts, totals and the order of dates.

The schema stays the one description of its flow: the type of an element says which check of `government_types` it gets, an
enumeration which codes, and `xs:appinfo` the rest, in the namespace `urn:gateway:rules:1.0`:

    <rule:record/>                  one record; they are counted, and named by their number in findings
    <rule:fact name="authority"/>   the text is a fact of the report (authority, message_id)
    <rule:facts name="rms"/>        the texts of all such elements are one fact, a list
    <rule:unique/>                  no other such element has the same text
    <rule:counts element="Claim"/>  the number says how many of that element there are
    <rule:sums element="Rent"/>     the amount is the sum of all of that element
    <rule:not-before element="F"/>  the date is not before that of its sibling
    <rule:not-after element="A/F"/> nor after it
    <rule:follows from="F" to="T"/> the period begins after the one ahead of it, of the same name, has ended
    <rule:parties elements="O A"/>  the authorities named in it differ, and one is that of the document (its fact `authority`)
    <rule:triage .../>              on the record: what triage looks at, by the names of `marks.TriageRule`

`counts` and `sums` take `within="Award"`: only what stands in the same element of that name is counted then; `sums` takes
`less="Part"`, whose sum is taken off. The sibling of `not-before` and `not-after` may be a path from it to what it holds: the
first date there is. An element may have several rules; the same rule at another place of its name is the same rule.

ConfigurationInvalid is raised where two elements of one name have simple types that differ, or a rule names an element
that does not exist: checks go by name, so a name must mean one thing within a schema.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from lxml import etree

from gateway.errors import ConfigurationInvalid
from gateway.validation.alphabets import Alphabet, alphabet_of, alphabet_of_codes, collapsed
from gateway.validation.government_types import Rule
from gateway.validation.xml.catalog import XSD, SchemaSource
from gateway.validation.xml.codes import XmlCode
from gateway.validation.xml.marks import TriageRule

_RULE: Final = "{urn:gateway:rules:1.0}"
_NAMESPACE: Final = re.compile(r"\{[^}]*\}")
_MOST_CODES_TOLD: Final = 12


@dataclass(frozen=True)
class Relation:
    """How one value agrees with others; names are tags as the tree has them (`{namespace}Name`)."""

    fact: str | None = None
    facts: str | None = None
    unique: bool = False
    counts: str | None = None
    sums: str | None = None
    less: str | None = None
    within: str | None = None
    not_before: str | None = None
    not_after: str | None = None
    follows: tuple[str, str] | None = None
    parties: tuple[str, ...] = ()

    def named(self) -> Iterator[str]:
        """Every tag, or path of tags, that the rule speaks of."""
        yield from filter(None, (self.counts, self.sums, self.less, self.within, self.not_before, self.not_after))
        yield from self.follows or ()
        yield from self.parties


@dataclass(frozen=True)
class Ruleset:
    """One schema version's rules.

    `names` are the local names of elements, `tags` their full ones, `roots` those that a document may start with;
    `types` gives the simple type of each tag, `chains` each type with its bases, nearest first, `codes` the enumerated
    values of a type, `descriptions` what the schema says about it, `alphabets` the characters that it may hold, and
    `tokens` are the types in whose values white space does not count as it stands. `record`, `counted` and `summed` are tags: those that
    are counted and summed over the whole document.
    """

    names: frozenset[str]
    tags: frozenset[str]
    roots: frozenset[str]
    types: Mapping[str, str]
    chains: Mapping[str, tuple[str, ...]]
    codes: Mapping[str, tuple[str, ...]]
    descriptions: Mapping[str, str]
    alphabets: Mapping[str, Alphabet]
    tokens: frozenset[str]
    relations: Mapping[str, tuple[Relation, ...]]
    record: str | None
    counted: frozenset[str]
    summed: frozenset[str]
    triage: TriageRule | None = None

    def bind(self, government: Mapping[str, Rule]) -> dict[str, Rule]:
        """The check of each tag whose type, or a base of it, is among `government`, is a list of codes, or names a group of
        characters, such as letters: that the schema's libraries leave to us (`SchemaSource.to_bytes`).
        """
        checks: dict[str, Rule] = {}
        for tag, simple_type in self.types.items():
            if simple_type in self.codes:
                checks[tag] = _one_of(self.codes[simple_type])
                continue
            chain = self.chains.get(simple_type, ())
            for base in chain:
                if base in government:
                    checks[tag] = government[base]
                    break
            else:
                if any(alphabet.groups for base in chain if (alphabet := self.alphabets.get(base))):
                    checks[tag] = Rule(XmlCode.VALUE.value, partial(self._form_fault, tag), str.isascii)
        return checks

    def _form_fault(self, tag: str, text: str) -> str | None:
        """Whether a character beyond ASCII is none that may stand; within ASCII the schema says so."""
        return None if text.isascii() or self.character_fault(tag, text) is None else "not of the right form"

    def character_fault(self, tag: str, text: str) -> str | None:
        """The end of a sentence that names a character which no right value of the element can hold; None without one."""
        simple_type = self.types.get(tag, "")
        value = collapsed(text) if simple_type in self.tokens else text
        alphabets = (self.alphabets[base] for base in self.chains.get(simple_type, ()) if base in self.alphabets)
        return next((fault for alphabet in alphabets if (fault := alphabet.fault(value))), None)


def read_rules(source: SchemaSource) -> Ruleset:
    """The rules of one schema version."""
    simple = {name: node for node in source.root.iter(f"{XSD}simpleType") if (name := node.get("name"))}
    types: dict[str, str] = {}
    relations: dict[str, tuple[Relation, ...]] = {}
    record: str | None = None
    triage: TriageRule | None = None
    names: set[str] = set()
    for element in source.root.iter(f"{XSD}element"):
        name = element.get("name", "")
        tag = f"{{{source.namespace}}}{name}"
        names.add(name)
        simple_type = element.get("type", "")
        if simple_type in simple and types.setdefault(tag, simple_type) != simple_type:
            raise ConfigurationInvalid(f"{source.name} gives {name} two types, {types[tag]} and {simple_type}")
        for rule in element.iterfind(f"{XSD}annotation/{XSD}appinfo/{_RULE}*"):
            if rule.tag == f"{_RULE}record":
                record = tag
            elif rule.tag == f"{_RULE}triage":
                triage = _triage(rule, tag, source.namespace)
            else:
                relations[tag] = tuple(dict.fromkeys((*relations.get(tag, ()), _relation(rule, source))))
    every = [relation for several in relations.values() for relation in several]
    named = [path for relation in every for path in relation.named()]
    _insist_on_paths([*named, *(() if triage is None else _paths_of(triage))], names, source)
    whole = [relation for relation in every if relation.within is None]
    return Ruleset(
        names=frozenset(names),
        tags=frozenset(f"{{{source.namespace}}}{name}" for name in names),
        roots=frozenset(f"{{{source.namespace}}}{e.get('name')}" for e in source.root.iterchildren(f"{XSD}element")),
        types=types,
        chains={name: _chain(name, simple) for name in simple},
        codes={name: codes for name, node in simple.items() if (codes := _codes(node))},
        descriptions={name: _description(node) for name, node in simple.items()},
        alphabets={
            name: alphabet for name, node in simple.items() if (alphabet := _alphabet(node, source)) is not None
        },
        tokens=frozenset(name for name in simple if _derived_from(_chain(name, simple)[-1], simple) != "xs:string"),
        relations=relations,
        record=record,
        counted=frozenset(filter(None, [record, *(relation.counts for relation in whole)])),
        summed=frozenset(filter(None, [tag for relation in whole for tag in (relation.sums, relation.less)])),
        triage=triage,
    )


def _triage(rule: etree._Element, record: str, namespace: str) -> TriageRule:
    def paths(name: str) -> tuple[tuple[str, ...], ...]:
        listed = (rule.get(name) or "").split()
        return tuple(tuple(f"{{{namespace}}}{step}" for step in path.split("/")) for path in listed)

    (person,), (day,) = paths("person"), paths("day")
    but, kind = ([tag for (tag,) in paths(name)] for name in ("but", "kind"))
    return TriageRule(
        f"{{{namespace}}}", record, person, frozenset(but), paths("award"), tuple(kind), day, paths("claims")
    )


def _paths_of(triage: TriageRule) -> Iterator[str]:
    yield from triage.but
    yield from triage.kind
    for path in (triage.person, triage.day, *triage.award, *triage.claims):
        yield from path


def _relation(rule: etree._Element, source: SchemaSource) -> Relation:
    def tag(path: str | None) -> str:
        """A name as a tag; a path stays one, of tags."""
        return "/".join(f"{{{source.namespace}}}{name}" for name in (path or "").split("/"))

    other = tag(rule.get("element"))
    within, less = (tag(name) if (name := rule.get(key)) else None for key in ("within", "less"))
    match rule.tag.removeprefix(_RULE):
        case "fact":
            return Relation(fact=rule.get("name"))
        case "facts":
            return Relation(facts=rule.get("name"))
        case "unique":
            return Relation(unique=True)
        case "counts":
            return Relation(counts=other, within=within)
        case "sums":
            return Relation(sums=other, less=less, within=within)
        case "not-before":
            return Relation(not_before=other)
        case "not-after":
            return Relation(not_after=other)
        case "follows":
            return Relation(follows=(tag(rule.get("from")), tag(rule.get("to"))))
        case "parties":
            return Relation(parties=tuple(map(tag, rule.get("elements", "").split(" "))))
        case unknown:
            raise ConfigurationInvalid(f"{source.name} has a rule that is not known: {unknown}")


def _insist_on_paths(paths: Iterable[str], names: set[str], source: SchemaSource) -> None:
    for path in paths:
        for name in local_path(path).split("/"):
            if name not in names:
                raise ConfigurationInvalid(f"{source.name} has a rule about {name}, which is none")


def local_path(path: str) -> str:
    """A tag, or a path of tags, without the namespace."""
    return _NAMESPACE.sub("", path)


def _chain(name: str, simple: Mapping[str, etree._Element]) -> tuple[str, ...]:
    chain: list[str] = []
    while name in simple and name not in chain:
        chain.append(name)
        name = _derived_from(name, simple)
    return tuple(chain)


def _derived_from(name: str, simple: Mapping[str, etree._Element]) -> str:
    restriction = simple[name].find(f"{XSD}restriction")
    return restriction.get("base", "") if restriction is not None else ""


def _alphabet(node: etree._Element, source: SchemaSource) -> Alphabet | None:
    """The characters of a type's own patterns, or of its codes."""
    if codes := _codes(node):
        return alphabet_of_codes(codes)
    patterns = [value.get("value", "") for value in node.iterfind(f"{XSD}restriction/{XSD}pattern")]
    try:
        return alphabet_of(patterns) if patterns else None
    except ValueError as error:
        raise ConfigurationInvalid(
            f"{source.name} has a pattern that is not read here, in {node.get('name')}"
        ) from error


def _codes(node: etree._Element) -> tuple[str, ...]:
    return tuple(value.get("value", "") for value in node.iterfind(f"{XSD}restriction/{XSD}enumeration"))


def _description(node: etree._Element) -> str:
    text = node.findtext(f"{XSD}annotation/{XSD}documentation") or ""
    return " ".join(text.split())


def _one_of(codes: tuple[str, ...]) -> Rule:
    allowed = frozenset(codes)
    told = "not one of " + ", ".join(codes) if len(codes) <= _MOST_CODES_TOLD else "not one of the codes allowed here"
    return Rule("code", lambda text: None if text in allowed else told, allowed.__contains__)
