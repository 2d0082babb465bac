"""Signing in by the site's identity provider: away to it and back, and signing out there too.

A browser takes strict cookies along only where one of our own pages sends it, and our forms send it nowhere else. So whoever comes back gets a
page, which leads on by itself; and whoever signs out gets one that leads to the provider.
"""

from __future__ import annotations

from typing import Final

from starlette.responses import HTMLResponse, RedirectResponse, Response

from gateway.administration.identity_provider import signing_in
from gateway.administration.identity_provider.provider import Provider
from gateway.console.rendering import sentence
from gateway.console.visits import SEE_OTHER, Visit, own_page
from gateway.errors import Defer, GatewayError, NotFound

BEGIN: Final = "/sign-in/provider"
RETURN: Final = "/sign-in/provider/return"


class Away(RedirectResponse):
    """Go to the identity provider: the token of whoever goes."""

    def __init__(self, address: str, away: str) -> None:
        super().__init__(address, SEE_OTHER)
        self.away = away


class SessionPage(HTMLResponse):
    """A page that comes with another session: its token, None for none."""

    def __init__(self, page: HTMLResponse, session: str | None) -> None:
        super().__init__(page.body, page.status_code)
        self.session = session


def begin(visit: Visit) -> Response:
    """Go to the provider; the overview for whoever is signed in."""
    provider = _provider(visit)
    if visit.person is not None:
        return visit.to("/")
    onward = own_page(visit.query.get("next", "/"))
    try:
        token, address = signing_in.begin(visit.console.credentials, provider, onward)
    except GatewayError as error:
        return _failed(visit, error)
    return Away(address, token)


def finish(visit: Visit) -> Response:
    """Come back, and go on where somebody wanted to go."""
    provider = _provider(visit)
    try:
        entered = signing_in.finish(
            visit.console.credentials, provider, visit.away, visit.query, visit.address, visit.session
        )
    except GatewayError as error:
        return _failed(visit, error)
    page = visit.page("onward", heading="You are signed in", onward=entered.onward, text="Go on")
    return SessionPage(page, entered.session)


def signed_out(visit: Visit) -> Response | None:
    """Where whoever has signed out here goes to sign out at the provider; None where it has nothing of that kind, or does not answer."""
    provider = visit.console.provider
    try:
        address = None if provider is None else provider.end(f"{visit.console.settings.console.origin}/sign-in")
    except Defer:
        return None
    if address is None:
        return None
    # As nobody: the session has ended.
    nobody = Visit(visit.console, {}, {}, {}, None, "", None, visit.address)
    page = nobody.page(
        "onward", heading="You are signed out here", onward=address, text="Sign out at the identity provider too"
    )
    return SessionPage(page, None)


def _provider(visit: Visit) -> Provider:
    if visit.console.provider is None:
        raise NotFound("this site has no identity provider")
    return visit.console.provider


def _failed(visit: Visit, error: GatewayError) -> Response:
    """What went wrong, and the other way in."""
    away = isinstance(error, Defer)
    return visit.page(
        "provider_failed",
        503 if away else 403,
        heading="The identity provider cannot be asked now" if away else "You are not signed in",
        said=sentence(error),
        remedy=error.remedy,
        code=error.code,
    )
