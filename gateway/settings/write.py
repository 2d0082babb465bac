"""Write configuration files from the commented examples, so that what `init` makes explains itself.

Raises OSError as the system does. A file is complete or absent: written under a temporary name, fsynced, renamed. Only
values are put in, each in TOML's own quoting, so that a name with quotes in it stays a name.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from gateway.settings.home import Home
from gateway.settings.locate import Path as KeyPath
from gateway.settings.locate import places
from gateway.settings.model import KeySettings, Partner
from gateway.settings.resources import resource
from gateway.storage.durable import sync_directory

FILE_MODE: Final = 0o640
EXAMPLE_PARTNER: Final = "partners.d/E09000030.toml"

Value = str | int | datetime | tuple[str, ...] | None


def fill(example: str, values: Mapping[KeyPath, Value]) -> str:
    """The example with these values in place of its own; a None turns the line of that key or table to a comment."""
    found = places(example)
    lines = example.splitlines()
    for path, value in values.items():
        number = found.keys.get(path) or found.tables[path]
        lines[number - 1] = f"# {lines[number - 1]}" if value is None else f"{path[-1]} = {_toml(value)}"
    return "\n".join(lines) + "\n"


def change(text: str, table: str, values: Mapping[str, Value]) -> str:
    """A sysadmin's file with these values in a table, which is added at the end where it is missing; a None takes the key
    out. Everything else stays as it is, comments and all.
    """
    found = places(text)
    there = {found.keys[table, key]: key for key in values if (table, key) in found.keys}
    said = {key: f"{key} = {_toml(value)}" for key, value in values.items() if value is not None}
    added = [line for key, line in said.items() if key not in there.values()]
    header = found.tables.get((table,))
    lines: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if number not in there:
            lines.append(line)
        elif there[number] in said:
            lines.append(said[there[number]])
        if number == header:
            lines += added
    if header is None and added:
        lines += ["", f"[{table}]", *added]
    return "\n".join(lines) + "\n"


def _toml(value: str | int | datetime | tuple[str, ...]) -> str:
    """A value as TOML: JSON's texts, whole numbers and lists of texts mean the same in both; a moment has whole seconds."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return json.dumps(value, ensure_ascii=False)


def render_gateway_toml(
    *, code: str, name: str, fingerprint: str, host: str, port: int, user: str, split: bool = False, ledger: str = ""
) -> str:
    """The text of a new site's gateway.toml, every other setting shown as a comment with its default."""
    text = fill(
        (resource("config") / "gateway.toml").read_text(encoding="utf-8"),
        {
            ("site", "code"): code,
            ("site", "name"): name,
            ("openpgp", "fingerprint"): fingerprint,
            ("sftp_server", "host"): host,
            ("sftp_server", "port"): port,
            ("sftp_server", "user"): user,
            ("accounts", "split"): split,
        },
    )
    return change(text, "ledger", {"url": ledger}) if ledger else text


def render_partner(partner: Partner) -> str:
    """The text of a partner's file."""
    endpoint = partner.endpoint
    values: dict[KeyPath, Value] = {
        ("code",): partner.code,
        ("name",): partner.name,
        ("fingerprint",): partner.fingerprint,
        ("old_fingerprint",): partner.old_fingerprint,
        ("old_fingerprint_until",): partner.old_fingerprint_until,
        ("revoked",): partner.revoked or None,
        ("card_issued",): partner.card_issued,
        ("link",): partner.link,
        ("mail_address",): partner.mail_address,
        ("envelope",): partner.envelope,
        ("ssh_key",): partner.ssh_key,
        ("old_ssh_key",): partner.old_ssh_key,
        ("old_ssh_key_until",): partner.old_ssh_key_until,
        ("os_account",): partner.os_account,
        ("flows_out",): partner.flows_out,
        ("flows_in",): partner.flows_in,
        ("max_bytes_per_second",): partner.max_bytes_per_second,
        ("windows",): partner.windows or None,
        ("suspended",): partner.suspended,
        ("landing_bytes",): partner.landing_bytes,
        ("landing_files",): partner.landing_files,
        ("day_bytes",): partner.day_bytes,
        ("endpoint", "host"): endpoint.host if endpoint else None,
        ("endpoint", "port"): endpoint.port if endpoint else None,
        ("endpoint", "other_addresses"): (endpoint.other_addresses or None) if endpoint else None,
        ("endpoint", "user"): endpoint.user if endpoint else None,
        ("endpoint", "path"): endpoint.path if endpoint else None,
        ("endpoint", "host_key"): endpoint.host_key if endpoint else None,
        ("endpoint", "old_host_key"): endpoint.old_host_key if endpoint else None,
        ("endpoint", "old_host_key_until"): endpoint.old_host_key_until if endpoint else None,
    }
    if endpoint is None:
        values["endpoint",] = None
    return fill((resource("config") / EXAMPLE_PARTNER).read_text(encoding="utf-8"), values)


def write_keys(home: Home, fingerprint: str, keys: KeySettings) -> None:
    """Write our own keys' part of gateway.toml, and leave the rest of the file as the sysadmin has it."""
    text = change(home.gateway_toml.read_text(encoding="utf-8"), "openpgp", {"fingerprint": fingerprint})
    noted: dict[str, Value] = keys.model_dump()
    noted["revoked_openpgp"] = keys.revoked_openpgp or None
    mode = stat.S_IMODE(home.gateway_toml.stat().st_mode)
    write_text(home.gateway_toml, change(text, "keys", noted), mode)


def write_partner(home: Home, partner: Partner) -> Path:
    """Write partners.d/CODE.toml, replacing the one before; its path."""
    path = home.partners_d / f"{partner.code}.toml"
    write_text(path, render_partner(partner))
    return path


def write_text(path: Path, text: str, mode: int = FILE_MODE) -> None:
    """Make or replace a file: complete and durable under its name, or not there."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
        with open(descriptor, "w", encoding="utf-8") as stream:  # noqa: PTH123  # a descriptor, not a path
            os.fchmod(descriptor, mode)
            stream.write(text)
            stream.flush()
            os.fsync(descriptor)
        temporary.replace(path)
        sync_directory(path.parent)
    finally:
        temporary.unlink(missing_ok=True)
