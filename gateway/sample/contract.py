"""What the gateway asks of a maker of sample files: lifelike, made up, and the same bytes for the same seed.

Samplers raise KeyError for a defect that they do not list, and nothing else. They hold no state, so one object may
serve any number of files.
"""

from __future__ import annotations

import random as randomness
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol, runtime_checkable

from gateway.sample.answers import Match


@dataclass(frozen=True)
class Sample:
    """One made-up file: a name that the spool accepts, its bytes, and the defect that was put in, if any."""

    name: str
    content: bytes
    defect: str | None


class Sampler(Protocol):
    """Makes files of one flow.

    `defects` maps each defect's name to the code by which it must be found: a finding's, or an error's where the
    content itself is in order (`wrong-authority`).
    """

    @property
    def flow(self) -> str: ...

    @property
    def defects(self) -> Mapping[str, str]: ...

    def make(
        self,
        *,
        sender: str,
        recipient: str,
        index: int,
        random: randomness.Random,
        today: date,
        defect: str | None = None,
    ) -> Sample:
        """The file number `index` of a run.

        The authority inside the content is `recipient` where DWP sends (laid, claim, referral, scan, etd) and in a
        redirect, `sender` where an authority sends to DWP (extract, outcome). Every byte follows from the arguments.
        """
        ...


@runtime_checkable
class AnsweringSampler(Protocol):
    """Makes files that answer given matches: what an authority sends about referrals and scan results."""

    @property
    def flow(self) -> str: ...

    @property
    def one_for_all(self) -> bool:
        """Whether one file answers the matches of all documents, or each document has a file of its own."""
        ...

    def answer(
        self, matches: Sequence[Match], *, sender: str, index: int, random: randomness.Random, today: date
    ) -> Sample:
        """The file number `index`, which answers these matches and no others."""
        ...
