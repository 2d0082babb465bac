"""Which local authorities there are, under which codes; and whether a code may be a site's or a partner's.

Raises AuthorityUnlisted, and CardRefused for an authority that has a site here under its other code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from gateway.errors import AuthorityUnlisted, CardRefused
from gateway.settings.authorities import Authorities, Authority
from gateway.settings.model import Settings, SiteKind, kind_of


@dataclass(frozen=True)
class AuthorityView:
    """An authority, its code from `since` until `until`; `current` is the code that stands for it today."""

    ons: str
    billing: str | None
    name: str
    kind: str
    since: str | None
    until: str | None
    successor: str | None
    current: str
    current_name: str | None


def search(known: Authorities, text: str, today: date) -> Sequence[AuthorityView]:
    """Those with the text in their name, or at the beginning of a code."""
    return [_view(row, known.successor(row.ons, today)) for row in known.search(text)]


def require_listed(known: Authorities, code: str, *, unlisted: bool) -> None:
    """AuthorityUnlisted for a code that names no authority, unless whoever gives it knows that."""
    if unlisted or kind_of(code) is not SiteKind.LA or known.find(code) is not None:
        return
    raise AuthorityUnlisted(f"{code} is the code of no authority that is known here{meant(known, code)}")


def require_another(settings: Settings, code: str) -> None:
    """CardRefused where the authority of the code is this site's or a partner's already, under its other code."""
    aliases = settings.authorities.aliases
    if code != settings.site.code and aliases(code, settings.site.code):
        raise CardRefused(f"{code} is this site's own authority: the site is known as {settings.site.code}.")
    for other in settings.partners:
        if code != other and aliases(code, other):
            raise CardRefused(
                f"{code} is the authority of the partner {other} under its other code: one authority is one partner."
            )


def successor_warning(known: Authorities, code: str, today: date) -> str | None:
    """That another code stands for this one today, in a sentence; None where none does."""
    row, successor = known.find(code), known.successor(code, today)
    if row is None or successor is None:
        return None
    return f"{code} ({row.name}) ended on {row.until}; {successor.ons} ({successor.name}) stands for it now."


def meant(known: Authorities, text: str) -> str:
    """The end of the sentence: what looks like it, if anything does."""
    near = [f"{row.ons} ({row.name})" for row in known.near(text)]
    return f"; did you mean {' or '.join(near)}?" if near else "."


def _view(row: Authority, successor: Authority | None) -> AuthorityView:
    return AuthorityView(
        ons=row.ons,
        billing=row.billing,
        name=row.name,
        kind=row.kind,
        since=None if row.since is None else row.since.isoformat(),
        until=None if row.until is None else row.until.isoformat(),
        successor=row.successor,
        current=successor.ons if successor is not None else row.ons,
        current_name=None if successor is None else successor.name,
    )
