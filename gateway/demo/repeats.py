"""What nobody needs once more: notices that say again what earlier ones said, that a later decision came before, or that are old.

They go as any other file does, and triage has to know each record of them. `counted` asks DWP, which counts them itself and by the
authorities' receipts; it raises DemoFailed where that command fails.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final

from gateway.demo.script import SEED, Act, Ending
from gateway.demo.sites import DWP, DemoSite, gateway
from gateway.sample.contract import Sampler

_INDEX: Final = 970
"""Beyond those of the script and of the second act, so that no two files have one name."""
_OLD: Final = timedelta(days=200)
_COUNTED: Final = ("repeats", "superseded", "out_of_date")
_DAY: Final = re.compile(r"(?<=<DecidedOn>)[-0-9]+")


@dataclass(frozen=True)
class TriageTotals:
    """Of all records that DWP sent: what triage says of them there, what is `told` by the receipts, and `expected` by what was sent."""

    records: int
    known: tuple[int, ...]
    """How many repeat others, are superseded, and are out of date; `told` and `expected` alike."""
    told: tuple[int, ...]
    expected: tuple[int, ...]

    @property
    def ok(self) -> bool:
        """Whether both ends know all that was sent for it, and nothing else."""
        return self.known == self.told == self.expected


def repeats(samplers: Mapping[str, Sampler], authority: str, today: date) -> Iterator[Act]:
    """Three files of notices, to an authority that has had the script's."""
    for number, (first, said, day) in enumerate(
        [
            (0, _in_other_lines, today),
            (1, _decided_the_day_before, today),
            (_INDEX, _in_other_lines, today - _OLD),
        ]
    ):
        sample = samplers["etd"].make(
            sender=DWP,
            recipient=authority,
            index=_INDEX + number,
            random=random.Random(f"{SEED}/etd/{authority}/{first}"),
            today=day,
        )
        content = said(_numbered_anew(sample.content.decode(), number)).encode()
        yield Act("etd", DWP, authority, replace(sample, content=content), Ending.DELIVERED)


def counted(dwp: DemoSite, script: Sequence[Act], again: Sequence[Act]) -> TriageTotals:
    """What `gateway triage report` says at DWP, of what it sent: the `script`, and `again` what `repeats` gives."""
    lines = json.loads(gateway("triage", "report", "--json", home=dwp.home.root))
    out = [line for line in lines if line["direction"] == "out"]
    repeated, superseded, old = map(_records, again)
    repeated += sum(_records(act) for act in script if act.ending is Ending.RELEASED)  # in the same bytes
    return TriageTotals(
        sum(line["records"] for line in out),
        known=tuple(sum(line[name] for line in out) for name in _COUNTED),
        told=tuple(sum(line[f"told_{name}"] for line in out) for name in _COUNTED),
        expected=(repeated, superseded, old),
    )


def _records(act: Act) -> int:
    return max(act.sample.content.count(tag) for tag in (b"<NoticeId>", b"<ClaimReference>"))


def _numbered_anew(text: str, number: int) -> str:
    """The same notices with other numbers: those are their sender's, and say nothing of anybody."""
    text = re.sub(r"(?<=<MessageId>)[^<]+", f"ETD-{DWP}-AGAIN-{number}", text)
    return re.sub(r"(?<=<NoticeId>)N\d+-\d+", f"N000000-99999{number}", text)


def _in_other_lines(text: str) -> str:
    return text.replace("\n", "\n  ")


def _decided_the_day_before(text: str) -> str:
    return _DAY.sub(lambda day: (date.fromisoformat(day[0]) - timedelta(days=1)).isoformat(), text)
