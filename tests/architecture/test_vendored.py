"""What is taken over from elsewhere is what it says it is, and asks no other host for anything."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Final

import pytest

from tools import vendor_govuk

STATIC: Final = Path(__file__).parents[2] / "gateway/console/static"
TEMPLATES: Final = STATIC.parent / "templates"


def test_govuk_frontend_is_as_it_was_taken() -> None:
    said = json.loads((vendor_govuk.TARGET / "SOURCE.json").read_bytes())
    assert (said["version"], said["integrity"]) == (vendor_govuk.VERSION, vendor_govuk.INTEGRITY)
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in vendor_govuk.TARGET.iterdir()
        if path.name != "SOURCE.json"
    }
    assert found == said["sha256"]


def test_another_package_is_refused(tmp_path: Path) -> None:
    package = tmp_path / "govuk-frontend.tgz"
    package.write_bytes(b"another one")
    with pytest.raises(ValueError, match="is not govuk-frontend"):
        vendor_govuk.take(package)


def test_style_that_would_ask_for_a_file_is_refused() -> None:
    assert vendor_govuk.style("@font-face{font-family:GDS Transport;src:url(/a.woff2)}p{color:red}") == "p{color:red}"
    with pytest.raises(ValueError, match="names files"):
        vendor_govuk.style("p{background:url(/elsewhere.png)}")


def test_pages_ask_this_console_alone_and_have_nothing_inline() -> None:
    for path in [*TEMPLATES.glob("*.html"), *STATIC.rglob("*.*")]:
        text = path.read_text("utf-8")
        named = set(re.findall(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}", text))
        assert named <= {"http://www.w3.org"}, (path.name, named)
        if path.suffix == ".html":
            assert not re.search(r"<style|<script(?![^>]*\ssrc=)|\son[a-z]+=|\sstyle=|javascript:", text), path.name
            assert "| safe" not in text, path.name
