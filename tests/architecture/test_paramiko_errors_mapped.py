"""Every exception that the installed paramiko defines has a meaning for the link; a new one fails here first."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator

import paramiko
import pytest

from gateway.errors import Disposition
from gateway.transport import faults
from gateway.transport.faults import MEANING, translate

WINDOWS_ONLY = {"paramiko._winapi", "paramiko.win_openssh", "paramiko.win_pageant"}


def exceptions_of_paramiko() -> Iterator[type[BaseException]]:
    seen: set[type[BaseException]] = set()
    for module in pkgutil.walk_packages(paramiko.__path__, "paramiko."):
        if module.name in WINDOWS_ONLY:
            continue
        for _, cls in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if issubclass(cls, BaseException) and cls.__module__.startswith("paramiko") and cls not in seen:
                seen.add(cls)
                yield cls


@pytest.mark.parametrize("cls", sorted(exceptions_of_paramiko(), key=str))
def test_an_exception_of_paramiko_has_a_meaning(cls: type[BaseException]) -> None:
    assert cls in MEANING, f"put {cls.__module__}.{cls.__qualname__} into gateway.transport.faults.MEANING"


def test_the_walk_finds_paramiko_s_exceptions() -> None:
    found = set(exceptions_of_paramiko())
    assert {paramiko.SSHException, paramiko.BadHostKeyException, paramiko.sftp.SFTPError} <= found
    assert len(found) >= 15


def test_every_meaning_is_to_defer_or_to_hold() -> None:
    assert {meaning.disposition for meaning in MEANING.values()} == {Disposition.DEFER, Disposition.HOLD}


def test_an_exception_that_nobody_mapped_is_a_fault_of_the_program() -> None:
    with pytest.raises(TypeError, match="KeyError"):
        translate(KeyError("x"))


def test_the_wordings_that_tell_cases_apart_are_still_paramiko_s() -> None:
    sources = "".join(
        inspect.getsource(importlib.import_module(f"paramiko.{name}"))
        for name in ("transport", "auth_handler", "channel")
    )
    for _, words, _ in faults._WORDING:
        assert words in sources
