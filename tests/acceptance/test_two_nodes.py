"""Two nodes of one site as processes of their own, and every command that a person gives there: each is right at any node, or says where to go."""

from __future__ import annotations

import io
import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from gateway.administration.access import writing
from gateway.administration.requests.asking import answer, ask
from gateway.administration.site.settings import load
from gateway.domain.requests import Act, RequestState
from gateway.ledger.queries.verifications import SUBJECT
from gateway.ledger.units import Request
from gateway.logs import configure
from gateway.settings.home import Home
from gateway.settings.model import Settings
from tests.acceptance.copies import copied_pair
from tests.acceptance.forked import command
from tests.acceptance.sites import ENVIRONMENT, Site, claim, free_port, wait_until
from tests.fakes.postgresql import server

WHY: Final = ("--reason", "because of the test")
ALICE: Final = "hb1042"
AUDITOR: Final = "hb2042"
LOOKING: Final = (
    *(("transfers",), ("requests",), ("logins",), ("inbound", "pending"), ("quarantine", "list"), ("keys", "list")),
    *(("audit", "verify", "--deep"), ("retention", "--dry-run")),
)


@dataclass(frozen=True)
class Two:
    """The Department's two nodes, and its partner, which does not run."""

    north: Site
    south: Site
    la: Site

    @property
    def partner(self) -> str:
        return self.la.code

    def nodes(self) -> dict[str, Any]:
        return {node["name"]: node for node in self.north.json("nodes")["nodes"]}

    def has_site(self) -> tuple[Site, Site]:
        """The node that has the site's own work, and the other."""
        return (self.north, self.south) if self.nodes()["north-1"]["site"] else (self.south, self.north)

    def have_all(self) -> bool:
        found = self.north.json("nodes")
        return (
            not found["without"] and {node["state"] for node in found["nodes"]} == {"up"} and len(found["nodes"]) == 2
        )


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    with nodes_at(tmp_path_factory.mktemp("two")) as made:
        yield made


@contextmanager
def nodes_at(where: Path) -> Iterator[Two]:
    with server() as url, copied_pair(where) as (north, la):
        north.gateway("ledger", "copy", "--to", url)
        north.edit_config("ledger", url=url)
        (where / "store").mkdir()
        north.edit_config("payloads", url=f"file://{where / 'store'}")
        north.gateway("nodes", "store")
        north.edit_config("node", name="north-1", lease_seconds=3, heartbeat_seconds=0.5)
        (north.home.root.parent / "shared").mkdir()
        north.gateway("nodes", "share", north.home.root.parent / "shared")
        secret = where / "passphrase"
        secret.write_text(north.gateway("nodes", "package", "--to", where / "node.pgp", *WHY).stdout, encoding="ascii")
        home, port = Home(where / "south"), free_port()
        order: tuple[str | Path, ...] = ("nodes", "join", where / "node.pgp", "--node", "south-1")
        options: tuple[str | Path, ...] = ("--passphrase-file", secret, "--sftp", f"127.0.0.1:{port}")
        done = command("--home", home.root, *order, *options, env=ENVIRONMENT)
        assert done.returncode == 0, done.stderr
        south = Site(home.root, "DWP", port)
        south.log = where / "south.log"
        made = Two(north, south, la)
        for site in (north, south):
            site.edit_config("console", listen=f"127.0.0.1:{free_port()}")
            site.start()
        try:
            wait_until(made.have_all, 60, "both nodes")
            yield made
        finally:
            south.stop()


def status_of(site: Site) -> Any:
    """What `status --json` says, whether all is well or not."""
    return json.loads(site.gateway("status", "--json", check=False).stdout)


def refused(site: Site, *words: str | Path) -> tuple[int, str]:
    done = site.gateway(*words, check=False)
    return done.returncode, done.stderr


def test_each_node_tells_the_same_about_all(two: Two) -> None:
    for site in (two.north, two.south):
        assert set(two.nodes()) == {each["name"] for each in site.json("nodes")["nodes"]}
        said = site.gateway("status", check=False).stdout
        assert "node north-1 works with" in said
        assert "node south-1 works with" in said
    (lane,) = [each for each in two.south.json("nodes")["lanes"] if each["lane"] == two.partner]
    assert lane["node"] in ("north-1", "south-1")
    assert re.search(r"(north|south)-1 +took", two.south.gateway("nodes").stdout)


