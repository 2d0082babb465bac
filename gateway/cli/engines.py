"""The engines that setting up a site needs, as the commands use them.

Raises what the contracts name. Imported inside commands only: GnuPG's and the ledger's libraries are slow to import.
"""

from __future__ import annotations

from pathlib import Path

from gateway.crypto.contract import KeyStore
from gateway.crypto.keystore import GnuPgKeyStore
from gateway.ledger.migrate import migrate
from gateway.settings.home import Home
from gateway.settings.model import Partner, Settings
from gateway.transport.check import LinkReport, check_link
from gateway.transport.contract import Endpoint, Pace
from gateway.transport.sftp import SftpTransport


def key_store(keyrings: Path) -> KeyStore:
    """The keys below `keyrings`; no agent is left running after a call."""
    return GnuPgKeyStore(keyrings)


def create_ledger(home: Home) -> None:
    """An empty ledger."""
    migrate(home.ledger)


def try_link(settings: Settings, partner: Partner) -> LinkReport | None:
    """What a trial of the link to the partner's server shows; None for a partner without one."""
    if partner.endpoint is None:
        return None
    there, link = partner.endpoint, settings.link
    pace = Pace(link.connect_timeout, link.auth_timeout, link.answer_timeout, link.least_bytes_per_second, link.grace)
    endpoint = Endpoint(there.host, there.port, there.user, there.path, there.host_key)
    return check_link(SftpTransport(endpoint, settings.home.client_key, pace))
