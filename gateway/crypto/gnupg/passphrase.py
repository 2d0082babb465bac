"""Encrypting to a passphrase, as `gpg --symmetric` does and `gpg -d` undoes: no key, no agent, nothing of ours in it.

Raises PassphraseWrong, CryptoFailed, EngineMissing. The passphrase goes through a pipe of its own; both texts stay in memory.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from typing import Final

from gateway.crypto.gnupg.gpg_process import child_environment
from gateway.crypto.gnupg.keyrings import not_started
from gateway.errors import CryptoFailed, PassphraseWrong

_SECONDS: Final = 120
_ALWAYS: Final = (
    *(
        "gpg",
        "--no-options",
        "--no-greeting",
        "--batch",
        "--no-autostart",
        "--no-random-seed-file",
        "--no-symkey-cache",
    ),
    *("--pinentry-mode", "loopback"),
)
_HARD_TO_TRY: Final = (
    "--cipher-algo",
    "AES256",
    "--s2k-mode",
    "3",
    "--s2k-digest-algo",
    "SHA512",
    "--s2k-count",
    "65011712",
)
_OPENED: Final = ("BEGIN_DECRYPTION", "PLAINTEXT", "DECRYPTION_OKAY", "GOODMDC")


def encrypt(passphrase: str, plaintext: bytes) -> bytes:
    """The message, binary."""
    done, _ = _run(passphrase, [*_HARD_TO_TRY, "--compress-algo", "none", "--symmetric", "--output", "-"], plaintext)
    if done.returncode != 0 or not done.stdout:
        raise CryptoFailed("GnuPG did not encrypt.")
    return done.stdout


def decrypt(passphrase: str, message: bytes) -> bytes:
    """What was encrypted, whole and as it was; PassphraseWrong where it is not, or the passphrase is another."""
    done, words = _run(passphrase, ["--decrypt", "--output", "-"], message)
    if done.returncode != 0 or any(words.count(word) != 1 for word in _OPENED):
        raise PassphraseWrong
    return done.stdout


def _run(passphrase: str, arguments: list[str], text: bytes) -> tuple[subprocess.CompletedProcess[bytes], list[str]]:
    asked, told = os.pipe()
    try:
        os.write(told, passphrase.encode() + b"\n")  # far less than a pipe holds
        os.close(told)
        with tempfile.TemporaryDirectory() as home, tempfile.TemporaryFile() as status:
            said, given = f"{status.fileno()}", f"{asked}"
            done = subprocess.run(
                [*_ALWAYS, "--homedir", home, "--status-fd", said, "--passphrase-fd", given, *arguments],
                input=text,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=child_environment(),
                pass_fds=(asked, status.fileno()),
                timeout=_SECONDS,
                check=False,
            )
            status.seek(0)
            lines = status.read().decode("ascii", "replace").splitlines()
    except OSError as error:
        raise not_started(error, "GnuPG (gpg)") from error
    except subprocess.TimeoutExpired as error:
        raise CryptoFailed("GnuPG took too long.") from error
    finally:
        os.close(asked)
    return done, [line.split()[1] for line in lines if line.startswith("[GNUPG:] ") and len(line.split()) > 1]