def test_one_node_serves_the_console_and_passwords_are_there_alone(two: Two) -> None:
    wait_until(lambda: any(node["console"] for node in two.nodes().values()), 30, "a console")
    two.north.gateway("people", "add", ALICE, "--name", "A", "--unit", "U", "--role", "administrator", *WHY)
    assert ALICE in two.south.gateway("people", "list").stdout  # who may do what is in the ledger
    here, there = (two.north, two.south) if two.nodes()["north-1"]["console"] else (two.south, two.north)
    assert "http" in here.gateway("people", "link", ALICE, *WHY).stdout
    status, said = refused(there, "people", "link", ALICE, *WHY)
    assert (status, "console-elsewhere" in said) == (69, True)
    wait_until(lambda: "node.console-awaited" in there.log.read_text(), 30, "the role that waits")
    moved = json.loads(there.gateway("nodes", "take-console", *WHY, "--json").stdout)
    assert moved["before"] != moved["node"]
    wait_until(lambda: "node.console-moved" in here.log.read_text(), 30, "the end of the old console")
    assert "http" in there.gateway("people", "link", ALICE, *WHY).stdout
    status, said = refused(here, "people", "link", ALICE, *WHY)
    assert (status, "console-elsewhere" in said) == (69, True)
    assert refused(there, "nodes", "take-console", *WHY)[0] == 64


def test_what_is_about_a_nodes_files_is_answered_there_and_by_nobody_else(two: Two) -> None:
    two.north.gateway("people", "add", AUDITOR, "--name", "B", "--unit", "U", "--role", "auditor", *WHY)
    for site, name in ((two.north, "north-1"), (two.south, "south-1")):
        settings = load(site.home)
        with writing(settings, configure("DWP", "console", stream=io.BytesIO()), "console") as ledger:
            identity = ask(settings, ledger, Act.VERIFY, SUBJECT, AUDITOR, "looking whether all is well")
        found = wait_until(partial(done, settings, identity), 60, "the answer")
        assert (found.state, found.node) == (RequestState.DONE, name), found
        other = two.south if site is two.north else two.north
        assert identity in site.log.read_text()
        assert identity not in other.log.read_text()


def done(settings: Settings, identity: str) -> Request | None:
    found = answer(settings, identity)
    return None if found.state is RequestState.ASKED else found


def test_a_copy_leaves_what_nodes_share_to_its_own_means_and_comes_back_as_one_gateway(
    two: Two, tmp_path: Path
) -> None:
    taken = json.loads(two.south.gateway("backup", tmp_path / "copies", "--json").stdout)
    assert (taken["stored"], taken["faults"]) == (True, [])
    back = command("--home", tmp_path / "back", "restore", taken["path"], "--json", env=ENVIRONMENT)
    assert back.returncode == 0, back.stderr
    told = json.loads(back.stdout)
    assert (told["stored"], told["alone"], told["head"]) == (True, True, taken["head"])
    settings = load(Home(tmp_path / "back"))
    assert (settings.ledger.url, settings.node.name) == ("", "")
    assert settings.payloads.url


def test_what_is_submitted_at_either_node_is_sealed_by_the_one_that_works_with_the_partner(
    two: Two, tmp_path: Path
) -> None:
    for number, site in enumerate((two.north, two.south)):
        name, content = claim(number, seed=number)
        (tmp_path / name).write_bytes(content)
        (made,) = json.loads(site.gateway("submit", "claim", two.partner, tmp_path / name, "--json").stdout)
        wait_until(partial(is_sealed, two, made["id"]), 60, "the sealed file")
        evidence = [at.gateway("show", made["id"]).stdout for at in (two.north, two.south)]
        assert evidence[0] == evidence[1]


def is_sealed(two: Two, identity: str) -> bool:
    (row,) = [each for each in two.south.json("transfers") if each["id"] == identity]
    return bool(row["state"] == "sealed")


@pytest.mark.parametrize("words", LOOKING, ids=" ".join)
def test_what_only_looks_is_right_at_either_node(two: Two, words: tuple[str, ...]) -> None:
    said = [site.gateway(*words, "--json", check=False) for site in (two.north, two.south)]
    assert [each.returncode for each in said] == [0, 0], said[0].stderr + said[1].stderr
    assert [type(json.loads(each.stdout)) for each in said] == [type(json.loads(said[0].stdout))] * 2


