"""Partners' own SFTP clients with a real site: each with its defaults uploads a sealed consignment, and the receipt is issued.

A client's exit status has to be 0 as well: a script that is told of an error sends again, or calls somebody. What each needs
is in docs/operators/clients.md. A client that is not installed is skipped, and says so.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import asyncssh
import paramiko
import pycurl
import pytest

from tests.acceptance.reading import rows
from tests.acceptance.sites import Site, claim, free_port, make_site, wait_until
from tests.fakes.forger import Forger, Parcel, Payload

LA = "E09000030"
LONG_AGO = 1_577_836_800.0
SECONDS = 120.0

_numbers = count()


@dataclass(frozen=True)
class Bench:
    """A running site, and a partner that brings its consignments by whatever client it has."""

    la: Site
    dwp: Forger
    directory: Path
    user: str

    @property
    def key(self) -> Path:
        return self.dwp.root / "ssh"

    @property
    def known_hosts(self) -> Path:
        return self.directory / "known_hosts"

    @property
    def host_fingerprint(self) -> str:
        """As `ssh-keygen -l` prints it, without `SHA256:`."""
        blob = base64.b64decode(self.known_hosts.read_text(encoding="ascii").split()[2])
        return base64.b64encode(hashlib.sha256(blob).digest()).decode("ascii").rstrip("=")

    @property
    def landing(self) -> Path:
        return self.la.home.landing_in("DWP")

    def sealed(self) -> tuple[Parcel, Path, Payload]:
        """A consignment, the file that it is in (last changed years ago), and what it carries."""
        name, content = claim(next(_numbers), seed=81)
        payload = Payload(content, f"{next(_numbers)}-{name}")
        parcel = self.dwp.consignment(LA, [payload])
        path = self.directory / parcel.name
        path.write_bytes(parcel.sealed)
        os.utime(path, (LONG_AGO, LONG_AGO))
        return parcel, path, payload

    def assert_received(self, parcel: Parcel, payload: Payload) -> None:
        answer = self.la.home.sealed_out / "DWP" / f"{parcel.id}.receipt.pgp"
        wait_until(answer.exists, SECONDS, f"the receipt of {parcel.id}\n{self.la.log_text()[-3000:]}")
        told = self.dwp.read_receipt(answer.read_bytes())
        assert [item["outcome"] for item in told["items"]] == ["delivered"]
        assert self.la.inbound("claim", "DWP")[payload.name] == payload.content
        assert rows(self.la, "SELECT code FROM quarantine") == []
        assert not list(self.landing.glob(f"{parcel.id}*"))

    def run(self, *command: str | Path, feed: str = "") -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*map(str, command)], input=feed, capture_output=True, text=True, check=False, timeout=SECONDS
        )
        assert done.returncode == 0, (done.args, done.stdout, done.stderr, self.la.log_text()[-3000:])
        return done


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    root = tmp_path_factory.mktemp("clients")
    la, dwp = make_site(root, LA), Forger(root / "DWP", "DWP")
    card = json.loads(dwp.card())
    # Nobody listens there: what the site answers stays where this module can read it.
    card["endpoint"] = {"host": "127.0.0.1", "port": free_port(), "user": "gateway", "path": "in"}
    card["host_key"] = card["ssh_key"]
    path = root / "dwp.card.json"
    path.write_text(json.dumps(card), encoding="utf-8")
    la.gateway("partner", "add", path, "--fingerprint", dwp.fingerprint)
    ours = json.loads(la.gateway("card").stdout)
    dwp.learn(json.dumps(ours))
    (root / "known_hosts").write_text(f"[127.0.0.1]:{la.port} {ours['host_key']}\n", encoding="ascii")
    la.start()
    try:
        yield Bench(la, dwp, root, ours["endpoint"]["user"])
    finally:
        la.stop()
        dwp.close()


# -- the clients: each uploads the file


Upload = Callable[[Bench, Path], None]


def _installed(program: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")


def _openssh(bench: Bench, port: str) -> list[str | Path]:
    options = [f"UserKnownHostsFile={bench.known_hosts}", "IdentitiesOnly=yes", "BatchMode=yes"]
    return ["-F", "none", port, str(bench.la.port), "-i", bench.key, *(part for one in options for part in ("-o", one))]


def sftp_that_keeps_times_and_renames(bench: Bench, path: Path) -> None:
    batch = f"cd in\nput -p {path} {path.name}.part\nrename {path.name}.part {path.name}\n"
    bench.run("sftp", "-b", "-", *_openssh(bench, "-P"), f"{bench.user}@127.0.0.1", feed=batch)


def sftp_under_the_last_name(bench: Bench, path: Path) -> None:
    bench.run("sftp", "-b", "-", *_openssh(bench, "-P"), f"{bench.user}@127.0.0.1", feed=f"put -p {path} in/\n")


def sftp_that_goes_on_where_it_broke_off(bench: Bench, path: Path) -> None:
    half = path.with_name("half")
    half.write_bytes(path.read_bytes()[:1000])
    part = f"in/{path.name}.part"
    batch = f"put {half} {part}\nreput {path} {part}\nrename {part} in/{path.name}\n"
    bench.run("sftp", "-b", "-", *_openssh(bench, "-P"), f"{bench.user}@127.0.0.1", feed=batch)


def scp_that_keeps_times(bench: Bench, path: Path) -> None:
    bench.run("scp", "-p", *_openssh(bench, "-P"), path, f"{bench.user}@127.0.0.1:in/{path.name}")


def curl(bench: Bench, path: Path) -> None:
    _installed("curl")
    version = subprocess.run(["curl", "--version"], capture_output=True, text=True, check=True).stdout
    library = re.search(r"libssh2/(\d+)\.(\d+)", version)
    if " sftp" not in version:
        pytest.skip("this curl knows no SFTP")
    if library is not None and (int(library[1]), int(library[2])) < (1, 11):
        pytest.skip(f"{library[0]}, which this curl is built with, has no encrypt-then-MAC: 1.11 has")
    directory = f"sftp://{bench.user}@127.0.0.1:{bench.la.port}/~/in"
    options: list[str | Path] = [
        "--silent",
        "--show-error",
        "--hostpubsha256",
        bench.host_fingerprint,
        "--key",
        bench.key,
        "--pubkey",
        f"{bench.key}.pub",
    ]
    rename = f"-rename in/{path.name}.part in/{path.name}"
    bench.run("curl", *options, "--upload-file", path, "--quote", rename, f"{directory}/{path.name}.part")


def libcurl_that_makes_directories(bench: Bench, path: Path) -> None:
    """As `curl --ftp-create-dirs`: the library is the same, and newer than Debian's."""
    with path.open("rb") as file, contextlib.closing(pycurl.Curl()) as handle:
        handle.setopt(pycurl.URL, f"sftp://{bench.user}@127.0.0.1:{bench.la.port}/~/in/{path.name}.part")
        handle.setopt(pycurl.SSH_PRIVATE_KEYFILE, str(bench.key))
        handle.setopt(pycurl.SSH_PUBLIC_KEYFILE, f"{bench.key}.pub")
        handle.setopt(pycurl.SSH_KNOWNHOSTS, str(bench.known_hosts))
        handle.setopt(pycurl.FTP_CREATE_MISSING_DIRS, 1)
        handle.setopt(pycurl.UPLOAD, 1)
        handle.setopt(pycurl.READDATA, file)
        handle.setopt(pycurl.POSTQUOTE, [f"rename in/{path.name}.part in/{path.name}"])
        handle.perform()


