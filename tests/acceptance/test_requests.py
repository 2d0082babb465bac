"""A request asked by a process that holds no stage and no key is carried out by the role that runs; with a second person where it takes
two, by the commands of docs/operators/two-people.md.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from gateway.domain.identity import new_id
from tests.acceptance import sites
from tests.acceptance.copies import copied_pair
from tests.acceptance.reading import rows
from tests.acceptance.sites import Site, wait_until
from tests.fakes.forger import place

PAGE: Final = (sites.ROOT / "docs" / "operators" / "two-people.md").read_text("utf-8")
COMMANDS: Final = [
    shlex.split(line)[1:] for block in re.findall(r"(?ms)^```\n(.*?)^```$", PAGE) for line in block.splitlines()
]
RESCAN: Final = 1.0
"""What `copied_pair` sets."""

ASK: Final = """
import io
import sys
from pathlib import Path
from gateway.administration.access import writing
from gateway.administration.requests import asking
from gateway.domain.requests import Act
from gateway.logs import configure
from gateway.settings.home import Home
from gateway.settings.read import load
home, verb, about, user, *act = sys.argv[1:]
settings = load(Home(Path(home)))
with writing(settings, configure(settings.site.code, "console", stream=io.BytesIO(), strict=True), "console") as ledger:
    if verb == "ask":
        print(asking.ask(settings, ledger, Act(*act), about, user, "asked by the test"))
    else:
        asking.agree(settings, ledger, about, user, "agreed by the test")
kept_out = ("stages", "assembly", "crypto", "transport", "validation", "spool")
loaded = [name for name in sys.modules if name.startswith(tuple(f"gateway.{room}" for room in kept_out))]
assert not loaded, loaded
"""


@pytest.fixture
def dwp(tmp_path: Path) -> Iterator[Site]:
    """DWP's site, its gateway at work; the authority's does not run."""
    with copied_pair(tmp_path) as (site, _):
        site.start()
        yield site


def ask(site: Site, act: str, subject: str, user: str = "hb1001") -> str:
    """Ask in a process of its own; the request's id."""
    return console(site, "ask", subject, user, act)


def console(site: Site, *words: str) -> str:
    """What a process says that knows what a console knows."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", ASK, str(site.home.root), *words],
        capture_output=True,
        text=True,
        check=False,
        env=sites.ENVIRONMENT,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def answered(site: Site, identity: str) -> dict[str, Any]:
    """The request's row, once it has an answer."""
    found: list[Any] = wait_until(
        lambda: rows(site, f"SELECT * FROM requests WHERE id = '{identity}' AND state NOT IN ('proposed', 'asked')"),  # noqa: S608 - our own id
        20,
        "an answer",
    )
    return dict(found[0])


def test_a_running_role_carries_out_what_was_asked_or_says_why_not(dwp: Site) -> None:
    la = "E09000030"
    for user, role in (("hb1001", "supervisor"), ("hb1002", "supervisor"), ("hb2001", "operator")):
        dates = ("--agreement", "2026-01-05", "--training", "2026-01-06", "--reason", "joins the team")
        dwp.gateway("people", "add", user, "--name", f"Officer {user}", "--unit", "Benefits", "--role", role, *dates)
    done = answered(dwp, ask(dwp, "retry", la, "hb2001"))
    assert (done["state"], done["kind"], done["unit"], done["became"]) == ("done", "lane", la, "open")
    assert done["owner"].startswith("inspect/")
    assert done["updated"] - done["created"] < RESCAN + 2, "within a rescan, and some time for a busy machine"
    asked = ask(dwp, "release", la)
    console(dwp, "agree", asked, "hb1002")
    refused = answered(dwp, asked)
    assert (refused["state"], refused["code"]) == ("refused", "unit-state")
    assert la in refused["refusal"]
    assert refused["remedy"]

    name = f"{new_id(1_795_000_000.0, b'0123456789')}.pgp"
    place(dwp.home.landing_in(la), name, b"no message")
    (kept,) = wait_until(lambda: rows(dwp, "SELECT id FROM quarantine"), 30, "the quarantine")
    sealed = dwp.home.quarantine / f"{kept['id']}.sealed"
    assert sealed.exists()
    asked = ask(dwp, "discard", kept["id"])
    carry_out, reload, listed, whole = COMMANDS
    assert "Nothing waits" in dwp.gateway(*carry_out).stdout + dwp.gateway(*carry_out).stderr
    dwp.gateway(*reload, "--reason", "as the page says")
    assert "1 asked for, waiting for a second person" in dwp.gateway("status", check=False).stdout
    assert [each["id"] for each in dwp.json(*listed, "--json")] == [asked]
    assert asked in dwp.gateway(*listed).stdout
    console(dwp, "agree", asked, "hb1002")
    discarded = answered(dwp, asked)
    told = dwp.gateway(*(asked if word == "ID" else word for word in whole)).stdout
    assert "hb1001" in told
    assert "agreed by the test" in told
    assert (discarded["state"], discarded["unit"], discarded["became"]) == ("done", kept["id"], "discarded")
    assert discarded["owner"].startswith("vault/")
    wait_until(lambda: not sealed.exists(), 5, "the end of the file")

    # The command needs no role, and leaves its request in the same list.
    dwp.gateway("retry", la, "--reason", "the partner says its server is back")
    (last,) = rows(dwp, "SELECT state, act, owner FROM requests ORDER BY key DESC LIMIT 1")
    assert (last["state"], last["act"], last["owner"]) == ("done", "retry", "command")
    events = rows(dwp, "SELECT event, role, detail FROM events WHERE event IN ('lane.retried', 'quarantine.discarded')")
    assert [(each["event"], each["role"]) for each in events] == [
        ("lane.retried", "inspect"),
        ("quarantine.discarded", "vault"),
        ("lane.retried", "command"),
    ]
    people = [(told["actor"], told.get("second")) for told in (json.loads(each["detail"]) for each in events[:2])]
    assert people == [("hb2001", None), ("hb1001", "hb1002")]
    assert dwp.gateway("audit", "verify").returncode == 0
