"""The Debian package: what is in it, and the desk aid's own commands on a machine where systemd runs."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import zstandard

from tests.acceptance.sites import ROOT
from tests.fakes.machine import Machine, NoMachine, machine
from tests.fakes.older_ledger import at_version

PAGE = ROOT / "docs" / "operators" / "installing.md"
SITE = "/var/lib/gateway/site"
WELL = "for second in {{1..60}}; do {} && break; sleep 0.5; done"
"""A machine at work takes its time until all roles are there."""
FUNCTION = 'gw() { runuser -u gateway -- gateway "$@"; }'

pytestmark = [
    pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="takes dpkg-deb"),
    pytest.mark.timeout(400),
]


def commands() -> list[list[str]]:
    """What the page has people type, block by block."""
    blocks = re.findall(r"(?ms)^```\n(.*?)^```$", PAGE.read_text("utf-8"))
    return [block.splitlines() for block in blocks]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from what `make setup` has brought to this machine already: no network is asked."""
    out = tmp_path_factory.mktemp("deb")
    built = subprocess.run(
        [sys.executable, ROOT / "debian" / "build.py", "--out", out],
        capture_output=True,
        text=True,
        check=False,
        env={
            **os.environ,
            "UV_OFFLINE": "1",
            "SOURCE_DATE_EPOCH": "1700000000",
            "PATH": f"{ROOT}/.venv-tools/bin:{os.environ['PATH']}",
        },
    )
    if "network was disabled" in built.stderr:
        pytest.skip("the libraries are not in uv's cache: `make deb` fetches them")
    assert built.returncode == 0, built.stderr
    return Path(built.stdout.strip())


_QUICK = (
    "rm -f /var/lib/man-db/auto-update;"
    'printf \'APT::Get::Assume-Yes "true";\\nAPT::Install-Recommends "false";\\nquiet "2";\\n\' >/etc/apt/apt.conf.d/99test'
)
"""Nobody answers apt here, and the index of manual pages takes longer than the rest."""


@pytest.fixture
def debian(package: Path, tmp_path: Path) -> Iterator[Machine]:
    if os.geteuid() != 0:
        pytest.skip("a machine with a systemd of its own takes root")
    depends = subprocess.run(["dpkg-deb", "-f", package, "Depends"], capture_output=True, text=True, check=True).stdout
    lacking = [
        name
        for name in depends.strip().split(", ")
        if "ok installed"
        not in subprocess.run(["dpkg", "-s", name], capture_output=True, text=True, check=False).stdout
    ]
    if lacking:
        pytest.skip(f"this machine has no Debian package {', '.join(lacking)}")
    try:
        with machine(tmp_path, package.parent) as made:
            made.run(_QUICK)
            yield made
    except NoMachine as error:
        pytest.skip(str(error))


def under_another_version(package: Path, version: str) -> Path:
    """The same package, which says that it is of another version: an ar archive of three members, the second is what says so."""
    content = package.read_bytes()
    start, members = 8, []
    while start < len(content):
        size = int(content[start + 48 : start + 58])
        members.append((content[start : start + 48], content[start + 60 : start + 60 + size]))
        start += 60 + size + size % 2
    control = zstandard.ZstdDecompressor().decompressobj().decompress(members[1][1])
    changed = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(control)) as old, tarfile.open(fileobj=changed, mode="w") as new:
        for member in old:
            file = old.extractfile(member)
            body = b"" if file is None else file.read()
            if member.name == "./control":
                body = re.sub(rb"(?m)^Version: .*$", b"Version: " + version.encode(), body)
                member.size = len(body)
            new.addfile(member, io.BytesIO(body) if member.isreg() else None)
    members[1] = (members[1][0], zstandard.compress(changed.getvalue()))
    made = package.with_name(f"gateway_{version}.deb")
    with made.open("wb") as out:
        out.write(content[:8])
        for header, body in members:
            out.write(header + f"{len(body):<10}`\n".encode() + body + b"\n" * (len(body) % 2))
    return made


