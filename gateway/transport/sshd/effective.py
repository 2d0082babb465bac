"""The configuration of the managed SFTP server as sshd itself understands it: `sshd -T`, with every default filled in.

Raises ServerFailed where there is no configuration yet, where this account may not read it or the host keys, or where sshd refuses it.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from gateway.errors import ServerFailed
from gateway.transport.sshd.server import sshd_program

_SECONDS: Final = 10.0


def effective_configuration(config_file: Path) -> Mapping[str, str]:
    """Each setting by its name in small letters; the last value of one that may be given several times."""
    command = [sshd_program(), "-T", "-f", str(config_file)]
    try:
        with config_file.open("rb") as opened:
            owner = os.fstat(opened.fileno())
        # As root sshd wants a directory that only Debian's own ssh.service makes; and it is the account's server, not root's.
        as_owner = os.geteuid() == 0 != owner.st_uid
        above = config_file.parent.parent.stat().st_gid  # that of state/, which lets roles pass
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=_SECONDS,
            user=owner.st_uid if as_owner else None,
            group=owner.st_gid if as_owner else None,
            extra_groups=[above] if as_owner else None,
        )
    except FileNotFoundError as error:
        raise ServerFailed("the SFTP server has not run yet") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ServerFailed(
            "this account may not read the SFTP server's configuration, or sshd does not answer"
        ) from error
    if done.returncode != 0:
        raise ServerFailed(f"sshd does not tell its configuration: {' '.join(done.stderr.split())[:200]}")
    return dict(line.split(" ", 1) for line in done.stdout.splitlines() if " " in line)
