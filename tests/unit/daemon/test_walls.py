"""What a role gives up, tried in a process of its own: from the outside by /proc, from the inside by doing it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.linux.seccomp import refuse_network

ROOT = Path(__file__).parents[3]

_TRIAL = """
import errno, os, resource, socket, subprocess, sys
from pathlib import Path
from gateway.daemon.walls import RoleLimits, confine
from gateway.stages.itinerary import Role
from gateway.settings.home import Home
from gateway.settings.model import *

def settings(**said):
    flows = dict(DEFAULT_FLOWS)
    if said:
        flows["claim"] = FlowSettings(scan=True)
    return Settings(home=Home(Path("/nowhere")), site=Site(code="DWP", name="x"),
        openpgp=OpenPgpSettings(fingerprint="0" * 40), sftp_server=SftpServer(), limits=Limits(), link=LinkSettings(),
        daemon=Daemon(), logs=LogSettings(), validation=Validation(), calendar=Calendar(), antivirus=Antivirus(**said),
        flows=flows, partners={})

def refused(family, kind=socket.SOCK_STREAM):
    try:
        socket.socket(family, kind).close()
    except PermissionError:
        return True
    return False
"""


def tried(script: str) -> str:
    """What a fresh process prints that runs the script after the imports above."""
    done = subprocess.run(
        [sys.executable, "-c", _TRIAL + script],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("role", ["inspect", "vault"])
def test_inspect_and_vault_and_their_children_have_unix_sockets_and_no_others(role: str) -> None:
    said = tried(f"""
print(confine(settings(), Role({role!r}))[0])
print([refused(f) for f in (socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK, socket.AF_PACKET)])
print(refused(socket.AF_INET, socket.SOCK_DGRAM), refused(socket.AF_UNIX))
one, other = socket.socketpair()
print(subprocess.run([sys.executable, "-c", "import socket; socket.socket()"], capture_output=True).returncode)
""")
    assert said.splitlines() == ["no network", "[True, True, True, True]", "True False", "1"]


def test_metrics_answers_at_the_socket_it_had_and_cannot_make_another() -> None:
    said = tried("""
with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as client:
    print(confine(settings(), "metrics")[0])
    client.connect(server.getsockname())
    connection, _ = server.accept()
    connection.sendall(b"figures")
    print(client.recv(100).decode(), refused(socket.AF_INET), refused(socket.AF_INET6))
""")
    assert said.splitlines() == ["no network but the socket that it listens at", "figures True True"]


def test_console_connects_to_the_port_of_its_identity_provider_alone() -> None:
    """Where the kernel has Landlock for ports: the console's role keeps the network, and then shuts all but that port."""
    said = tried('print(confine(settings(), "console")[0], refused(socket.AF_INET))')
    assert said == "no network but the socket that it listens at True"
    said = tried("""
from dataclasses import replace
from gateway.console.role import _connections
from gateway.settings.console import ConsoleSettings
from gateway.settings.identity_provider import IdentityProviderSettings

def reached(server):
    with socket.socket() as client:
        try:
            client.connect(server.getsockname())
        except PermissionError:
            return False
    return True

with socket.create_server(("127.0.0.1", 0)) as provider, socket.create_server(("127.0.0.1", 0)) as other:
    about = IdentityProviderSettings(issuer=f"http://127.0.0.1:{provider.getsockname()[1]}", client_id="gateway")
    site = replace(settings(), console=ConsoleSettings(identity_provider=about))
    print(confine(site, "console")[0])
    (measure,) = _connections(site)
    print("anywhere" in measure or (reached(provider), reached(other)))
""")
    assert said.splitlines()[0] == "network open"
    assert said.splitlines()[1] in ("True", "(True, False)")


def test_link_keeps_the_network() -> None:
    said = tried("print(confine(settings(), Role.LINK)[0], refused(socket.AF_INET))")
    assert said == "network open False"


def test_inspect_keeps_the_network_for_a_scanner_at_an_address_and_vault_does_not() -> None:
    for role, expected in (("inspect", "network open False"), ("vault", "no network True")):
        said = tried(f"print(confine(settings(host='127.0.0.1'), Role({role!r}))[0], refused(socket.AF_INET))")
        assert said == expected