def test_the_package_brings_units_pages_completion_and_no_trace_of_where_it_was_built(
    package: Path, tmp_path: Path
) -> None:
    listed = subprocess.run(["dpkg-deb", "-c", package], capture_output=True, text=True, check=True).stdout
    assert {line.split()[1] for line in listed.splitlines()} == {"root/root"}
    names = {line.split()[5].removeprefix("./") for line in listed.splitlines()}
    units = {path.name for path in (ROOT / "systemd").iterdir() if path.suffix in {".service", ".timer", ".target"}}
    assert {f"usr/lib/systemd/system/{name}" for name in units} <= names
    brought = ("README.md", "docs/operators/installing.md", "docs/audit.md", "systemd/nodes/node.conf")
    assert {f"usr/share/doc/gateway/{name}" for name in brought} <= names
    assert (
        "usr/lib/gateway/lib/python{}.{}/site-packages/gateway/_data/schemas/card.schema.json".format(
            *_version(package)
        )
        in names
    )
    assert not any(name.startswith(("etc/", "var/")) for name in names)
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE) as tar:
        wanted = ["./usr/share/man", "./usr/bin", "./usr/lib/gateway/bin", "./usr/lib/gateway/pyvenv.cfg"]
        subprocess.run(["tar", "-x", "-C", tmp_path, *wanted], stdin=tar.stdout, check=True)
    pages = {path.name.removesuffix(".1.gz") for path in (tmp_path / "usr/share/man/man1").iterdir()}
    told = subprocess.run(
        [sys.executable, "-m", "gateway", "--help"], capture_output=True, text=True, check=True
    ).stdout
    assert pages == {"gateway"} | {
        f"gateway-{name}" for name in re.findall(r"(?m)^  ([a-z-]+)  ", told.partition("Commands:")[2])
    }
    if shutil.which("groff"):
        for path in (tmp_path / "usr/share/man/man1").iterdir():
            text = subprocess.run(["gzip", "-dc", path], capture_output=True, check=True).stdout
            complaints = subprocess.run(
                ["groff", "-man", "-Tutf8", "-ww", "-z"], input=text, capture_output=True, check=True
            )
            assert complaints.stderr == b"", path.name
    here = str(ROOT).encode()
    assert not any(
        here in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and not path.is_symlink()
    )


def test_a_version_before_a_release_is_older_than_it_for_debian() -> None:
    script = "import sys; sys.path.insert(0, 'debian'); from build import debian_version; print(*map(debian_version, sys.argv[1:]))"
    versions = ["0.2.0.dev3+g0ff1ce", "0.2.0a1", "0.2.0rc1", "0.2.0", "0.2.0.post1", "0.10.0"]
    told = subprocess.run(
        [sys.executable, "-c", script, *versions], capture_output=True, text=True, check=True, cwd=ROOT
    )
    in_debian = told.stdout.split()
    # Of a release, its development versions are compared by name only: a1 and rc1 come before dev.
    for older, newer in pairwise(in_debian[1:]):
        subprocess.run(["dpkg", "--compare-versions", older, "lt", newer], check=True)
    subprocess.run(["dpkg", "--compare-versions", in_debian[0], "lt", in_debian[3]], check=True)


