"""The engines that setting up a site needs, each imported when it is first called for.

Raises what the contracts name. The libraries behind take half a second to import, and most commands need one of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gateway.crypto.contract import KeyStore
from gateway.settings.home import Home
from gateway.settings.model import EndpointSettings, LinkSettings
from gateway.transport.contract import Endpoint, Pace

if TYPE_CHECKING:
    from gateway.transport.check import LinkReport


def key_store(keyrings: Path) -> KeyStore:
    """The keys below `keyrings`; no agent is left running after a call."""
    from gateway.crypto.keystore import GnuPgKeyStore  # noqa: PLC0415  # slow to import

    return GnuPgKeyStore(keyrings)


def create_ledger(home: Home) -> None:
    """An empty ledger."""
    from gateway.ledger.migrate import migrate  # noqa: PLC0415  # slow to import

    migrate(home.ledger)


def try_link(home: Home, there: EndpointSettings, link: LinkSettings) -> LinkReport:
    """What a trial of the link to a partner's server shows; the Defer or Hold that says why there is none."""
    from gateway.transport.check import check_link  # noqa: PLC0415  # slow to import
    from gateway.transport.sftp import SftpTransport  # noqa: PLC0415  # slow to import

    pace = Pace(
        connect_timeout=link.connect_timeout,
        auth_timeout=link.auth_timeout,
        answer_timeout=link.answer_timeout,
        least_bytes_per_second=link.least_bytes_per_second,
        grace=link.grace,
    )
    endpoint = Endpoint(there.host, there.port, there.user, there.path, there.host_key)
    return check_link(SftpTransport(endpoint, home.client_key, pace))
