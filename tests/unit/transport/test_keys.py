from __future__ import annotations

import base64
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_ssh_public_key
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import CardRefused, DiskFailed
from gateway.transport.keys import make_key_pair, parse_public_key, read_public_key

KEYGEN = shutil.which("ssh-keygen")


def generated(directory: Path, *options: str) -> str:
    assert KEYGEN is not None
    path = directory / "key"
    subprocess.run([KEYGEN, "-q", "-N", "", "-C", "a comment", "-f", str(path), *options], check=True)
    return (directory / "key.pub").read_text(encoding="ascii")


def test_a_made_key_is_openssh_s_with_strict_mode_and_no_passphrase(tmp_path: Path) -> None:
    public = make_key_pair(tmp_path / "key", "gateway E09000030")
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    assert (tmp_path / "key.pub").read_text(encoding="ascii") == f"{public.line} gateway E09000030\n"
    assert KEYGEN is not None
    derived = subprocess.run([KEYGEN, "-y", "-f", str(tmp_path / "key")], capture_output=True, text=True, check=True)
    assert derived.stdout.startswith(public.line)
    shown = subprocess.run([KEYGEN, "-l", "-f", str(tmp_path / "key")], capture_output=True, text=True, check=True)
    assert public.fingerprint in shown.stdout.split()
    assert read_public_key(tmp_path / "key") == public


def test_a_key_in_use_is_never_replaced(tmp_path: Path) -> None:
    public = make_key_pair(tmp_path / "key")
    with pytest.raises(DiskFailed):
        make_key_pair(tmp_path / "key")
    assert read_public_key(tmp_path / "key") == public


def test_no_key_and_a_damaged_key_are_said_so(tmp_path: Path) -> None:
    (tmp_path / "damaged").write_bytes(b"nonsense")
    for name in ("absent", "damaged"):
        with pytest.raises(DiskFailed):
            read_public_key(tmp_path / name)


@pytest.mark.parametrize(
    "options",
    [("-t", "ed25519"), ("-t", "ecdsa", "-b", "256"), ("-t", "ecdsa", "-b", "521"), ("-t", "rsa", "-b", "3072")],
)
def test_accepted_kinds_keep_their_key_and_lose_their_comment(tmp_path: Path, options: tuple[str, ...]) -> None:
    line = generated(tmp_path, *options)
    public = parse_public_key(line)
    assert public.line == " ".join(line.split()[:2])
    assert parse_public_key(public.line) == public
    assert KEYGEN is not None
    shown = subprocess.run([KEYGEN, "-l", "-f", f"{tmp_path}/key.pub"], capture_output=True, text=True, check=True)
    assert public.fingerprint in shown.stdout.split()


def test_short_rsa_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CardRefused, match="fewer than"):
        parse_public_key(generated(tmp_path, "-t", "rsa", "-b", "2048"))


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> str:
    return make_key_pair(tmp_path_factory.mktemp("key") / "key").line


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda line: f'command="/bin/sh" {line}', id="option"),
        pytest.param(lambda line: f"restrict {line}", id="flag"),
        pytest.param(lambda line: f"{line}\n{line}", id="two-lines"),
        pytest.param(lambda line: f"{line} x\nssh-ed25519 AAAA", id="line-in-comment"),
        pytest.param(lambda line: f"{line} \x1b[2J", id="control-character"),
        pytest.param(lambda line: f"{line} é", id="not-ascii"),
        pytest.param(lambda line: line.replace("ssh-ed25519", "ssh-dss"), id="dsa"),
        pytest.param(lambda line: line.replace("ssh-ed25519", "ssh-rsa"), id="another-type-inside"),
        pytest.param(lambda line: line.replace("ssh-ed25519", "sk-ssh-ed25519@openssh.com"), id="security-key"),
        pytest.param(lambda line: line.replace("ssh-ed25519", "ssh-ed25519-cert-v01@openssh.com"), id="certificate"),
        pytest.param(lambda line: line[:-8], id="truncated"),
        pytest.param(lambda line: line + "AAAA", id="longer"),
        pytest.param(lambda line: f"{line} {'x' * 5000}", id="long"),
        pytest.param(lambda _: "", id="empty"),
        pytest.param(lambda _: "ssh-ed25519", id="no-key"),
    ],
)
def test_anything_but_one_plain_key_is_refused(line: str, spoil: object) -> None:
    assert callable(spoil)
    with pytest.raises(CardRefused):
        parse_public_key(spoil(line))


@given(st.text(max_size=200))
def test_no_text_does_anything_but_parse_or_be_refused(text: str) -> None:
    try:
        public = parse_public_key(text)
    except CardRefused:
        return
    assert "\n" not in public.line


_HEAD = b"\0\0\0\x0bssh-ed25519\0\0\0\x20"


@given(
    st.one_of(
        st.binary(min_size=1, max_size=120),
        st.builds(bytes.__add__, st.just(_HEAD), st.binary(min_size=30, max_size=34)),
        st.builds(lambda key, at, byte: key[:at] + byte + key[at + 1 :], st.just(_HEAD + bytes(32)), st.integers(0, 50), st.binary(min_size=1, max_size=2)),
    )
)  # fmt: skip
def test_a_line_of_ed25519_is_judged_as_the_library_judges_it(blob: bytes) -> None:
    line = f"ssh-ed25519 {base64.b64encode(blob).decode()}"
    try:
        load_ssh_public_key(line.encode("ascii"))
    except (ValueError, UnsupportedAlgorithm):
        with pytest.raises(CardRefused):
            parse_public_key(line)
    else:
        assert parse_public_key(line).blob == blob


def test_a_comment_cannot_smuggle_a_line(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="comment"):
        make_key_pair(tmp_path / "key", "x\nssh-ed25519 AAAA")
    assert os.listdir(tmp_path) == []  # noqa: PTH208 -- only the number matters
