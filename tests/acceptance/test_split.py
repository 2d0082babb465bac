"""Each role under an account of its own: the work gets done, and the kernel keeps them apart. Takes root to try.

The accounts are some that every Debian has and nobody uses; nothing is changed about them.
"""

from __future__ import annotations

import grp
import io
import json
import os
import pwd
import shutil
import signal
import sqlite3
import stat
import subprocess
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from gateway.administration.access import writing
from gateway.administration.requests import asking
from gateway.domain.requests import Act
from gateway.logs import configure
from gateway.settings.read import load
from gateway.settings.rights import differences
from tests.acceptance.sites import Site, claim, free_port, introduce, make_site, wait_until
from tests.fakes.anybodys_python import anybodys_python

ACCOUNTS = {
    "inspect": "games",
    "vault": "news",
    "link": "uucp",
    "sshd": "proxy",
    "metrics": "backup",
    "notify": "list",
    "console": "www-data",
}
GROUPS = {
    "roles": "fax",
    "ledger": "voice",
    "plain": "floppy",
    "sealed": "tape",
    "landing": "cdrom",
    "operators": "dip",
}
MEMBERS = {
    "inspect": ("roles", "ledger", "plain", "operators", "console"),
    "vault": ("roles", "ledger", "plain", "sealed"),
    "link": ("roles", "ledger", "sealed", "landing"),
    "sshd": ("roles", "landing"),
    "metrics": ("roles", "ledger"),
    "notify": ("roles", "ledger"),
    "console": ("roles", "ledger"),
}
"""As systemd/gateway.sysusers.conf has it; a test there compares."""
BACK_OFFICE = ("roles", "operators")
"""The groups of the account of gateway-load.service, which is no role's; by the name that it has here:"""
BACK_OFFICE_ACCOUNT = "irc"


def _as(role: str) -> dict[str, Any]:
    """What makes a child process that role's account, with its groups and no others."""
    entry = pwd.getpwnam(ACCOUNTS.get(role, BACK_OFFICE_ACCOUNT))
    groups = [
        grp.getgrnam({**GROUPS, "console": ACCOUNTS["console"]}[name]).gr_gid for name in MEMBERS.get(role, BACK_OFFICE)
    ]
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": groups}


pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="becomes other accounts, which takes root"),
    pytest.mark.timeout(400),  # the first one waits for two sites to be made and to start
]


class SplitSite(Site):
    """A site whose roles are started one by one, each as its own account."""

    def __init__(self, root: Path, code: str, port: int, python: Path) -> None:
        super().__init__(root, code, port)
        self.python = python
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def begin(self, role: str) -> None:
        with self.log.open("ab") as log:
            self.processes[role] = subprocess.Popen(
                [self.python, "-P", "-m", "gateway", "--home", str(self.home.root), "run", "--role", role],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
                cwd="/",
                **_as(role),
            )

    def begin_all(self) -> None:
        for role in ACCOUNTS:
            self.begin(role)
        wait_until(
            lambda: len(self.events("role.started")) >= len(ACCOUNTS) or self._any_ended(), 90, "the start of all roles"
        )

    def _any_ended(self) -> bool:
        ended = {role: process.poll() for role, process in self.processes.items() if process.poll() is not None}
        assert not ended, f"{ended}\n{self.log_text()[-3000:]}"
        return False

    def end_all(self) -> None:
        for process in self.processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        statuses = {role: process.wait(60) for role, process in self.processes.items()}
        self.processes.clear()
        assert not any(statuses.values()), f"{statuses}\n{self.log_text()[-3000:]}"

    def can(self, role: str, actions: list[str]) -> list[bool]:
        """Which of these lines of Python over `home` a process with that role's account and groups can do."""
        script = _ATTEMPTS.format(home=str(self.home.root), actions=actions)
        done = subprocess.run(
            [self.python, "-c", script], capture_output=True, text=True, check=False, cwd="/", **_as(role)
        )
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert isinstance(found, list)
        return found


