"""Fifty authorities in one process: each a whole site with its own keys, ledger and directories, by the gateway's own stages.

What differs from `gateway run` is only that their roles are no processes of their own. One sshd serves the landings of all.
`python -m tests.nodes.authorities DIRECTORY CODE...` works until SIGTERM.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from gateway.administration.site.card import make_card
from gateway.administration.site.creation import SiteSpec, create_site
from gateway.assembly import reading, roles, stores
from gateway.bench.server import Server, start_server
from gateway.daemon.lock import held
from gateway.daemon.recovery import tidy
from gateway.domain.card import Card
from gateway.errors import Defer
from gateway.flows.routes import permitted
from gateway.logs import configure
from gateway.settings.directories import make, partner_directories
from gateway.settings.home import Home
from gateway.settings.model import EndpointSettings, Partner, SiteKind
from gateway.settings.read import load
from gateway.settings.write import change, write_partner
from gateway.spool.stability import Stability
from gateway.stages.context import Stage
from gateway.stages.itinerary import Role
from gateway.stages.outbound.send import Send
from gateway.validation.sandbox.pool import Sandbox
from tests.crash.children import Lent

DWP: Final = "DWP"
_LOOK_EVERY: Final = 0.05
_REST: Final = 1.5
"""Seconds that an authority goes on working after it had something to do."""


def make_authorities(root: Path, count: int) -> tuple[dict[str, Home], Server]:
    """So many sites that know nobody yet, and the server whose sessions begin above their directories."""
    server = start_server(root)
    codes = [f"E0700{number:04d}" for number in range(1, count + 1)]

    # Alembic knows one migration at a time.
    with ProcessPoolExecutor(3, get_context("spawn")) as processes:
        return dict(zip(codes, processes.map(_made, [server.landing / code for code in codes]), strict=True)), server


def _made(root: Path) -> Home:
    home = create_site(root, SiteSpec(root.name, f"Authority {root.name}", "127.0.0.1", 2222, 30)).home
    configured(
        home,
        {
            "link": {"retry_base_seconds": 0.2, "retry_cap_seconds": 2.0, "endpoint_rest_seconds": 5.0},
            "daemon": {"rescan_seconds": 1.0},
        },
    )
    return home


def configured(home: Home, tables: dict[str, dict[str, object]]) -> None:
    """Set values in gateway.toml."""
    text = home.gateway_toml.read_text(encoding="utf-8")
    for table, values in tables.items():
        text = change(text, table, values)  # type: ignore[arg-type]  # numbers and lists are the same in JSON and in TOML
    home.gateway_toml.write_text(text, encoding="utf-8")


def introduce(home: Home, card: Card, endpoint: EndpointSettings | None) -> None:
    """Take a partner's card, and where it is reached."""
    kinds = [SiteKind.DWP, SiteKind.LA]
    outgoing, incoming = permitted(*(kinds[::-1] if card.site == DWP else kinds))
    fingerprint = stores.key_store(home.keyrings).pin(card.site, card.openpgp).fingerprint
    make(partner_directories(home, card.site, outgoing, incoming))
    partner = Partner(
        code=card.site, name=card.name, fingerprint=fingerprint, link="push", ssh_key=card.ssh_key, endpoint=endpoint
    )
    write_partner(home, partner)


