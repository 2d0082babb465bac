"""Read a site's configuration: strict TOML, every fault of every file reported at once.

`load` raises SiteMissing where there is no site, and ConfigurationInvalid whose reason holds one fault a line.
`examine` and `check` raise nothing and give the faults. Nothing is guessed: an unknown key is a fault, since a
misspelt limit would otherwise silently not hold.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from pydantic import ValidationError

from gateway.errors import ConfigurationInvalid, SiteMissing
from gateway.settings.authorities import Authorities, extended, listed
from gateway.settings.faults import Fault, nearest, shown, translate
from gateway.settings.home import Home
from gateway.settings.locate import Path as KeyPath
from gateway.settings.locate import Places, places
from gateway.settings.model import DEFAULT_FLOWS, FlowSettings, GatewayFile, Partner, Settings
from gateway.settings.secrets import Secrets
from gateway.settings.values import Table

MAX_FILE_BYTES: Final = 1024 * 1024
_TOML_PLACE: Final = re.compile(r" \(at (?:line (?P<line>\d+), column \d+|end of document)\)")
_PRIVATE: Final = 0o077
_Model = TypeVar("_Model", bound=Table)


def load(home: Home) -> Settings:
    """The site's settings; SiteMissing, or ConfigurationInvalid with every fault, one a line."""
    if not home.gateway_toml.exists():
        raise SiteMissing(f"There is no site in {home.root}: config/gateway.toml is not there.")
    settings, faults = examine(home)
    if settings is None:
        raise ConfigurationInvalid("\n".join(str(fault) for fault in faults))
    return settings


def check(home: Home, secrets: Secrets | None = None) -> tuple[Fault, ...]:
    """Every fault of the files, and of the directories and keys that they rely on: further than `load` looks."""
    settings, faults = examine(home)
    known = secrets or Secrets(home)
    split = settings is not None and settings.accounts.split
    # In a split installation each is another account's: `gateway rights` looks at them, and so does their role at its start.
    needed = [] if split else list(_needed(settings, known))
    return tuple(sorted([*faults, *_directories(home, split=split), *_keys(known, needed)]))


def _needed(settings: Settings | None, secrets: Secrets) -> Iterator[Path]:
    """The SSH keys that have to be there, those that are being replaced among them."""
    yield secrets.client_key
    if settings is None:
        return
    if settings.keys.old_client_key_until is not None:
        yield secrets.old_client_key
    if settings.sftp_server.managed:
        yield secrets.host_key
        if settings.keys.old_host_key_until is not None:
            yield secrets.old_host_key


def examine(home: Home) -> tuple[Settings | None, tuple[Fault, ...]]:
    """The settings, or None and every fault of all files, in the order of files and lines."""
    faults: list[Fault] = []
    main = _source(home, home.gateway_toml, faults)
    gateway = _validated(main, GatewayFile, faults) if main else None
    flows = _flows(main, faults) if main else {}
    faults.extend(_within_keys(main, gateway))
    found = [partner for path in _partner_files(home, faults) if (partner := _partner(home, path, faults))]
    faults.extend(_between_partners(_own_code(main), found))
    authorities = _authorities(home, faults)
    if faults or gateway is None:
        return None, tuple(sorted(set(faults)))
    return (
        Settings(
            home=home,
            site=gateway.site,
            openpgp=gateway.openpgp,
            sftp_server=gateway.sftp_server,
            limits=gateway.limits,
            link=gateway.link,
            daemon=gateway.daemon,
            logs=gateway.logs,
            validation=gateway.validation,
            spool=gateway.spool,
            calendar=gateway.calendar,
            antivirus=gateway.antivirus,
            flows=flows,
            partners={each.partner.code: each.partner for each in found},
            keys=gateway.keys,
            accounts=gateway.accounts,
            authorities=authorities,
        ),
        (),
    )


