"""The key agent starts however deep the home lies: around the length at which its socket no longer fits."""

from __future__ import annotations

import os
import pwd
import shutil
import tempfile
from pathlib import Path

import pytest

from gateway.crypto.gnupg.key_agent import KeyAgent


@pytest.mark.parametrize("length", range(82, 100))
def test_agent_starts_in_a_home_whose_path_is_as_long_as(length: int) -> None:
    base = Path(tempfile.mkdtemp(prefix="k", dir="/tmp"))
    try:
        home = base / ("h" * (length - len(str(base)) - 1))
        home.mkdir(mode=0o700)
        agent = KeyAgent(home)
        try:
            agent.ensure()
        finally:
            agent.close()
    finally:
        shutil.rmtree(base)


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a directory to another account, which takes root")
def test_what_root_makes_in_the_home_of_another_account_is_that_accounts() -> None:
    home = Path(tempfile.mkdtemp(prefix="gateway-home-", dir="/tmp"))
    try:
        account = pwd.getpwnam("nobody")
        os.chown(home, account.pw_uid, account.pw_gid)
        agent = KeyAgent(home)
        try:
            agent.ensure()
        finally:
            agent.close()
        made = {path.name: path.stat().st_uid for path in home.glob("agent.*")}
        assert made == dict.fromkeys(("agent.start", "agent.users"), account.pw_uid)
    finally:
        shutil.rmtree(home)
