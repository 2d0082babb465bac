"""docs/operators/connection-statement.md at work: its own commands, on a site that runs, stops, and has faults."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pikepdf
import pytest

from tests.acceptance.copies import copied_pair
from tests.acceptance.sites import ROOT, Site

PAGE = (ROOT / "docs" / "operators" / "connection-statement.md").read_text("utf-8")
MAKE, AS_JSON = (
    shlex.split(line)[1:]
    for block in re.findall(r"^ *```\n(.*?)^ *```", PAGE, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with copied_pair(tmp_path_factory.mktemp("connection")) as (dwp, _):
        yield dwp


def chapters(told: dict[str, Any]) -> dict[str, dict[str, dict[str, str]]]:
    """Findings by chapter and subject."""
    return {each["title"]: {one["subject"]: one for one in each["findings"]} for each in told["chapters"]}


def kernel(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def test_statement_of_a_site_that_runs_is_what_the_kernel_and_doctor_say(site: Site) -> None:
    site.start()
    try:
        pids = {role: site.role(role) or 0 for role in ("inspect", "vault", "link")}
        told = json.loads(site.gateway(*AS_JSON).stdout)
        walls = chapters(told)["Walls, as the kernel has them"]
        for role, pid in pids.items():
            is_ = kernel(pid)
            says = walls[role]["says"]
            assert f"user id {is_['Uid'].split()[1]};" in says
            assert f"umask {is_['Umask']};" in says
            assert ("no new privileges: yes" in says) == (is_["NoNewPrivs"] == "1")
            assert ("seccomp filter: yes" in says) == (is_["Seccomp"] == "2")
            assert (walls[role]["standing"] == "falls short") == (is_["Uid"].split()[1] == "0"), says
        assert walls["Landlock of sshd"]["standing"] == "not measured"
        algorithms = chapters(told)["Algorithms"]
        assert algorithms["log-in at the SFTP server"]["standing"] == "met"
        assert "aes256-gcm@openssh.com" in algorithms["SSH from partners, ciphers"]["says"]
        doctors = site.gateway("doctor", "--json", check=False)
        wrong = {each["name"] for each in json.loads(doctors.stdout) if each["outcome"] != "ok"}
        everything = {one["subject"]: one["standing"] for each in told["chapters"] for one in each["findings"]}
        assert all(everything[name] == "falls short" for name in wrong)
        assert chapters(told)["Versions"]["libraries"]["standing"] == "met"
        assert {one["subject"] for one in told["unmeasured"]} >= {"SSH agreed with E09000030"}
    finally:
        assert site.stop() == 0


def test_statement_is_a_new_pdf_and_never_takes_anothers_place(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    site.gateway(*MAKE)
    with pikepdf.open(tmp_path / "connection-statement.pdf") as made:
        assert str(made.docinfo["/Title"]).startswith("Connection statement of DWP, ")
        assert len(made.pages) >= 2
    assert site.gateway(*MAKE, check=False).returncode == 64


def test_what_falls_short_comes_first_and_what_nobody_could_see_is_said(site: Site) -> None:
    (site.home.state / "ssh").chmod(0o755)
    try:
        page = site.gateway("statement").stdout
        told = site.json("statement")
    finally:
        (site.home.state / "ssh").chmod(0o700)
    assert page.index("What falls short") < page.index("What was not measured") < page.index("Checks of gateway doctor")
    short = {one["subject"]: one for one in told["short"]}
    assert "state/ssh" in short["permissions"]["says"]
    assert short["permissions"]["remedy"]
    assert short["last audit"]["remedy"].startswith("`gateway audit verify --record`")
    unmeasured = {one["subject"]: one["says"] for one in told["unmeasured"]}
    assert unmeasured["vault"] == "the site is not running"
    assert "[not measured] vault: the site is not running" in page
    site.gateway("audit", "verify", "--record")
    assert "last audit" not in {one["subject"] for one in site.json("statement")["short"]}
