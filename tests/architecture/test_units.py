"""The systemd units: they parse, each role's sandbox is as tight as is promised, and they agree with the program.

`systemd-analyze` judges files, so no systemd needs to run here.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from gateway.settings.home import Home
from gateway.settings.model import Accounts
from tests.acceptance.test_split import BACK_OFFICE, MEMBERS

UNITS: Final = Path(__file__).resolve().parents[2] / "systemd"
HOME: Final = Home(Path("/var/lib/gateway/site"))
MOST_EXPOSURE: Final = {
    "inspect": 0.5,
    "vault": 0.5,
    "link": 1.5,
    "sshd": 1.5,
    "metrics": 1.0,
    "notify": 1.2,
    "console": 1.0,
}
FORBIDDEN: Final = {
    "inspect": {
        HOME.payload_sealed_key,
        HOME.console,
        HOME.keyrings,
        HOME.ssh,
        HOME.mail,
        HOME.sshd,
        HOME.logins,
        HOME.sealed_out.parent,
        HOME.notify,
        HOME.console,
        HOME.proofs,
        HOME.evidence,
        HOME.quarantine,
        HOME.landing,
    },
    "vault": {
        *(HOME.spool, HOME.landing, HOME.ssh, HOME.mail, HOME.sshd, HOME.logins, HOME.notify, HOME.console),
        *(HOME.triage, HOME.uploads, HOME.shown),
    },
    "link": {
        *(HOME.spool, HOME.vault, HOME.keyrings, HOME.evidence, HOME.sshd, HOME.notify, HOME.console),
        *(HOME.triage, HOME.uploads, HOME.shown, HOME.proofs, HOME.payload_key),
    },
    "sshd": {
        *(HOME.spool, HOME.vault, HOME.keyrings, HOME.ledger.parent, HOME.sealed_out.parent),
        *(HOME.evidence, HOME.quarantine, HOME.run, HOME.mail, HOME.notify, HOME.console, HOME.triage),
        *(HOME.uploads, HOME.shown, HOME.proofs, HOME.payloads, *HOME.payload_keys),
    },
    "metrics": {
        *(HOME.spool, HOME.landing, HOME.vault, HOME.keyrings, HOME.sealed_out.parent, HOME.quarantine),
        *(HOME.evidence, HOME.exceptions, HOME.ssh, HOME.mail, HOME.sshd, HOME.logins, HOME.notify, HOME.console),
        *(HOME.triage, HOME.uploads, HOME.shown, HOME.proofs, HOME.payloads, *HOME.payload_keys),
    },
    "notify": {
        *(HOME.spool, HOME.landing, HOME.vault, HOME.keyrings, HOME.sealed_out.parent, HOME.quarantine),
        *(HOME.evidence, HOME.exceptions, HOME.ssh, HOME.mail, HOME.sshd, HOME.logins, HOME.console),
        *(HOME.triage, HOME.uploads, HOME.shown, HOME.proofs, HOME.payloads, *HOME.payload_keys),
    },
    "console": {
        *(HOME.spool, HOME.landing, HOME.vault, HOME.keyrings, HOME.sealed_out.parent, HOME.quarantine),
        *(HOME.evidence, HOME.exceptions, HOME.ssh, HOME.mail, HOME.sshd, HOME.logins, HOME.notify),
        *(HOME.triage, HOME.payloads, *HOME.payload_keys),
    },
}

NODES: Final = UNITS / "nodes"
DROP_INS: Final = {
    **dict.fromkeys(
        ("gateway.service", "gateway-audit.service", "gateway-retention.service", "gateway-inspect.service"),
        "node.conf",
    ),
    **dict.fromkeys(("gateway-vault.service", "gateway-link.service"), "node-sealed.conf"),
}
"""The drop-in of each unit that works on files, at a machine that is a node."""

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="takes systemd-analyze")


def lines(role: str, key: str) -> list[str]:
    """The values of a key of a role's unit."""
    text = (UNITS / f"gateway-{role}.service").read_text(encoding="utf-8")
    return re.findall(rf"(?m)^{key}=(.*)$", text)


def exposure(unit: Path) -> float:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", unit], capture_output=True, text=True, check=False, cwd=UNITS
    )
    found = re.search(rf"Overall exposure level for {re.escape(unit.name)}: ([0-9.]+)", done.stdout)
    assert found, done.stdout + done.stderr
    return float(found[1])


@needs_systemd
@pytest.mark.parametrize("role", MOST_EXPOSURE)
def test_exposure_of_a_roles_unit_is_as_low_as_promised(role: str) -> None:
    assert exposure(UNITS / f"gateway-{role}.service") <= MOST_EXPOSURE[role]


