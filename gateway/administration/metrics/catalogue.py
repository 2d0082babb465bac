"""The metrics: one list, of which the exposition and docs/metrics.md are made.

Names begin with `gateway_` and end with the base unit (seconds, bytes), and `_total` for what only grows, as Prometheus's naming
conventions have it. A label has one of few values: a partner's code, a flow, a state. None ever holds an id, a
file's name or anything that a person wrote. Pure; raises nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from gateway.daemon.pulse import Distribution

OWN: Final = "own"
"""What the label `partner` has where the site itself is meant."""

TRANSFER_BOUNDS: Final = (1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 86400.0, 604800.0)
"""Upper bounds of the classes of how long transfers took, in seconds: up to a week, when they expire."""


class Kind(StrEnum):
    """What kind of metric it is, as Prometheus has them."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


class Label(StrEnum):
    """Everything that may be a label; each has few values, and they are the site's own words."""

    CHANNEL = "channel"
    DIRECTION = "direction"
    EVENT = "event"
    FLOW = "flow"
    KIND = "kind"
    NODE = "node"
    OUTCOME = "outcome"
    PARTNER = "partner"
    ROLE = "role"
    SITE = "site"
    STAGE = "stage"
    STANDING = "standing"
    STATE = "state"
    USE = "use"
    VERSION = "version"


SAYS: Final = {
    Label.CHANNEL: "a channel of `[notify]`: `mail-NAME` or `webhook-NAME`",
    Label.DIRECTION: "`out` or `in`",
    Label.EVENT: "an event of events.md",
    Label.FLOW: "a flow",
    Label.KIND: "`transfer`, `consignment` or `receipt`",
    Label.NODE: "a node of the site, by `[node] name`",
    Label.OUTCOME: "of a wake-up: `given` to another node, `lost` since it could not be given, or `heard` from another",
    Label.PARTNER: f"a partner's code; `{OWN}` for this site itself",
    Label.ROLE: "`inspect`, `vault`, `link`, `metrics` or `notify`",
    Label.SITE: "this site's code",
    Label.STAGE: "a stage of architecture.md",
    Label.STANDING: "a month's: `due`, `received`, `late` or `missing`",
    Label.STATE: "a state of states.md",
    Label.USE: "`openpgp`, or the `old_...` key of the configuration",
    Label.VERSION: "this program's version",
}
"""What each label's values are."""


@dataclass(frozen=True)
class Metric:
    """One metric. `help` is a sentence without a full stop."""

    name: str
    kind: Kind
    help: str
    labels: tuple[Label, ...] = ()


class Sample(NamedTuple):
    """One value of a metric: a number, or for a histogram how its values are distributed; the labels' values in their order."""

    metric: Metric
    labels: tuple[str, ...]
    value: float | Distribution


_LANE: Final = (Label.DIRECTION, Label.PARTNER, Label.FLOW)
_ROLE: Final = (Label.ROLE,)

INFO: Final = Metric("gateway_info", Kind.GAUGE, "Always 1: which site, which version", (Label.SITE, Label.VERSION))
READ_SECONDS: Final = Metric("gateway_read_seconds", Kind.GAUGE, "How long it took to read the figures last")
LEDGER_READABLE: Final = Metric("gateway_ledger_readable", Kind.GAUGE, "1 where the ledger could be read, else 0")
LEDGER_BYTES: Final = Metric("gateway_ledger_bytes", Kind.GAUGE, "Size of the ledger's file")

TRANSFERS: Final = Metric("gateway_transfers", Kind.GAUGE, "Transfers in the ledger, by state", (*_LANE, Label.STATE))
WAITING_BYTES: Final = Metric(
    "gateway_waiting_bytes", Kind.GAUGE, "Bytes of files without a receipt (out) or not delivered yet (in)", _LANE
)
OLDEST_WAITING: Final = Metric(
    "gateway_oldest_waiting_seconds",
    Kind.GAUGE,
    "Age of the oldest file without a receipt (out) or not delivered yet (in)",
    _LANE,
)
UNANSWERED: Final = Metric(
    "gateway_unanswered_transfers",
    Kind.GAUGE,
    "Files that were delivered and that the back office has not answered",
    (Label.PARTNER, Label.FLOW),
)
OLDEST_UNANSWERED: Final = Metric(
    "gateway_oldest_unanswered_seconds",
    Kind.GAUGE,
    "For how long the oldest file that the back office has not answered has been delivered",
    (Label.PARTNER, Label.FLOW),
)
ANSWERS_OVERDUE: Final = Metric(
    "gateway_answers_overdue",
    Kind.GAUGE,
    "Files that the back office has not answered within the days of `answer_days`; of flows that have any",
    (Label.PARTNER, Label.FLOW),
)
TRANSFERRED_BYTES: Final = Metric(
    "gateway_transferred_bytes_total",
    Kind.COUNTER,
    "Bytes of files that arrived, since the metrics role started",
    _LANE,
)
TRANSFER_SECONDS: Final = Metric(
    "gateway_transfer_seconds",
    Kind.HISTOGRAM,
    "How long files took from custody to the verified receipt (out) or from opening to delivery (in)",
    (Label.DIRECTION, Label.FLOW),
)
EVENTS: Final = Metric(
    "gateway_events_total", Kind.COUNTER, "Events of the audit chain, since the metrics role started", (Label.EVENT,)
)

