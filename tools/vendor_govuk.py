"""Take GOV.UK Frontend over from its npm package: `python tools/vendor_govuk.py govuk-frontend-6.6.0.tgz`.

The style sheet and the script are taken as they are published, but for what only services of gov.uk may use: its typeface, and the
royal crest. What was taken is written down beside it, with the package's own digest and one of each file; a test compares.
"""

# ruff: noqa: INP001 - a script, no part of a package
from __future__ import annotations

import base64
import hashlib
import json
import re
import sys
import tarfile
from pathlib import Path

VERSION = "6.6.0"
INTEGRITY = "sha512-xctkWrQvLnvQt7fyjQ3MGX9S0wz0x0RQuLxCeoXF+s8EjGICG81/DYQGKN5qgO+0KVT12UAaRwUsGY6fulRcRg=="
"""Of the package, as its registry publishes it."""

TARGET = Path(__file__).parent.parent / "gateway/console/static/govuk"

_TYPEFACE = re.compile(r"(/\*![^*]*Margaret Calvert[^*]*\*/)?@font-face\{[^}]*\}")
_CREST = re.compile(r"[-a-z]+:url\([^)]*govuk-crest\.svg\)[^;}]*;?")
_SOURCE_MAP = re.compile(r"/[/*]# sourceMappingURL=\S+( \*/)?\s*")


def style(text: str) -> str:
    """The style sheet without typeface and crest; ValueError where it would still ask for a file."""
    text = _CREST.sub("", _TYPEFACE.sub("", text)).replace("GDS Transport,arial,sans-serif", "arial,sans-serif")
    text = _SOURCE_MAP.sub("", text)
    if "url(" in text or "GDS Transport" in text:
        raise ValueError("the style sheet names files or a typeface that are not taken")
    return text


def take(package: Path) -> dict[str, bytes]:
    """The files that are taken, by name; ValueError for a package that is another one."""
    content = package.read_bytes()
    found = "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode()
    if found != INTEGRITY:
        raise ValueError(f"{package} is not govuk-frontend {VERSION}: {found}")
    with tarfile.open(package) as archive:

        def member(name: str) -> str:
            opened = archive.extractfile(f"package/{name}")
            if opened is None:
                raise ValueError(f"the package has no {name}")
            return opened.read().decode()

        return {
            "govuk-frontend.min.css": style(member("dist/govuk/govuk-frontend.min.css")).encode(),
            "govuk-frontend.min.js": _SOURCE_MAP.sub("", member("dist/govuk/govuk-frontend.min.js")).encode(),
        }


def main() -> None:
    """Write the files, and what they are."""
    files = take(Path(sys.argv[1]))
    about = {
        "package": "govuk-frontend",
        "version": VERSION,
        "licence": "MIT",
        "integrity": INTEGRITY,
        "left_out": "the typeface and the crest, which are for services of gov.uk alone",
        "sha256": {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())},
    }
    files["SOURCE.json"] = (json.dumps(about, indent=2) + "\n").encode()
    for name, content in files.items():
        (TARGET / name).write_bytes(content)


if __name__ == "__main__":
    main()