def _rclone(bench: Bench, *arguments: str | Path) -> None:
    _installed("rclone")
    remote = ["--sftp-host=127.0.0.1", f"--sftp-port={bench.la.port}", f"--sftp-user={bench.user}"]
    remote += [f"--sftp-key-file={bench.key}", f"--sftp-known-hosts-file={bench.known_hosts}"]
    bench.run("rclone", "--config", "/dev/null", "--retries", "1", *remote, *arguments)


def rclone_with_one_file(bench: Bench, path: Path) -> None:
    _rclone(bench, "copyto", path, f":sftp:in/{path.name}")


def rclone_that_moves(bench: Bench, path: Path) -> None:
    _rclone(bench, "moveto", path, f":sftp:in/{path.name}")
    assert not path.exists()


def rclone_with_a_directory(bench: Bench, path: Path) -> None:
    directory = path.with_suffix(".d")
    directory.mkdir()
    shutil.copy2(path, directory / path.name)
    _rclone(bench, "copy", "--no-traverse", directory, ":sftp:in")


def _lftp(bench: Bench, commands: str) -> None:
    _installed("lftp")
    options = " ".join(map(str, _openssh(bench, "-p")))
    settings = f'set net:max-retries 1; set sftp:connect-program "ssh -a -x {options}"'
    # The password is never asked for; without one lftp asks for it all the same.
    bench.run("lftp", "-c", f"{settings}; open -u {bench.user},none sftp://127.0.0.1:{bench.la.port}; {commands}")


def lftp_that_renames(bench: Bench, path: Path) -> None:
    _lftp(bench, f"cd in && put {path} -o {path.name}.part && mv {path.name}.part {path.name}")


def lftp_under_the_last_name(bench: Bench, path: Path) -> None:
    _lftp(bench, f"put -O in {path}")


def lftp_with_a_temporary_name(bench: Bench, path: Path) -> None:
    _lftp(bench, f"set xfer:use-temp-file yes; set xfer:temp-file-name *.part; put -O in {path}")