_ATTEMPTS = """
import json, os
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
home = Path({home!r})
found = []
for action in {actions!r}:
    try:
        exec(action)
    except PermissionError:
        found.append(False)
    else:
        found.append(True)
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[SplitSite, Site]]:
    """DWP, split among accounts, and an authority under one account."""
    root = Path(tempfile.mkdtemp(prefix="split-", dir="/var/tmp"))  # where other accounts may pass, unlike pytest's own
    root.chmod(0o711)
    try:
        entry = pwd.getpwnam(ACCOUNTS["inspect"])
        python = anybodys_python(root, entry.pw_uid, entry.pw_gid)
        if python is None:
            pytest.skip("there is no Python of this version that other accounts may run")
        dwp, la = make_site(root, "DWP"), make_site(root, "E09000030")
        split = SplitSite(dwp.home.root, dwp.code, dwp.port, python)
        split.edit_config("accounts", split=True, **ACCOUNTS, **GROUPS)
        split.edit_config("sftp_server", user=ACCOUNTS["sshd"])
        split.edit_config("metrics", listen=f"127.0.0.1:{free_port()}")
        split.edit_config("console", listen=f"127.0.0.1:{free_port()}")
        mail = {"host": "127.0.0.1", "port": 9, "sender": "gateway@example.gov.uk", "recipients": ["x@example.gov.uk"]}
        split.edit_config("notify.mail.operations", **mail)
        split.edit_config("flows.enquiry", inbound_name="{transfer}{ext}")
        (root / "store").mkdir()
        os.chown(root / "store", 0, grp.getgrnam(GROUPS["ledger"]).gr_gid)
        (root / "store").chmod(0o2770)
        split.edit_config("payloads", url=f"file://{root / 'store'}")
        for site in (split, la):
            site.edit_config("daemon", rescan_seconds=1.0, workers=1)
            site.edit_config("link", retry_base_seconds=0.2, retry_cap_seconds=1.0)
        introduce(split, la)
        introduce(la, split)
        split.gateway("nodes", "store")
        try:
            split.begin_all()
            la.start()
            yield split, la
        finally:
            la.stop()
            split.end_all()
    finally:
        shutil.rmtree(root)


def test_a_stranger_on_the_machine_is_told_that_it_is_not_permitted(pair: tuple[SplitSite, Site]) -> None:
    """Where the configuration is closed to him, as it is made; and where it is open, and the state is not."""
    dwp, la = pair
    nobody = pwd.getpwnam("nobody")

    def ask(*arguments: str) -> tuple[int, str]:
        done = subprocess.run(
            [dwp.python, "-P", "-m", "gateway", "--home", str(la.home.root), *arguments],
            capture_output=True, text=True, check=False, cwd="/",
            user=nobody.pw_uid, group=nobody.pw_gid, extra_groups=[],
        )  # fmt: skip
        return done.returncode, done.stderr

    commands = (("config", "check"), ("doctor",), ("keys", "list"), ("status",), ("card",), ("run", "--until-idle"))
    home = la.home
    paths = (home.root, home.gateway_toml.parent, home.gateway_toml, home.partners_d, *home.partners_d.iterdir())
    opened = {path: path.stat().st_mode for path in paths}
    for closed in (True, False):
        if not closed:
            for path in opened:
                path.chmod(0o755 if path.is_dir() else 0o644)
        for command in commands:
            status, said = ask(*command)
            assert (status, "You may not" in said, "what to do: Run it as" in said) == (77, True, True), (command, said)
    for path, mode in opened.items():
        path.chmod(mode)


def test_claim_goes_out_and_a_receipt_comes_back_with_every_role_under_its_own_account(
    pair: tuple[SplitSite, Site],
) -> None:
    dwp, la = pair
    name, content = claim(0, seed=61)
    dropped = dwp.drop("claim", la.code, name, content)
    os.chown(dropped, 1, grp.getgrnam(GROUPS["operators"]).gr_gid)  # an operator's, open to the group alone
    dropped.chmod(0o640)
    dwp.wait_for(name, "receipted", 90)
    assert la.inbound("claim", "DWP")[name] == content
    receipt = dwp.home.receipts / "claim" / la.code / f"{name}.receipt.json"
    try:
        wait_until(receipt.exists, 60, "the receipt in the spool")
    except AssertionError as error:
        raise AssertionError(f"{error}\n{dwp.log_text()[-6000:]}") from None
    about = receipt.stat()
    assert grp.getgrgid(about.st_gid).gr_name == GROUPS["operators"]
    assert about.st_mode & stat.S_IRGRP
    assert json.loads(dwp.gateway("audit", "verify", "--json").stdout)
    assert list((dwp.home.evidence / la.code).iterdir()), "the signed receipt, which link had collected"
    assert not [row for row in differences(load(dwp.home)) if row.path.is_relative_to(dwp.home.evidence)]
    assert dwp.home.ledger_head.read_text(encoding="ascii")  # whichever role was the last to write
    for role, process in dwp.processes.items():
        assert Path(f"/proc/{process.pid}").stat().st_uid in {0, pwd.getpwnam(ACCOUNTS[role]).pw_uid}
        status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
        assert f"Uid:\t{pwd.getpwnam(ACCOUNTS[role]).pw_uid}\t" in status


def test_metrics_role_sees_the_others_and_the_ledger_from_an_account_of_its_own(pair: tuple[SplitSite, Site]) -> None:
    listen = tomllib.loads(pair[0].home.gateway_toml.read_text(encoding="utf-8"))["metrics"]["listen"]

    def ready() -> bool:
        with closing(HTTPConnection(listen, timeout=30)) as connection:
            connection.request("GET", "/readyz")
            answer = connection.getresponse()
            return (answer.status, b"ledger: ok" in answer.read()) == (200, True)

    wait_until(ready, 60, "readiness")


def test_file_comes_in_and_is_the_back_offices_to_read(pair: tuple[SplitSite, Site]) -> None:
    dwp, la = pair
    la.gateway("sample", "outcome", "--to", "DWP", "--count", "1", "--out", la.home.root.parent / "out")
    (made,) = (la.home.root.parent / "out").iterdir()
    la.drop("outcome", "DWP", made.name, made.read_bytes())
    la.wait_for(made.name, "receipted", 90)
    delivered = dwp.home.inbound / "outcome" / la.code / made.name
    about = delivered.stat()
    assert (grp.getgrgid(about.st_gid).gr_name, stat.S_IMODE(about.st_mode)) == (GROUPS["operators"], 0o640)
    wait_until(lambda: not any(dwp.home.opened.iterdir()), 60, "an empty vault")
    wait_until(lambda: not any((dwp.home.sealed_in / la.code).glob("*.pgp")), 60, "nothing sealed left over")
    # The role that runs sshd has no ledger: link has told the chain who brought it.
    logins = wait_until(lambda: dwp.json("logins", "--partner", la.code), 60, "the log-in in the chain")
    assert (logins[0]["result"], logins[0]["partner"]) == ("accepted", la.code)
    assert {line["role"] for line in dwp.events("logon.accepted")} == {"sshd", "link"}


def test_account_of_inspect_makes_batches_that_operators_may_take_away(pair: tuple[SplitSite, Site]) -> None:
    """As docs/operators/document-systems.md has it for a timer."""
    dwp, la = pair
    text = la.home.root.parent / "text.txt"
    text.write_text("Is it paid?")
    la.gateway("enquiry", "send", "award", "DWP", "--text", text, "--reference", "HBE-61")
    lying = dwp.home.inbound / "enquiry" / la.code
    wait_until(lambda: [*lying.glob("*.xml")], 90, "the enquiry")
    dwp.home.index.mkdir()
    template = dwp.gateway("index", "example", "json").stdout.replace('["laid"]', '["enquiry"]')
    (dwp.home.index / "enquiries.toml").write_text(template)
    dwp.gateway("rights", "--apply")

    def made() -> list[Path]:
        done = subprocess.run(
            [dwp.python, "-P", "-m", "gateway", "--home", str(dwp.home.root), "index", "run", "--once"],
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
            cwd="/",
            **_as("inspect"),
        )
        assert done.returncode == 0, done.stderr
        return [*(dwp.home.batches / "enquiries").glob("*")]

    (batch,) = wait_until(made, 60, "a batch")
    for path, mode in ((batch.parent, 0o2770), (batch, 0o2770), *((file, 0o640) for file in batch.iterdir())):
        about = path.stat()
        assert (grp.getgrgid(about.st_gid).gr_name, stat.S_IMODE(about.st_mode)) == (GROUPS["operators"], mode), path
    assert not any(lying.glob("*.xml"))


def test_wrong_file_comes_back_to_its_operator(pair: tuple[SplitSite, Site]) -> None:
    dwp, la = pair
    name, content = claim(1, seed=61)
    broken = content.replace(b"</", b"<", 1)
    dwp.drop("claim", la.code, f"broken-{name}", broken)
    returned = dwp.home.returned / "claim" / la.code / f"broken-{name}"
    letter = returned.with_name(returned.name + ".why.txt")
    wait_until(lambda: letter.exists() and returned.exists(), 120, "the file with its reason")
    for path in (returned, letter):
        about = path.stat()
        assert (grp.getgrgid(about.st_gid).gr_name, stat.S_IMODE(about.st_mode)) == (GROUPS["operators"], 0o640)
    assert returned.read_bytes() == broken


_RETENTION = """
import sys, time
import gateway.cli.retention as retention
from gateway.cli import main
later = time.time() + 100 * 86400
retention.clock = lambda: later
sys.exit(main(["--home", {home!r}, "retention", "--role", {role!r}]))
"""


def test_each_roles_account_does_its_part_of_retention_and_the_vault_certifies_it(pair: tuple[SplitSite, Site]) -> None:
    dwp, la = pair
    name, content = claim(2, seed=61)
    dwp.drop("claim", la.code, f"old-{name}", content.replace(b"</", b"<", 1))
    letter = dwp.home.returned / "claim" / la.code / f"old-{name}.why.txt"
    wait_until(letter.exists, 120, "the file with its reason")
    for role in ("inspect", "vault"):
        script = _RETENTION.format(home=str(dwp.home.root), role=role)
        done = subprocess.run(
            [dwp.python, "-c", script],
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
            cwd="/",
            **_as(role),
        )
        assert done.returncode == 0, (role, done.stdout + done.stderr)
    assert not letter.exists()
    (certificate,) = dwp.home.disposals.iterdir()
    assert "returned files, removed" in certificate.read_text("ascii")
    assert certificate.stat().st_uid == pwd.getpwnam(ACCOUNTS["vault"]).pw_uid


def test_stranger_in_the_landing_is_quarantined_by_link_and_a_forgery_by_vault(pair: tuple[SplitSite, Site]) -> None:
    dwp, la = pair
    landing = dwp.home.landing_in(la.code)
    identity = "01a200db-25a7-7293-8e54-d4bb0a1b0002"
    for name, mode in (("notes.txt", 0o640), (f"{identity}.pgp", 0o000)):
        path = landing / f".{name}"
        path.write_bytes(b"not a consignment")
        owner = pwd.getpwnam(ACCOUNTS["sshd"])
        os.chown(path, owner.pw_uid, grp.getgrnam(GROUPS["landing"]).gr_gid)
        path.chmod(mode)
        path.rename(landing / name)
    wait_until(lambda: len(dwp.json("quarantine", "list")) >= 2, 90, "two things in quarantine")
    assert {row["code"] for row in dwp.json("quarantine", "list")} == {"landing-unexpected", "envelope-not-openpgp"}


def test_the_back_offices_account_loads_and_answers_and_inspect_takes_the_answer(pair: tuple[SplitSite, Site]) -> None:
    dwp, la = pair
    name, content = claim(3, seed=61)
    inbound = dwp.home.inbound / "claim" / la.code
    store = dwp.home.root.parent / "gateway-load"
    for directory, role, mode in (
        (inbound.parent, "inspect", 0o2770),
        (inbound, "inspect", 0o2770),
        (store, "load", 0o700),
    ):
        directory.mkdir(exist_ok=True)
        group = pwd.getpwnam(BACK_OFFICE_ACCOUNT).pw_gid if role == "load" else grp.getgrnam(GROUPS["operators"]).gr_gid
        os.chown(directory, _as(role)["user"], group)
        directory.chmod(mode)
    hidden = inbound / f".{name}"
    hidden.write_bytes(content)
    os.chown(hidden, _as("inspect")["user"], grp.getgrnam(GROUPS["operators"]).gr_gid)
    hidden.chmod(0o640)
    hidden.rename(inbound / name)
    done = subprocess.run(
        [
            *(dwp.python, "-P", "-m", "gateway", "--home", str(dwp.home.root)),
            *("load", "--once", "--json", "--database", f"sqlite:///{store / 'documents.sqlite3'}"),
        ],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
        cwd="/",
        **_as("load"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["accepted"] == 1
    assert not (inbound / name).exists()
    # Nobody sent that claim: inspect, which has to read the answer and to remove it, gives it back.
    answer = Path("outcomes") / "claim" / la.code / f"{name}.accepted"
    wait_until(lambda: not (dwp.home.spool / answer).exists(), 60, "the answer in the gateway")
    wait_until(lambda: list((dwp.home.returned).rglob(f"{answer.name}*.why.txt")), 60, "its reason")


WALLS = [
    # who, what, whether it can
    ("inspect", "os.listdir(home / 'state/keyrings')", False),
    ("inspect", "(home / 'state/keyrings/own/pubring.kbx').read_bytes()", False),
    ("inspect", "(home / 'state/ssh/client_key').read_bytes()", False),
    ("inspect", "os.listdir(home / 'state/sealed/out')", False),
    ("inspect", "os.listdir(home / 'state/quarantine')", False),
    ("inspect", "os.listdir(home / 'landing')", False),
    ("inspect", "os.listdir(home / 'state/vault/custody')", True),
    ("vault", "os.listdir(home / 'spool/inbound')", False),
    ("vault", "(home / 'spool/outbound/x').write_bytes(b'x')", False),
    ("vault", "(home / 'state/vault/custody/x').write_bytes(b'x')", True),
    ("vault", "(home / 'state/ssh/client_key').read_bytes()", False),
    ("vault", "os.listdir(home / 'landing/E09000030/in')", False),
    ("vault", "os.listdir(home / 'state/keyrings/own/private-keys-v1.d')", True),
    ("link", "os.listdir(home / 'state/keyrings')", False),
    ("link", "os.listdir(home / 'state/vault')", False),
    ("link", "os.listdir(home / 'spool/inbound')", False),
    ("link", "(home / 'state/ssh/host_key').read_bytes()", False),
    ("link", "(home / 'state/sealed/out/x').write_bytes(b'x'); os.unlink(home / 'state/sealed/out/x')", True),
    ("link", "(home / 'state/ssh/client_key').read_bytes()", True),
    ("link", "os.listdir(home / 'state/logins')", True),
    ("link", "os.listdir(home / 'state/sshd')", False),
    *((role, "os.listdir(home / 'state/logins')", False) for role in ("inspect", "vault")),
    ("sshd", "(home / 'state/logins/x').write_bytes(b'x'); os.unlink(home / 'state/logins/x')", True),
    ("sshd", "os.listdir(home / 'state/ledger')", False),
    ("sshd", "os.listdir(home / 'state/vault')", False),
    ("sshd", "os.listdir(home / 'state/keyrings')", False),
    ("sshd", "os.listdir(home / 'state/sealed')", False),
    ("sshd", "os.listdir(home / 'state/run')", False),
    ("sshd", "(home / 'state/ssh/client_key').read_bytes()", False),
    ("sshd", "(home / 'state/ssh/x').write_bytes(b'x')", False),
    ("sshd", "(home / 'state/ssh/host_key').read_bytes()", True),
    *(("metrics", f"os.listdir(home / 'state/{name}')", False) for name in ("keyrings", "vault", "sealed", "evidence")),
    *(("notify", f"os.listdir(home / 'state/{name}')", False) for name in ("keyrings", "vault", "sealed", "evidence")),
    ("notify", "os.listdir(home / 'spool/inbound')", False),
    ("notify", "(home / 'state/ssh/client_key').read_bytes()", False),
    ("notify", "(home / 'state/notify/told.json').read_bytes()", True),
    *((role, "os.listdir(home / 'state/notify')", False) for role in ACCOUNTS if role != "notify"),
    *((role, "os.listdir(home / 'state/triage')", False) for role in ACCOUNTS if role != "inspect"),
    ("inspect", "(home / 'state/triage/triage.secret').read_bytes()", True),
    *((role, "(home / 'state/payload.key').read_bytes()", role in ("inspect", "vault")) for role in ACCOUNTS),
    *((role, "(home / 'state/payload-sealed.key').read_bytes()", role in ("vault", "link")) for role in ACCOUNTS),
    ("sshd", "os.listdir(home.parent / 'store')", False),
    ("metrics", "os.listdir(home / 'spool/inbound')", False),
    *(
        ("console", f"os.listdir(home / 'state/{name}')", False)
        for name in ("keyrings", "vault", "sealed", "evidence", "quarantine", "notify", "logins", "mail")
    ),
    ("console", "os.listdir(home / 'spool/inbound')", False),
    ("console", "(home / 'state/uploads/x').write_bytes(b'x')", True),
    ("console", "os.listdir(home / 'state/shown')", True),
    ("console", "(home / 'state/shown/x').write_bytes(b'x')", False),
    ("inspect", "(home / 'state/uploads/y').write_bytes(b'x'); os.unlink(home / 'state/uploads/y')", True),
    ("inspect", "(home / 'state/shown/x').write_bytes(b'x'); os.unlink(home / 'state/shown/x')", True),
    (
        "vault",
        "x = home / 'state/proofs/x'; x.write_bytes(b'x'); x.chmod(0o640); assert x.stat().st_gid == x.parent.stat().st_gid; x.unlink()",
        True,
    ),
    ("console", "os.listdir(home / 'state/proofs')", True),
    ("console", "(home / 'state/proofs/y').write_bytes(b'x')", False),
    *((role, "os.listdir(home / 'state/proofs')", False) for role in ("link", "sshd", "metrics", "notify", "load")),
    *(
        (role, f"os.listdir(home / 'state/{name}')", False)
        for role in ("vault", "link", "sshd", "metrics", "notify", "load")
        for name in ("uploads", "shown")
    ),
    ("console", "os.listdir(home / 'landing')", False),
    ("console", "(home / 'state/ssh/client_key').read_bytes()", False),
    ("console", "(home / 'state/console/console.db').read_bytes()", True),
    *(
        (role, "os.listdir(home / 'state/console')", False)
        for role in ("inspect", "vault", "link", "sshd", "metrics", "notify")
    ),
    ("metrics", "(home / 'state/ssh/client_key').read_bytes()", False),
    ("metrics", "(home / 'state/ledger/ledger.sqlite3').read_bytes()", True),
    *(
        ("load", f"os.listdir(home / 'state/{name}')", False)
        for name in ("keyrings", "vault", "ledger", "run", "sealed")
    ),
    ("load", "os.listdir(home / 'landing')", False),
    ("load", "(home / 'state/ssh/host_key').read_bytes()", False),
    ("load", "os.listdir(home / 'spool/inbound')", True),
    *((role, "(home / 'config/gateway.toml').write_bytes(b'x')", False) for role in (*ACCOUNTS, "load")),
    *((role, "(home / 'config/gateway.toml').read_bytes()", True) for role in (*ACCOUNTS, "load")),
]


@pytest.mark.parametrize("role", [*ACCOUNTS, "load"])
def test_account_can_do_what_its_role_needs_and_the_kernel_refuses_the_rest(
    pair: tuple[SplitSite, Site], role: str
) -> None:
    expected = {action: can for who, action, can in WALLS if who == role}
    found = pair[0].can(role, list(expected))
    assert dict(zip(expected, found, strict=True)) == expected


def test_role_does_not_start_under_another_account_and_the_whole_gateway_not_at_all(
    pair: tuple[SplitSite, Site],
) -> None:
    dwp, _ = pair
    for role in ACCOUNTS:
        done = dwp.gateway("run", "--role", role, check=False)  # as root
        assert (done.returncode, "wrong-account" in done.stderr) == (78, True), done.stderr
    done = dwp.gateway("run", check=False)
    assert done.returncode == 78
    assert "accounts of their own" in done.stderr


def test_a_link_that_root_makes_is_in_a_database_of_the_consoles_account(pair: tuple[SplitSite, Site]) -> None:
    dwp, _ = pair
    why = ("--reason", "because of the test")
    dwp.gateway("people", "add", "hb1042", "--name", "Invented", "--unit", "Revenues", "--role", "administrator", *why)
    for _ in range(2):
        dwp.gateway("people", "link", "hb1042", *why)
        owner = pwd.getpwnam(ACCOUNTS["console"]).pw_uid
        store = dwp.home.console_store
        assert {(each.stat().st_uid, stat.S_IMODE(each.stat().st_mode)) for each in store.parent.iterdir()} == {
            (owner, 0o600)
        }


def test_nothing_that_was_done_changed_the_rights_and_what_somebody_changes_is_found_and_mended(
    pair: tuple[SplitSite, Site],
) -> None:
    dwp, _ = pair
    settings = load(dwp.home)
    made = dwp.home.outcomes / "scan"
    made.mkdir(exist_ok=True)
    os.chown(made, _as("load")["user"], grp.getgrnam(GROUPS["operators"]).gr_gid)
    made.chmod(0o2770)
    # Roles at work made their locks, pipes and notes, and a back office its directory: `gateway doctor` must not call that a fault.
    assert not [
        row
        for row in differences(settings)
        if row.path.is_dir()
        or row.path.parent in {dwp.home.run, dwp.home.sshd}
        or row.path.is_relative_to(dwp.home.evidence)
    ]
    dwp.home.keyrings.chmod(0o755)
    os.chown(dwp.home.client_key, 0, 0)
    done = dwp.gateway("rights", check=False)
    assert done.returncode == 69
    assert "state/keyrings " in done.stdout
    assert "state/ssh/client_key " in done.stdout
    dwp.gateway("rights", "--apply")
    dwp.gateway("rights")
    assert made.stat().st_uid == _as("load")["user"]
    assert stat.S_IMODE(dwp.home.keyrings.stat().st_mode) == 0o700
    assert dwp.home.client_key.stat().st_uid == pwd.getpwnam(ACCOUNTS["link"]).pw_uid


def test_doctor_asks_the_vaults_account_about_keys_and_finds_changed_rights(pair: tuple[SplitSite, Site]) -> None:
    dwp, _ = pair
    dwp.gateway("rights", "--apply")
    found = {check["name"]: check for check in json.loads(dwp.gateway("doctor", "--json").stdout)}
    assert found["permissions"]["outcome"] == "ok"
    assert "runuser -u news" in found["keys"]["remedy"]
    done = subprocess.run(
        [dwp.python, "-P", "-m", "gateway", "--home", str(dwp.home.root), "doctor", "--json"],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
        cwd="/",
        **_as("vault"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = {check["name"]: check for check in json.loads(done.stdout)}
    assert (found["own key"]["outcome"], found["sealing"]["outcome"]) == ("ok", "ok")
    dwp.home.evidence.chmod(0o755)
    done = dwp.gateway("doctor", "--json", check=False)
    assert done.returncode == 69
    found = {check["name"]: check for check in json.loads(done.stdout)}
    assert "state/evidence" in found["permissions"]["message"]
    dwp.gateway("rights", "--apply")


def test_connection_statement_finds_every_wall_of_every_role(pair: tuple[SplitSite, Site]) -> None:
    told = pair[0].json("statement")
    (walls,) = [each["findings"] for each in told["chapters"] if each["title"].startswith("Walls")]
    found = {each["subject"]: each for each in walls}
    for role in ("inspect", "vault", "link", "metrics", "readers"):
        assert found[role]["standing"] == "met", found[role]
    for role in ("inspect", "vault", "link", "metrics"):
        assert f"user id {pwd.getpwnam(ACCOUNTS[role]).pw_uid};" in found[role]["says"]
    assert found["sshd"]["standing"] == "stated"
    assert f"user id {pwd.getpwnam(ACCOUNTS['sshd']).pw_uid};" in found["sshd"]["says"]
    unmeasured = {each["subject"] for each in told["unmeasured"]}
    assert unmeasured >= {"OpenPGP and SSH keys", "Landlock of sshd"}
    assert "SSH from partners" not in unmeasured, [
        each for each in told["unmeasured"] if "from partners" in each["subject"]
    ]
    assert "keys" not in {each["subject"] for each in told["short"]}


def test_upgrade_makes_a_directory_that_is_new_in_state_and_its_role_starts_with_it(
    pair: tuple[SplitSite, Site],
) -> None:
    dwp, _ = pair
    dwp.end_all()
    for mend in (("doctor", "--migrate", "--reason", "upgrade of the program"), ("rights", "--apply")):
        shutil.rmtree(dwp.home.triage)
        dwp.gateway(*mend, check=False)  # the doctor tells, by its exit status, of whatever else it finds
        about = dwp.home.triage.stat()
        account = pwd.getpwnam(ACCOUNTS["inspect"])
        assert (about.st_uid, about.st_gid) == (account.pw_uid, account.pw_gid)
        assert stat.S_IMODE(about.st_mode) == 0o700
    dwp.gateway("rights")
    dwp.begin("inspect")
    wait_until(dwp.home.triage.joinpath("triage.secret").is_file, 60, "the key of triage")
    started = len(dwp.events("role.started"))
    others = [role for role in ACCOUNTS if role != "inspect"]
    for role in others:
        dwp.begin(role)
    wait_until(lambda: len(dwp.events("role.started")) >= started + len(others), 90, "the start of the others")


def test_vault_verifies_what_it_may_see_and_hands_evidence_to_the_console_alone(pair: tuple[SplitSite, Site]) -> None:
    dwp, la = pair
    name, content = claim(77)
    dwp.drop("claim", la.code, name, content)
    transfer = str(dwp.wait_for(name, "receipted")["id"])
    who = ("--name", "Invented", "--unit", "Audit", "--role", "auditor", "--reason", "because of the test")
    dwp.gateway("people", "add", "au4711", *who)
    settings, asked = load(dwp.home), {}
    log = configure(dwp.code, "console", stream=io.BytesIO(), strict=True)
    with writing(settings, log, "console") as ledger:
        for act, subject in ((Act.VERIFY, "verification"), (Act.EVIDENCE, transfer)):
            asked[act] = asking.ask(settings, ledger, act, subject, "au4711", "because of the test")

    def answers() -> dict[str, dict[str, object]]:
        rows = dwp.json("requests")
        found = {each["id"]: each for each in rows if each["id"] in asked.values()}
        return found if all(each["state"] in ("done", "refused") for each in found.values()) else {}

    told = wait_until(answers, 60, "the answers of the vault")
    assert {each["state"] for each in told.values()} == {"done"}, told
    with closing(sqlite3.connect(dwp.home.ledger)) as database:
        (text,) = database.execute("SELECT detail FROM events WHERE event LIKE 'verification.%'").fetchone()
    assert json.loads(text)["unseen"] == ["infected"]
    read = f"(home / 'state/proofs/{asked[Act.EVIDENCE]}.zip').read_bytes()"
    assert [dwp.can(role, [read]) for role in ("console", "link", "sshd")] == [[True], [False], [False]]
    assert dwp.json("audit", "verify")["unseen"] == [], "root sees all"
