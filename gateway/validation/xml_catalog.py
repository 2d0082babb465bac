"""Finds the schemas of a flow on disk, all versions side by side, and makes each one document without includes.

ConfigurationInvalid is raised where a schema is missing, is not XML, or includes something outside the schema
directory: that is a fault of this site, not of a file. Why it is safe: includes are resolved here, from disk only, so
neither library that gets the schema is ever left to fetch one.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lxml import etree

from gateway.errors import ConfigurationInvalid

XSD: Final = "{http://www.w3.org/2001/XMLSchema}"


@dataclass(frozen=True)
class SchemaSource:
    """One version of a flow's schema: `name` as in `claim/1.0`, its namespace, and the whole of it in one tree."""

    name: str
    namespace: str
    root: etree._Element

    def to_bytes(self) -> bytes:
        return etree.tostring(self.root, encoding="UTF-8", xml_declaration=True)


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


def _components(schema: etree._Element) -> Iterator[etree._Element]:
    """The named parts of a schema, without its own annotation."""
    return (child for child in schema if child.tag != f"{XSD}annotation")


def _shown(path: Path, schema_root: Path) -> str:
    return str(path.relative_to(schema_root)) if path.is_relative_to(schema_root) else path.name