NOTICES: Final = Metric("gateway_notices_total", Kind.COUNTER, "Notices that went through a channel", (Label.CHANNEL,))
NOTICE_FAILURES: Final = Metric(
    "gateway_notice_failures",
    Kind.GAUGE,
    "Failures in a row of a channel that people are told through",
    (Label.CHANNEL,),
)
CONTINUITY: Final = Metric(
    "gateway_continuity_invoked",
    Kind.GAUGE,
    "1 while business continuity is invoked, here or by what a partner signs, else 0",
    (Label.PARTNER,),
)
HELD: Final = Metric("gateway_held", Kind.GAUGE, "What waits for a person's decision", (Label.KIND, Label.PARTNER))
QUARANTINED: Final = Metric("gateway_quarantined", Kind.GAUGE, "What lies in quarantine", (Label.PARTNER,))
RECEIPTS_OVERDUE: Final = Metric(
    "gateway_receipts_overdue", Kind.GAUGE, "Consignments that wait for their receipt for too long", (Label.PARTNER,)
)
LANE_FAILURES: Final = Metric(
    "gateway_lane_failures", Kind.GAUGE, "Failures in a row of the lane to a partner", (Label.PARTNER,)
)
LANE_HELD: Final = Metric(
    "gateway_lane_held", Kind.GAUGE, "1 where nothing goes to the partner before a person has decided", (Label.PARTNER,)
)
FILES_LOST: Final = Metric(
    "gateway_files_lost",
    Kind.GAUGE,
    "What waits since the store of the site's files has lost a file of it, or has other bytes",
    (Label.PARTNER,),
)
ENDPOINTS_FAILING: Final = Metric(
    "gateway_endpoints_failing",
    Kind.GAUGE,
    "Servers of a partner with several that failed when they were tried last",
    (Label.PARTNER,),
)
PARTNER_STOPPED: Final = Metric(
    "gateway_partner_stopped",
    Kind.GAUGE,
    "1 where the gateway works without the partner, for faults of its file",
    (Label.PARTNER,),
)
PARTNER_SUSPENDED: Final = Metric(
    "gateway_partner_suspended", Kind.GAUGE, "1 where a person suspended the partner", (Label.PARTNER,)
)
LANDING_BYTES: Final = Metric(
    "gateway_landing_bytes", Kind.GAUGE, "What lies in a partner's landing and was not taken yet", (Label.PARTNER,)
)
LANDING_FILLED: Final = Metric(
    "gateway_landing_filled_ratio",
    Kind.GAUGE,
    "How much of what may lie in a partner's landing lies there, by bytes or by files, whichever is more; shut out above 1",
    (Label.PARTNER,),
)
CLOCK_SKEW: Final = Metric(
    "gateway_partner_clock_skew_seconds",
    Kind.GAUGE,
    "By how much at least a partner's clock is ahead of ours (below 0: behind), by its last receipt",
    (Label.PARTNER,),
)
EXTRACTS: Final = Metric(
    "gateway_extracts",
    Kind.GAUGE,
    "Months of the last three by how an authority's extract stands; at DWP's site",
    (Label.PARTNER, Label.STANDING),
)

KEY_END: Final = Metric(
    "gateway_key_end_timestamp_seconds",
    Kind.GAUGE,
    "When a key ends, or the overlap with the one before; seconds since 1970",
    (Label.PARTNER, Label.USE),
)
DISK_FREE: Final = Metric("gateway_disk_free_bytes", Kind.GAUGE, "Free for the site's state")
DISK_NEEDED: Final = Metric("gateway_disk_needed_bytes", Kind.GAUGE, "Below so much nothing is taken in")
AUDIT_VERIFIED: Final = Metric(
    "gateway_audit_verified_timestamp_seconds", Kind.GAUGE, "When the last recorded audit ended; seconds since 1970"
)
AUDIT_FAULTS: Final = Metric("gateway_audit_faults", Kind.GAUGE, "Faults that the last recorded audit found")

