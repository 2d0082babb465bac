#!/usr/bin/env python3
"""Write the bill of materials of the program, `gateway/sbom.cdx.json` (CycloneDX 1.6): what is installed with it, by the lock.

`make sbom` runs it; with `--check` it only says whether the file is the one that it would write. The file is a function of
pyproject.toml, the locks run.txt and timestamps.txt (what only that has is optional) and the licences that the installed packages of just those versions state: it has no
time of its own and no number drawn at random. A package's hashes are those of every file that the lock allows for it,
and the place of those files is its package URL: no address is named. Exit status 1 where a licence or a package is missing.
"""

from __future__ import annotations

import base64
import json
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, Property, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.requirements import Requirement

ROOT: Final = Path(__file__).resolve().parents[1]
LOCK: Final = ROOT / "requirements" / "run.txt"
EXTRA: Final = ROOT / "requirements" / "timestamps.txt"
"""What the Debian package has: `LOCK`, and what the extra `timestamps` brings besides."""
VENDORED: Final = ROOT / "gateway" / "console" / "static" / "govuk" / "SOURCE.json"
"""What is taken over from a package of npm, file by file (`tools/vendor_govuk.py`)."""
SBOM: Final = ROOT / "gateway" / "sbom.cdx.json"

DEBIAN: Final = {
    "gnupg": ("GPL-3.0-or-later", "2.2.40"),
    "gpg-agent": ("GPL-3.0-or-later", "2.2.40"),
    "openssh-server": ("SSH-OpenSSH", "9.2p1"),
    "python3": ("PSF-2.0", "3.11.2"),
}
"""The Debian packages that a site needs, with their licences and what was tried; the machine has its own versions of them."""

_STATED: Final = {
    "BSD License": "BSD-3-Clause",
    "Apache Software License": "Apache-2.0",
    "MIT License": "MIT",
    "Apache 2.0": "Apache-2.0",
    "BSD": "BSD-3-Clause",
}
"""SPDX's names for what some packages still state in other words."""


_FOR: Final = {"extra": "", "python_version": "3.11", "python_full_version": "3.11.2", "sys_platform": "linux"}
"""What decides which package needs which: the same file, whatever Python writes it."""


def locked(text: str) -> Iterator[tuple[Requirement, tuple[str, ...]]]:
    """Each requirement of a lock with the SHA-256 of each file that may be installed for it."""
    for entry in re.split(r"(?m)^(?=[A-Za-z0-9])", text):
        line, *rest = entry.split("--hash=sha256:")
        if "==" in line:
            yield Requirement(line.replace("\\", "").strip()), tuple(each.split()[0] for each in rest)


def licence(package: Distribution) -> str:
    """What a package states as its licence, in SPDX's words where it is one of theirs."""
    about = package.metadata
    if stated := about.get_all("License-Expression"):
        return str(stated[0])
    said = (about.get_all("License") or [""])[0].splitlines()
    known = [
        each.rpartition(" :: ")[2] for each in about.get_all("Classifier") or () if each.startswith("License :: OSI ")
    ]
    word = said[0].partition(" (")[0] if said else known[0] if known else ""
    if not word:
        raise LookupError(f"{package.name} states no licence")
    return _STATED.get(word, _STATED.get(known[0], word) if known else word)


def component(wanted: Requirement, hashes: Iterable[str], licences: LicenseFactory) -> Component:
    """A Python package of the lock. LookupError where another version is installed, or none."""
    version = next(iter(wanted.specifier)).version
    package = distribution(wanted.name)
    if package.version != version:
        raise LookupError(f"{wanted.name} {package.version} is installed, the lock has {version}: run `make setup`")
    purl = PackageURL("pypi", name=wanted.name, version=version)
    files = [HashType(alg=HashAlgorithm.SHA_256, content=each) for each in hashes]
    return Component(
        type=ComponentType.LIBRARY,
        name=wanted.name,
        version=version,
        bom_ref=str(purl),
        purl=purl,
        scope=ComponentScope.REQUIRED,
        licenses=[licences.make_from_string(licence(package))],
        external_references=[
            ExternalReference(type=ExternalReferenceType.DISTRIBUTION, url=XsUri(str(purl)), hashes=files)
        ],
    )


def vendored(licences: LicenseFactory) -> Component:
    """What lies in the tree as others published it, with the digest of the package and of each file."""
    said = json.loads(VENDORED.read_bytes())
    purl = PackageURL("npm", name=said["package"], version=said["version"])
    whole = base64.b64decode(said["integrity"].removeprefix("sha512-")).hex()
    return Component(
        type=ComponentType.LIBRARY,
        name=said["package"],
        version=said["version"],
        bom_ref=str(purl),
        purl=purl,
        scope=ComponentScope.REQUIRED,
        licenses=[licences.make_from_string(said["licence"])],
        hashes=[HashType(alg=HashAlgorithm.SHA_512, content=whole)],
        properties=[Property(name=f"gateway:{name}", value=digest) for name, digest in said["sha256"].items()],
    )


def write() -> str:
    """The whole file."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    licences = LicenseFactory()
    program = Component(
        type=ComponentType.APPLICATION,
        name=project["name"],
        version=project["version"],
        description=project["description"],
        bom_ref="gateway",
        purl=PackageURL("pypi", name=project["name"], version=project["version"]),
    )
    parts = {each.name: each for each in (component(*entry, licences) for entry in locked(LOCK.read_text("utf-8")))}
    for entry in locked(EXTRA.read_text("utf-8")):
        if entry[0].name not in parts:
            parts[entry[0].name] = component(*entry, licences)
            parts[entry[0].name].scope = ComponentScope.OPTIONAL
    system = [
        Component(
            type=ComponentType.APPLICATION,
            name=name,
            bom_ref=f"debian/{name}",
            purl=PackageURL("deb", "debian", name),
            scope=ComponentScope.REQUIRED,
            licenses=[licences.make_from_string(terms)],
            properties=[Property(name="gateway:tested-with", value=tried)],
        )
        for name, (terms, tried) in DEBIAN.items()
    ]
    taken = vendored(licences)
    bom = Bom(components=[*parts.values(), taken, *system])
    bom.metadata.component = program
    # What `Bom` takes from the clock and from chance would make each writing another file.
    bom.metadata.timestamp = None  # type: ignore[assignment]
    bom.serial_number = uuid5(NAMESPACE_URL, f"{project['name']} {project['version']}\n{LOCK.read_text('utf-8')}")
    extras = project.get("optional-dependencies", {}).get("timestamps", ())
    direct = {Requirement(each).name for each in (*project["dependencies"], *extras)}
    bom.register_dependency(program, [*(parts[name] for name in sorted(direct)), taken, *system])
    for name, part in parts.items():
        needs = (Requirement(each) for each in distribution(name).requires or ())
        used = {_plain(each.name) for each in needs if each.marker is None or each.marker.evaluate(_FOR)}
        bom.register_dependency(part, [parts[each] for each in sorted(used & parts.keys())])
    return json.dumps(json.loads(JsonV1Dot6(bom).output_as_string()), indent=1, ensure_ascii=False) + "\n"


def _plain(name: str) -> str:
    """A package's name as locks write it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def main(arguments: list[str]) -> int:
    try:
        text = write()
    except (LookupError, PackageNotFoundError) as error:
        print(f"no bill of materials: {error}", file=sys.stderr)
        return 1
    if arguments == ["--check"]:
        if SBOM.is_file() and SBOM.read_text("utf-8") == text:
            return 0
        print(f"{SBOM.relative_to(ROOT)} is out of date: run `make sbom`", file=sys.stderr)
        return 1
    SBOM.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
