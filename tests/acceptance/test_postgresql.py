"""The desk aid on PostgreSQL, followed on a pair whose Department keeps its ledger there: nothing is lost when a role or the server is killed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from tests.acceptance.copies import copied_pair
from tests.acceptance.forked import command
from tests.acceptance.sites import ENVIRONMENT, Site, claim, wait_until
from tests.fakes.postgresql import Server, running

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "operators" / "postgresql.md"
TEXT: Final = PAGE.read_text("utf-8")
COUNT: Final = 12


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running(durable=True) as made:
        yield made


@pytest.fixture(scope="module")
def pair(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Site]]:
    """Two sites that have not run; the Department's ledger was copied by the desk aid's commands."""
    with copied_pair(tmp_path_factory.mktemp("postgresql")) as (dwp, la):
        for line in re.findall(r'(?m)^gateway (ledger copy --to "postgresql://.*)$', TEXT):
            words = line.replace("postgresql://HOST/DATABASE", server.url).replace('"', "").split()
            dwp.gateway(*words)
        (setting,) = set(re.findall(r'`url = "postgresql://HOST/DATABASE"`', TEXT))
        assert setting
        dwp.edit_config("ledger", url=server.url)
        yield dwp, la


def states(url: str) -> dict[str, str]:
    import psycopg  # noqa: PLC0415 - an extra

    with psycopg.connect(url) as connection:
        found: list[Any] = connection.execute("SELECT name, state FROM transfers WHERE direction = 'out'").fetchall()
    return dict(found)


def are_receipted(url: str, count: int) -> bool:
    found = states(url)
    return set(found.values()) == {"receipted"} and len(found) == count


def send(dwp: Site, la: Site, first: int) -> dict[str, bytes]:
    made = dict(claim(number, seed=number) for number in range(first, first + COUNT))
    for name, content in made.items():
        dwp.drop("claim", la.code, name, content)
    return made


@pytest.mark.torture
def test_kill_9_of_a_role_and_of_the_server_loses_nothing_and_the_ledger_comes_back_into_its_file(
    pair: tuple[Site, Site], server: Server
) -> None:
    dwp, la = pair
    assert "commits are durable" in dwp.gateway("doctor", check=False).stdout
    dwp.start()
    la.start()
    dropped = send(dwp, la, 1)
    wait_until(lambda: len(states(server.url)) > 2, 60, "the first files")
    dwp.kill("vault")
    dropped |= send(dwp, la, 101)
    wait_until(lambda: len(states(server.url)) > COUNT, 60, "the next files")
    wait_until(lambda: dwp.role("vault"), 60, "the vault")
    before = {role: dwp.role(role) for role in ("inspect", "vault", "link")}
    server.kill()
    dropped |= send(dwp, la, 201)
    told = dwp.gateway("status", check=False)
    assert (told.returncode, "PostgreSQL: OperationalError" in told.stderr) == (75, True)
    wait_until(lambda: any(line.get("code") == "ledger-away" for line in dwp.events()), 60, "a role that waits")
    server.start()
    wait_until(
        lambda: set(states(server.url).values()) == {"receipted"} and len(states(server.url)) == len(dropped),
        120,
        "receipts",
    )
    assert {role: dwp.role(role) for role in before} == before, "a role that lacks its ledger waits, and does not end"
    assert sorted(la.inbound("claim", "DWP").values()) == sorted(dropped.values()), "each once"
    for site in pair:
        site.gateway("audit", "verify", "--deep")
    assert "ledger-away" in {line.get("code") for line in dwp.events("work.deferred")}
    assert dwp.json("status")["healthy"]
    for site in pair:
        assert site.stop() == 0
    # And back into the file, by the desk aid.
    (words,) = re.findall(r"(?m)^gateway (ledger copy --to sqlite)$", TEXT)
    dwp.gateway(*words.split())
    dwp.edit_config("ledger", url="")
    dwp.start()
    la.start()
    ((name, content),) = [claim(301, seed=301)]
    dwp.drop("claim", la.code, name, content)
    dwp.wait_for(name, "receipted", 60)
    dwp.gateway("audit", "verify", "--deep")
    # Nobody can go on from the server's.
    dwp.stop()
    dwp.edit_config("ledger", url=server.url)
    refused = dwp.gateway("run", "--until-idle", check=False)
    assert (refused.returncode, "and goes on there" in refused.stderr) == (70, True), refused.stderr


def test_a_new_site_has_its_ledger_there_and_no_other_site_gets_it(server: Server, tmp_path: Path) -> None:
    import psycopg  # noqa: PLC0415 - an extra

    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE another")
    url = server.url.replace("/postgres?", "/another?")
    made = command("init", tmp_path / "site", "--site", "E09000030", "--ledger", url, env=ENVIRONMENT)
    assert made.returncode == 0, made.stderr
    site = Site(tmp_path / "site", "E09000030", 0)
    assert not site.home.ledger.exists()
    checks = {
        check["name"]: check["outcome"] for check in json.loads(site.gateway("doctor", "--json", check=False).stdout)
    }
    assert (checks["ledger"], checks["ledger's server"]) == ("ok", "ok")
    assert site.json("status")["site"] == "E09000030"
    refused = command("init", tmp_path / "other", "--site", "E09000030", "--ledger", url, env=ENVIRONMENT)
    assert refused.returncode != 0
    assert "a database of its own" in refused.stderr
    assert not (tmp_path / "other").exists()


def test_a_gateway_with_a_name_works_as_the_one_node_of_its_site(server: Server, tmp_path: Path) -> None:
    """The roles begin nothing before the node has its lanes, and then do all; a gateway without the name writes nothing there."""
    import psycopg  # noqa: PLC0415 - an extra

    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE nodes")
    url = server.url.replace("/postgres?", "/nodes?")
    with copied_pair(tmp_path) as (dwp, la):
        dwp.gateway("ledger", "copy", "--to", url)
        dwp.edit_config("ledger", url=url)
        dwp.share_files(tmp_path / "store")
        dwp.edit_config("node", name="north-1", lease_seconds=3, heartbeat_seconds=0.5)
        dwp.start()
        la.start()
        made = dict(claim(number, seed=number) for number in range(1, 4))
        for name, content in made.items():
            dwp.drop("claim", la.code, name, content)
        wait_until(partial(are_receipted, url, 3), 60, "receipts")
        dwp.kill("vault")
        wait_until(lambda: dwp.role("vault"), 60, "the vault")
        name, content = claim(4, seed=4)
        made[name] = content
        dwp.drop("claim", la.code, name, content)
        wait_until(partial(are_receipted, url, 4), 60, "one more")
        (node,) = dwp.json("nodes")["nodes"]
        assert (node["name"], node["state"], node["site"]) == ("north-1", "up", True)
        assert "node north-1 works with" in dwp.gateway("status").stdout
        assert sorted(la.inbound("claim", "DWP").values()) == sorted(made.values())
        dwp.gateway("audit", "verify", "--deep")
        dwp.stop()
        dwp.edit_config("node", name="")
        (tmp_path / name).write_bytes(made[name])
        refused = dwp.gateway("submit", "claim", la.code, tmp_path / name, check=False)
        assert (refused.returncode, "lane-lost" in refused.stderr) == (75, True)
