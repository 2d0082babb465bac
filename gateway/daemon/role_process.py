"""One role as a process: its lock, its wake-up, its signals, its stages; until SIGTERM or the end of its supervisor.

Raises SiteBusy where the role runs already, and lets a Halt through to the command line, which exits with its status.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from gateway.assembly import reading, roles
from gateway.daemon.heartbeat import heartbeat
from gateway.daemon.patience import once_free
from gateway.daemon.recovery import tidy
from gateway.daemon.role_frame import Life, alone, logged
from gateway.daemon.roles import wake_all
from gateway.daemon.signals import ended_after
from gateway.daemon.stage_loop import StageLoop
from gateway.daemon.stopped_partners import say_stopped
from gateway.daemon.wake_ups import WakeUp
from gateway.daemon.walls import confine, require_account
from gateway.errors import Defer, DiskFailed, LedgerAway, LedgerBusy, ReadersFailed
from gateway.ledger.dispatch import dispatch_of
from gateway.ledger.suspensions import SuspensionWatch
from gateway.logs import Logger, announcer, library_lines
from gateway.settings.model import Settings
from gateway.settings.secrets import Secrets, secrets_of
from gateway.spool.shut_out import note_suspended
from gateway.spool.stability import Stability
from gateway.spool.watching import Hint, OnHint, Watcher
from gateway.stages.context import Stage, StageContext
from gateway.stages.itinerary import Role
from gateway.stages.landing import UNFINISHED, LandingUploads
from gateway.storage.writers import may_ask_of_any_file

_START_SECONDS: Final = 60
"""How long a watcher may take to start: for 3,000 directories it needs a tenth of a second."""


def work(settings: Settings, role: Role, *, supervised_by: int | None = None) -> None:
    """Run the role until it is stopped."""
    with logged(settings, role, supervised_by=supervised_by) as log:
        require_account(settings, role)
        log.info("role.confined", measures=list(confine(settings, role)))
        _insist_on_secrecy(secrets_of(settings.home, os.environ), role)
        _work(settings, role, log, supervised=supervised_by is not None)


def _work(settings: Settings, role: Role, log: Logger, *, supervised: bool) -> None:
    home = settings.home
    with ExitStack() as stack:
        stack.enter_context(alone(settings, role, log, supervised=supervised))
        life = Life(stack, home.run, role)
        stack.enter_context(library_lines(log))
        patiently = partial(once_free, log=log, wait=life.wake_up.wait, stopping=life.is_stopping)
        context = patiently(lambda: roles.stage_context(settings, role, log, life.is_stopping))
        stack.callback(context.ledger.close)
        patiently(lambda: stack.enter_context(context.ledger.held()))
        if not supervised:  # else the supervisor has done it for all roles
            say_stopped(log, settings)
            patiently(context.ledger.check_pages)
        patiently(lambda: tidy(home, context.ledger, role))
        if context.lanes is not None:
            ring, here = partial(wake_all, home.run), context.lanes.working
            context.ledger.dispatch = dispatch_of(
                settings.ledger_place,
                settings.node.name,
                ring,
                announcer(log),
                here=here,
                rings_here=False,
                pulse=life.pulse,
            )
            if role is Role.VAULT:
                stack.enter_context(context.ledger.dispatch.listening())
                stack.enter_context(heartbeat(settings, context.payloads, log, ring, life.pulse))
        log.info("role.started", pid=os.getpid())
        watch = SuspensionWatch(context.ledger, time.monotonic)
        while not life.is_stopping():
            reasons = patiently(watch.reasons)
            if role is Role.LINK:
                try:
                    note_suspended(home.shut_out, reasons)
                except Defer as error:  # this role exchanges nothing with them all the same
                    context.say_deferred(error, remedy=error.remedy)
            _until_changed(roles.without(context, reasons), watch, role, life, log)


def _until_changed(context: StageContext, watch: SuspensionWatch, role: Role, life: Life, log: Logger) -> None:
    """Run the role's stages until it is stopped, or somebody suspends or resumes a partner: then what is under way is broken off as at
    a stop, and everything is made anew.
    """

    def changed(*, at_once: bool) -> bool:
        try:
            return watch.changed(at_once=at_once)
        except (LedgerAway, LedgerBusy):  # the next look finds it
            return False

    with ExitStack() as stack:
        context = replace(context, stopping=lambda: life.is_stopping() or changed(at_once=False))
        stages = _stages(stack, context, role, life.wake_up, log)
        loop = StageLoop(context, stages, life.wake_up, pulse=life.pulse, anew=lambda: changed(at_once=True))
        stack.callback(loop.close)
        loop.run()


def _insist_on_secrecy(secrets: Secrets, role: Role) -> None:
    """Raise SecretExposed where other accounts can read the keys and passwords that the role uses."""
    match role:
        case Role.INSPECT:
            return
        case Role.VAULT:
            secrets.insist(secrets.openpgp)
        case Role.LINK:
            secrets.insist([secrets.client_key, secrets.old_client_key, secrets.submission, secrets.imap])


def _stages(stack: ExitStack, context: StageContext, role: Role, wake_up: WakeUp, log: Logger) -> Sequence[Stage]:
    """Start the role's watcher, and make its stages."""
    home = context.home

    def without_events(why: str) -> None:
        log.warning("work.deferred", code="no-events", reason=why)

    def watch(roots: Sequence[Path], on_hint: OnHint, *, every_write: bool = False) -> None:
        with ended_after(_START_SECONDS):
            stack.enter_context(Watcher(roots, on_hint, without_events, every_write=every_write))

    match role:
        case Role.INSPECT:
            dropped, answers = Stability(time.monotonic), Stability(time.monotonic)

            def on_spool(path: Path, hint: Hint) -> None:
                stability = answers if path.is_relative_to(home.outcomes) else dropped
                if hint is Hint.MOVED:
                    stability.note_moved(path)
                else:
                    stability.note_written(path, writing=hint is Hint.WRITING)
                wake_up.wake()

            readers = stack.enter_context(reading.sandbox(context.settings))
            with suppress(ReadersFailed, DiskFailed):  # the stage that needs the readers reports it
                readers.start()
            watch([home.outbound, home.outcomes], on_spool, every_write=not may_ask_of_any_file())
            return roles.inspect_stages(context, readers, dropped, answers, wake_up.wake)
        case Role.VAULT:
            return roles.vault_stages(context, wake_up.wake)
        case Role.LINK:
            uploads = LandingUploads()

            def on_landing(path: Path, _hint: Hint) -> None:
                if path.parent != home.logins:
                    uploads.note(path)
                if not path.name.endswith(UNFINISHED):  # the rename to its last name wakes the role too
                    wake_up.wake()

            watch([path for path in (home.landing, home.logins) if path.is_dir()], on_landing)
            return roles.link_stages(context, wake_up.wake, uploads)
