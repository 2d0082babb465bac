"""A request asked by a process that holds no stage and no key is carried out by the role that runs."""

from __future__ import annotations

import json
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
from tests.acceptance.sites import Site, created_pair, wait_until
from tests.fakes.forger import place

RESCAN: Final = 1.0
"""What `copied_pair` sets."""

ASK: Final = """
import sys
from pathlib import Path
from gateway.administration.requests.asking import ask
from gateway.domain.requests import Act
from gateway.settings.home import Home
from gateway.settings.read import load
home, act, subject = sys.argv[1:]
print(ask(load(Home(Path(home))), Act(act), subject, "console/j.smith", "asked by the test"))
kept_out = ("stages", "assembly", "crypto", "transport", "validation", "spool")
loaded = [name for name in sys.modules if name.startswith(tuple(f"gateway.{room}" for room in kept_out))]
assert not loaded, loaded
"""


@pytest.fixture
def dwp(tmp_path: Path) -> Iterator[Site]:
    """DWP's site, its gateway at work; the authority's does not run."""
    with copied_pair(created_pair(), tmp_path) as (site, _):
        site.start()
        yield site


def ask(site: Site, act: str, subject: str) -> str:
    """Ask in a process of its own; the request's id."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", ASK, str(site.home.root), act, subject],
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
        lambda: rows(site, f"SELECT * FROM requests WHERE id = '{identity}' AND state <> 'asked'"),  # noqa: S608 - our own id
        20,
        "an answer",
    )
    return dict(found[0])


def test_a_running_role_carries_out_what_was_asked_or_says_why_not(dwp: Site) -> None:
    la = "E09000030"
    done = answered(dwp, ask(dwp, "retry", la))
    assert (done["state"], done["kind"], done["unit"], done["became"]) == ("done", "lane", la, "open")
    assert done["owner"].startswith("inspect/")
    assert done["updated"] - done["created"] < RESCAN + 2, "within a rescan, and some time for a busy machine"
    refused = answered(dwp, ask(dwp, "release", la))
    assert (refused["state"], refused["code"]) == ("refused", "usage")
    assert la in refused["refusal"]
    assert refused["remedy"]

    name = f"{new_id(1_795_000_000.0, b'0123456789')}.pgp"
    place(dwp.home.landing_in(la), name, b"no message")
    (kept,) = wait_until(lambda: rows(dwp, "SELECT id FROM quarantine"), 30, "the quarantine")
    sealed = dwp.home.quarantine / f"{kept['id']}.sealed"
    assert sealed.exists()
    discarded = answered(dwp, ask(dwp, "discard", kept["id"]))
    assert (discarded["state"], discarded["unit"], discarded["became"]) == ("done", kept["id"], "discarded")
    assert discarded["owner"].startswith("vault/")
    wait_until(lambda: not sealed.exists(), 5, "the end of the file")

    # The command needs no role, and leaves its request in the same list.
    dwp.gateway("retry", la, "--reason", "the partner says its server is back")
    (last,) = rows(dwp, "SELECT state, act, owner FROM requests ORDER BY key DESC LIMIT 1")
    assert (last["state"], last["act"], last["owner"]) == ("done", "retry", "command")
    asked = rows(dwp, "SELECT event, role, detail FROM events WHERE event IN ('lane.retried', 'quarantine.discarded')")
    assert [(each["event"], each["role"]) for each in asked] == [
        ("lane.retried", "inspect"),
        ("quarantine.discarded", "vault"),
        ("lane.retried", "command"),
    ]
    assert {json.loads(each["detail"])["actor"] for each in asked[:2]} == {"console/j.smith"}
    assert dwp.gateway("audit", "verify").returncode == 0
