"""The desk aid on metrics, followed on a running pair: its own commands, a file's figures, and a role that is stuck."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.acceptance.copies import LA, copied_pair
from tests.acceptance.sites import Site, claim, free_port, wait_until

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "operators" / "metrics.md"
ADDRESS: Final = "127.0.0.1:9632"

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="takes curl, which the desk aid uses")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Site, str]]:
    """Two sites that run; the first serves metrics at the address, switched on as the desk aid says, by a reload."""
    with copied_pair(tmp_path_factory.mktemp("metrics")) as (dwp, la):
        listen = f"127.0.0.1:{free_port()}"
        dwp.start()
        la.start()
        dwp.edit_config("daemon", rescan_seconds=0.5, workers=1, stuck_seconds=5.0)
        assert f'`listen = "{ADDRESS}"`' in PAGE.read_text("utf-8")
        dwp.edit_config("metrics", listen=listen, keep_seconds=0.05)
        for command in re.findall(r"(?m)^2\. `gateway (.+?)`, then `gateway (.+?)`\.$", PAGE.read_text("utf-8"))[0]:
            dwp.gateway(*command.split())
        wait_until(lambda: dwp.role("metrics"), 60, "the metrics role")
        yield dwp, la, listen


def asked(path: str, listen: str) -> tuple[int, str]:
    """What the desk aid's own command for that path prints, and the status of the answer."""
    (line,) = re.findall(rf"(?m)^(curl .*/{path})$", PAGE.read_text("utf-8"))
    words = line.replace(ADDRESS, listen).split()
    done = subprocess.run(
        [*words, "--max-time", "20", "--write-out", "\n%{http_code}"], capture_output=True, text=True, check=False
    )
    content, _, status = done.stdout.rpartition("\n")
    return int(status), content


def value(content: str, series: str) -> float | None:
    found = re.search(rf"(?m)^{re.escape(series)} (\S+)$", content)
    return None if found is None else float(found[1])


def test_a_file_that_goes_is_in_the_figures_and_neither_its_name_nor_its_id(pair: tuple[Site, Site, str]) -> None:
    dwp, la, listen = pair
    wait_until(lambda: asked("readyz", listen)[0] == 200, 60, "readiness")
    name, content = claim(1, seed=5)
    dwp.drop("claim", la.code, name, content)
    sent = dwp.wait_for(name, "receipted", 60)
    way = f'direction="out",flow="claim",partner="{LA}"'
    said = _once_there(listen, f"gateway_transferred_bytes_total{{{way}}}")
    assert value(said, f"gateway_transferred_bytes_total{{{way}}}") == len(content)
    assert value(said, 'gateway_transfers{direction="out",flow="claim",partner="E09000030",state="receipted"}') == 1
    assert value(said, 'gateway_transfer_seconds_count{direction="out",flow="claim"}') == 1
    assert (value(said, 'gateway_key_end_timestamp_seconds{partner="own",use="openpgp"}') or 0) > time.time()
    for role, stage in (("inspect", "validate"), ("vault", "seal"), ("link", "send")):
        # A role writes its pulse at most once a second, and at its next look at the latest.
        _once_there(listen, f'gateway_stage_seconds_count{{role="{role}",stage="{stage}"}}')
    assert name not in said
    assert not re.search(r"[0-9a-f]{8}-[0-9a-f]{4}-7", said)
    assert sent["id"] not in said
    assert str(dwp.home.root) not in said


def _once_there(listen: str, series: str) -> str:
    """The figures, once they have the series."""
    found: list[str] = []

    def look() -> bool:
        found[:] = [asked("metrics", listen)[1]]
        return value(found[0], series) is not None

    wait_until(look, 30, series)
    return found[0]


def test_a_role_that_is_stuck_is_told_ended_and_started_again(pair: tuple[Site, Site, str]) -> None:
    dwp, _, listen = pair
    wait_until(lambda: asked("readyz", listen)[0] == 200, 60, "readiness")
    before = value(asked("metrics", listen)[1], 'gateway_role_starts_total{role="link"}') or 0
    link = dwp.role("link")
    assert link is not None
    os.kill(link, signal.SIGSTOP)
    wait_until(lambda: dwp.role("link") not in (None, link), 60, "another process of link")
    assert "link" in [line["reason"].split()[0] for line in dwp.events("role.stuck")]
    wait_until(lambda: asked("readyz", listen)[0] == 200, 60, "readiness again")
    assert asked("healthz", listen)[0] == 200
    assert value(asked("metrics", listen)[1], 'gateway_role_starts_total{role="link"}') == before + 1


def test_a_role_that_does_not_run_makes_the_site_unready_and_metrics_dies_alone(pair: tuple[Site, Site, str]) -> None:
    dwp, _, listen = pair
    wait_until(lambda: asked("readyz", listen)[0] == 200, 60, "readiness")
    roles = {role: dwp.role(role) for role in ("inspect", "vault", "link")}
    first = dwp.role("metrics")
    dwp.kill("metrics")
    wait_until(lambda: dwp.role("metrics") not in (None, first), 60, "another process of metrics")
    wait_until(lambda: asked("readyz", listen)[0] == 200, 60, "an answer")
    assert {role: dwp.role(role) for role in roles} == roles
    dwp.kill("vault")
    wait_until(
        lambda: asked("readyz", listen)[0] == 503 or dwp.role("vault") not in (None, roles["vault"]), 30, "word of it"
    )
    wait_until(lambda: asked("readyz", listen)[0] == 200, 60, "readiness again")


def test_metrics_role_has_the_walls_that_it_says_and_is_switched_off_and_on_by_a_reload(
    pair: tuple[Site, Site, str],
) -> None:
    dwp, _, listen = pair
    pid = wait_until(lambda: dwp.role("metrics"), 60, "the metrics role")
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    assert re.search(r"(?m)^Seccomp:\t2$", status)
    assert re.search(r"(?m)^NoNewPrivs:\t1$", status)
    confined = [line for line in dwp.events("role.confined") if line["role"] == "metrics"]
    assert confined[-1]["measures"][0] == "no network but the socket that it listens at"
    dwp.edit_config("metrics", listen="")
    dwp.gateway("reload")
    wait_until(lambda: dwp.role("metrics") is None and dwp.role("vault"), 60, "the end of the metrics role")
    assert asked("healthz", listen)[0] == 0
    dwp.edit_config("metrics", listen=listen)
    dwp.gateway("reload")
