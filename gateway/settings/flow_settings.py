"""What a sysadmin may set for each flow, and how the flows are set where a file says nothing.

Raises pydantic's ValidationError alone, as `model` does.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field

from gateway.settings.naming import check_template
from gateway.settings.values import GIB, KIB, MIB, Amount, Bytes, Days, Hours, Switch, Table, Windows

BULK: Final = 50
"""The priority from which on a flow is bulk: it never shares a consignment with others, and waits for them."""


class FlowSettings(Table):
    """`[flows.NAME]`: the rules of one flow that a sysadmin may change. A lower `priority` goes first.

    `windows` are when its files may be sent, in the site's time zone; without any, always. `inbound_name` makes the names of delivered files (see `naming`), `done_marker` asks for NAME.done beside them.
    `answer_days` is within how many days the back office answers a delivered file, as agreed; 0 where nothing is.
    """

    settle_seconds: Annotated[
        float, Field(ge=0, allow_inf_nan=False, le=86400, description="a number of seconds from 0 to 86400")
    ] = 5.0
    max_bytes: Bytes = 20 * MIB
    expires_hours: Hours = 168.0
    duplicate_days: Amount = 30
    priority: Annotated[int, Field(ge=0, le=100, description="a whole number from 0 to 100")] = 50
    scan: Switch = False
    windows: Windows = ()
    inbound_name: Annotated[
        str,
        AfterValidator(check_template),
        Field(
            description="a file's name in quotes, with {name}, {stem} or {transfer} in it, and perhaps {ext}, {partner}, {flow}, {date}"
        ),
    ] = "{name}"
    done_marker: Switch = False
    answer_days: Days = 0

    @property
    def bulk(self) -> bool:
        return self.priority >= BULK

    @property
    def tolerated_percent(self) -> float:
        """A file travels with exceptions in fewer of its records than so many percent; 0 for none."""
        return 0.0


Exceptions = Annotated[Literal["refuse", "report"], Field(description='one of "refuse" and "report"')]
Percent = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False, description="a number from 0 to 100")]


class RecordsSettings(FlowSettings):
    """`[flows.NAME]` of a flow whose files hold records.

    With `exceptions` = "report" a file travels with faults in fewer of its records than `exceptions_percent`, and with a list
    of them; with "refuse" it comes back.
    """

    exceptions: Exceptions = "refuse"
    exceptions_percent: Percent = 100.0

    @property
    def tolerated_percent(self) -> float:
        return self.exceptions_percent if self.exceptions == "report" else 0.0


class TriagedSettings(RecordsSettings):
    """`[flows.claim]`, `[flows.etd]` and `[flows.referral]`: what came before is known again (docs/formats/triage.md).

    `triage` is about what comes in: "mark" writes NAME.triage.json beside a delivered file and tells the sender, "set-aside" also
    delivers a file of nothing but such records into `repeats`. `triage_sending` is about what goes out. A decision older than
    `current_days` is out of date; 0 lets none be.
    """

    triage: Annotated[
        Literal["mark", "set-aside", "off"], Field(description='one of "mark", "set-aside" and "off"')
    ] = "mark"
    triage_sending: Annotated[Literal["warn", "hold", "off"], Field(description='one of "warn", "hold" and "off"')] = (
        "warn"
    )
    current_days: Amount = 90

    @property
    def triages(self) -> bool:
        """Whether anything is asked of triage."""
        return self.triage != "off" or self.triage_sending != "off"


class ExtractSettings(RecordsSettings):
    """`[flows.extract]`: an extract whose number of records is further from the last one's is held; 0 compares nothing."""

    exceptions: Exceptions = "report"
    exceptions_percent: Percent = 2.0
    volume_band_percent: Amount = 50


class LaidSettings(FlowSettings):
    """`[flows.laid]`: `links` are the kinds of address that a link in a PDF may lead to which a person has to click."""

    links: Annotated[
        tuple[Literal["https", "mailto", "http", "tel"], ...],
        Field(strict=False, description='a list of "https", "mailto", "http" and "tel", such as ["mailto"], or []'),
    ] = ("https", "mailto")


ANSWERED: Final = frozenset({"redirect", "enquiry", "reply", "faults", "statement"})
"""Flows that only another gateway can answer, or reads: they do not go to a partner without one."""

DEFAULT_FLOWS: Final[Mapping[str, FlowSettings]] = MappingProxyType(
    {
        "claim": TriagedSettings(priority=10),
        "etd": TriagedSettings(priority=10),
        "laid": LaidSettings(max_bytes=10 * MIB, priority=20),
        "referral": TriagedSettings(priority=30),
        "outcome": RecordsSettings(priority=30),
        "scan": RecordsSettings(priority=40),
        "redirect": FlowSettings(max_bytes=24 * MIB, priority=40),
        "enquiry": FlowSettings(max_bytes=24 * MIB, priority=30),
        "reply": FlowSettings(max_bytes=24 * MIB, priority=30),
        "faults": FlowSettings(priority=10),
        "statement": FlowSettings(max_bytes=64 * KIB, priority=60),
        "extract": ExtractSettings(settle_seconds=60.0, max_bytes=4 * GIB, priority=90),
    }
)
"""The flows that exist, and their settings where a file says nothing else."""
