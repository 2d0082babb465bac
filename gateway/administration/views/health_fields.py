"""The fields of a site's health, as `status --json` has them, and of what is looked at for it. Pure; raises nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.administration.views.nodes import NodeView
from gateway.administration.views.records import LaneAlarm, TransferView
from gateway.domain.landing_quota import LandingUsage
from gateway.ledger.queries.endpoints import FailingEndpoint


@dataclass(frozen=True)
class Disk:
    """Bytes that are free for the site's state, and how many it needs to take anything in."""

    free_bytes: int
    needed_bytes: int


@dataclass(frozen=True)
class LastAudit:
    """The audit whose result was kept last: when it ended (None where the record is damaged), from which event on (0 for all),
    how far the chain was without faults, and the faults that were found.
    """

    verified: str | None
    since: int
    events: int
    faults: int


@dataclass(frozen=True)
class LandingHealth:
    """A landing that is nearly full, or from which no more is taken today.

    `filled` is how much of the quota is taken, `shut_out` whether the managed server lets the partner in no more. `limited` says
    that within 24 hours as much was taken from the partner as may be.
    """

    partner: str
    bytes: int
    files: int
    filled: float
    shut_out: bool
    limited: bool


@dataclass(frozen=True)
class HeldUpRole:
    """A stage of a role in which nothing goes on: for how many seconds a fault of the machine, of that code, has put off each of its steps."""

    role: str
    stage: str
    seconds: float
    code: str


@dataclass(frozen=True)
class AwayFrom:
    """What this machine's node does not reach, such as `its store`; for how many seconds; the code of the fault."""

    what: str
    seconds: float
    code: str


@dataclass(frozen=True)
class Machine:
    """What of a site's health is not in its ledger.

    `processes` names the supervisor (`gateway`) and each role, with its process id, or None where it does not run.
    `noted_stopped` are the partners that the running gateway works without. `passed_over` counts files that the spool
    passed over for more than a day, `written_late` those in spool/returned that were written to after they were taken and
    `late_ending` is how their letters end; None where this user may not look. `audit` is None too where none was kept.
    `restored` says that the site was put back from a copy, and does nothing before a person lets it go on. `landings` has what
    lies in those that are not empty, `shut_out` the partners that the managed server does not let in for that. `untold` are
    channels of `[notify]` that have failed again and again. `held_up` are stages of roles that run, in which nothing goes on. `away` is what a node
    does not reach.
    """

    processes: Mapping[str, int | None]
    noted_stopped: frozenset[str]
    passed_over: int | None
    written_late: int | None
    late_ending: str
    disk: Disk
    audit: LastAudit | None = None
    restored: bool = False
    shut_out: frozenset[str] = frozenset()
    landings: Mapping[str, LandingUsage] = field(default_factory=dict)
    untold: tuple[str, ...] = ()
    held_up: tuple[HeldUpRole, ...] = ()
    shared_away: str | None = None
    """That the directory which the nodes share is not mounted here: a sentence without a full stop."""
    away: AwayFrom | None = None


@dataclass(frozen=True)
class LaneHealth:
    """The lane to one partner: open, deferred, held, or stopped or suspended with the partner; how files travel, None of one that is
    stopped; of a partner with several servers those that fail.
    """

    partner: str
    state: str
    failures: int
    next_try: str | None
    code: str | None
    reason: str | None
    waits: tuple[str, ...] = ()
    limit: str | None = None
    alarm: LaneAlarm | None = None
    link: str | None = None
    envelope: str | None = None
    failing: tuple[FailingEndpoint, ...] = ()


@dataclass(frozen=True)
class HeldUnit:
    """What waits for a decision. The id of a receipt is that of its consignment."""

    kind: str
    id: str
    partner: str
    code: str | None
    reason: str | None
    since: str | None


@dataclass(frozen=True)
class StoppedPartner:
    """A partner that the gateway does not work with: the faults of its file, keys or account, or why it is suspended."""

    partner: str
    code: str
    faults: tuple[str, ...]
    suspended: str | None = None


