"""Made-up boards of known faults. Raises KeyError for a defect that is not in `defects`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import Final

from gateway.domain.known_faults import NO_WORKAROUND, Board, FaultState, KnownFault, write
from gateway.domain.xml_lines import Office
from gateway.sample import people
from gateway.sample.contract import Sample
from gateway.sample.people import day_before
from gateway.sample.xml_defects import apply_defect, defects_of
from gateway.sample.xml_envelope import OFFICES

_KNOWN: Final = (
    ("ETD-{}", "Notices of one run came twice.", "Ignore those with a message id that you have."),
    ("LACI-{}", "Claims taken at home visits lack the tenancy's first day.", "Ask the claimant."),
    ("HBMS-{}", "Referrals of the rule for earnings name a closed claim.", "Answer: already known."),
    ("LAID-{}", "Pages seven and eight are in turned order.", None),
    ("SHBE-{}", "Extracts of more than two gigabytes are receipted late.", "Send before noon."),
)


class FaultsSampler:
    """Documents of the flow `faults`."""

    @property
    def flow(self) -> str:
        return "faults"

    @property
    def defects(self) -> Mapping[str, str]:
        return defects_of(self.flow)

    def make(
        self,
        *,
        sender: str,
        recipient: str,
        index: int,
        random: Random,
        today: date,
        defect: str | None = None,
    ) -> Sample:
        if defect is not None and defect not in self.defects:
            raise KeyError(defect)
        # At least two, so that every defect finds what it needs.
        known = [
            KnownFault(
                name.format(index * 10 + at), what, day_before(random, today, 6, 90), workaround or NO_WORKAROUND
            )
            for at, (name, what, workaround) in enumerate(random.sample(_KNOWN, random.randint(2, len(_KNOWN))))
        ]
        faults = tuple(replace(each, state=random.choice((FaultState.OPEN, *FaultState))) for each in known)
        code, name = random.choice(OFFICES)
        clock = time(random.randint(7, 18), random.randrange(60), random.randrange(60), tzinfo=UTC)
        created = datetime.combine(today, clock)
        text = write(
            Board(random.randint(1, 400), (created - timedelta(days=random.randint(1, 5))).timestamp(), faults),
            f"FLT-{sender}-{today:%y%m%d}-{random.getrandbits(64):016x}",
            Office(code, name, people.telephone(random)),
            created,
            recipient,
        ).decode()
        return apply_defect(f"faults-{today:%Y%m%d}-{index:05d}", text, defect, today)
