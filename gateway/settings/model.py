"""What a site and its partners are configured to be: frozen, strict models, one for each table of the files.

Raises pydantic's ValidationError alone, which `read` turns into faults with file and line. Safe to share between
threads and to send to other processes: nothing in here changes after it was made. The `description` of a field
completes the sentence "must be ..." in a fault. Long because it holds every setting, one table after another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field

from gateway.settings.authorities import Authorities, listed
from gateway.settings.checks import ChecksSettings
from gateway.settings.console import ConsoleSettings
from gateway.settings.continuity import ContinuitySettings
from gateway.settings.debris import PASSED_OVER, check_pattern
from gateway.settings.faults import Fault
from gateway.settings.flow_settings import DEFAULT_FLOWS, FlowSettings, LaidSettings
from gateway.settings.home import Home
from gateway.settings.index import IndexSettings
from gateway.settings.ledger import LedgerSettings
from gateway.settings.load import LoadSettings
from gateway.settings.mail import MailSettings
from gateway.settings.node import NodeSettings
from gateway.settings.notify import NotifySettings
from gateway.settings.payloads import PayloadsSettings
from gateway.settings.upkeep import AuditSettings, BackupSettings, MetricsSettings, RetentionSettings
from gateway.settings.values import (
    FINGERPRINT,
    GIB,
    MIB,
    Account,
    Addresses,
    Bytes,
    Code,
    Count,
    Fingerprint,
    Fingerprints,
    HostName,
    Hours,
    Line,
    MailAddress,
    MaybeFingerprint,
    MaybeMoment,
    MaybeSshKey,
    Port,
    Reason,
    RemotePath,
    Seconds,
    SshKey,
    Switch,
    Table,
    TimeZone,
    Windows,
    address,
    address_text,
)


class SiteKind(StrEnum):
    """The two kinds of site; which flows go where depends on nothing else."""

    DWP = "dwp"
    LA = "la"


def kind_of(code: str) -> SiteKind:
    """`DWP` is the Department; every other code is a local authority's."""
    return SiteKind.DWP if code == "DWP" else SiteKind.LA


class Site(Table):
    """`[site]`: who we are, and the time zone in which windows are stated."""

    code: Code
    name: Line
    time_zone: TimeZone = "Europe/London"

    @property
    def kind(self) -> SiteKind:
        return kind_of(self.code)


class OpenPgpSettings(Table):
    """`[openpgp]`: the primary fingerprint of our own key."""

    fingerprint: Fingerprint


class KeySettings(Table):
    """`[keys]`: what `gateway keys` notes down while a key of ours is being changed.

    `old_openpgp` is our key before: what is sealed to it is still opened, and what it signs is accepted by partners
    until `old_openpgp_until`. The old SSH keys lie beside the new ones in state/ssh; partners know them until theirs.
    `revoked_openpgp` are keys of ours that the card says are revoked.
    """

    old_openpgp: MaybeFingerprint = None
    old_openpgp_until: MaybeMoment = None
    old_client_key_until: MaybeMoment = None
    old_host_key_until: MaybeMoment = None
    revoked_openpgp: Fingerprints = ()


class Accounts(Table):
    """`[accounts]`: with `split`, each role runs under an account of its own, and groups say who shares what.

    `ledger` is of inspect, vault, link, metrics, notify and console; `plain` of inspect and vault; `sealed` of vault and link; `landing` of link and
    sshd; `roles` of all seven; the group of `console` also of inspect; `operators` of inspect and of the people and programs that work in the spool.
    """

    split: Switch = False
    inspect: Account = "gateway-inspect"
    vault: Account = "gateway-vault"
    link: Account = "gateway-link"
    sshd: Account = "gateway-sshd"
    metrics: Account = "gateway-metrics"
    notify: Account = "gateway-notify"
    console: Account = "gateway-console"
    roles: Account = "gateway-roles"
    ledger: Account = "gateway-ledger"
    plain: Account = "gateway-plain"
    sealed: Account = "gateway-sealed"
    landing: Account = "gateway-landing"
    operators: Account = "gateway"

    def of(self, role: str) -> str:
        """The account of a role: inspect, vault, link, sshd, metrics, notify or console."""
        accounts = {"inspect": self.inspect, "vault": self.vault, "link": self.link, "sshd": self.sshd}
        return (accounts | {"metrics": self.metrics, "notify": self.notify, "console": self.console})[role]