@dataclass(frozen=True)
class _Source:
    """One file that is TOML: its name relative to HOME, what it says and where."""

    file: str
    values: Mapping[str, object]
    places: Places


@dataclass(frozen=True)
class _PartnerRead:
    source: _Source
    partner: Partner


def _source(home: Home, path: Path, faults: list[Fault]) -> _Source | None:
    """Read one file as TOML, or say why it cannot be."""
    file = str(path.relative_to(home.root))
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        faults.append(Fault(file, 0, "", f"cannot be read: {os.strerror(error.errno or 0)}"))
        return None
    if len(data) > MAX_FILE_BYTES:
        faults.append(Fault(file, 0, "", f"is larger than {MAX_FILE_BYTES} bytes: that is no configuration file"))
        return None
    try:
        text = data.decode("utf-8")
        return _Source(file, tomllib.loads(text), places(text))
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        faults.append(Fault(file, line, "", "is not UTF-8 text: save it as UTF-8"))
    except tomllib.TOMLDecodeError as error:
        place = _TOML_PLACE.search(str(error))
        line = int(place["line"]) if place and place["line"] else text.count("\n") + 1
        faults.append(Fault(file, line, "", f"is not TOML: {_TOML_PLACE.sub('', str(error))}"))
    except RecursionError:
        faults.append(Fault(file, 0, "", "is not TOML: nested too deeply"))
    return None


def _validated(source: _Source, model: type[_Model], faults: list[Fault]) -> _Model | None:
    try:
        return model.model_validate(source.values)
    except ValidationError as error:
        faults.extend(translate(error, model, source.file, source.places))
        return None


def _flows(source: _Source, faults: list[Fault]) -> dict[str, FlowSettings]:
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


def _own_code(source: _Source | None) -> object:
    site = source.values.get("site") if source else None
    return site.get("code") if isinstance(site, Mapping) else None


def _within_keys(source: _Source | None, gateway: GatewayFile | None) -> Iterator[Fault]:
    """What the types of `[keys]` cannot say."""
    if source is None or gateway is None:
        return
    keys = gateway.keys
    place = source.places.line(("keys", "old_openpgp"))
    if (keys.old_openpgp is None) is not (keys.old_openpgp_until is None):
        yield Fault(source.file, place, "[keys] old_openpgp", "needs old_openpgp_until, and only with it")
    if keys.old_openpgp == gateway.openpgp.fingerprint:
        yield Fault(
            source.file, place, "[keys] old_openpgp", "is [openpgp] fingerprint: the current key is not the old one"
        )


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


def _partner(home: Home, path: Path, faults: list[Fault]) -> _PartnerRead | None:
    source = _source(home, path, faults)
    partner = _validated(source, Partner, faults) if source else None
    if source is None or partner is None:
        return None
    faults.extend(_within_partner(source, partner))
    return _PartnerRead(source, partner)


def _within_partner(source: _Source, partner: Partner) -> Iterator[Fault]:
    """What the types of one partner's settings cannot say."""

    def fault(key: str, message: str) -> Fault:
        return Fault(source.file, source.places.line((key,)), key, message)

    stem = Path(source.file).stem
    if partner.code != stem:
        yield fault("code", f"is {shown(partner.code)}, but the file is {stem}.toml: they must be the same")
    if partner.link == "push" and partner.endpoint is None:
        yield fault("link", '"push" needs an [endpoint] table with host, user and host_key')
    if partner.envelope == "plain":
        yield fault("envelope", '"plain" is not available in this version: use "gateway"')
    yield from _within_rotation(source, partner)
    for key, flows in (("flows_out", partner.flows_out), ("flows_in", partner.flows_in)):
        for flow in flows or ():
            if flow not in DEFAULT_FLOWS:
                yield fault(key, f"{shown(flow)} is not a flow{nearest(flow, DEFAULT_FLOWS)}")


