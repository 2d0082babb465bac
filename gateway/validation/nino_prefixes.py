"""Which first two letters of a National Insurance number are issued: `schemas/types/1.0/nino-prefixes.tsv`, read.

The table says of each prefix what it is, in which flows a number with it passes, and which source says so; the README
beside it names the sources. Raises ConfigurationInvalid where the file is missing or not of its documented form: that is
a fault of the installation, never of a file that is checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from pathlib import Path
from string import ascii_uppercase
from typing import Final

from gateway.errors import ConfigurationInvalid

_COLUMNS: Final = ["prefix", "status", "passes_in", "source", "meaning"]
_ANY: Final = "*"


class Status(StrEnum):
    """What a prefix is. Every pair of capital letters is exactly one of these."""

    ISSUED = "issued"
    NEVER = "never"
    ADMINISTRATIVE = "administrative"
    TEMPORARY = "temporary"
    TEST = "test"


@dataclass(frozen=True)
class Prefix:
    """A prefix, or all of one letter and `*`. `passes_in` are the flows in which such numbers pass, None stands for all."""

    letters: str
    status: Status
    passes_in: frozenset[str] | None
    source: str
    meaning: str


_UNLISTED: Final = Prefix("**", Status.ISSUED, None, "NIM39110", "all that the table does not name")


@dataclass(frozen=True)
class Prefixes:
    """Every pair of capital letters, with the line of the table that it falls under."""

    table: Mapping[str, Prefix]

    @property
    def test(self) -> str:
        """The prefix of made-up numbers. No number of a living person starts with it."""
        return next(letters for letters, prefix in self.table.items() if prefix.status is Status.TEST)

    def in_flow(self, flow: str, *, allow_test_numbers: bool) -> FlowPrefixes:
        """How numbers are judged in the files of `flow`."""

        def passes(prefix: Prefix) -> bool:
            if prefix.status is Status.TEST:
                return allow_test_numbers
            return prefix.passes_in is None or flow in prefix.passes_in

        return {letters: None if passes(prefix) else prefix.status for letters, prefix in self.table.items()}


FlowPrefixes = Mapping[str, Status | None]
"""Of every pair of capital letters: None where numbers with it pass, otherwise why they do not."""


def load_prefixes(schema_root: Path) -> Prefixes:
    """The table below `schema_root`."""
    path = schema_root / "types" / "1.0" / "nino-prefixes.tsv"
    try:
        header, *lines = path.read_text("utf-8").splitlines()
        listed = [_prefix(line) for line in lines]
    except OSError as error:
        raise ConfigurationInvalid(f"{path}: the table of number prefixes cannot be read.") from error
    except ValueError as error:
        raise ConfigurationInvalid(f"{path}: not a table of number prefixes.") from error
    by_letters = {prefix.letters: prefix for prefix in listed}
    tests = [prefix for prefix in listed if prefix.status is Status.TEST]
    if header.split("\t") != _COLUMNS:
        raise ConfigurationInvalid(f"{path}: the first line does not name the columns of the table.")
    if len(by_letters) != len(listed) or len(tests) != 1 or _ANY in tests[0].letters:
        raise ConfigurationInvalid(f"{path}: a prefix is named twice, or there is not exactly one for tests.")
    return Prefixes(
        {
            first + second: by_letters.get(first + second)
            or by_letters.get(first + _ANY)
            or by_letters.get(_ANY + second)
            or _UNLISTED
            for first, second in product(ascii_uppercase, repeat=2)
        }
    )


def _prefix(line: str) -> Prefix:
    letters, status, flows, source, meaning = line.split("\t")
    if len(letters) != 2 or letters == _ANY * 2 or not set(letters) <= {*ascii_uppercase, _ANY}:
        raise ValueError("a prefix is two capital letters, one of which may be *")
    passes_in = None if flows == "all" else frozenset() if flows == "-" else frozenset(flows.split(","))
    return Prefix(letters, Status(status), passes_in, source, meaning)