class SftpServer(Table):
    """`[sftp_server]`: where partners reach us, and whether the daemon runs that server itself.

    `public_host` and `public_port` are what the card says where that differs from what is listened on (a translated
    address). Without `managed` the card has an endpoint only if one of these is given. `addresses` are where a site of several nodes is
    reached, in the order in which partners try them: the same at each node, and the card says them instead.
    """

    managed: Switch = True
    host: HostName = "127.0.0.1"
    port: Port = 2222
    public_host: Annotated[HostName | None, Field(description="a host name or an address, in quotes")] = None
    public_port: Annotated[Port | None, Field(description="a whole number from 1 to 65535")] = None
    addresses: Addresses = ()
    chroot: Annotated[Literal["auto", "required", "off"], Field(description='one of "auto", "required" and "off"')] = (
        "auto"
    )
    user: Account = "gateway"


class Limits(Table):
    """`[limits]`: bounds that keep one partner or one file from taking everything.

    `consignment_bytes` counts files before compression, and a single larger file travels alone; `lane_consignments`
    is how many may be under way to one partner without a receipt; `receive_bytes` is the most that one consignment
    may unpack to; below `min_free_bytes` of free disk nothing is taken in.

    `landing_bytes` and `landing_files` are the most that may lie in the landing of one partner; with more, the managed server
    shuts it out until half of that is gone. `day_bytes` is the most that is taken from one partner within 24 hours; the rest waits
    in the landing. A partner's file may say other numbers.
    """

    consignment_files: Count = 500
    consignment_bytes: Bytes = 64 * MIB
    lane_consignments: Count = 4
    receive_bytes: Bytes = 4 * GIB
    min_free_bytes: Annotated[int, Field(ge=0, description="a whole number of bytes, at least 0")] = 64 * MIB
    landing_bytes: Bytes = 8 * GIB
    landing_files: Count = 10_000
    day_bytes: Bytes = 32 * GIB


class LinkSettings(Table):
    """`[link]`: how patient connections to partners are, how retries are spaced, how many equal failures in a row of a
    lane are an alarm, how long a server that failed is left alone where the partner has another, and how many partners are sent to at once.
    """

    connect_timeout: Seconds = 10.0
    auth_timeout: Seconds = 45.0
    answer_timeout: Seconds = 30.0
    least_bytes_per_second: Count = 4096
    grace: Seconds = 60.0
    retry_base_seconds: Seconds = 1.0
    retry_cap_seconds: Seconds = 900.0
    alarm_failures: Count = 5
    receipt_overdue_hours: Hours = 4.0
    collect_seconds: Seconds = 60.0
    endpoint_rest_seconds: Seconds = 300.0
    lanes_at_once: Annotated[int, Field(ge=1, le=256, description="a whole number from 1 to 256")] = 32


class Daemon(Table):
    """`[daemon]`: the rhythm of the processes. A role that makes no step for `stuck_seconds`, beyond those that it rests, is
    restarted.
    """

    rescan_seconds: Seconds = 10.0
    workers: Annotated[int, Field(ge=1, le=64, description="a whole number from 1 to 64")] = 2
    stop_seconds: Seconds = 10.0
    stuck_seconds: Seconds = 900.0

    @property
    def still_seconds(self) -> float:
        """How long a role's pulse may stand still: a role with nothing to do rests for `rescan_seconds`."""
        return self.stuck_seconds + self.rescan_seconds