@dataclass(frozen=True)
class EndingKey:
    """A key whose end is near: within `days` days, 0 where it has come."""

    owner: str
    fingerprint: str
    due: str
    days: int
    meaning: str


@dataclass(frozen=True)
class OverdueEnquiry:
    """An enquiry, theirs or ours, that was not answered in time; `says` is a sentence without a full stop."""

    reference: str
    partner: str
    says: str


@dataclass(frozen=True)
class EnquiriesHealth:
    """How many enquiries wait for a reply, and which of them for too long."""

    outstanding: int
    overdue: tuple[OverdueEnquiry, ...]


@dataclass(frozen=True)
class OpenFault:
    """A known fault that is not mended."""

    id: str
    what: str


@dataclass(frozen=True)
class BoardHealth:
    """The open faults on the board that counts here; issue 0 where there is no board."""

    issue: int
    open: tuple[OpenFault, ...]


@dataclass(frozen=True)
class CarriedHealth:
    """What left for a partner on a medium and is not answered: how many consignments, since when, and their waybills' numbers."""

    partner: str
    consignments: int
    since: str
    waybills: tuple[str, ...]


@dataclass(frozen=True)
class PartnerContinuity:
    """A partner whose gateway says that continuity is invoked there: since when, and when somebody there said last how it stands."""

    partner: str
    since: str
    updated: str


@dataclass(frozen=True)
class ContinuityHealth:
    """Business continuity. `since`, `updated` and `reason` are of this site, None where it is not invoked; `told` of `to_tell` people
    on the list were told. `partners` are those at which it is invoked.
    """

    since: str | None
    updated: str | None
    reason: str | None
    told: int
    to_tell: int
    partners: tuple[PartnerContinuity, ...]


@dataclass(frozen=True)
class OverdueAnswers:
    """How many files of a flow from a partner the back office has not answered within the agreed days; since when the oldest waits."""

    flow: str
    partner: str
    number: int
    since: str
    answer_days: int


@dataclass(frozen=True)
class Health:
    """A site's health: the contract of `status --json`. `needs` is what does not go on without a person, `unconfirmed` counts the
    transfers that ended at `sent`, since their partner has no gateway.
    """

    site: str
    healthy: bool
    needs: tuple[str, ...]
    processes: Mapping[str, int | None]
    counts: Mapping[str, Mapping[str, Mapping[str, int]]]
    unconfirmed: int
    due: int
    lanes: tuple[LaneHealth, ...]
    held: tuple[HeldUnit, ...]
    stopped: tuple[StoppedPartner, ...]
    not_reloaded: tuple[str, ...]
    quarantined: int
    proposed: int
    """Requests that wait for a second person."""
    at_machine: int
    """Requests that two people decided, and that wait for a person at the machine."""
    incidents: int
    """Incidents that are open."""
    administrators: int | None
    """Administrators of the console who may do something; None where there has been none."""
    oldest_waiting: TransferView | None
    passed_over: int | None
    written_late: int | None
    keys: tuple[EndingKey, ...]
    enquiries: EnquiriesHealth
    faults: BoardHealth
    disk: Disk
    audit: LastAudit | None
    restored: bool = False
    untold: tuple[str, ...] = ()
    landings: tuple[LandingHealth, ...] = ()
    continuity: ContinuityHealth | None = None
    carried: tuple[CarriedHealth, ...] = ()
    unanswered: tuple[OverdueAnswers, ...] = ()
    nodes: tuple[NodeView, ...] = ()
    lanes_late: tuple[str, ...] = ()
    """Lanes that no node of the site has worked on for two leases and longer."""
    held_up: tuple[HeldUpRole, ...] = ()
    shared_away: str | None = None
    """That the directory which the nodes share is not mounted here: a sentence without a full stop."""
    node: str = ""
    """This machine's node; "" where the gateway works alone."""
    away: AwayFrom | None = None

    @property
    def console_at(self) -> str | None:
        """The other node that serves the site's console, None where it is this one's, or nobody's yet."""
        return next((node.name for node in self.nodes if node.console and node.name != self.node), None)