ROLE_RUNNING: Final = Metric("gateway_role_running", Kind.GAUGE, "1 where a role's process is there", _ROLE)
ROLE_STUCK: Final = Metric("gateway_role_stuck", Kind.GAUGE, "1 where it is there and makes no steps", _ROLE)
ROLE_BEAT: Final = Metric(
    "gateway_role_beat_timestamp_seconds",
    Kind.GAUGE,
    "When a role showed last that it goes on; seconds since 1970",
    _ROLE,
)
ROLE_STARTS: Final = Metric("gateway_role_starts_total", Kind.COUNTER, "Starts of a role, restarts among them", _ROLE)
STAGE_SECONDS: Final = Metric(
    "gateway_stage_seconds",
    Kind.HISTOGRAM,
    "How long a stage's steps took that moved something, since its role started",
    (Label.ROLE, Label.STAGE),
)
STAGE_FAILURES: Final = Metric(
    "gateway_stage_failures_total",
    Kind.COUNTER,
    "Steps that a fault of this machine ended, since the role started",
    (Label.ROLE, Label.STAGE),
)

NODE_UP: Final = Metric(
    "gateway_node_up", Kind.GAUGE, "1 where a node of the site was seen within its lease, by any node", (Label.NODE,)
)
NODE_LANES: Final = Metric("gateway_node_lanes", Kind.GAUGE, "With how many partners a node works", (Label.NODE,))
NODE_VERSION: Final = Metric(
    "gateway_node_info",
    Kind.GAUGE,
    "Always 1, of a node that is up: which version it runs",
    (Label.NODE, Label.VERSION),
)
LANES_WITHOUT_NODE: Final = Metric(
    "gateway_lanes_without_node", Kind.GAUGE, "Partners that no node has worked with for two leases and longer"
)
SITE_WITHOUT_NODE: Final = Metric(
    "gateway_site_without_node", Kind.GAUGE, "1 where no node has had the site's own work for two leases and longer"
)
WAKE_UPS: Final = Metric(
    "gateway_wake_ups_total",
    Kind.COUNTER,
    "Wake-ups between nodes, by this machine's roles, since the role started; the vault hears for all of them",
    (Label.ROLE, Label.OUTCOME),
)
WAKE_UPS_WAITING: Final = Metric(
    "gateway_wake_ups_waiting",
    Kind.GAUGE,
    "Wake-ups that a node which is up has not heard yet, by any node",
    (Label.NODE,),
)
OLDEST_WAKE_UP: Final = Metric(
    "gateway_oldest_wake_up_seconds",
    Kind.GAUGE,
    "For how long the oldest of them has waited; a node that listens hears it within a second",
    (Label.NODE,),
)

METRICS: Final = (
    *(INFO, READ_SECONDS, LEDGER_READABLE, LEDGER_BYTES),
    *(TRANSFERS, WAITING_BYTES, OLDEST_WAITING, TRANSFERRED_BYTES, TRANSFER_SECONDS, EVENTS),
    *(UNANSWERED, OLDEST_UNANSWERED, ANSWERS_OVERDUE),
    *(CONTINUITY, HELD, QUARANTINED, RECEIPTS_OVERDUE, LANE_FAILURES, LANE_HELD, FILES_LOST, ENDPOINTS_FAILING),
    *(PARTNER_STOPPED, PARTNER_SUSPENDED),
    *(LANDING_BYTES, LANDING_FILLED, CLOCK_SKEW, EXTRACTS),
    *(NOTICES, NOTICE_FAILURES),
    *(NODE_UP, NODE_LANES, NODE_VERSION, LANES_WITHOUT_NODE, SITE_WITHOUT_NODE),
    *(WAKE_UPS, WAKE_UPS_WAITING, OLDEST_WAKE_UP),
    *(KEY_END, DISK_FREE, DISK_NEEDED, AUDIT_VERIFIED, AUDIT_FAULTS),
    *(ROLE_RUNNING, ROLE_STUCK, ROLE_BEAT, ROLE_STARTS, STAGE_SECONDS, STAGE_FAILURES),
)
"""All of them, in the order of the page and of the exposition."""