class LogSettings(Table):
    """`[logs]`: how much is said, and in which form."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Field(description='one of "debug", "info", "warning" and "error"'),
    ] = "info"
    format: Annotated[Literal["auto", "json", "lines"], Field(description='one of "auto", "json" and "lines"')] = "auto"


class Validation(Table):
    """`[validation]`: `test_numbers` lets National Insurance numbers of the prefix QQ pass, as made-up files have them.

    QQ is never issued, so no real person's file depends on it; a new site exchanges made-up files first.
    """

    test_numbers: Switch = True


class Calendar(Table):
    """`[calendar]`: the last day for a month's extract is so many days after the reference date, its second Thursday."""

    deadline_days: Annotated[int, Field(ge=0, le=60, description="a whole number of days from 0 to 60")] = 7


class Spool(Table):
    """`[spool]`: `passed_over` are names of what other programs leave in outbound, outcomes and the landing, which is left
    alone there. What was taken is kept for `keep_taken_seconds` where the system cannot tell who has it open.
    """

    keep_taken_seconds: Seconds = 3600.0

    passed_over: Annotated[
        tuple[Annotated[str, AfterValidator(check_pattern)], ...],
        Field(
            strict=False,
            description='a list of names with * and ?, such as ["Thumbs.db", "*.partial"], none of which fits ordinary files',
        ),
    ] = PASSED_OVER


class Antivirus(Table):
    """`[antivirus]`: the clamd that files of flows with `scan = true` are shown to: at a socket, or at `host` where given.

    A file larger than `max_bytes` is not shown to it, since clamd calls files clean that are larger than it looks at.
    """

    socket: Annotated[str, Field(pattern=r"^/[^\x00-\x1f\x7f]{1,106}$", description="an absolute path, in quotes")] = (
        "/run/clamav/clamd.ctl"
    )
    host: Annotated[
        str, Field(pattern=r"^[A-Za-z0-9:._-]{0,253}$", description='a host name or an address, in quotes, or ""')
    ] = ""
    port: Port = 3310
    answer_timeout: Seconds = 120.0
    max_bytes: Bytes = 25 * MIB


_MOST_BYTES_PER_SECOND: Final = 1 << 50
"""Beyond any link, and within what can be divided as a float."""


class EndpointSettings(Table):
    """`[endpoint]` of a partner's file: the partner's SFTP server and its pinned host key. `other_addresses` are its other servers, in the
    order in which they are tried where this one does not answer: with the same account, path and host key.
    """

    host: HostName
    port: Port = 22
    other_addresses: Addresses = ()
    user: Account
    path: RemotePath = "in"
    host_key: SshKey
    old_host_key: MaybeSshKey = None
    old_host_key_until: MaybeMoment = None

    @property
    def addresses(self) -> Mapping[str, tuple[str, int]]:
        """Host and port of each server, in the order in which they are tried, by HOST:PORT."""
        first = address_text(self.host, self.port)
        return {first: (self.host, self.port)} | {text: address(text) for text in self.other_addresses}


