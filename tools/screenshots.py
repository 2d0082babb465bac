"""Take the pictures of the console that the documentation shows: `python tools/screenshots.py DIRECTORY`, with a fresh demonstration there.

DIRECTORY is what `gateway demo --dir DIRECTORY` has made and keeps running, its one-time links unused. Takes Debian's Chromium. The pictures are of made-up
data. Each is a page as somebody of DWP's site or an authority's sees it.
"""

# ruff: noqa: INP001 - a script, no part of a package
from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyotp
from playwright.sync_api import Browser, Page, sync_playwright

TARGET = Path(__file__).parent.parent / "docs/screenshots"
PASSWORD = "violet harbour seventeen"  # noqa: S105 - of people of the demonstration
STEP = 30.0
SIZE = {"width": 1100, "height": 800}

SHOTS = (
    ("DWP", "supervisor", "overview", "/"),
    ("DWP", "supervisor", "transfers", "/transfers"),
    ("DWP", "supervisor", "transfer", "/transfers/{rejected}"),
    ("DWP", "supervisor", "waiting", "/waiting"),
    ("DWP", "supervisor", "calendar", "/calendar"),
    ("DWP", "supervisor", "referrals", "/referrals"),
    ("DWP", "auditor", "audit", "/audit"),
    ("DWP", "operator", "check", "/checks"),
    ("DWP", "supervisor", "quarantine", "/quarantine"),
    ("E09000030", "supervisor", "back-office", "/back-office"),
    ("DWP", "administrator", "people", "/people"),
    ("DWP", "administrator", "partner", "/partners/E09000030"),
)


def gateway(home: Path, *arguments: str) -> Any:
    """What a command of the gateway answers as JSON."""
    command = [sys.executable, "-m", "gateway", "--home", str(home), *arguments, "--json"]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)


def enter(browser: Browser, home: Path, user: str) -> Page:
    """Somebody who has started by a fresh link, and is signed in."""
    link = gateway(home, "people", "link", user, "--reason", "for the pictures")["link"]
    page = browser.new_context(viewport=SIZE).new_page()  # type: ignore[arg-type]
    page.goto(link)
    code = pyotp.TOTP("".join(page.locator("main p.console-mono").inner_text().split()))
    page.fill("#password", PASSWORD)
    page.fill("#again", PASSWORD)
    page.fill("#code", code.at(int(time.time() - STEP)))
    page.click("main button")
    page.wait_for_url("**/sign-in*")
    page.fill("#user", user)
    page.fill("#password", PASSWORD)
    page.fill("#code", code.at(int(time.time())))
    page.click("main button")
    page.wait_for_load_state()
    return page


def main() -> None:
    """Take them all."""
    root = Path(sys.argv[1])
    rejected = next(row["id"] for row in gateway(root / "DWP", "transfers") if row["state"] == "rejected")
    TARGET.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        pages: dict[tuple[str, str], Page] = {}
        for site, role, name, path in SHOTS:
            if (site, role) not in pages:
                pages[site, role] = enter(browser, root / site, f"demo-{role}")
            page = pages[site, role]
            origin = page.url.split("/", 3)[:3]
            page.goto("/".join(origin) + path.format(rejected=rejected))
            page.screenshot(path=TARGET / f"{name}.png")
        browser.close()


if __name__ == "__main__":
    main()
