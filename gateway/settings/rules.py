"""What the types of a partner's settings cannot say: rules within one file, and between the files of two partners.

Raises nothing and reads nothing: each rule that is broken is a `Broken`, which `read` turns into a fault with its line.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from gateway.settings.faults import nearest, shown
from gateway.settings.flow_settings import ANSWERED, DEFAULT_FLOWS
from gateway.settings.locate import Path
from gateway.settings.model import Partner

NEEDS_ENDPOINT: Final = '"push" needs an [endpoint] table with host, user and host_key'


@dataclass(frozen=True)
class Broken:
    """A rule that a partner's settings break: where in its file, and what is wrong."""

    path: Path
    message: str


def within(partner: Partner, stem: str, own_code: object) -> Iterator[Broken]:
    """The rules of one partner, whose file is `stem`.toml, at the site `own_code`."""
    if partner.code == own_code:
        yield Broken(("code",), "is this site's own code")
    if partner.code != stem:
        yield Broken(("code",), f"is {shown(partner.code)}, but the file is {stem}.toml: they must be the same")
    if partner.link == "push" and partner.endpoint is None:
        yield Broken(("link",), NEEDS_ENDPOINT)
    if partner.link == "mail" and partner.mail_address is None:
        yield Broken(("link",), '"mail" needs mail_address, the address of the partner\'s gateway')
    if partner.envelope == "plain":
        yield from _plain(partner)
    yield from _rotation(partner)
    for key, flows in (("flows_out", partner.flows_out), ("flows_in", partner.flows_in)):
        for flow in flows or ():
            if flow not in DEFAULT_FLOWS:
                yield Broken((key,), f"{shown(flow)} is not a flow{nearest(flow, DEFAULT_FLOWS)}")


def _plain(partner: Partner) -> Iterator[Broken]:
    """Nothing comes from a partner without a gateway, and nothing that needs an answer goes there."""
    if partner.link in {"collect", "mail"}:
        yield Broken(
            ("link",), f'"{partner.link}" is of partners with a gateway: use "push" or "none" with envelope = "plain"'
        )
    if partner.endpoint is not None and partner.endpoint.other_addresses:
        yield Broken(
            ("endpoint", "other_addresses"),
            'a partner with envelope = "plain" knows no file by its id, and could get one at two servers: name one',
        )
    if partner.flows_in:
        yield Broken(
            ("flows_in",), 'nothing is taken from a partner with envelope = "plain": leave flows_in out, or use []'
        )
    if answered := sorted(ANSWERED.intersection(partner.flows_out or ())):
        yield Broken(("flows_out",), f'{", ".join(answered)}: a partner with envelope = "plain" cannot answer that')


def _rotation(partner: Partner) -> Iterator[Broken]:
    """A key before needs its end date, and is another than the current one."""
    there = partner.endpoint
    pairs: list[tuple[Path, object, object, object]] = [
        (("old_fingerprint",), partner.old_fingerprint, partner.old_fingerprint_until, partner.fingerprint),
        (("old_ssh_key",), partner.old_ssh_key, partner.old_ssh_key_until, partner.ssh_key),
    ]
    if there is not None:
        pairs.append((("endpoint", "old_host_key"), there.old_host_key, there.old_host_key_until, there.host_key))
    for path, old, until, current in pairs:
        name = path[-1]
        if (old is None) is not (until is None):
            yield Broken(path, f"needs {name}_until, and only with it: the key is accepted until then")
        if old is not None and old == current:
            yield Broken(path, f"is {name.removeprefix('old_')}: the current key is not the old one")


def between(partners: Iterable[Partner], changed: Callable[[str], float]) -> Iterator[tuple[str, Broken]]:
    """Partners that could not be told apart, by certificate, login key or account: the code of each, and the rule.

    `changed` says when a partner's file was last changed. The one whose file has been as it is for longest worked before
    the other said the same, and goes on; the others break the rule. Of files of one age all do.
    """
    owners: defaultdict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for partner in partners:
        for key, value in _identities(partner):
            owners[key.removeprefix("old_"), value].append((partner.code, key))
    for same in owners.values():
        ages = {code: changed(code) for code, _ in same}
        oldest = min(ages.values())
        first = [code for code, age in ages.items() if age == oldest]
        for code, key in same:
            others = sorted(ages.keys() - {code})
            if others and first != [code]:
                files = " and ".join(f"config/partners.d/{other}.toml" for other in others)
                yield code, Broken((key,), f"is the same as in {files}")


def _identities(partner: Partner) -> Iterator[tuple[str, str]]:
    yield "fingerprint", partner.fingerprint
    if partner.old_fingerprint is not None:
        yield "old_fingerprint", partner.old_fingerprint
    if partner.ssh_key is not None:
        yield "ssh_key", _bare(partner.ssh_key)
    if partner.old_ssh_key is not None:
        yield "old_ssh_key", _bare(partner.old_ssh_key)
    if partner.os_account is not None:
        yield "os_account", partner.os_account
    if partner.mail_address is not None:
        yield "mail_address", partner.mail_address.casefold()


def _bare(ssh_key: str) -> str:
    """A key's line without its comment."""
    return " ".join(ssh_key.split()[:2])