class Partner(Table):
    """`partners.d/CODE.toml`: one partner. `flows_out` and `flows_in` are None where the catalog decides.

    An `old_...` is the partner's key before, accepted until its date beside the current one. `revoked` are fingerprints
    of its OpenPGP keys, and those of its SSH keys (`SHA256:...`), that are trusted no more, whatever else says so.
    `card_issued` is the date of the newest card that was taken: an older one is not. `max_bytes_per_second` bounds what
    we send to it and fetch from it, `windows` are when we send it files. `suspended` is why nothing is exchanged with it at present.
    `landing_bytes`, `landing_files` and `day_bytes` take the place of those of `[limits]`.
    With `envelope` "plain" it has no gateway, and gets one OpenPGP message a file.
    """

    code: Code
    name: Line
    fingerprint: Fingerprint
    old_fingerprint: MaybeFingerprint = None
    old_fingerprint_until: MaybeMoment = None
    revoked: Annotated[
        tuple[Annotated[str, Field(pattern=f"^({FINGERPRINT}|SHA256:[A-Za-z0-9+/]{{43}})$")], ...],
        Field(strict=False, description="a list of fingerprints: 40 hexadecimal digits, or SHA256:..., in quotes"),
    ] = ()
    card_issued: MaybeMoment = None
    link: Annotated[
        Literal["push", "collect", "mail", "none"],
        Field(description='one of "push", "collect", "mail" and "none"'),
    ] = "push"
    mail_address: Annotated[MailAddress | None, Field(description="an e-mail address, in quotes")] = None
    envelope: Annotated[Literal["gateway", "plain"], Field(description='one of "gateway" and "plain"')] = "gateway"
    ssh_key: MaybeSshKey = None
    old_ssh_key: MaybeSshKey = None
    old_ssh_key_until: MaybeMoment = None
    os_account: Annotated[Account | None, Field(description="the name of an account, in quotes")] = None
    flows_out: Annotated[
        tuple[str, ...] | None, Field(strict=False, description='a list of flows, such as ["claim", "laid"]')
    ] = None
    flows_in: Annotated[
        tuple[str, ...] | None, Field(strict=False, description='a list of flows, such as ["extract"]')
    ] = None
    max_bytes_per_second: Annotated[
        Annotated[int, Field(ge=1024, le=_MOST_BYTES_PER_SECOND)] | None,
        Field(description="a whole number of bytes, at least 1024"),
    ] = None
    windows: Windows = ()
    suspended: Annotated[Reason | None, Field(description="why nothing is exchanged with the partner, in quotes")] = (
        None
    )
    landing_bytes: Annotated[Bytes | None, Field(description="a whole number of bytes, at least 1")] = None
    landing_files: Annotated[Count | None, Field(description="a whole number, at least 1")] = None
    day_bytes: Annotated[Bytes | None, Field(description="a whole number of bytes, at least 1")] = None
    endpoint: EndpointSettings | None = None

    @property
    def kind(self) -> SiteKind:
        return kind_of(self.code)


class GatewayFile(Table):
    """`gateway.toml` as a whole. A table under `flows` holds only what differs from the flow's defaults."""

    site: Site
    openpgp: OpenPgpSettings
    keys: KeySettings = KeySettings()
    accounts: Accounts = Accounts()
    sftp_server: SftpServer = SftpServer()
    limits: Limits = Limits()
    link: LinkSettings = LinkSettings()
    mail: MailSettings = MailSettings()
    daemon: Daemon = Daemon()
    logs: LogSettings = LogSettings()
    validation: Validation = Validation()
    calendar: Calendar = Calendar()
    antivirus: Antivirus = Antivirus()
    spool: Spool = Spool()
    audit: AuditSettings = AuditSettings()
    metrics: MetricsSettings = MetricsSettings()
    notify: NotifySettings = NotifySettings()
    retention: RetentionSettings = RetentionSettings()
    backup: BackupSettings = BackupSettings()
    continuity: ContinuitySettings = ContinuitySettings()
    ledger: LedgerSettings = LedgerSettings()
    node: NodeSettings = NodeSettings()
    payloads: PayloadsSettings = PayloadsSettings()
    load: LoadSettings = LoadSettings()
    console: ConsoleSettings = ConsoleSettings()
    index: IndexSettings = IndexSettings()
    checks: ChecksSettings = ChecksSettings()
    flows: dict[str, dict[str, object]] = Field(default_factory=dict, description="a table for each flow")


@dataclass(frozen=True)
class LandingQuota:
    """The most bytes and files that may lie in a partner's landing."""

    bytes: int
    files: int


@dataclass(frozen=True)
class Stopped:
    """A partner that is not worked with: for the faults of its file or of its keys, or because a person suspended it. `partner`
    is what the file says, None where it cannot be read. `by_ledger` is why a person of the console suspended it, by the ledger's word; None where nobody did.
    """

    faults: tuple[Fault, ...]
    partner: Partner | None = None
    by_ledger: str | None = None

    @property
    def by_file(self) -> str | None:
        """Why the partner's file says that it is suspended; None where it does not."""
        return None if self.partner is None else self.partner.suspended

    @property
    def suspended(self) -> str | None:
        """Why a person suspended the partner; None where nobody did."""
        return self.by_ledger if self.by_ledger is not None else self.by_file

    @property
    def why(self) -> str:
        """Its faults, one a line; where it has none, that it is suspended, and why."""
        return "\n".join(map(str, self.faults)) or f"The partner is suspended: {self.suspended}"