def _putty(bench: Bench, program: str, *arguments: str | Path, feed: str = "") -> None:
    for each in (program, "puttygen"):
        _installed(each)
    key = bench.directory / "key.ppk"
    bench.run("puttygen", bench.key, "-O", "private", "-o", key)
    options: list[str | Path] = [
        "-batch",
        "-P",
        str(bench.la.port),
        "-i",
        key,
        "-hostkey",
        f"SHA256:{bench.host_fingerprint}",
    ]
    bench.run(program, *options, *arguments, feed=feed)


def psftp_that_renames(bench: Bench, path: Path) -> None:
    """The engine that WinSCP and FileZilla are built on; they themselves have windows."""
    batch = bench.directory / "batch"
    batch.write_text(f"put {path} in/{path.name}.part\nmv in/{path.name}.part in/{path.name}\n", encoding="utf-8")
    _putty(bench, "psftp", "-b", batch, f"{bench.user}@127.0.0.1")


def pscp_that_keeps_times(bench: Bench, path: Path) -> None:
    _putty(bench, "pscp", "-p", path, f"{bench.user}@127.0.0.1:in/{path.name}")


def paramiko_that_sets_times(bench: Bench, path: Path) -> None:
    with contextlib.closing(paramiko.Transport(("127.0.0.1", bench.la.port))) as transport:
        transport.connect(username=bench.user, pkey=paramiko.Ed25519Key.from_private_key_file(str(bench.key)))
        client = paramiko.SFTPClient.from_transport(transport)
        assert client is not None
        client.put(str(path), f"in/{path.name}.part")
        client.utime(f"in/{path.name}.part", (LONG_AGO, LONG_AGO))
        client.chmod(f"in/{path.name}.part", 0o644)
        client.rename(f"in/{path.name}.part", f"in/{path.name}")


def _asyncssh(bench: Bench, upload: Callable[[asyncssh.SFTPClient], Awaitable[None]]) -> None:
    async def work() -> None:
        async with (
            asyncssh.connect(
                "127.0.0.1",
                bench.la.port,
                username=bench.user,
                client_keys=[str(bench.key)],
                known_hosts=str(bench.known_hosts),
                config=None,
            ) as connection,
            connection.start_sftp_client() as client,
        ):
            await upload(client)

    asyncio.run(work())


def asyncssh_that_preserves(bench: Bench, path: Path) -> None:
    async def upload(client: asyncssh.SFTPClient) -> None:
        await client.put(str(path), f"in/{path.name}.part", preserve=True)
        await client.rename(f"in/{path.name}.part", f"in/{path.name}")

    _asyncssh(bench, upload)


def asyncssh_under_the_last_name(bench: Bench, path: Path) -> None:
    async def upload(client: asyncssh.SFTPClient) -> None:
        await client.put(str(path), f"in/{path.name}", preserve=True)

    _asyncssh(bench, upload)


CLIENTS: Sequence[Upload] = (
    sftp_that_keeps_times_and_renames,
    sftp_under_the_last_name,
    sftp_that_goes_on_where_it_broke_off,
    scp_that_keeps_times,
    curl,
    libcurl_that_makes_directories,
    rclone_with_one_file,
    rclone_that_moves,
    rclone_with_a_directory,
    lftp_that_renames,
    lftp_under_the_last_name,
    lftp_with_a_temporary_name,
    psftp_that_renames,
    pscp_that_keeps_times,
    paramiko_that_sets_times,
    asyncssh_that_preserves,
    asyncssh_under_the_last_name,
)


@pytest.mark.parametrize("upload", CLIENTS, ids=lambda upload: upload.__name__)
def test_consignment_of_a_client_with_its_defaults_is_received_and_the_client_is_content(
    bench: Bench, upload: Upload
) -> None:
    parcel, path, payload = bench.sealed()
    upload(bench, path)
    bench.assert_received(parcel, payload)


def test_file_that_is_written_slowly_under_its_last_name_is_taken_when_it_is_closed(bench: Bench) -> None:
    parcel, path, payload = bench.sealed()
    with contextlib.closing(paramiko.Transport(("127.0.0.1", bench.la.port))) as transport:
        transport.connect(username=bench.user, pkey=paramiko.Ed25519Key.from_private_key_file(str(bench.key)))
        client = paramiko.SFTPClient.from_transport(transport)
        assert client is not None
        with client.open(f"in/{path.name}", "w") as slow:
            slow.write(parcel.sealed[:700])
            slow.flush()
            other, other_path, other_payload = bench.sealed()
            asyncssh_that_preserves(bench, other_path)
            bench.assert_received(other, other_payload)  # so the site has looked into the landing meanwhile
            assert (bench.landing / path.name).stat().st_size == 700
            slow.write(parcel.sealed[700:])
        bench.assert_received(parcel, payload)
