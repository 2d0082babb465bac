"""Read a site's configuration: strict TOML, every fault of every file reported at once.

`load` raises SiteMissing where there is no site, and ConfigurationInvalid, whose reason holds one fault a line, where
gateway.toml has a fault. A fault of a partner's file stops that partner alone. `examine` and `check` raise nothing and
give the faults. Nothing is guessed: an unknown key is a fault, since a misspelt limit would otherwise silently not hold.
What takes the partners' keys, or more than one partner, to find out is `preflight`'s.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from pydantic import ValidationError

from gateway.errors import ConfigurationInvalid, SiteMissing
from gateway.settings.authorities import Authorities, extended, listed
from gateway.settings.faults import Fault, nearest, translate
from gateway.settings.flow_settings import DEFAULT_FLOWS, FlowSettings
from gateway.settings.home import Home
from gateway.settings.locate import Path as KeyPath
from gateway.settings.locate import Places, places
from gateway.settings.model import GatewayFile, Partner, Settings, Stopped
from gateway.settings.rules import Broken, within
from gateway.settings.secrets import Secrets
from gateway.settings.values import Table

MAX_FILE_BYTES: Final = 1024 * 1024
_TOML_PLACE: Final = re.compile(r" \(at (?:line (?P<line>\d+), column \d+|end of document)\)")
_PRIVATE: Final = 0o077
_Model = TypeVar("_Model", bound=Table)


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
    """The settings, None where gateway.toml has a fault, and every fault of all files, in the order of files and lines.

    A partner whose file has a fault is stopped (`Settings.stopped`), and nobody else with it.
    """
    faults: list[Fault] = []
    main = _source(home, home.gateway_toml, faults)
    gateway = _validated(main, GatewayFile, faults) if main else None
    flows = _flows(main, faults) if main else {}
    faults.extend(_within_keys(main, gateway))
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
            authorities=authorities,
            stopped=stopped,
        ),
        every,
    )


@dataclass(frozen=True)
class _Source:
    """One file that is TOML: its name relative to HOME, what it says and where."""

    file: str
    values: Mapping[str, object]
    places: Places


@dataclass(frozen=True)
class _PartnerRead:
    """One partner's file: its name without the ending, what it says, and what is wrong with it."""

    stem: str
    source: _Source | None
    partner: Partner | None
    faults: list[Fault]

    def fault(self, rule: Broken) -> Fault:
        file, line = ("", 0) if self.source is None else (self.source.file, self.source.places.line(rule.path))
        return Fault(file, line, rule.path[-1], rule.message)


def _source(home: Home, path: Path, faults: list[Fault]) -> _Source | None:
    """Read one file as TOML, or say why it cannot be."""
    file = _text(path.relative_to(home.root))
    try:
        data = _bytes_of(path)
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
    except ValueError:
        # Not of TOML's grammar: a number of more digits than Python reads.
        faults.append(Fault(file, 0, "", "is not TOML: a number in it has too many digits"))
    except RecursionError:
        faults.append(Fault(file, 0, "", "is not TOML: nested too deeply"))
    return None


def _bytes_of(path: Path) -> bytes:
    """The file's beginning. Anything but a plain file is refused without waiting: a pipe would never end."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as stream:
        kind = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(kind):
            raise OSError(errno.EINVAL if not stat.S_ISDIR(kind) else errno.EISDIR, "no plain file")
        return stream.read(MAX_FILE_BYTES + 1)


def _text(path: Path | str) -> str:
    """A path as it can be shown and logged: a file's name may hold any byte."""
    shown = os.fsencode(path).decode("utf-8", errors="replace")
    return "".join(letter if letter.isprintable() else "?" for letter in shown)


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


def _partners(home: Home, main: _Source | None, faults: list[Fault]) -> tuple[dict[str, Partner], dict[str, Stopped]]:
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
    source = _source(home, path, faults)
    partner = _validated(source, Partner, faults) if source else None
    each = _PartnerRead(_text(path.stem), source, partner, faults)
    if partner is not None:
        faults.extend(each.fault(rule) for rule in within(partner, each.stem, own_code))
    return each


def line_of(home: Home, code: str, path: KeyPath) -> int:
    """The line of a key in a partner's file, for what is found wrong with it later than here; 0 where there is none."""
    try:
        return places((home.partners_d / f"{code}.toml").read_text(encoding="utf-8")).line(path)
    except (OSError, UnicodeDecodeError):
        return 0


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
