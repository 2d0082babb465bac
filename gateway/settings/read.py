"""Read a site's configuration: strict TOML, every fault of every file reported at once.

`load` raises SiteMissing where there is no site, and ConfigurationInvalid, whose reason holds one fault a line, where
gateway.toml has a fault. A fault of a partner's file stops that partner alone. `examine` raises nothing and gives the faults;
`check.check` looks further. An unknown key is a fault: a misspelt limit would otherwise silently not hold. `preflight` finds
what takes the partners' keys, or more than one partner.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from gateway.errors import ConfigurationInvalid, SiteMissing
from gateway.settings.authorities import Authorities, extended, listed
from gateway.settings.faults import Fault, nearest, translate
from gateway.settings.flow_settings import DEFAULT_FLOWS, FlowSettings
from gateway.settings.home import Home
from gateway.settings.locate import Path as KeyPath
from gateway.settings.locate import places
from gateway.settings.model import GatewayFile, Partner, Settings, Stopped
from gateway.settings.rules import Broken, within
from gateway.settings.toml_file import MAX_FILE_BYTES, TomlFile, read_toml, shown, validated


def load(home: Home) -> Settings:
    """The site's settings, with the partners stopped whose files have faults.

    Raises SiteMissing, or ConfigurationInvalid with every fault, one a line, where gateway.toml has any.
    """
    if not home.gateway_toml.exists():
        raise SiteMissing(f"There is no site in {home.root}: config/gateway.toml is not there.")
    settings, faults = examine(home)
    if settings is None:
        raise ConfigurationInvalid("\n".join(str(fault) for fault in faults))
    return settings


def examine(home: Home) -> tuple[Settings | None, tuple[Fault, ...]]:
    """The settings, None where gateway.toml has a fault, and every fault of all files, in the order of files and lines.

    A partner whose file has a fault is stopped (`Settings.stopped`), and nobody else with it.
    """
    faults: list[Fault] = []
    main = read_toml(home, home.gateway_toml, faults)
    gateway = validated(main, GatewayFile, faults) if main else None
    flows = _flows(main, faults) if main else {}
    faults.extend(_within_keys(main, gateway))
    faults.extend(_within_node(main, gateway))
    faults.extend(_within_payloads(main, gateway, home))
    partners, stopped = _partners(home, main, faults)
    authorities = _authorities(home, faults)
    of_partners = [fault for each in stopped.values() for fault in each.faults]
    every = tuple(sorted({*faults, *of_partners}))
    if faults or gateway is None:
        return None, every
    return (
        Settings(
            home=home,
            site=gateway.site,
            openpgp=gateway.openpgp,
            sftp_server=gateway.sftp_server,
            limits=gateway.limits,
            link=gateway.link,
            mail=gateway.mail,
            daemon=gateway.daemon,
            logs=gateway.logs,
            validation=gateway.validation,
            calendar=gateway.calendar,
            antivirus=gateway.antivirus,
            flows=flows,
            partners=partners,
            keys=gateway.keys,
            spool=gateway.spool,
            accounts=gateway.accounts,
            audit=gateway.audit,
            metrics=gateway.metrics,
            notify=gateway.notify,
            retention=gateway.retention,
            backup=gateway.backup,
            continuity=gateway.continuity,
            ledger=gateway.ledger,
            node=gateway.node,
            payloads=gateway.payloads,
            load=gateway.load,
            console=gateway.console,
            index=gateway.index,
            checks=gateway.checks,
            authorities=authorities,
            stopped=stopped,
        ),
        every,
    )


@dataclass(frozen=True)
class _PartnerRead:
    """One partner's file: its name without the ending, what it says, and what is wrong with it."""

    stem: str
    source: TomlFile | None
    partner: Partner | None
    faults: list[Fault]

    def fault(self, rule: Broken) -> Fault:
        file, line = ("", 0) if self.source is None else (self.source.file, self.source.places.line(rule.path))
        return Fault(file, line, rule.path[-1], rule.message)


def _flows(source: TomlFile, faults: list[Fault]) -> dict[str, FlowSettings]:
    """The settings of every flow: the defaults, with what the file says instead."""
    flows = dict(DEFAULT_FLOWS)
    tables = source.values.get("flows", {})
    for name, changed in tables.items() if isinstance(tables, Mapping) else ():
        path = ("flows", name)
        if name not in DEFAULT_FLOWS:
            message = f"is not a flow{nearest(name, DEFAULT_FLOWS)}"
            faults.append(Fault(source.file, source.places.line(path), f"[flows.{name}]", message))
        elif isinstance(changed, Mapping):
            model = type(DEFAULT_FLOWS[name])
            try:
                flows[name] = model.model_validate(DEFAULT_FLOWS[name].model_dump() | dict(changed))
            except ValidationError as error:
                faults.extend(translate(error, model, source.file, source.places, path))
    return flows


def _authorities(home: Home, faults: list[Fault]) -> Authorities:
    """The table of authorities, with the site's own rows where it has any."""
    file = str(home.authorities.relative_to(home.root))
    try:
        with home.authorities.open("rb") as stream:
            text = stream.read(MAX_FILE_BYTES + 1).decode("utf-8")
    except FileNotFoundError:
        return listed()
    except OSError as error:
        faults.append(Fault(file, 0, "", f"cannot be read: {os.strerror(error.errno or 0)}"))
        return listed()
    except UnicodeDecodeError:
        faults.append(Fault(file, 0, "", "is not UTF-8 text: save it as UTF-8"))
        return listed()
    if len(text) > MAX_FILE_BYTES:
        faults.append(Fault(file, 0, "", f"is larger than {MAX_FILE_BYTES} bytes: that is no table of authorities"))
        return listed()
    found, wrong = extended(text, file)
    faults.extend(wrong)
    return found


