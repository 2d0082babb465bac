r"""Finds the schemas of a flow on disk, all versions side by side, and makes each one document without includes.

ConfigurationInvalid is raised where a schema is missing, is not XML, or includes something outside the schema
directory: that is a fault of this site, not of a file. Why it is safe: includes are resolved here, from disk only, so
neither library that gets the schema is ever left to fetch one. Groups of characters (`\p{L}`) are widened for both, whose
Unicode is older than Python's or another's, and checked in Python (`Ruleset.bind`): so one table says what a letter is.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lxml import etree

from gateway.errors import ConfigurationInvalid
from gateway.validation.alphabets import widened

XSD: Final = "{http://www.w3.org/2001/XMLSchema}"
_SEEN_USES: Final = frozenset({(f"{XSD}element", "type"), (f"{XSD}restriction", "base")})


@dataclass(frozen=True)
class SchemaSource:
    """One version of a flow's schema: `name` as in `claim/1.0`, its namespace, and the whole of it in one tree."""

    name: str
    namespace: str
    root: etree._Element

    def to_bytes(self) -> bytes:
        """The schema for a library that checks documents: it leaves groups of characters to the gateway.

        Raises ConfigurationInvalid for a group where the gateway would not see it.
        """
        root = copy.deepcopy(self.root)
        _widen(root, self.name)
        return etree.tostring(root, encoding="UTF-8", xml_declaration=True)


def find_versions(schema_root: Path, flow: str) -> Mapping[str, SchemaSource]:
    """Every version of the flow's schema (`SCHEMA_ROOT/FLOW/VERSION/FLOW.xsd`) by its namespace."""
    versions: dict[str, SchemaSource] = {}
    for path in sorted((schema_root / flow).glob(f"*/{flow}.xsd")):
        name = f"{flow}/{path.parent.name}"
        root = _load(path, schema_root)
        namespace = root.get("targetNamespace")
        if not namespace:
            raise ConfigurationInvalid(f"the schema {name} names no target namespace")
        if namespace in versions:
            raise ConfigurationInvalid(f"the schemas {versions[namespace].name} and {name} share a namespace")
        _inline(root, path, schema_root, {path.resolve()})
        versions[namespace] = SchemaSource(name, namespace, root)
    if not versions:
        raise ConfigurationInvalid(f"there is no schema for the flow {flow} in {schema_root}")
    return versions


def _load(path: Path, schema_root: Path) -> etree._Element:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True)
    try:
        return etree.fromstring(path.read_bytes(), parser=parser)
    except (OSError, etree.XMLSyntaxError) as error:
        raise ConfigurationInvalid(f"the schema {_shown(path, schema_root)} cannot be read: {error}") from error


def _inline(root: etree._Element, path: Path, schema_root: Path, seen: set[Path]) -> None:
    """Replace each include by the components of the file it names.

    An included schema without a namespace of its own takes the includer's (XSD 1.0 part 1, section 4.2.1); its
    unprefixed references resolve there because the includer declares its namespace as the default.
    """
    for directive in root.findall(f"{XSD}import") + root.findall(f"{XSD}redefine"):
        raise ConfigurationInvalid(f"the schema {_shown(path, schema_root)} uses {etree.QName(directive).localname}")
    if root.nsmap.get(None) != root.get("targetNamespace"):
        raise ConfigurationInvalid(f"the default namespace of {_shown(path, schema_root)} is not its target namespace")
    for include in root.findall(f"{XSD}include"):
        target = (path.parent / include.get("schemaLocation", "")).resolve()
        if not target.is_relative_to(schema_root.resolve()):
            raise ConfigurationInvalid(f"the schema {_shown(path, schema_root)} includes a file from elsewhere")
        position = root.index(include)
        root.remove(include)
        if target in seen:
            continue
        seen.add(target)
        included = _load(target, schema_root)
        _inline(included, target, schema_root, seen)
        for offset, component in enumerate(_components(included)):
            root.insert(position + offset, copy.deepcopy(component))


def _widen(root: etree._Element, name: str) -> None:
    """Widen every pattern that names a group, where it belongs to a named type of elements or to a base of one."""
    widened_types: set[str] = set()
    for node in root.iter(f"{XSD}pattern"):
        pattern = node.get("value", "")
        try:
            wide = widened(pattern)
        except ValueError as error:
            raise ConfigurationInvalid(f"the schema {name} has a pattern that is not read here: {error}") from error
        if wide != pattern:
            node.set("value", wide)
            widened_types.add(_type_around(node))
    before: set[str] = set()
    while before != widened_types:
        before = set(widened_types)
        widened_types |= {_type_around(it) for it in root.iter(f"{XSD}restriction") if it.get("base") in before}
    if "" in widened_types or not widened_types.isdisjoint(_unseen_uses(root)):
        raise ConfigurationInvalid(f"the schema {name} uses a group of characters outside a named type of elements")


def _type_around(node: etree._Element) -> str:
    """The name of the simple type that a part of one belongs to; empty where it has none, or the type is not simple."""
    around = next(node.iterancestors(f"{XSD}simpleType", f"{XSD}complexType"), None)
    return "" if around is None or around.tag != f"{XSD}simpleType" else around.get("name", "")


def _unseen_uses(root: etree._Element) -> Iterator[str]:
    """The types that the schema uses otherwise than plainly as an element's, or as the base of a simple type."""
    for node in root.iter(etree.Element):
        for key in ("type", "base", "itemType", "memberTypes"):
            for used in node.get(key, "").split():
                if (node.tag, key) not in _SEEN_USES or ":" in used:
                    yield used.rpartition(":")[2]


def _components(schema: etree._Element) -> Iterator[etree._Element]:
    """The named parts of a schema, without its own annotation."""
    return (child for child in schema if child.tag != f"{XSD}annotation")


def _shown(path: Path, schema_root: Path) -> str:
    return str(path.relative_to(schema_root)) if path.is_relative_to(schema_root) else path.name
