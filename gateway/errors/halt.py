"""Errors after which this gateway must not go on: the role ends, and the supervisor stops the whole gateway."""

from __future__ import annotations

from gateway.errors.disposition import Disposition, GatewayError


class Halt(GatewayError):
    disposition = Disposition.HALT
    exit_status = 70


class ConfigurationInvalid(Halt):
    """The configuration has faults."""

    code = "configuration"
    exit_status = 78
    remedy = "Correct what is listed; `gateway config check` says whether it is right."


class SecretExposed(Halt):
    """A secret key can be read by others than the one account that needs it."""

    code = "secret-exposed"
    exit_status = 78
    remedy = "Close what is named: files `chmod 600`, directories `chmod 700`, owner the account that runs the role. Think about whether somebody has read it: if so, make a new key."


class WrongAccount(Halt):
    """A role was started under another account than its own."""

    code = "wrong-account"
    exit_status = 78
    remedy = (
        "Start it by its unit (`systemctl start gateway.target`), or with `setpriv` under the account that is named."
    )


class RoleUnconfined(Halt):
    """A role could not give up what it must not have."""

    code = "role-unconfined"
    remedy = "Look at what confines the service itself (a container, a systemd drop-in): it must leave prctl and setrlimit to the gateway."


class SiteMissing(Halt):
    """There is no site in that directory."""

    code = "site-missing"
    exit_status = 78
    remedy = "Name the site with --home or GATEWAY_HOME, or make one: `gateway init HOME --site CODE`."


class SiteBusy(Halt):
    """That role already runs at this site."""

    code = "site-busy"
    exit_status = 69
    remedy = "Stop the other one first; `gateway status` shows its process."


class NodeRunsElsewhere(SiteBusy):
    """A node of this name works with the ledger from another machine, or from another HOME."""

    code = "node-runs-elsewhere"
    remedy = (
        "Each node has a name of its own: choose another for this one, [node] name in config/gateway.toml. `gateway nodes` lists those that are "
        "taken. Where this machine is to take the place of the other, stop the gateway there first."
    )


class ChainBroken(Halt):
    """The audit chain does not verify."""

    code = "audit-chain"
    remedy = "Stop, keep a copy of HOME/state/ledger, and find out who changed it: `gateway audit verify` says where."


class LedgerCorrupt(Halt):
    """The ledger's file is damaged."""

    code = "ledger-corrupt"
    remedy = "Stop, keep a copy of HOME/state/ledger, and restore the last backup; partners send again what it lacks."


class LedgerRolledBack(Halt):
    """The ledger is not the one that was written last: somebody holds a later head of its audit chain."""

    code = "ledger-rolled-back"
    remedy = (
        "An old copy of the ledger was restored, its tail was cut, or a standby was promoted that lacks it. Put the newest one back; nothing "
        "is taken in or sent before a person has decided (docs/operators/restoring.md, and postgresql.md there)."
    )


class LedgerRestored(Halt):
    """The site was put back from a copy, and nobody has said yet what happened since."""

    code = "ledger-restored"
    remedy = (
        "Nothing is taken in, sent or delivered before that is known: `gateway recover --help`, and "
        "docs/operators/restoring.md."
    )


class LedgerMoved(Halt):
    """The ledger was copied into another database, and goes on there: here nobody may write any more."""

    code = "ledger-moved"
    remedy = (
        "Let `[ledger] url` of gateway.toml name where it is now, or do not start this machine's gateway again. Where it is to come back "
        "here: docs/operators/postgresql.md."
    )


class BackupUnusable(Halt):
    """The copy of a site is not whole, or is none."""

    code = "backup-unusable"
    remedy = "Take another copy: the one before it, or a new one. Do not mend it by hand."


class LedgerSchema(Halt):
    """The ledger is of another version than this program."""

    code = "ledger-schema"
    remedy = "Run the gateway version that made it, or `gateway doctor --migrate` after a backup."


class ImpossibleMove(Halt):
    """A move that the itinerary does not have was asked for."""

    code = "impossible-move"


class CustodyLost(Halt):
    """Bytes that the ledger says are in custody are not there, or are not the same."""

    code = "custody-lost"
    remedy = "Stop, and look at the disk: something else than the gateway touched HOME/state."


class StoreForeign(Halt):
    """The store of [payloads] was prepared with other keys than this machine has, or for another site."""

    code = "store-foreign"
    exit_status = 78
    remedy = (
        "Bring state/payload.key and state/payload-sealed.key here from a node that works, or correct `[payloads] url` of gateway.toml: "
        "docs/operators/nodes.md. `gateway doctor` says whether they fit."
    )


class ServerFailed(Halt):
    """The managed SFTP server does not start."""

    code = "sftp-server"
    exit_status = 69
    remedy = "Read its message; the port may be taken, or openssh-server missing (`apt-get install openssh-server`)."


class EngineMissing(Halt):
    """A program that the gateway needs is not installed."""

    code = "engine-missing"
    exit_status = 69
    remedy = "Install it: `apt-get install gnupg openssh-server`."


class ReadersFailed(Halt):
    """The processes that read files do not start, or end before they have read anything."""

    code = "readers-failed"
    remedy = "Run `gateway doctor`; it tests the readers. Look for too little memory, and for a damaged installation."
