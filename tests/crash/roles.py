"""Roles at work in this process: one as `gateway run --role` runs it, until it is idle, or all of both sites' in turn."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from gateway.assembly import roles
from gateway.daemon import role_frame, role_process
from gateway.daemon.lock import held
from gateway.daemon.recovery import tidy
from gateway.daemon.wake_ups import WakeUp
from gateway.errors import Defer
from gateway.logs import configure
from gateway.settings.model import Settings
from gateway.settings.read import load
from gateway.stages.context import Stage, StageContext
from gateway.stages.itinerary import Role
from gateway.stages.landing import LandingUploads
from gateway.stages.outbound.send import Send
from tests.acceptance.reading import files_below, rows
from tests.acceptance.sites import Site

Pair = tuple[Site, Site]

_SOON = 0.5
"""Seconds: what is due that soon is waited for, and a role with nothing else to wait for is idle."""

_QUIET = 3.0
"""Seconds without any movement after which nothing is expected to move any more."""

_UNFINISHED = (
    "SELECT id FROM transfers WHERE direction = 'out' AND (spool_file IS NOT NULL OR notify_pending)",
    "SELECT id FROM transfers WHERE direction = 'out' AND state IN ('admitted', 'validated', 'packed', 'sealed', 'sent')",
    "SELECT id FROM transfers WHERE direction = 'out' AND custody AND state != 'held'",
    "SELECT id FROM transfers WHERE direction = 'in' AND state = 'opened'",
    "SELECT id FROM consignments WHERE direction = 'in' AND state IN ('landed', 'opened')",
    "SELECT consignment FROM receipts WHERE state IN ('issued', 'sealed', 'landed')",
)


def run_until_idle(settings: Settings, role: Role) -> None:
    """`gateway run --role ROLE`, told to stop as soon as it rests: its start, its work, its end."""
    sends: list[Send] = []
    link_stages = roles.link_stages

    def noting(
        context: StageContext, wake: Callable[[], None], uploads: LandingUploads | None = None
    ) -> Sequence[Stage]:
        stages = link_stages(context, wake, uploads)
        sends.extend(stage for stage in stages if isinstance(stage, Send))
        return stages

    class Resting(WakeUp):
        """The role's wake-up: where nothing wakes it and nothing is due soon, it says that it is time to stop."""

        def wait(self, seconds: float) -> bool:
            if any(send.busy for send in sends):
                return super().wait(min(seconds, _SOON))
            if seconds > _SOON:
                os.kill(os.getpid(), signal.SIGTERM)
            return super().wait(min(seconds, _SOON))

    roles.link_stages = noting
    role_frame.WakeUp = Resting  # type: ignore[attr-defined]  # this process is a child that ends here
    role_process.work(settings, role)


@contextmanager
def stages_of(site: Site, settings: Settings, role: Role) -> Iterator[Sequence[Stage]]:
    """A role as the daemon sets it up: its lock, its ledger, what its last life left put right, its stages."""
    with ExitStack() as stack:
        log = stack.enter_context(site.log.open("ab"))
        logger = configure(site.code, role, stream=log)
        stack.enter_context(held(site.home.run, role))
        wake_up = stack.enter_context(WakeUp(site.home.run, role))
        context = roles.stage_context(settings, role, logger, lambda: False)
        stack.callback(context.ledger.close)
        tidy(site.home, context.ledger, role)
        stages = role_process._stages(stack, context, role, wake_up, logger)
        for stage in stages:
            stack.callback(stage.close)
        yield stages


def drive(
    pair: Pair,
    carry: Callable[[], int],
    during: Callable[[Site | None], None] = lambda _site: None,
    *,
    lives: int = 1,
) -> None:
    """Start every role of both sites, and let them work in turn until everything has come to its end.

    `carry` takes sealed files from site to site, and says how many. `during` is told whose turn it is. Where nothing
    moves any more, and not everything is at its end, they are started again, `lives` times in all.
    """
    for _ in range(lives):
        with ExitStack() as stack:
            crews: list[tuple[Site, Sequence[Stage]]] = []
            for site in pair:
                during(site)
                settings = load(site.home)
                crews += [(site, stack.enter_context(stages_of(site, settings, role))) for role in Role]
            _work(crews, pair, carry, during)
            for site in pair:
                during(site)
        if not unfinished(pair):
            return
    raise AssertionError(f"not at its end: {unfinished(pair)}")


def _work(
    crews: Sequence[tuple[Site, Sequence[Stage]]],
    pair: Pair,
    carry: Callable[[], int],
    during: Callable[[Site | None], None],
) -> None:
    """Until everything is at its end, or nothing has moved for a while."""
    sends = [stage for _, stages in crews for stage in stages if isinstance(stage, Send)]
    moved, ended, there = time.monotonic(), False, False
    while not ended and time.monotonic() < moved + _QUIET:
        done, there = 0, not there
        # One round there, the next one back: what goes out passes inspect first, what comes in passes link first.
        for site, stages in crews if there else reversed(crews):
            during(site)
            for stage in stages:
                with suppress(Defer):
                    done += stage.step().done
        during(None)
        done += carry()
        busy = any(send.busy for send in sends)
        if done or busy:
            moved = time.monotonic()
        ended = not (done or busy or unfinished(pair))
        if not (done or ended):
            time.sleep(0.03)


def unfinished(pair: Pair) -> list[Any]:
    """What has not come to its end at either site."""
    found: list[Any] = []
    for site in pair:
        for query in _UNFINISHED:
            found += [(site.code, *row.values()) for row in rows(site, query)]
        home = site.home
        waiting = files_below(home.outbound, home.outcomes, home.sealed_in, home.landing)
        found += [path for path in waiting if not path.name.startswith("README") and path.suffix != ".part"]
    return found


def by_hand(pair: Pair) -> int:
    """Carry what waits in either site's `out` to the other's `in`, as a person with a stick would; how many files."""
    count = 0
    for site, other in (pair, pair[::-1]):
        for path in sorted(site.home.landing_out(other.code).glob("*.pgp")):
            target = other.home.landing_in(site.code) / path.name
            part = target.with_name(f"{target.name}.part")
            with part.open("wb") as file:
                file.write(path.read_bytes())
                file.flush()
                # As far as a partner's upload goes: the bytes are durable, their name is not.
                os.fsync(file.fileno())
            part.rename(target)
            kept = carried(other)
            kept.mkdir(exist_ok=True)
            shutil.move(path, kept / path.name)
            count += 1
    return count


def carried(site: Site) -> Path:
    """Where everything is kept that was carried to a site."""
    return site.home.root.parent / f"carried-to-{site.code}"


def by_wire(_pair: Pair) -> int:
    """Nothing to carry: the sites reach each other."""
    return 0


CARRIERS: Mapping[str, Callable[[Pair], int]] = {"folder": by_hand, "sftp": by_wire}