def test_the_doctor_finds_nothing_at_either_node_but_that_the_partner_is_away(two: Two) -> None:
    for site in (two.north, two.south):
        checks = json.loads(site.gateway("doctor", "--json", check=False).stdout)
        assert {check["name"] for check in checks if check["outcome"] == "fail"} <= {
            f"link to {two.partner}",
            "ledger's server",  # of a test, which syncs nothing
        }, checks
        about = {check["name"]: (check["outcome"], check["message"]) for check in checks}
        assert about["nodes alike"] == ("ok", "1 other node there, configured alike")
        assert about["addresses of nodes"][0] == "warn"  # partners know one of the two


def test_a_partner_is_suspended_at_every_node_wherever_that_is_said(two: Two) -> None:
    two.south.gateway("partner", "suspend", two.partner, *WHY)
    states = [[lane["state"] for lane in status_of(site)["lanes"]] for site in (two.north, two.south)]
    assert states == [["suspended"], ["suspended"]]
    two.north.gateway("partner", "resume", two.partner, *WHY)
    assert [lane["state"] for lane in status_of(two.south)["lanes"]] in (["open"], ["deferred"])


def test_retention_is_done_by_the_node_that_has_the_site(two: Two) -> None:
    site, other = two.has_site()
    done = other.gateway("retention", *WHY)
    assert "has the site's own work" in done.stderr
    assert "has the site's own work" not in site.gateway("retention", *WHY).stderr


def test_what_would_be_unsafe_beside_another_node_is_refused(two: Two, tmp_path: Path) -> None:
    status, said = refused(two.north, "nodes", "forget", "south-1", *WHY)
    assert (status, "node-there" in said) == (69, True)
    status, said = refused(two.north, "nodes", "forget", "east-1", *WHY)
    assert (status, "no node 'east-1'" in said) == (65, True)
    status, said = refused(two.north, "ledger", "copy", "--to", "sqlite", *WHY)
    assert status != 0


def test_nodes_that_are_configured_otherwise_are_told(two: Two) -> None:
    path = two.south.home.partners_d / f"{two.partner}.toml"
    before = path.read_text()
    assert "different partners' files" not in two.north.gateway("status", check=False).stdout
    path.write_text(before.replace('name = "', 'name = "Another ', 1))
    try:
        two.south.gateway("reload")
        wait_until(
            lambda: (
                "different partners' files, keys or addresses: north-1 and south-1"
                in two.north.gateway("status", check=False).stdout
            ),
            30,
            "both configurations",
        )
    finally:
        path.write_text(before)
        two.south.gateway("reload")
    wait_until(
        lambda: "different partners" not in two.north.gateway("status", check=False).stdout, 30, "the same again"
    )


def test_a_node_that_is_gone_is_told_and_given_up_and_the_ledger_comes_home(tmp_path: Path) -> None:
    """One node stops, and then the other."""
    with nodes_at(tmp_path) as two:
        give_up_both(two)


def give_up_both(two: Two) -> None:
    two.south.stop()
    wait_until(lambda: two.nodes()["south-1"]["state"] == "gone", 30, "the node to be gone")
    status = status_of(two.north)
    assert any("node south-1 is gone since" in need for need in status["needs"])
    told = two.north.gateway("nodes")
    assert "south-1 is gone: files that partners left in its landing" in told.stdout + told.stderr
    plan = json.loads(two.north.gateway("nodes", "forget", "south-1", *WHY, "--dry-run", "--json").stdout)
    assert (plan["node"], plan["dry_run"]) == ("south-1", True)
    assert "south-1" in two.nodes()
    two.north.gateway("nodes", "forget", "south-1", *WHY)
    assert set(two.nodes()) == {"north-1"}
    wait_until(lambda: two.nodes()["north-1"]["site"], 30, "the site's own work")
    two.north.gateway("audit", "verify")
    two.north.stop()
    time.sleep(3.5)
    two.north.gateway("nodes", "forget", "north-1", *WHY)
    two.north.gateway("ledger", "copy", "--to", "sqlite", *WHY)
    two.north.edit_config("node", name="")
    two.north.edit_config("ledger", url="")
    two.north.start()
    wait_until(lambda: status_of(two.north)["nodes"] == [], 30, "the gateway alone")
    two.north.gateway("audit", "verify")
