"""Two nodes of one site, each with an account for each role: a machine joins, shares, and every role may what its work needs. Takes root to try."""

from __future__ import annotations

import grp
import json
import os
import pwd
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from gateway.settings.home import Home
from gateway.settings.read import load
from gateway.settings.rights import differences
from tests.acceptance.forked import command
from tests.acceptance.sites import ENVIRONMENT, Site, claim, free_port, introduce, make_site, wait_until
from tests.acceptance.test_split import ACCOUNTS, GROUPS, SplitSite
from tests.fakes.anybodys_python import anybodys_python
from tests.fakes.postgresql import running

WHY: Final = ("--reason", "because of the test")
ROLES: Final = ("inspect", "vault", "link", "sshd")

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="becomes other accounts, which takes root"),
    pytest.mark.timeout(700),
    pytest.mark.torture,
]


@dataclass(frozen=True)
class Split:
    """The Department's two nodes and its partner, all at work."""

    north: SplitSite
    south: SplitSite
    la: Site
    shared: Path

    def nodes(self) -> dict[str, Any]:
        return {node["name"]: node for node in self.south.json("nodes")["nodes"]}


@pytest.fixture(scope="module")
def split() -> Iterator[Split]:
    root = Path(tempfile.mkdtemp(prefix="split-nodes-", dir="/var/tmp"))  # where other accounts may pass
    root.chmod(0o711)
    made: list[Site] = []
    try:
        with running() as server:
            server.root.chmod(0o711)  # its socket is for all of the accounts
            try:
                yield from _made(root, server.url, made)
            finally:
                for site in made:
                    if isinstance(site, SplitSite):
                        site.end_all()
                    else:
                        site.stop()
    finally:
        shutil.rmtree(root)


def _made(root: Path, url: str, made: list[Site]) -> Iterator[Split]:
    entry = pwd.getpwnam(ACCOUNTS["inspect"])
    python = anybodys_python(root, entry.pw_uid, entry.pw_gid)
    if python is None:
        pytest.skip("there is no Python of this version that other accounts may run")
    one, la = make_site(root, "DWP"), make_site(root, "E09000030")
    north = SplitSite(one.home.root, one.code, one.port, python)
    north.edit_config("accounts", split=True, **ACCOUNTS, **GROUPS)
    north.edit_config("sftp_server", user=ACCOUNTS["sshd"])
    for site in (north, la):
        site.edit_config("daemon", rescan_seconds=1.0, workers=1)
        site.edit_config("link", retry_base_seconds=0.2, retry_cap_seconds=1.0, endpoint_rest_seconds=5)
    introduce(north, la)
    introduce(la, north)
    north.gateway("rights", "--apply")
    north.gateway("ledger", "copy", "--to", url, *WHY)
    north.edit_config("ledger", url=url)
    # As docs/operators/nodes.md has it for a split site.
    store, shared = root / "store", root / "shared"
    store.mkdir()
    os.chown(store, 0, grp.getgrnam(GROUPS["ledger"]).gr_gid)
    store.chmod(0o2770)
    shared.mkdir()
    os.chown(shared, pwd.getpwnam(ACCOUNTS["inspect"]).pw_uid, grp.getgrnam(GROUPS["operators"]).gr_gid)
    shared.chmod(0o2770)
    north.edit_config("payloads", url=f"file://{store}")
    north.gateway("nodes", "store")
    north.gateway("nodes", "share", shared)
    north.edit_config("node", name="north-1", lease_seconds=10, heartbeat_seconds=1)
    secret, package = root / "passphrase", root / "node.pgp"
    secret.write_text(north.gateway("nodes", "package", "--to", package, *WHY).stdout, encoding="ascii")
    home, port = Home(root / "south"), free_port()
    order: tuple[str | Path, ...] = ("nodes", "join", package, "--node", "south-1", "--passphrase-file", secret)
    done = command("--home", home.root, *order, "--sftp", f"127.0.0.1:{port}", env=ENVIRONMENT)
    assert done.returncode == 0, done.stdout + done.stderr
    south = SplitSite(home.root, "DWP", port, python)
    south.log = root / "south.log"
    north.log = root / "north.log"
    path = la.home.partners_d / "DWP.toml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("[endpoint]\n", f'[endpoint]\nother_addresses = ["127.0.0.1:{port}"]\n'))
    both = Split(north, south, la, shared)
    for site in (north, south):
        made.append(site)
        for role in ROLES:
            site.begin(role)
    made.append(la)
    la.start()
    for site in (north, south):
        wait_until(partial(_have_started, site), 90, "all roles")
    wait_until(lambda: {node["state"] for node in both.nodes().values()} == {"up"} and len(both.nodes()) == 2, 60)
    yield both


