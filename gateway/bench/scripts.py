"""What people write when they need it by Friday: gpg for each file, `sftp`, and gpg at the other end.

Two shell scripts, run as they stand. `batch` seals every file, sends all of them in one session, and opens them; `single`
does each file by itself with a connection of its own. Neither validates, receipts, records, retries, or makes anything
durable; the files are the same, and so are the kinds of key. Raises BenchVoid where a script fails.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.bench.contract import BenchFile, BenchVoid
from gateway.bench.files import names_of
from gateway.bench.server import Server

BATCH: Final = r"""
set -eu
for file in "$OUT"/*; do
    gpg --homedir "$SENDER" --batch --quiet --trust-model always $GPG_OPTIONS \
        --sign --encrypt -r receiver@example.test -o "$SEALED/${file##*/}.pgp" "$file"
done
cd "$SEALED"
for file in *.pgp; do printf 'put "%s"\n' "$file"; done > "$WORK/batch"
sftp -q -b "$WORK/batch" $SFTP_OPTIONS "$HOST" > "$WORK/sftp.log"
for file in "$LANDING"/*.pgp; do
    name=${file##*/}
    gpg --homedir "$RECEIVER" --batch --quiet --trust-model always -o "$IN/${name%.pgp}" --decrypt "$file" 2> "$WORK/gpg.log"
done
"""

SINGLE: Final = r"""
set -eu
for file in "$OUT"/*; do
    name=${file##*/}
    gpg --homedir "$SENDER" --batch --quiet --trust-model always $GPG_OPTIONS \
        --sign --encrypt -r receiver@example.test -o "$SEALED/$name.pgp" "$file"
    printf 'put "%s"\n' "$SEALED/$name.pgp" > "$WORK/batch"
    sftp -q -b "$WORK/batch" $SFTP_OPTIONS "$HOST" > "$WORK/sftp.log"
    gpg --homedir "$RECEIVER" --batch --quiet --trust-model always -o "$IN/$name" \
        --decrypt "$LANDING/$name.pgp" 2> "$WORK/gpg.log"
done
"""


@dataclass(frozen=True)
class Keys:
    """Two people's GnuPG homes that know each other's keys."""

    sender: Path
    receiver: Path


def make_keys(root: Path) -> Keys:
    """Keys of the kind that the gateway makes, without a passphrase, as scripts have them."""
    homes = {who: root / who for who in ("sender", "receiver")}
    for who, home in homes.items():
        home.mkdir(mode=0o700, parents=True)
        address = f"{who}@example.test"
        _gpg(home, "--passphrase", "", "--quick-generate-key", address, "ed25519", "sign", "1y")
        listing = _gpg(home, "--with-colons", "--list-keys", address).decode()
        fingerprint = next(line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr:"))
        _gpg(home, "--passphrase", "", "--quick-add-key", fingerprint, "cv25519", "encr", "1y")
    for who, other in (("sender", "receiver"), ("receiver", "sender")):
        certificate = _gpg(homes[who], "--export", f"{who}@example.test")
        _gpg(homes[other], "--import", stdin=certificate)
    return Keys(homes["sender"], homes["receiver"])


def end_agents(keys: Keys) -> None:
    """End the agents that gpg started for the two homes."""
    for home in (keys.sender, keys.receiver):
        subprocess.run(
            ["gpgconf", "--homedir", str(home), "--kill", "gpg-agent"],
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
        )


def _gpg(home: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    command = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--pinentry-mode", "loopback", *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, check=False)
    if done.returncode != 0:
        raise BenchVoid(f"gpg cannot make the scripts' keys: {done.stderr.decode(errors='replace')[-300:]}")
    return done.stdout


class Script:
    """One of the scripts, as a contestant."""

    def __init__(
        self,
        name: str,
        text: str,
        root: Path,
        server: Server,
        keys: Keys,
        *,
        gpg_options: str = "",
        most_files: int | None = None,
    ) -> None:
        self.name = name
        self.most_files = most_files
        self._text = text
        self._server = server
        self._directories = {key: root / key.lower() for key in ("OUT", "SEALED", "IN", "WORK")}
        options = f"-i {server.key} -P {server.port} -o UserKnownHostsFile={server.known_hosts} -o IdentitiesOnly=yes"
        self._environment = {
            **{key: str(path) for key, path in self._directories.items()},
            "LANDING": str(server.landing),
            "SENDER": str(keys.sender),
            "RECEIVER": str(keys.receiver),
            "GPG_OPTIONS": gpg_options,
            "SFTP_OPTIONS": options,
            "HOST": f"{server.user}@127.0.0.1",
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(root),
            "LC_ALL": "C.UTF-8",
        }

    def prepare(self, files: Sequence[BenchFile]) -> None:
        self.clear()
        for directory in self._directories.values():
            directory.mkdir(parents=True)
        for file in files:
            shutil.copyfile(file.path, self._directories["OUT"] / file.name)

    def carry(self) -> None:
        done = subprocess.run(
            ["/bin/sh", "-c", self._text],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        if done.returncode != 0:
            raise BenchVoid(f"{self.name} failed: {done.stderr.decode(errors='replace')[-300:]}")

    def delivered(self) -> Mapping[str, str]:
        return dict(names_of(self._directories["IN"]))

    def clear(self) -> None:
        for directory in self._directories.values():
            shutil.rmtree(directory, ignore_errors=True)
        for path in self._server.landing.iterdir():
            path.unlink()
