"""A person's leave for an index that holds what the sender wrote: an event of the chain, which names the template as it stands.

Raises NotFound for a template that there is not, UsageWrong for one that needs no leave, ConfigurationInvalid where a template has a
fault, and IndexNotApproved where one has no leave.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from gateway.administration.requests import actors
from gateway.domain.decision import Decision
from gateway.errors import IndexNotApproved, NotFound, UsageWrong
from gateway.ledger.queries.events import last_details
from gateway.ledger.store import Connection
from gateway.logs import Logger, safe_text
from gateway.settings.index_templates import Template, templates
from gateway.settings.model import Settings

_APPROVED: Final = "index.approved"


def approve(settings: Settings, log: Logger, name: str, decision: Decision) -> Template:
    """Record that a person lets this template's index hold what it names; why is what the template says, unless they say more."""
    found = [template for template in templates(settings) if template.name == name]
    if not found:
        raise NotFound(f"There is no template config/index/{name[:40]}.toml.")
    (template,) = found
    says = template.says.personal
    if says is None:
        raise UsageWrong("This template's index holds nothing that the sender wrote: it needs nobody's leave.")
    if not decision.reason:
        decision = replace(decision, reason=actors.decision(says.why).reason)
    with actors.stage_context(settings, log) as context, context.ledger.write() as transaction:
        transaction.record(
            _APPROVED,
            "site",
            template.name,
            sha256=template.sha256,
            decided_by=safe_text(says.decided_by),
            personal=[*says.fields],
            flows=[*template.says.flows],
            **decision.detail,
        )
    return template


def require_approved(connection: Connection, template: Template) -> None:
    """IndexNotApproved unless somebody let it hold what it does, as it stands now."""
    if not template.personal:
        return
    _, detail = last_details(connection, [_APPROVED], [template.name]).get(template.name, ("", {}))
    if detail.get("sha256") != template.sha256:
        raise IndexNotApproved(f"config/index/{template.name}.toml")