def _have_started(site: SplitSite) -> bool:
    return len(site.events("role.started")) >= len(ROLES) or site._any_ended()


def is_receipted(site: SplitSite, name: str) -> bool:
    return [row["state"] for row in site.json("transfers") if row["name"] == name] == ["receipted"]


def drop(site: SplitSite, partner: str, number: int) -> tuple[str, bytes]:
    """As an operator does, who is in the group."""
    name, content = claim(number, seed=83)
    dropped = site.drop("claim", partner, name, content)
    os.chown(dropped, 1, grp.getgrnam(GROUPS["operators"]).gr_gid)
    dropped.chmod(0o640)
    return name, content


def test_files_go_and_come_at_both_nodes_and_every_directory_has_its_rights(split: Split) -> None:
    la = split.la
    for number, site in enumerate((split.north, split.south)):
        name, content = drop(site, la.code, number)
        wait_until(partial(is_receipted, site, name), 150, "the receipt")
        assert la.inbound("claim", "DWP")[name] == content
        receipt = split.shared / "receipts" / "claim" / la.code / f"{name}.receipt.json"
        wait_until(receipt.exists, 60, "the receipt where both nodes see it")
        assert grp.getgrgid(receipt.stat().st_gid).gr_name == GROUPS["operators"]
    about = delivered(split, 1).stat()
    assert (grp.getgrgid(about.st_gid).gr_name, stat.S_IMODE(about.st_mode)) == (GROUPS["operators"], 0o640)
    for site in (split.north, split.south):
        assert [*differences(load(site.home))] == []
        checks = json.loads(site.gateway("doctor", "--json", check=False).stdout)
        assert {each["name"] for each in checks if each["outcome"] == "fail"} <= {"ledger's server"}, checks


def delivered(split: Split, number: int) -> Path:
    """Where the Department finds an outcome that the authority sent."""
    out = split.la.home.root.parent / f"out-{number}"
    split.la.gateway("sample", "outcome", "--to", "DWP", "--count", "1", "--seed", str(number), "--out", out)
    (made,) = out.iterdir()
    split.la.drop("outcome", "DWP", made.name, made.read_bytes())
    path = split.shared / "inbound" / "outcome" / split.la.code / made.name
    wait_until(path.exists, 150, f"{made.name} before the back office")
    return path


@contextmanager
def ended(split: Split) -> Iterator[None]:
    """The first node ends, and works again afterwards: whichever test comes next."""
    split.north.end_all()
    try:
        yield
    finally:
        for role in ROLES:
            split.north.begin(role)
    wait_until(lambda: split.nodes()["north-1"]["state"] == "up", 90, "the node again")


def test_the_other_node_takes_over_what_is_of_every_role(split: Split) -> None:
    south, la = split.south, split.la
    with ended(split):
        wait_until(lambda: split.nodes()["north-1"]["state"] == "gone", 30, "the node to be gone")
        wait_until(lambda: not south.json("nodes")["without"], 60, "all lanes at the other node")
        name, content = drop(south, la.code, 5)
        wait_until(partial(is_receipted, south, name), 150, "the receipt")
        assert la.inbound("claim", "DWP")[name] == content
        assert delivered(split, 2).stat().st_uid == pwd.getpwnam(ACCOUNTS["inspect"]).pw_uid
    south.gateway("audit", "verify", "--deep")
    assert [*differences(load(south.home))] == []
