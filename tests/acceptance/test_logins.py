"""Who logs in at a site's SFTP server, and who tries to, is in the chain: in few events, however often it is tried."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from gateway.ledger.queries import events
from gateway.ledger.store import Ledger
from gateway.transport.keys import make_key_pair
from tests.acceptance.copies import copied_pair
from tests.acceptance.sites import Site, wait_until

SECONDS = 120.0
SCANS = 960
"""With the others below a thousand."""


@pytest.fixture
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Site]]:
    with copied_pair(tmp_path_factory.mktemp("logins")) as sites:
        yield sites


def log_in(site: Site, key: Path, user: str) -> None:
    command = ["ssh", "-F", "/dev/null", "-p", str(site.port), "-i", str(key), "-o", "IdentitiesOnly=yes"]
    command += ["-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
    command += ["-l", user, "127.0.0.1", "-s", "sftp"]
    subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=SECONDS)


def scan(site: Site) -> None:
    with suppress(ConnectionError), socket.create_connection(("127.0.0.1", site.port), timeout=SECONDS) as connection:
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(4096):
            pass


def chain(site: Site) -> list[tuple[str, dict[str, Any]]]:
    """The chain's events about log-ins, each with its detail and partner."""
    with closing(Ledger(site.home.ledger, clock=time.time, role="test")) as ledger, ledger.read() as connection:
        return [
            (each.event, {**json.loads(each.detail), "partner": each.partner})
            for each in events.chain(connection)
            if each.kind == "logon"
        ]


def counted(site: Site) -> Counter[str]:
    total: Counter[str] = Counter()
    for event, detail in chain(site):
        total[detail.get("code", event)] += detail["count"]
    return total


@pytest.mark.timeout(600)
def test_a_thousand_refused_log_ins_and_some_good_ones_are_few_events_and_none_is_missing(
    pair: tuple[Site, Site], tmp_path: Path
) -> None:
    _, la = pair
    dwps_key, stranger = pair[0].home.client_key, tmp_path / "stranger"
    make_key_pair(stranger)
    user = json.loads(la.gateway("card").stdout)["endpoint"]["user"]
    la.start()
    began = time.time()
    log_in(la, dwps_key, user)
    # The first of its kind is told at once, not at the hour's end.
    wait_until(
        lambda: [event for event, _ in chain(la)] == ["logon.accepted"], SECONDS, "the first log-in in the chain"
    )
    for _ in range(4):
        log_in(la, dwps_key, user)
    for _ in range(20):
        log_in(la, stranger, user)
    for number in range(20):
        log_in(la, stranger, f"admin{number} from 192.0.2.7 port 5")
    for _ in range(SCANS):
        scan(la)
    wait_until(lambda: len({detail.get("code") for _, detail in chain(la)}) == 4, SECONDS, "the first of each kind")
    # What repeated them goes into the chain when the gateway stops, or here at its next start.
    assert la.stop(seconds=60.0) == 0
    assert len(os.listdir(la.home.logins)) <= 2  # noqa: PTH208 - their number is what counts
    la.start()
    wanted = {"logon.accepted": 5, "wrong-key": 20, "unknown-user": 20, "no-login": SCANS}
    wait_until(lambda: counted(la) == wanted, SECONDS, "the whole count")
    hours = 1 + int(time.time() // 3600 - began // 3600)
    assert len(chain(la)) <= 2 * 4 * hours
    assert {(event, detail["partner"]) for event, detail in chain(la)} == {
        ("logon.accepted", "DWP"),
        ("logon.refused", None),
    }
    shown = la.json("logins", "--since", "1d")
    assert sum(line["count"] for line in shown) == sum(wanted.values())
    assert "192.0.2.7" not in json.dumps(shown)
    assert json.loads(la.gateway("audit", "verify", "--json").stdout)
    assert {line["address"] for line in la.events("logon.refused") if line["role"] == "gateway"} == {"127.0.0.1"}