def _within_rotation(source: _Source, partner: Partner) -> Iterator[Fault]:
    """A key before needs its end date, and is another than the current one."""
    there = partner.endpoint
    pairs: list[tuple[KeyPath, object, object, object]] = [
        (("old_fingerprint",), partner.old_fingerprint, partner.old_fingerprint_until, partner.fingerprint),
        (("old_ssh_key",), partner.old_ssh_key, partner.old_ssh_key_until, partner.ssh_key),
    ]
    if there is not None:
        pairs.append((("endpoint", "old_host_key"), there.old_host_key, there.old_host_key_until, there.host_key))
    for path, old, until, current in pairs:
        name, line = path[-1], source.places.line(path)
        if (old is None) is not (until is None):
            yield Fault(
                source.file, line, name, f"needs {name}_until, and only with it: the key is accepted until then"
            )
        if old is not None and old == current:
            yield Fault(source.file, line, name, f"is {name.removeprefix('old_')}: the current key is not the old one")


def _between_partners(own_code: object, found: list[_PartnerRead]) -> Iterator[Fault]:
    """Two sites that could not be told apart: the same code, certificate or login key."""
    owners: dict[tuple[str, str], str] = {}
    for each in found:
        file, partner = each.source.file, each.partner
        if partner.code == own_code:
            yield Fault(file, each.source.places.line(("code",)), "code", "is this site's own code")
        identities = {"code": partner.code, "fingerprint": partner.fingerprint}
        if partner.old_fingerprint is not None:
            identities["old_fingerprint"] = partner.old_fingerprint
        if partner.ssh_key is not None:
            identities["ssh_key"] = _bare(partner.ssh_key)
        if partner.old_ssh_key is not None:
            identities["old_ssh_key"] = _bare(partner.old_ssh_key)
        if partner.os_account is not None:
            identities["os_account"] = partner.os_account
        for key, value in identities.items():
            other = owners.setdefault((key.removeprefix("old_"), value), file)
            if other != file:
                yield Fault(file, each.source.places.line((key,)), key, f"is the same as in {other}")


def _bare(ssh_key: str) -> str:
    """A key's line without its comment."""
    return " ".join(ssh_key.split()[:2])


def _directories(home: Home, *, split: bool) -> Iterator[Fault]:
    """Directories that must be there for us to read and write; those of the gateway's own, for nobody else.

    Where each role has an account of its own, no account has them all: root looks whether they are there, and `gateway
    rights` whose they are.
    """
    if split and os.geteuid() != 0:
        return
    for path in (
        home.partners_d,
        home.outbound,
        home.returned,
        home.receipts,
        home.inbound,
        home.outcomes,
        home.landing,
        home.state,
        home.keyrings,
        home.ssh,
        home.ledger.parent,
        home.vault,
    ):
        file = str(path.relative_to(home.root))
        if not path.is_dir():
            yield Fault(file, 0, "", "is missing, or is not a directory: make it, or restore it from the backup")
        elif split:
            continue
        elif not os.access(path, os.R_OK | os.W_OK | os.X_OK):
            yield Fault(file, 0, "", "cannot be read and written by this user: correct its owner or mode")
        elif home.state in (path, *path.parents) and path.stat().st_mode & _PRIVATE:
            yield Fault(file, 0, "", f"is open to other users: `chmod 700 {file}`")


def _keys(secrets: Secrets, paths: list[Path]) -> Iterator[Fault]:
    """SSH keys that must be there, for nobody else to read."""
    root = secrets.home.root

    def named(path: Path) -> str:
        return str(path.relative_to(root) if path.is_relative_to(root) else path)

    for path in paths:
        try:
            path.stat()
        except OSError as error:
            reason = os.strerror(error.errno or 0)
            yield Fault(named(path), 0, "", f"cannot be found: {reason}; restore state/ssh from the backup")
    for path, how in secrets.exposed(paths):
        yield Fault(named(path), 0, "", f"can be read by other users, {how}: `chmod 600 {named(path)}`")
