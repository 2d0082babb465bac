"""The versions of what runs, and whether it is what the bill of materials names. Raises nothing of its own."""

from __future__ import annotations

import json
import platform
import ssl
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import gateway
from gateway.administration.connection.finding import Finding, Standing
from gateway.ledger.engine import SQLITE_VERSION
from gateway.storage.digest import file_digest

SBOM: Final = Path(gateway.__file__).with_name("sbom.cdx.json")
"""The bill of materials that comes with the program (CycloneDX)."""

_PYPI: Final = "pkg:pypi/"


def program_version() -> str:
    """The version of the program, as `gateway --version` has it."""
    return version("gateway")


def sbom_digest(sbom: Path = SBOM) -> str | None:
    """The SHA-256 of the bill of materials; None where there is none."""
    return file_digest(sbom) if sbom.is_file() else None


def examine_versions(sbom: Path = SBOM) -> Iterator[Finding]:
    """The program, its libraries, and what the machine brings."""
    yield Finding("gateway", Standing.STATED, program_version())
    yield from _libraries(sbom)
    yield Finding("Python", Standing.STATED, platform.python_version())
    yield Finding("OpenSSL, of Python", Standing.STATED, ssl.OPENSSL_VERSION)
    yield Finding("SQLite", Standing.STATED, SQLITE_VERSION)
    yield Finding("Linux", Standing.STATED, platform.release())
    try:
        yield Finding("system", Standing.STATED, platform.freedesktop_os_release()["PRETTY_NAME"])
    except (OSError, KeyError):
        yield Finding("system", Standing.UNMEASURED, "it does not say which it is")


def _libraries(sbom: Path) -> Iterator[Finding]:
    """Each library as it is installed, and those that are not the ones of the bill of materials."""
    name = "libraries"
    try:
        parts = json.loads(sbom.read_text("utf-8"))["components"]
        found = [part for part in parts if part.get("purl", "").startswith(_PYPI)]
        named = {part["name"]: str(part["version"]) for part in found}
        spare = {part["name"] for part in found if part.get("scope") == "optional"}
    except (OSError, ValueError, KeyError, TypeError):
        remedy = "Install the program anew: its bill of materials comes with it."
        yield Finding(name, Standing.SHORT, "there is no bill of materials that could be read", remedy)
        return
    installed = {library: _installed(library) for library in named}
    other = [
        f"{library} {installed[library] or 'missing'} (not {named[library]})"
        for library in named
        if installed[library] != named[library] and not (installed[library] is None and library in spare)
    ]
    if other:
        remedy = "Install the program anew, by its lock or as its package: nobody has tried it with these."
        yield Finding(name, Standing.SHORT, f"not those of the bill of materials: {', '.join(other)}", remedy)
    yield Finding(name, Standing.MET if not other else Standing.STATED, _listed(installed))


def _listed(installed: Mapping[str, str | None]) -> str:
    return ", ".join(f"{library} {number}" for library, number in installed.items() if number is not None)


def _installed(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:
        return None
