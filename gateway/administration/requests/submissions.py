"""A file that a program submits: it came to `state/uploads` as one of the console's does, and is taken in as one, for the token's owner.

The upload's id becomes the transfer's. After a crash between the two databases the key is not known: a repetition is another transfer of the same
bytes, which is held or refused as a duplicate is. Raises RightMissing, FlowNotPermitted, KeyReused, DiskFull, NotFound, and what the store, the
ledger and the disk raise.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Final

from orjson import dumps

from gateway.administration.credentials.context import CredentialContext
from gateway.administration.credentials.refusals import TOKEN
from gateway.administration.requests.repeated import known, reply_of
from gateway.daemon.wake_ups import wake
from gateway.domain.people import Right, Token, may
from gateway.domain.requests import Act
from gateway.domain.uploads import NOTE, Upload, note
from gateway.errors import DiskFull, FlowNotPermitted, NotFound, RightMissing
from gateway.flows.routes import routes
from gateway.ledger import requests
from gateway.ledger.store import Connection
from gateway.ledger.units import Request
from gateway.settings.model import Settings
from gateway.storage.durable import disk_error, fsync_directory, write_file

MOST_WAITING: Final = 100
"""Uploads that were not taken in yet, of everybody together."""


def require_sendable(settings: Settings, token: Token, flow: str, partner: str) -> None:
    """RightMissing where the token may not send that there, FlowNotPermitted where nobody may: before a byte is taken."""
    if not may(token, Right.SEND, flow, partner):
        raise RightMissing("the token may not send files of that flow to that partner")
    if partner not in routes(settings).outgoing.get(flow, frozenset()):
        raise FlowNotPermitted(f"The flow {flow[:40]} does not go to {partner[:40]}.")
    if sum(1 for _ in settings.home.uploads.glob(f"*{NOTE}")) >= MOST_WAITING:
        raise DiskFull("too many files wait to be taken in")
    if shutil.disk_usage(settings.home.uploads).free < settings.limits.min_free_bytes + settings.flows[flow].max_bytes:
        raise DiskFull("there is no room for another file")


def submit(
    context: CredentialContext, settings: Settings, token: Token, key: str, upload: Upload, coming: Path, sha256: str
) -> Request:
    """Ask for the file at `coming` to be taken in; the request, or the one that the same key became before. `coming` is gone, or the caller's."""
    reply = reply_of(context, token, key, dumps([Act.SEND, upload.flow, upload.partner, upload.name, sha256]))
    with context.store.write() as records:
        if (before := known(context, records, reply)) is not None:
            return before
        keep(settings.home.uploads, coming, upload)
        with context.ledger.write() as transaction:
            asked = requests.ask(transaction, reply.request, Act.SEND, upload.id, token.owner.user, "")
            told: dict[str, Any] = {"actor": token.owner.user, "transfer": upload.id, "flow": upload.flow}
            transaction.record("token.submitted", TOKEN, token.name, upload.partner, **told)
        records.keep_reply(reply)
    wake(settings.home.run, Act.SEND.role)
    return asked


def find(connection: Connection, token: Token, identity: str) -> Request:
    """The request of that id where a program of the token's owner submitted something by it; else NotFound."""
    request = requests.find(connection, identity)
    if request.act is not Act.SEND or request.actor != token.owner.user:
        raise NotFound("there is no such submission")
    return request


def keep(directory: Path, coming: Path, upload: Upload) -> None:
    """The note first, and then the file its name: whoever finds the file finds what it is."""
    try:
        if shutil.disk_usage(directory).free < upload.size:
            raise DiskFull("there is no room for another file")
        write_file(directory / f"{upload.id}{NOTE}", note(upload), mode=0o660)
        coming.rename(directory / upload.id)
        fsync_directory(directory)
    except OSError as error:
        raise disk_error(error, "keeping an upload") from error