def test_sockets_cannot_be_made_past_the_filter_by_io_uring_or_by_calls_of_another_kind() -> None:
    said = tried("""
import ctypes
confine(settings(), Role.VAULT)
libc = ctypes.CDLL(None, use_errno=True)
for number in (425, 0x40000000 | 41):
    print(libc.syscall(number, 2, 1, 0), ctypes.get_errno() == errno.EPERM)
""")
    assert said.splitlines() == ["-1 True", "-1 True"]


def test_role_has_limits_no_core_dumps_no_new_rights_and_private_files() -> None:
    said = tried("""
confine(settings(), Role.LINK, RoleLimits(memory=1 << 30, files=100, file_bytes=1 << 20))
for name in ("CORE", "AS", "NOFILE", "FSIZE"):
    print(*resource.getrlimit(getattr(resource, "RLIMIT_" + name)))
print("NoNewPrivs:\\t1" in Path("/proc/self/status").read_text(), oct(os.umask(0)))
""")
    assert said.splitlines() == [
        "0 0",
        f"{1 << 30} {1 << 30}",
        "100 100",
        f"{1 << 20} {1 << 20}",
        "True 0o77",
    ]


def test_role_at_its_memory_and_file_limits_gets_errors_and_not_the_machine() -> None:
    said = tried("""
import tempfile
confine(settings(), Role.VAULT, RoleLimits(memory=1 << 30, files=100, file_bytes=1 << 20))
try:
    bytearray(2 << 30)
except MemoryError:
    print("memory")
try:
    with tempfile.TemporaryFile() as file:
        file.write(bytes(2 << 20))
except OSError as error:
    print(errno.errorcode[error.errno])
""")
    assert said.splitlines() == ["memory", "EFBIG"]


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user, which takes root")
def test_process_of_the_same_account_cannot_look_into_a_role() -> None:
    script = """
import ctypes
os.setgroups([]); os.setgid(2); os.setuid(2)
ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # what another program would be, started by that user
for confined in (False, True):
    child = os.fork()
    if child == 0:
        if confined:
            confine(settings(), Role.VAULT)
        os.write(ready, b"!")
        os.read(wait, 1)
        os._exit(0)
    os.read(started, 1)
    try:
        Path(f"/proc/{child}/environ").read_bytes()
        print("open")
    except PermissionError:
        print("closed")
    os.write(go, b"!")
    os.waitpid(child, 0)
"""
    said = tried(f"started, ready = os.pipe(); wait, go = os.pipe()\n{script}")
    assert said.splitlines() == ["open", "closed"]


def test_architecture_whose_calls_are_not_known_is_said_and_not_guessed() -> None:
    assert refuse_network("ppc64le") is False


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become an account with one capability")
@pytest.mark.parametrize(("role", "kept"), [("inspect", "lease"), ("vault", "none"), ("link", "none")])
def test_inspect_alone_keeps_the_right_to_ask_who_has_a_file_open_and_no_program_inherits_it(
    role: str, kept: str
) -> None:
    """As the units start them: an account of its own, with CAP_LEASE in the ambient set."""
    said = tried(f"""
import ctypes, struct
from gateway.storage.writers import may_ask_of_any_file
libc = ctypes.CDLL(None, use_errno=True)
lease = 1 << 28
may_ask_of_any_file()  # loads what this Python may not read any more as another account
assert libc.prctl(8, 1, 0, 0, 0) == 0  # keep capabilities
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
header = ctypes.c_char_p(struct.pack("=Ii", 0x20080522, 0))
assert libc.capset(header, ctypes.c_char_p(struct.pack("=6I", lease, lease, lease, 0, 0, 0))) == 0
assert libc.prctl(47, 2, 28, 0, 0) == 0  # raise it in the ambient set
assert may_ask_of_any_file()
confine(settings(), Role({role!r}))
print("lease" if may_ask_of_any_file() else "none")
status = subprocess.run(["/bin/cat", "/proc/self/status"], capture_output=True, text=True, check=True).stdout
print([line.split()[1] for line in status.splitlines() if line.startswith(("CapPrm", "CapEff", "CapAmb"))])
""")
    assert said.splitlines() == [kept, str(["0" * 16] * 3)]
