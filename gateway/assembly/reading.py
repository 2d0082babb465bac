"""How files are read: each flow's plan, the sandbox of processes that follow it, and the virus scanner."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from gateway.flows.catalog import FLOWS
from gateway.settings.model import Settings
from gateway.settings.resources import resource

if TYPE_CHECKING:
    from gateway.validation.plan import Plan
    from gateway.validation.sandbox.pool import Sandbox
    from gateway.validation.virus_scanner import Clamd


def plans(settings: Settings) -> Mapping[str, Plan]:
    """How each flow's files are read."""
    from gateway.domain.redirect import FLOW as REDIRECT
    from gateway.validation.plan import with_authorities

    schemas = resource("schemas")
    made = {name: flow.plan(schemas, settings.validation.test_numbers, settings.links) for name, flow in FLOWS.items()}
    return made | {REDIRECT: with_authorities(made[REDIRECT], settings.authorities.added)}


def sandbox(settings: Settings, workers: int | None = None) -> Sandbox:
    """The processes in which files are read."""
    from gateway.validation.sandbox.pool import Sandbox

    return Sandbox(plans(settings), workers or settings.daemon.workers)


def scanner(settings: Settings) -> Clamd | None:
    """The virus scanner, where any flow asks for it."""
    if not any(flow.scan for flow in settings.flows.values()):
        return None
    from gateway.validation.virus_scanner import Clamd

    said = settings.antivirus
    return Clamd(said.socket, said.host, said.port, said.answer_timeout, said.max_bytes)