def introduce_all(
    department: Home, authorities: dict[str, Home], server: Server, ports: Sequence[int], line: int | None = None
) -> None:
    """The Department knows all, and each knows it; their servers listen at these ports, each of which is the first for some. The Department reaches theirs by the
    port of a `line`, where there is one.
    """
    account = server.user
    ours = make_card(load(department), time.time())
    server_key = server.known_hosts.read_text("utf-8").split(" ", 1)[1].strip()
    assert ours.ssh_key is not None
    assert ours.host_key is not None
    (server.key.parent / "authorized_keys").write_text(
        f'restrict,command="internal-sftp -d {server.landing}" {ours.ssh_key}\n', encoding="utf-8"
    )
    for number, (code, home) in enumerate(authorities.items()):
        at = number % len(ports)
        port, *others = [*ports[at:], *ports[:at]]
        there = tuple(f"127.0.0.1:{other}" for other in others)
        reached = EndpointSettings(
            host="127.0.0.1", port=port, user=account, host_key=ours.host_key, other_addresses=there
        )
        introduce(home, ours, reached)
        endpoint = EndpointSettings(
            host="127.0.0.1",
            port=line or server.port,
            user=account,
            path=f"{code}/landing/{DWP}/in",
            host_key=server_key,
        )
        introduce(department, make_card(load(home), time.time()), endpoint)


@dataclass
class Authority:
    """One site at work: its stages, and until when it is looked after without a reason."""

    home: Home
    stages: list[Stage]
    dropped: Stability
    until: float = 0.0
    sends: list[Send] = field(default_factory=list)
    due: float = 0.0

    def has_work(self) -> bool:
        """Whether something came: from operators, or from the Department."""
        found = False
        for directory in self._watched():
            with os.scandir(directory) as entries:
                for entry in entries:
                    if not entry.name.startswith(".") and not entry.name.endswith(".part"):
                        found = True
                        if directory.parent.parent == self.home.outbound:
                            self.dropped.note_moved(Path(entry.path))
        return found

    def _watched(self) -> Iterator[Path]:
        yield self.home.landing_in(DWP)
        for flow in ("extract", "outcome"):
            yield self.home.outbound / flow / DWP

    def wake(self) -> None:
        self.until = time.monotonic() + _REST

    def step(self) -> None:
        done, due = 0, time.time() + 5.0
        for stage in self.stages:
            try:
                step = stage.step()
            except Defer:
                due = min(due, time.time() + 0.5)
                continue
            done += step.done
            if step.due is not None:
                due = min(due, step.due)
        self.due = due
        if done or any(send.busy for send in self.sends):
            self.wake()


def at_work(stack: ExitStack, home: Home, log_path: Path, readers: Sandbox) -> Authority:
    settings = load(home)
    log = stack.enter_context(log_path.open("ab"))
    authority = Authority(home, [], Stability(time.monotonic))
    for role in Role:
        stack.enter_context(held(home.run, role))
        logger = configure(settings.site.code, role, stream=log)
        context = roles.stage_context(settings, role, logger, lambda: False)
        stack.callback(context.ledger.close)
        tidy(home, context.ledger, role)
        match role:
            case Role.INSPECT:
                stages = roles.inspect_stages(
                    context, Lent(readers), authority.dropped, Stability(time.monotonic), authority.wake
                )
            case Role.VAULT:
                stages = roles.vault_stages(context, authority.wake)
            case Role.LINK:
                stages = roles.link_stages(context, authority.wake)
                authority.sends = [stage for stage in stages if isinstance(stage, Send)]
        for stage in stages:
            stack.callback(stage.close)
        authority.stages += stages
    return authority


def main(root: Path, codes: Sequence[str]) -> None:
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    stopping: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: stopping.append(number))
    with ExitStack() as stack:
        homes = [Home(root / code) for code in codes]
        readers = stack.enter_context(reading.sandbox(load(homes[0]), 1))
        authorities = [at_work(stack, home, root / f"{home.root.name}.log", readers) for home in homes]
        sys.stdout.write(json.dumps({"authorities": len(authorities)}) + "\n")
        sys.stdout.flush()
        while not stopping:
            busy = False
            for authority in authorities:
                if authority.has_work():
                    authority.wake()
                if time.monotonic() < authority.until or time.time() >= authority.due:
                    authority.step()
                    busy = True
            if not busy:
                time.sleep(_LOOK_EVERY)


if __name__ == "__main__":
    with suppress(BrokenPipeError):
        main(Path(sys.argv[1]), sys.argv[2:])
