"""Two sites made ready for a trip, on ground that a child process can be killed on hundreds of times."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from gateway.assembly.links import server_spec
from gateway.settings.read import load
from gateway.transport.sshd.server import ManagedServer
from tests.acceptance.copies import copied_pair
from tests.acceptance.sites import Site
from tests.crash.roles import Pair


@contextmanager
def prepared(root: Path, wire: str) -> Iterator[Pair]:
    """Copies of both sites below `root`: with servers where they reach each other by SFTP, else carried between by hand."""
    with copied_pair(root) as pair, ExitStack() as stack:
        for site, other in (pair, pair[::-1]):
            for flow in ("claim", "laid", "extract"):
                site.edit_config(f"flows.{flow}", settle_seconds=0.05)
            if wire == "folder":
                _carried_by_hand(site, other)
            else:
                server = ManagedServer(server_spec(load(site.home)))
                server.start()
                stack.callback(server.stop)
        yield pair


def _carried_by_hand(site: Site, other: Site) -> None:
    path = site.home.partners_d / f"{other.code}.toml"
    path.write_text(path.read_text(encoding="utf-8").replace('link = "push"', 'link = "none"'), encoding="utf-8")