@needs_systemd
def test_a_unit_without_its_sandbox_would_be_noticed(tmp_path: Path) -> None:
    loose = tmp_path / "gateway-inspect.service"
    text = (UNITS / loose.name).read_text(encoding="utf-8")
    loose.write_text(text.replace("PrivateNetwork=yes\n", "").replace("IPAddressDeny=any\n", ""), encoding="utf-8")
    assert exposure(loose) > MOST_EXPOSURE["inspect"]


@needs_systemd
def test_systemd_finds_no_fault_with_any_unit(tmp_path: Path) -> None:
    for unit in [path for kind in ("service", "target", "timer") for path in UNITS.glob(f"*.{kind}")]:
        text = unit.read_text(encoding="utf-8").replace("/usr/bin/gateway", "/bin/true")  # it need not be installed
        (tmp_path / unit.name).write_text(text, encoding="utf-8")
    units = sorted(map(str, tmp_path.iterdir()))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True, check=False
    )
    complaints = [line for line in done.stderr.splitlines() if "gateway" in line]
    assert (done.returncode, complaints) == (0, [])


@needs_systemd
@pytest.mark.parametrize("unit", DROP_INS)
def test_a_node_s_drop_in_is_understood_and_takes_no_wall_away(tmp_path: Path, unit: str) -> None:
    text = (UNITS / unit).read_text(encoding="utf-8").replace("/usr/bin/gateway", "/bin/true")
    (tmp_path / unit).write_text(text, encoding="utf-8")
    before = exposure(tmp_path / unit)
    beside = tmp_path / f"{unit}.d"
    beside.mkdir()
    shutil.copyfile(NODES / DROP_INS[unit], beside / "node.conf")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", tmp_path / unit], capture_output=True, text=True, check=False
    )
    assert (done.returncode, [line for line in done.stderr.splitlines() if "gateway" in line or "node" in line]) == (
        0,
        [],
    )
    # Offline, systemd judges one file: the drop-in's lines follow the unit's as they do where it is loaded.
    added = (NODES / DROP_INS[unit]).read_text(encoding="utf-8").partition("[Service]\n")[2]
    (tmp_path / unit).write_text(text.replace("\n[Install]", f"\n{added}\n[Install]"), encoding="utf-8")
    assert exposure(tmp_path / unit) <= before


