"""`[audit]`, `[metrics]`, `[backup]` and `[retention]`: what a site needs to be run for years. Raises ValueError alone, as `settings.values` has it."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from gateway.settings.values import Days, Months, Seconds, Switch, Table, check_listen


class AuditSettings(Table):
    """`[audit]`: with `statements`, the site makes a signed statement of its audit chain each day, sends it to each partner that
    takes such, and takes theirs. At `timestamp_url` an authority stamps the time of ours (RFC 3161); without one, nobody does.
    """

    statements: Switch = True
    timestamp_url: Annotated[
        str,
        Field(
            pattern=r"^(https?://[\x21-\x7e]{1,500})?$",
            description='an address that begins with http:// or https://, in quotes, or ""',
        ),
    ] = ""


class MetricsSettings(Table):
    """`[metrics]`: where the role `metrics` answers a Prometheus server and health checks; nowhere by default.

    On this machine alone: at an address of loopback, or at a Unix socket. What was read from the ledger is good for
    `keep_seconds`, however many ask.
    """

    listen: Annotated[
        str,
        AfterValidator(check_listen),
        Field(
            max_length=107,
            description='an address of this machine alone, such as "127.0.0.1:9632" or "[::1]:9632", or the absolute path of a '
            'socket, in quotes, or ""',
        ),
    ] = ""
    keep_seconds: Seconds = 5.0


class BackupSettings(Table):
    """`[backup]`: `recovery_key` names the certificate to which the secret keys in copies of the site are encrypted; without one
    they are left out.
    """

    recovery_key: Annotated[
        str,
        Field(pattern=r"^[^\x00-\x1f\x7f]{0,400}$", description='the path of a file, in quotes, or ""'),
    ] = ""


class RetentionSettings(Table):
    """`[retention]`: how long what a site keeps is kept; `domain.retention` says of each clock what it is for and where it starts.

    Days of 0 mean that such files are never removed. A ledger of more than 64 MiB is written anew every `compact_days`, for traces in
    its free space; with 0 never. docs/operators/retention.md has the source of each default.
    """

    delivered_days: Days = 90
    unanswered_days: Days = 365
    spool_days: Days = 90
    quarantine_months: Months = 14
    transfers_months: Months = 14
    decisions_months: Months = 18
    incidents_months: Months = 60
    receipts_months: Months = 72
    accesses_months: Months = 14
    checks_months: Months = 18
    compact_days: Days = 28
