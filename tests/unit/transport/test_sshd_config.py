from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.errors import ServerFailed
from gateway.transport.keys import make_key_pair
from gateway.transport.sshd.config import (
    ATTRIBUTE_REQUESTS,
    COLLECT_REQUESTS,
    PUSH_REQUESTS,
    render_authorized_keys,
    render_config,
)
from gateway.transport.sshd.machine import chroot_fault, locked_accounts
from gateway.transport.sshd.spec import Account, ServerSpec, check_spec


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    directory = tmp_path_factory.mktemp("keys")
    return make_key_pair(directory / "a").line, make_key_pair(directory / "b").line


@pytest.fixture
def spec(lines: tuple[str, str]) -> ServerSpec:
    return ServerSpec(
        host="127.0.0.1",
        port=2222,
        host_key=Path("/srv/gateway/state/ssh/host_key"),
        directory=Path("/srv/gateway/state/ssh"),
        landing=Path("/srv/gateway/landing"),
        account="gateway",
        accounts=(Account("DWP", lines[0]), Account("E09000030", lines[1])),
    )


def rendered(spec: ServerSpec, *, chrooted: bool = False, pam: bool = False) -> str:
    return render_config(spec, chrooted=chrooted, pam=pam, key_reader="/usr/bin/cat")


def test_a_partner_s_line_binds_its_key_to_its_directory_and_to_sending(
    spec: ServerSpec, lines: tuple[str, str]
) -> None:
    text = render_authorized_keys(spec.accounts, spec.landing)
    requests = "open,write,close,fstat,stat,lstat,rename,realpath,fsync,limits,statvfs"
    assert text.splitlines()[0] == (
        f'restrict,command="internal-sftp -u 0077 -d /srv/gateway/landing/DWP -p {requests}" {lines[0]} DWP'
    )
    assert len(text.splitlines()) == 2


def test_times_and_modes_may_be_asked_for_where_the_kernel_ignores_them_and_nowhere_else(spec: ServerSpec) -> None:
    ignored = render_authorized_keys(spec.accounts, spec.landing, attributes=True)
    assert all(',statvfs,setstat,fsetstat" ' in line for line in ignored.splitlines())
    assert "setstat" not in render_authorized_keys(spec.accounts, spec.landing)


def test_in_the_chroot_the_landing_is_the_root(spec: ServerSpec) -> None:
    assert " -d /DWP " in render_authorized_keys(spec.accounts, Path("/"))


def test_sending_takes_no_right_to_read_list_remove_or_link() -> None:
    assert not set(PUSH_REQUESTS) & {
        "read", "opendir", "readdir", "remove", "mkdir", "rmdir", "symlink", "readlink", "posix-rename", "hardlink",
        "setstat", "fsetstat", "lsetstat", "copy-data", "expand-path", "home-directory", "users-groups-by-id",
    }  # fmt: skip
    assert set(COLLECT_REQUESTS) - set(PUSH_REQUESTS) == {"read", "opendir", "readdir", "remove"}


def test_every_request_is_one_that_the_installed_server_knows() -> None:
    known = subprocess.run(
        ["/usr/lib/openssh/sftp-server", "-Q", "requests"], capture_output=True, text=True, check=True
    ).stdout.split()
    assert {*COLLECT_REQUESTS, *ATTRIBUTE_REQUESTS} <= set(known)


@pytest.mark.parametrize(
    "line",
    [
        "ListenAddress 127.0.0.1:2222",
        "AllowUsers gateway",
        "AuthenticationMethods publickey",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "DisableForwarding yes",
        "PermitTTY no",
        "PermitUserRC no",
        "PermitUserEnvironment no",
        "PermitRootLogin no",
        "UsePAM no",
        "LogLevel VERBOSE",
        "Subsystem sftp /bin/false",
    ],
)
def test_the_server_is_hardened(spec: ServerSpec, line: str) -> None:
    assert line in rendered(spec).splitlines()


def test_no_weak_algorithm_is_offered(spec: ServerSpec) -> None:
    for weak in ("cbc", "3des", "md5", "hmac-sha1", "group14", "group1-", "ssh-rsa", "ssh-dss", "nistp"):
        assert weak not in rendered(spec)


def test_every_mac_is_encrypt_then_mac(spec: ServerSpec) -> None:
    (line,) = [line for line in rendered(spec).splitlines() if line.startswith("MACs ")]
    assert line.split()[1].split(",") == ["hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com"]


def test_ecdsa_counts_only_where_a_partner_has_such_a_key_or_the_site_itself(spec: ServerSpec, tmp_path: Path) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ecdsa", "-b", "384", "-N", "", "-C", "", "-f", str(key)], check=True)
    line = key.with_suffix(".pub").read_text(encoding="ascii").strip()
    known = replace(spec, accounts=(*spec.accounts, Account("W06000024", line)))
    plain = "ssh-ed25519,rsa-sha2-512,rsa-sha2-256"
    assert f"PubkeyAcceptedAlgorithms {plain},ecdsa-sha2-nistp384\n" in rendered(known)
    assert f"HostKeyAlgorithms {plain}\n" in rendered(known)
    kinds = ("ecdsa-sha2-nistp256", "ssh-ed25519")
    served = render_config(spec, chrooted=False, pam=False, key_reader="/usr/bin/cat", host_kinds=kinds)
    assert f"HostKeyAlgorithms {plain},ecdsa-sha2-nistp256\n" in served
    assert f"PubkeyAcceptedAlgorithms {plain}\n" in served