@needs_systemd
def test_a_drop_in_with_a_word_that_systemd_does_not_know_would_be_noticed(tmp_path: Path) -> None:
    (tmp_path / "gateway.service").write_text("[Service]\nExecStart=/bin/true\n", encoding="utf-8")
    (tmp_path / "gateway.service.d").mkdir()
    wrong = (NODES / "node.conf").read_text(encoding="utf-8").replace("RequiresMountsFor", "RequiresMountFor")
    (tmp_path / "gateway.service.d" / "node.conf").write_text(wrong, encoding="utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", tmp_path / "gateway.service"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "RequiresMountFor" in done.stderr


def test_a_node_s_drop_ins_name_what_a_node_needs_and_the_page_says_where_they_go() -> None:
    page = (UNITS.parent / "docs" / "operators" / "nodes.md").read_text(encoding="utf-8")
    assert {path.name for path in NODES.iterdir()} == set(DROP_INS.values())
    for name in set(DROP_INS.values()):
        text = (NODES / name).read_text(encoding="utf-8")
        (mounts,), (written,) = (
            re.findall(rf"(?m)^{key}=(.*)$", text) for key in ("RequiresMountsFor", "ReadWritePaths")
        )
        assert mounts == written
        assert {"network-online.target", "postgresql.service"} <= set(re.findall(r"(?m)^After=(.*)$", text))
        assert f"systemd/nodes/{name}" in page
        assert all(unit in text for unit, own in DROP_INS.items() if own == name)


@pytest.mark.parametrize("role", MOST_EXPOSURE)
def test_unit_runs_its_role_under_the_account_that_the_configuration_names_by_default(role: str) -> None:
    account = Accounts().of(role)
    assert (lines(role, "User"), lines(role, "Group")) == ([account], [account])
    assert lines(role, "ExecStart") == [f"/usr/bin/gateway run --role {role}"]
    assert lines(role, "Environment") == [f"GATEWAY_HOME={HOME.root}"]


@pytest.mark.parametrize("role", MOST_EXPOSURE)
def test_unit_hides_from_its_role_what_is_another_roles(role: str) -> None:
    assert set(lines(role, "InaccessiblePaths")) == {f"-{path}" for path in FORBIDDEN[role]}


def test_sysusers_make_the_accounts_and_groups_that_the_configuration_names_by_default() -> None:
    text = (UNITS / "gateway.sysusers.conf").read_text(encoding="utf-8")
    us = Accounts()
    assert set(re.findall(r"(?m)^u (\S+) ", text)) == {us.of(role) for role in MEMBERS} | {
        us.operators,
        *lines("load", "User"),
    }
    memberships = set(re.findall(r"(?m)^m (\S+) (\S+)$", text))
    assert memberships == {
        *((us.of(role), getattr(us, name)) for role, names in MEMBERS.items() for name in names),
        *((account, getattr(us, name)) for account in lines("load", "User") for name in BACK_OFFICE),
    }
    # An account's group is made with it.
    assert set(re.findall(r"(?m)^g (\S+) ", text)) == {group for _, group in memberships} - {us.operators, us.console}


@pytest.mark.skipif(shutil.which("systemd-sysusers") is None, reason="takes systemd-sysusers")
def test_systemd_takes_the_sysusers_file(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    done = subprocess.run(
        ["systemd-sysusers", f"--root={tmp_path}", UNITS / "gateway.sysusers.conf"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    groups = (tmp_path / "etc" / "group").read_text(encoding="utf-8")
    assert re.search(r"(?m)^gateway-sealed:x:\d+:(gateway-vault,gateway-link|gateway-link,gateway-vault)$", groups)
    assert "gateway-inspect:x:" in (tmp_path / "etc" / "passwd").read_text(encoding="utf-8")


# -- the nightly audit


@needs_systemd
def test_exposure_of_the_nightly_audit_is_as_low_as_promised() -> None:
    assert exposure(UNITS / "gateway-audit.service") <= MOST_EXPOSURE["link"]


def test_the_nightly_audit_records_what_it_finds_and_sees_neither_keys_nor_the_spool() -> None:
    assert lines("audit", "ExecStart") == ["/usr/bin/gateway audit verify --record"]
    assert lines("audit", "Environment") == [f"GATEWAY_HOME={HOME.root}"]
    for name in ("audit", "backup", "retention", "load"):  # wherever the ledger is: it may be no file of this machine
        assert lines(name, "ConditionPathExists") == [str(HOME.gateway_toml)]
    assert lines("audit", "ReadWritePaths") == [str(HOME.state)]
    hidden = {
        HOME.spool,
        HOME.landing,
        HOME.keyrings,
        HOME.ssh,
        HOME.mail,
        HOME.sshd,
        HOME.logins,
        HOME.notify,
        HOME.triage,
        HOME.console,
        HOME.uploads,
        HOME.shown,
        HOME.proofs,
    }
    assert set(lines("audit", "InaccessiblePaths")) == {f"-{path}" for path in hidden}


@needs_systemd
def test_exposure_of_the_daily_retention_is_as_low_as_promised() -> None:
    assert exposure(UNITS / "gateway-retention.service") <= MOST_EXPOSURE["link"]


def test_the_daily_retention_sees_neither_the_landing_nor_the_keys_of_ssh() -> None:
    assert lines("retention", "ExecStart") == ["/usr/bin/gateway retention"]
    assert lines("retention", "Environment") == [f"GATEWAY_HOME={HOME.root}"]
    assert lines("retention", "ReadWritePaths") == [f"{HOME.state} {HOME.spool}"]
    assert set(lines("retention", "InaccessiblePaths")) == {
        f"-{path}"
        for path in (
            *(HOME.landing, HOME.ssh, HOME.mail, HOME.sshd, HOME.logins, HOME.notify, HOME.triage),
            *(HOME.console, HOME.uploads, HOME.shown, HOME.proofs),
        )
    }


@needs_systemd
def test_exposure_of_the_reference_back_office_is_as_low_as_promised() -> None:
    assert exposure(UNITS / "gateway-load.service") <= MOST_EXPOSURE["inspect"]


def test_the_reference_back_office_is_no_role_and_sees_two_directories_of_the_spool() -> None:
    (account,) = lines("load", "User")
    assert account not in Accounts().model_dump().values()
    assert lines("load", "Environment") == [f"GATEWAY_HOME={HOME.root}"]
    (command,), (store,) = lines("load", "ExecStart"), lines("load", "StateDirectory")
    assert command == f"/usr/bin/gateway load --once --database sqlite:////var/lib/{store}/documents.sqlite3"
    assert set(lines("load", "ReadWritePaths")) == {str(HOME.inbound), str(HOME.outcomes)}
    hidden = {HOME.state, HOME.landing, HOME.outbound, HOME.returned, HOME.receipts, HOME.put_aside}
    assert set(lines("load", "InaccessiblePaths")) == {f"-{path}" for path in hidden}


@needs_systemd
@pytest.mark.parametrize("name", ["audit", "retention", "load"])
def test_each_timer_has_a_time_that_systemd_knows(name: str) -> None:
    timer = (UNITS / f"gateway-{name}.timer").read_text(encoding="utf-8")
    (when,) = re.findall(r"(?m)^OnCalendar=(.*)$", timer)
    done = subprocess.run(["systemd-analyze", "calendar", when], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
