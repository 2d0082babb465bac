"""The partners of a site: names, links, flows, fingerprints; of those that are stopped the faults, or why they are suspended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gateway.flows.routes import flows_of
from gateway.settings.model import Settings


@dataclass(frozen=True)
class PartnerView:
    """One partner; None for what its file, which has a fault, does not say."""

    code: str
    name: str | None
    kind: str | None
    link: str | None
    envelope: str | None
    fingerprint: str | None
    flows_out: tuple[str, ...]
    flows_in: tuple[str, ...]
    endpoint: dict[str, Any] | None
    faults: tuple[str, ...]
    suspended: str | None = None


def partners(settings: Settings) -> Sequence[PartnerView]:
    """By their codes; those whose file cannot be read come last."""
    reasons = {code: stopped.suspended for code, stopped in settings.stopped.items()}
    faults = {code: tuple(map(str, stopped.faults)) for code, stopped in settings.stopped.items()}
    read = {code: stopped.partner for code, stopped in settings.stopped.items() if stopped.partner is not None}
    found = []
    for code, each in sorted({**settings.partners, **read}.items()):
        outgoing, incoming = flows_of(settings, each)
        found.append(
            PartnerView(
                code=code,
                name=each.name,
                kind=each.kind.value,
                link=each.link,
                envelope=each.envelope,
                fingerprint=each.fingerprint,
                flows_out=tuple(outgoing),
                flows_in=tuple(incoming),
                endpoint=each.endpoint.model_dump(exclude={"host_key"}) if each.endpoint else None,
                faults=faults.get(code, ()),
                suspended=reasons.get(code),
            )
        )
    return found + [
        PartnerView(code, None, None, None, None, None, (), (), None, said, reasons[code])
        for code, said in faults.items()
        if code not in read
    ]