def _own_code(source: TomlFile | None) -> object:
    site = source.values.get("site") if source else None
    return site.get("code") if isinstance(site, Mapping) else None


def _within_keys(source: TomlFile | None, gateway: GatewayFile | None) -> Iterator[Fault]:
    """What the types of `[keys]` cannot say."""
    if source is None or gateway is None:
        return
    keys = gateway.keys
    if (keys.old_openpgp is None) is not (keys.old_openpgp_until is None):
        line = source.places.line(("keys", "old_openpgp"))
        yield Fault(source.file, line, "[keys] old_openpgp", "needs old_openpgp_until, and only with it")
    if keys.old_openpgp == gateway.openpgp.fingerprint:
        line = source.places.line(("keys", "old_openpgp"))
        yield Fault(
            source.file, line, "[keys] old_openpgp", "is [openpgp] fingerprint: the current key is not the old one"
        )


def _within_node(source: TomlFile | None, gateway: GatewayFile | None) -> Iterator[Fault]:
    """What the types of `[node]` cannot say."""
    if source is None or gateway is None:
        return
    node = gateway.node
    if node.name and not gateway.ledger.url:
        line = source.places.line(("node", "name"))
        yield Fault(source.file, line, "[node] name", "needs [ledger] url: nodes share a ledger in PostgreSQL")
    for table, enabled in (("load", gateway.load.enabled), ("index", gateway.index.enabled)):
        if node.name and enabled:
            line = source.places.line((table, "enabled"))
            message = (
                "is for a gateway that works alone: two nodes would take the same files. Run "
                f"{'`gateway load`' if table == 'load' else '`gateway index run --once`'} by a timer at one machine"
            )
            yield Fault(source.file, line, f"[{table}] enabled", message)
    if node.name and not gateway.payloads.url:
        line = source.places.line(("node", "name"))
        yield Fault(source.file, line, "[node] name", "needs [payloads] url: nodes share a store of the site's files")
    if node.heartbeat_seconds * 3 > node.lease_seconds:
        line = source.places.line(("node", "heartbeat_seconds"))
        yield Fault(
            source.file, line, "[node] heartbeat_seconds", "must be at most a third of lease_seconds: two may be late"
        )


def _within_payloads(source: TomlFile | None, gateway: GatewayFile | None, home: Home) -> Iterator[Fault]:
    """What the types of `[payloads]` cannot say."""
    if source is None or gateway is None:
        return
    ours = gateway.payloads
    for name in ("endpoint", "server_side_encryption", "kms_key"):
        if getattr(ours, name) and ours.directory is not None:
            line = source.places.line(("payloads", name))
            yield Fault(source.file, line, f"[payloads] {name}", "is of S3: it needs a url that begins with s3://")
    if ours.kms_key and ours.server_side_encryption != "aws:kms":
        line = source.places.line(("payloads", "kms_key"))
        yield Fault(source.file, line, "[payloads] kms_key", 'needs server_side_encryption = "aws:kms"')
    if ours.directory is not None and ours.directory.is_relative_to(home.root):
        line = source.places.line(("payloads", "url"))
        yield Fault(source.file, line, "[payloads] url", "must be outside HOME: a directory that every node mounts")


def _partner_files(home: Home, faults: list[Fault]) -> list[Path]:
    """The partner files in the order of their names; no directory means no partners yet."""
    try:
        return sorted(path for path in home.partners_d.iterdir() if path.suffix == ".toml" and path.name[0] != ".")
    except FileNotFoundError:
        return []
    except OSError as error:
        file = str(home.partners_d.relative_to(home.root))
        faults.append(Fault(file, 0, "", f"cannot be read: {os.strerror(error.errno or 0)}"))
        return []


def _partners(home: Home, main: TomlFile | None, faults: list[Fault]) -> tuple[dict[str, Partner], dict[str, Stopped]]:
    """The partners that can be worked with, and those whose files have faults."""
    own_code = _own_code(main)
    partners: dict[str, Partner] = {}
    stopped: dict[str, Stopped] = {}
    for path in _partner_files(home, faults):
        each = _partner(home, path, own_code)
        if each.partner is None or each.faults:
            stopped[each.stem] = Stopped(tuple(each.faults), each.partner)
        else:
            partners[each.stem] = each.partner
    # A file that was given another name still says whose it is: what belongs to that partner waits as well.
    for misnamed in [*stopped.values()]:
        code = "" if misnamed.partner is None else misnamed.partner.code
        if code not in ("", own_code, *partners):
            stopped.setdefault(code, misnamed)
    return partners, stopped


def _partner(home: Home, path: Path, own_code: object) -> _PartnerRead:
    faults: list[Fault] = []
    source = read_toml(home, path, faults)
    partner = validated(source, Partner, faults) if source else None
    each = _PartnerRead(shown(path.stem), source, partner, faults)
    if partner is not None:
        faults.extend(each.fault(rule) for rule in within(partner, each.stem, own_code))
    return each


def partner_file(home: Home, code: str) -> Partner | None:
    """A partner as its file has it now; None where there is none, or where it cannot be read."""
    return _partner(home, home.partners_d / f"{code}.toml", None).partner


def line_of(home: Home, code: str, path: KeyPath) -> int:
    """The line of a key in a partner's file, for what is found wrong with it later than here; 0 where there is none."""
    try:
        return places((home.partners_d / f"{code}.toml").read_text(encoding="utf-8")).line(path)
    except (OSError, UnicodeDecodeError):
        return 0