@dataclass(frozen=True)
class Settings:
    """All of a site's configuration. `partners` are free of faults; those in `stopped`, by their codes, have some or are
    suspended, and what belongs to them waits.
    """

    home: Home
    site: Site
    openpgp: OpenPgpSettings
    sftp_server: SftpServer
    limits: Limits
    link: LinkSettings
    daemon: Daemon
    logs: LogSettings
    validation: Validation
    calendar: Calendar
    antivirus: Antivirus
    flows: Mapping[str, FlowSettings]
    partners: Mapping[str, Partner]
    mail: MailSettings = field(default_factory=MailSettings)
    keys: KeySettings = field(default_factory=KeySettings)
    spool: Spool = field(default_factory=Spool)
    accounts: Accounts = field(default_factory=Accounts)
    audit: AuditSettings = field(default_factory=AuditSettings)
    metrics: MetricsSettings = field(default_factory=MetricsSettings)
    notify: NotifySettings = field(default_factory=NotifySettings)
    retention: RetentionSettings = field(default_factory=RetentionSettings)
    backup: BackupSettings = field(default_factory=BackupSettings)
    continuity: ContinuitySettings = field(default_factory=ContinuitySettings)
    ledger: LedgerSettings = field(default_factory=LedgerSettings)
    node: NodeSettings = field(default_factory=NodeSettings)
    payloads: PayloadsSettings = field(default_factory=PayloadsSettings)
    load: LoadSettings = field(default_factory=LoadSettings)
    console: ConsoleSettings = field(default_factory=ConsoleSettings)
    index: IndexSettings = field(default_factory=IndexSettings)
    checks: ChecksSettings = field(default_factory=ChecksSettings)
    authorities: Authorities = field(default_factory=listed)
    stopped: Mapping[str, Stopped] = field(default_factory=dict)

    @property
    def ledger_place(self) -> Path | str:
        """Where the ledger lies: SQLite's file, or the URL of a PostgreSQL database."""
        return self.ledger.url or self.home.ledger

    @property
    def codes(self) -> tuple[str, ...]:
        """Every partner that there is a file of, with faults or without."""
        return tuple(sorted({*self.partners, *self.stopped}))

    def with_suspended(self, reasons: Mapping[str, str]) -> Settings:
        """The settings where these partners, and no others, are suspended by the ledger's word: why, by their codes."""
        stopped = {
            code: replace(each, by_ledger=reasons.get(code))
            for code, each in self.stopped.items()
            if each.faults or each.by_file is not None or code in reasons
        }
        stopped |= {code: Stopped((), each, reasons[code]) for code, each in self.partners.items() if code in reasons}
        resumed = {
            code: each.partner
            for code, each in self.stopped.items()
            if code not in stopped and each.partner is not None
        }
        going = {code: each for code, each in self.partners.items() if code not in stopped}
        return replace(self, partners=dict(sorted({**going, **resumed}.items())), stopped=stopped)

    def landing_quota(self, code: str) -> LandingQuota:
        """The most that may lie in the landing of a partner, whether it is stopped or not."""
        own, limits = self._file_of(code), self.limits
        return LandingQuota(
            (own and own.landing_bytes) or limits.landing_bytes, (own and own.landing_files) or limits.landing_files
        )

    def day_bytes(self, code: str) -> int:
        """The most that is taken from a partner within 24 hours."""
        own = self._file_of(code)
        return (own and own.day_bytes) or self.limits.day_bytes

    def _file_of(self, code: str) -> Partner | None:
        stopped = self.stopped.get(code)
        return self.partners.get(code) if stopped is None else stopped.partner

    @property
    def links(self) -> tuple[str, ...]:
        """The kinds of address that a link in a LAID may lead to."""
        laid = self.flows.get("laid", DEFAULT_FLOWS["laid"])
        return laid.links if isinstance(laid, LaidSettings) else ()

    @property
    def umask(self) -> int:
        """What the gateway's processes keep from others: everything, or everything but what a directory's group shares."""
        return 0o007 if self.accounts.split else 0o077
