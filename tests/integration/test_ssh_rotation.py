"""SSH keys while they are changed, on the real sshd: both are good until the date, and not a moment longer."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.errors import AuthenticationRefused, HostKeyChanged
from gateway.transport.keys import Kind, copy_private_key, make_key_pair, read_public_key, replace_key_pair
from gateway.transport.sftp.check import check_link
from gateway.transport.sftp.client import SftpTransport
from gateway.transport.sshd.config import render_authorized_keys
from tests.fakes.sshd_site import PATIENT, SshdSite, make_site, wait_until

DAY = 86_400.0


@pytest.fixture
def site(tmp_path: Path) -> Iterator[SshdSite]:
    """A site that is changing its host key, running."""
    made = make_site(tmp_path)
    old = tmp_path / "host.old"
    copy_private_key(made.spec.host_key, old)
    replace_key_pair(made.spec.host_key, kind=Kind.RSA)
    made.server.spec = made.spec = replace(made.spec, old_host_key=old)
    made.server.start()
    yield made
    made.server.stop()


def listenings(site: SshdSite) -> int:
    """How often sshd said that it listens: once more after each reload of its configuration."""
    return sum("Server listening" in line for line in list(site.lines))


def shown(transport: SftpTransport) -> str:
    return check_link(transport, "a").host_key


def test_server_shows_each_partner_the_host_key_that_it_knows(site: SshdSite) -> None:
    old, new = site.host_key, read_public_key(site.spec.host_key)
    assert (old.type, new.type) == ("ssh-ed25519", "ssh-rsa")
    assert shown(site.transport()) == old.fingerprint
    assert shown(site.transport(host_key=new.line)) == new.fingerprint


def test_partner_that_knows_both_takes_the_new_one_and_the_old_one_until_its_date(site: SshdSite) -> None:
    old, new, now = site.host_key, read_public_key(site.spec.host_key), time.time()
    both = replace(site.endpoint(), host_key=new.line, old_host_key=old.line, old_host_key_until=now)
    assert shown(SftpTransport(both, site.client_key(), PATIENT, wall=lambda: now - 1)) == new.fingerprint
    # A server that has not changed over yet shows the old key: good until its date, and not on it.
    stranger = make_key_pair(site.directory / "another", kind=Kind.RSA).line
    only_old = replace(both, host_key=stranger)
    before = listenings(site)
    site.server.reload(replace(site.spec, host_key=site.spec.old_host_key or site.spec.host_key, old_host_key=None))
    assert wait_until(lambda: listenings(site) > before, 60)
    assert shown(SftpTransport(only_old, site.client_key(), PATIENT, wall=lambda: now - 1)) == old.fingerprint
    with pytest.raises(HostKeyChanged):
        SftpTransport(replace(both, host_key=""), site.client_key(), PATIENT, wall=lambda: now).connect()
    assert list(site.drop().iterdir()) == []


def test_old_client_key_is_tried_where_the_new_one_is_not_known_and_never_the_other_way_about(site: SshdSite) -> None:
    fresh = site.directory / "fresh"
    public = make_key_pair(fresh)
    transport = SftpTransport(site.endpoint(), fresh, PATIENT, old_client_key=site.client_key())
    for _ in range(2):
        transport.connect().close()
    # Refused once, remembered after that: partners' logs are not filled with failed logins.
    refused = [line for line in site.lines if "Failed publickey" in line and public.fingerprint in line]
    assert len(refused) <= 1
    (account,) = site.spec.accounts
    known = replace(account, public_key=public.line, old_key=account.public_key, old_until=time.time() + DAY)
    site.server.reload(replace(site.spec, accounts=(known,)))
    for key in (fresh, site.client_key()):
        SftpTransport(site.endpoint(), key, PATIENT).connect().close()


def test_old_client_key_of_a_partner_is_let_in_until_its_date_by_sshd_itself(site: SshdSite) -> None:
    (account,) = site.spec.accounts
    fresh = site.directory / "fresh"
    public = make_key_pair(fresh)
    moved = replace(account, public_key=public.line, old_key=account.public_key)
    site.server.reload(replace(site.spec, accounts=(replace(moved, old_until=time.time() - 5),)))
    with pytest.raises(AuthenticationRefused):
        SftpTransport(site.endpoint(), site.client_key(), PATIENT).connect()
    SftpTransport(site.endpoint(), fresh, PATIENT).connect().close()
    first, second = render_authorized_keys([replace(moved, old_until=1_795_000_000.0)], None).splitlines()
    assert "expiry-time" not in first
    assert 'expiry-time="20261118110640Z"' in second


def test_host_key_that_was_replaced_in_place_is_shown_no_more(site: SshdSite) -> None:
    lost = read_public_key(site.spec.host_key)
    fresh = replace_key_pair(site.spec.host_key, kind=Kind.RSA)
    with pytest.raises(HostKeyChanged):
        site.transport(host_key=lost.line).connect()
    assert shown(site.transport(host_key=fresh.line)) == fresh.fingerprint
