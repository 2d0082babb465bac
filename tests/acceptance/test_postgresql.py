"""The desk aid on PostgreSQL, followed on a pair whose Department keeps its ledger there: nothing is lost when a role or the server is killed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.acceptance.copies import copied_pair
from tests.acceptance.sites import Site, claim, created_pair, wait_until
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
    with copied_pair(created_pair(), tmp_path_factory.mktemp("postgresql")) as (dwp, la):
        for line in re.findall(r'(?m)^gateway (ledger copy --to "postgresql://.*)$', TEXT):
            words = line.replace("postgresql://HOST/DATABASE", server.url).replace('"', "").split()
            dwp.gateway(*words)
        (setting,) = set(re.findall(r'`url = "postgresql://HOST/DATABASE"`', TEXT))
        assert setting
        dwp.edit_config("ledger", url=server.url)
        yield dwp, la


def states(server: Server) -> dict[str, str]:
    import psycopg  # noqa: PLC0415 - an extra

    with psycopg.connect(server.url) as connection:
        found: list[Any] = connection.execute("SELECT name, state FROM transfers WHERE direction = 'out'").fetchall()
    return dict(found)


def send(dwp: Site, la: Site, first: int) -> dict[str, bytes]:
    made = dict(claim(number, seed=number) for number in range(first, first + COUNT))
    for name, content in made.items():
        dwp.drop("claim", la.code, name, content)
    return made


def test_kill_9_of_a_role_and_of_the_server_in_mid_work_loses_nothing(pair: tuple[Site, Site], server: Server) -> None:
    dwp, la = pair
    assert "commits are durable" in dwp.gateway("doctor", check=False).stdout
    dwp.start()
    la.start()
    dropped = send(dwp, la, 1)
    wait_until(lambda: len(states(server)) > 2, 60, "the first files")
    dwp.kill("vault")
    dropped |= send(dwp, la, 101)
    wait_until(lambda: len(states(server)) > COUNT, 60, "the next files")
    wait_until(lambda: dwp.role("vault"), 60, "the vault")
    before = {role: dwp.role(role) for role in ("inspect", "vault", "link")}
    server.kill()
    dropped |= send(dwp, la, 201)
    wait_until(lambda: any(line.get("code") == "ledger-away" for line in dwp.events()), 60, "a role that waits")
    server.start()
    wait_until(
        lambda: set(states(server).values()) == {"receipted"} and len(states(server)) == len(dropped), 120, "receipts"
    )
    assert {role: dwp.role(role) for role in before} == before, "a role that lacks its ledger waits, and does not end"
    assert sorted(la.inbound("claim", "DWP").values()) == sorted(dropped.values()), "each once"
    for site in pair:
        site.gateway("audit", "verify", "--deep")
    assert "ledger-away" in {line.get("code") for line in dwp.events("work.deferred")}
    assert not [line for line in dwp.events() if "sesame" in str(line)]
    assert dwp.json("status")["healthy"]
    for site in pair:
        assert site.stop() == 0


def test_the_ledger_comes_back_into_its_file_by_the_desk_aid(pair: tuple[Site, Site], server: Server) -> None:
    dwp, la = pair
    (words,) = re.findall(r"(?m)^gateway (ledger copy --to sqlite)$", TEXT)
    dwp.gateway(*words.split())
    dwp.edit_config("ledger", url="")
    dwp.start()
    la.start()
    ((name, content),) = [claim(301, seed=301)]
    dwp.drop("claim", la.code, name, content)
    dwp.wait_for(name, "receipted", 60)
    dwp.gateway("audit", "verify", "--deep")
    # The server's is a copy that is behind now, and nobody can go on from it.
    dwp.stop()
    dwp.edit_config("ledger", url=server.url)
    refused = dwp.gateway("status", check=False)
    assert dwp.gateway("run", "--until-idle", check=False).returncode != 0, refused