def test_root_gets_in_by_a_bound_command_only(spec: ServerSpec) -> None:
    assert "PermitRootLogin forced-commands-only" in rendered(replace(spec, account="root"))


def test_an_ipv6_address_is_bracketed(spec: ServerSpec) -> None:
    assert "ListenAddress [::1]:2222" in rendered(replace(spec, host="::1"))


def test_an_account_of_its_own_is_shut_into_its_directory(spec: ServerSpec) -> None:
    own = replace(spec.accounts[1], os_account="la-tower", may_collect=True)
    text = rendered(replace(spec, accounts=(spec.accounts[0], own)))
    assert "AllowUsers gateway la-tower" in text
    block = text[text.index("Match User la-tower") :]
    assert 'ChrootDirectory "/srv/gateway/landing/E09000030"' in block
    assert 'AuthorizedKeysCommand /usr/bin/cat "/srv/gateway/state/ssh/authorized_keys.E09000030"' in block
    assert "-d " not in render_authorized_keys([own], None)


def test_percent_signs_in_paths_are_not_tokens(spec: ServerSpec) -> None:
    odd = replace(spec, landing=Path("/srv/100%d/landing"))
    assert 'ChrootDirectory "/srv/100%%d/landing"' in rendered(odd, chrooted=True)
    assert " -d /srv/100%%d/landing/DWP " in render_authorized_keys(odd.accounts, odd.landing)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"host": "127.0.0.1\nPermitRootLogin yes"}, "address"),
        ({"landing": Path("/srv/has blank/landing")}, "blank"),
        ({"landing": Path('/srv/"/landing')}, "path"),
        ({"directory": Path("/srv/new\nline")}, "path"),
        ({"host_key": Path("relative")}, "path"),
    ],
)
def test_a_description_that_cannot_be_served_is_refused(
    spec: ServerSpec, change: dict[str, str | Path], words: str
) -> None:
    with pytest.raises(ServerFailed, match=words):
        check_spec(replace(spec, **change), as_root=True)  # type: ignore[arg-type]  # fields by name


@pytest.mark.parametrize(
    ("change", "as_root", "words"),
    [
        ({"partner": "../etc"}, True, "code"),
        ({"partner": "a b"}, True, "code"),
        ({"may_collect": True}, True, "account of its own"),
        ({"os_account": "la-tower"}, False, "as root"),
        ({"os_account": "la tower"}, True, "account name"),
        ({"os_account": "gateway"}, True, "own account"),
        ({"public_key": "ssh-ed25519 AAAA"}, True, "partner DWP"),
    ],
)
def test_a_partner_that_cannot_be_let_in_is_refused(
    spec: ServerSpec, change: dict[str, str | bool], *, as_root: bool, words: str
) -> None:
    account = replace(spec.accounts[0], **change)  # type: ignore[arg-type]  # fields by name
    with pytest.raises(ServerFailed, match=words):
        check_spec(replace(spec, accounts=(account,)), as_root=as_root)


def test_one_key_for_two_partners_is_refused(spec: ServerSpec, lines: tuple[str, str]) -> None:
    twice = (Account("DWP", lines[0]), Account("E09000030", f"{lines[0]} another comment"))
    with pytest.raises(ServerFailed, match="same SSH key"):
        check_spec(replace(spec, accounts=twice), as_root=False)


def test_a_good_description_passes(spec: ServerSpec) -> None:
    check_spec(spec, as_root=False)


def test_sshd_chroots_below_root_s_own_directories_only(tmp_path: Path) -> None:
    assert chroot_fault(Path("/usr/lib")) is None
    tmp_path.chmod(0o777)
    fault = chroot_fault(tmp_path)
    assert fault is not None
    assert "root" in fault


def test_locked_accounts_are_found_in_a_shadow_file() -> None:
    shadow = "root:!:1:2:3:4:::\ngateway:*:1\nla-tower:!!:1\nopen:$y$j9T$x:1\nother:!:1\nbroken\n"
    assert locked_accounts(shadow, {"root", "gateway", "la-tower", "open", "broken"}) == {"root", "la-tower"}


def test_sshd_itself_accepts_the_configuration(spec: ServerSpec, tmp_path: Path) -> None:
    make_key_pair(tmp_path / "host")
    own = replace(spec.accounts[1], os_account="nobody", may_collect=True)
    real = replace(spec, host_key=tmp_path / "host", accounts=(spec.accounts[0], own))
    config = tmp_path / "sshd_config"
    config.write_text(rendered(real, chrooted=True), encoding="utf-8")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    outcome = subprocess.run(["/usr/sbin/sshd", "-t", "-f", str(config)], capture_output=True, text=True, check=False)
    assert (outcome.returncode, outcome.stderr) == (0, "")
