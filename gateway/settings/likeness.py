"""Whether two nodes of a site are configured alike in what partners depend on: one word that is the same where that is. Raises nothing."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Final

from gateway.settings.model import Settings

_CHARACTERS: Final = 16


def likeness(settings: Settings) -> str:
    """16 hex digits for the site's code, its OpenPGP and SSH keys, the addresses that partners are told, each partner's file, and which have faults.
    Nothing in it differs from node to node by right. Of the SSH keys their public lines are read, which all accounts of a site may.
    """
    partners = {}
    for code in settings.codes:  # a suspension by the ledger's word is no difference of files
        stopped = settings.stopped.get(code)
        partner = settings.partners.get(code) if stopped is None else stopped.partner
        faulty = stopped is not None and bool(stopped.faults)
        partners[code] = [faulty, None if partner is None else partner.model_dump(mode="json")]
    keys = [settings.openpgp.fingerprint, settings.keys.old_openpgp]
    addresses = sorted(settings.sftp_server.addresses)  # their order is for the next card alone
    lines = [_public_line(key) for key in (settings.home.client_key, settings.home.host_key)]
    said = json.dumps([settings.site.code, keys, lines, addresses, partners], sort_keys=True)
    return sha256(said.encode()).hexdigest()[:_CHARACTERS]


def _public_line(key: Path) -> list[str] | None:
    """Kind and key, without the comment; None where it cannot be read."""
    try:
        return key.with_name(f"{key.name}.pub").read_text("ascii").split()[:2]
    except (OSError, UnicodeDecodeError):
        return None