def _version(package: Path) -> tuple[str, str]:
    depends = subprocess.run(["dpkg-deb", "-f", package, "Depends"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"python(\d+)\.(\d+)", depends)
    assert found is not None
    return found[1], found[2]


def test_the_desk_aid_installs_upgrades_removes_and_purges(package: Path, debian: Machine) -> None:
    install, init, start, upgrade, remove, purge, destroy = commands()

    def do(block: list[str], file: Path = package) -> str:
        """A block of the page, with the file's name and a directory of its own for copies."""
        lines = [re.sub(r"\./gateway_\S+\.deb", f"/mnt/{file.name}", line) for line in block]
        if lines[-1].endswith(" status"):
            lines[-1] = WELL.format(lines[-1])
        return debian.run("\n".join([FUNCTION, *lines])).stdout

    # A fresh package says what is next, and starts nothing.
    assert "gateway init --site CODE" in do(install, under_another_version(package, "0.0.1"))
    assert units(debian, "list-units --state=active,activating") == set()
    assert units(debian, "list-unit-files --state=enabled,masked") == set()
    refused = debian.run("gateway init --site E09000030", check=False)
    assert (refused.returncode, "belongs to another account" in refused.stdout) == (64, True)
    assert f"The site E09000030 is in {SITE}." in do(init)

    # It runs, each unit in its own sandbox, and the shell completes.
    assert "All is well." in do(start)
    completed = debian.run(
        ". /usr/share/bash-completion/completions/gateway; COMP_WORDS=(gateway par); COMP_CWORD=1; _gateway_completion gateway;"
        " echo ${COMPREPLY[@]}"
    )
    assert completed.stdout.strip() == "partner"
    debian.run("systemctl start gateway-audit gateway-retention")
    first = debian.run("systemctl show -P MainPID gateway").stdout

    # Upgraded while it runs; then with a ledger that an older program made.
    assert "All is well." in do(upgrade)
    assert debian.run("ls /var/backups/gateway").stdout.strip()
    debian.run(f"{FUNCTION}; install -d -o gateway -m 700 /srv/copies; gw backup /srv/copies")  # after root has
    assert first != debian.run("systemctl show -P MainPID gateway").stdout
    assert {"gateway.service", "gateway-audit.timer"} <= units(debian, "list-units --state=active")
    at_version(package.parent / "older", "0005")
    ledger = f"{SITE}/state/ledger"
    debian.run(f"systemctl stop gateway; rm {ledger}/*; install -o gateway -m 600 /mnt/older {ledger}/ledger.sqlite3")
    debian.run(f"dpkg -i /mnt/{package.name}; {FUNCTION}; gw audit verify; systemctl start gateway")

    # Removed and purged: the program goes, the site stays.
    do(remove)
    assert units(debian, "list-units --state=active,activating") == set()
    assert debian.run("ls /usr/lib/gateway /usr/bin/gateway", check=False).returncode == 2
    kept = f"cd {SITE}; find . -type f -exec sha256sum {{}} + | sort"
    before = debian.run(kept).stdout
    assert "stays, with its keys" in do(purge)
    assert debian.run(kept).stdout == before != ""
    assert debian.run("ls -d /etc/systemd/system/*.wants/gateway*", check=False).returncode == 2
    do(destroy)
    assert debian.run("ls -d /var/lib/gateway /var/backups/gateway", check=False).returncode == 2


@pytest.mark.torture
def test_a_split_site_is_upgraded_while_it_runs_and_goes_on_after_a_removal(package: Path, debian: Machine) -> None:
    install = f"dpkg -i /mnt/{package.name}"
    debian.run(install)
    debian.run("gateway init --site E09000030 --sftp 0.0.0.0:2222 --split; gateway rights")
    debian.run("systemctl enable --now gateway.target; systemctl start gateway-audit")
    roles = {f"gateway-{role}.service" for role in ("inspect", "vault", "link", "sshd")}
    for step in ("true", install, f"dpkg -r gateway; {install}; systemctl start gateway.target"):
        debian.run(step)
        assert "All is well." in debian.run(WELL.format("gateway status")).stdout
        assert roles <= units(debian, "list-units --state=active"), step
        debian.run("gateway rights")
    # The reference back office, in its unit's own sandbox.
    delivered = f"{SITE}/spool/inbound/claim/DWP"
    debian.run(
        "gateway sample claim --from DWP --to E09000030 --count 2 --out /root/made;"
        f"install -d -o gateway-inspect -g gateway -m 2770 {SITE}/spool/inbound/claim {delivered};"
        f"install -o gateway-inspect -g gateway -m 640 /root/made/* {delivered};"
        "systemctl start gateway-load"
    )
    assert "2 accepted" in debian.run("journalctl -u gateway-load -o cat").stdout
    assert debian.run(f"ls {delivered}").stdout == ""
    told = debian.run(
        "stat -c '%U %a' /var/lib/gateway-load/documents.sqlite3; cd /var/lib/gateway-load; stat -c '%U %a' ."
    )
    assert told.stdout.splitlines() == ["gateway-load 600", "gateway-load 700"]


def units(debian: Machine, question: str) -> set[str]:
    """The gateway's units that systemctl answers with; it fails where there are none."""
    told = debian.run(f"systemctl --plain --no-legend {question} 'gateway*'", check=False).stdout
    return set(re.findall(r"gateway\S*\.\w+", told))
