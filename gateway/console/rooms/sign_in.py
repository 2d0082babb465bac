"""Signing in, by password or passkey, and out, a new password before the old one ends, and the page behind a one-time link."""

from __future__ import annotations

import io
from typing import Final

import segno
from starlette.responses import JSONResponse, RedirectResponse, Response

from gateway.administration.credentials import links, passkeys, sessions, signing_in
from gateway.administration.credentials.signing_in import Attempt
from gateway.console.rendering import sentence
from gateway.console.rooms import identity_provider
from gateway.console.visits import SEE_OTHER, Visit, own_page
from gateway.errors import CredentialsExpired, GatewayError, LinkRefused, PasswordRefused, SignInRefused

_QR_SCALE: Final = 5
_SAID: Final = {
    "password": "Your password is set: sign in with it. The code that you just used does not work again: wait until the app shows the next one.",
    "session": "Your session has ended: sign in again. If you cannot, your rights were changed or suspended meanwhile: ask an administrator.",
}
"""What the form says to whoever comes to it after something, by the address's `after`."""


class SessionChange(RedirectResponse):
    """Go on at another page with another session: its token, None for none."""

    def __init__(self, path: str, session: str | None) -> None:
        super().__init__(path, SEE_OTHER)
        self.session = session


def form(visit: Visit) -> Response:
    """The form; the overview for whoever is signed in."""
    return visit.to("/") if visit.person is not None else _form(visit)


def enter(visit: Visit) -> Response:
    """Sign in, and go on where somebody wanted to go."""
    attempt = _attempt(visit)
    faults = {
        name: text
        for name, value, text in (
            ("user", attempt.user, "Enter your user id"),
            ("password", attempt.password, "Enter your password"),
            ("code", attempt.code, "Enter the code that your app shows"),
        )
        if not value.strip()
    }
    if faults:
        return _form(visit, faults)
    try:
        token, _ = signing_in.sign_in(visit.console.credentials, attempt, visit.session)
    except CredentialsExpired:
        return _renewal(visit, {}, attempt.user, over=True)
    except GatewayError as error:
        return _form(visit, {"": f"{sentence(error)} {error.remedy}"})
    return SessionChange(own_page(visit.form.get("next", "/")), token)


def challenge(visit: Visit) -> Response:
    """What a passkey is to sign, for the script of the form; it is of use to nobody else."""
    try:
        options = passkeys.begin_to_sign_in(visit.console.credentials)
    except GatewayError as error:
        return JSONResponse({"fault": sentence(error)}, 422)
    return Response(options, media_type="application/json")


def enter_by_passkey(visit: Visit) -> Response:
    """Sign in by what a device signed, and go on where somebody wanted to go."""
    credentials, response = visit.console.credentials, visit.form.get("credential", "")
    try:
        token, _ = passkeys.sign_in(credentials, response, visit.address, visit.session)
    except CredentialsExpired:
        return _renewal(visit, {}, "", over=True)
    except SignInRefused:
        return _form(
            visit, {"": "The passkey was not taken. Sign in with your password and a code, and look at your account"}
        )
    except GatewayError as error:
        return _form(visit, {"": f"{sentence(error)} {error.remedy}"})
    return SessionChange(own_page(visit.form.get("next", "/")), token)


def leave(visit: Visit) -> Response:
    """Sign out; whoever came from the identity provider is led there, to sign out there too."""
    by_provider = visit.session is not None and sessions.sign_out(visit.console.credentials, visit.session)
    return (identity_provider.signed_out(visit) if by_provider else None) or SessionChange("/sign-in", None)


def renewal(visit: Visit) -> Response:
    """The form for a new password by the old one."""
    return _renewal(visit, {}, "" if visit.person is None else visit.person.user, over=False)


def renew(visit: Visit) -> Response:
    """Set a new password by the old one; all sessions end."""
    attempt = _attempt(visit)
    new = visit.form.get("new", "")
    if new != visit.form.get("again", ""):
        return _renewal(visit, {"again": "The two new passwords differ"}, attempt.user, over=False)
    try:
        signing_in.renew(visit.console.credentials, attempt, new)
    except PasswordRefused as error:
        return _renewal(visit, {"new": sentence(error)}, attempt.user, over=False)
    except GatewayError as error:
        return _renewal(visit, {"": f"{sentence(error)} {error.remedy}"}, attempt.user, over=False)
    return SessionChange("/sign-in?after=password", None)


def start_form(visit: Visit) -> Response:
    """What is behind a one-time link: the second factor, and a form for a password."""
    return _start(visit, {})


def start(visit: Visit) -> Response:
    """Use the link up."""
    form, token = visit.form, visit.path["token"]
    password, code = form.get("password", ""), form.get("code", "")
    found = links.faults(visit.console.credentials, token, password, code)
    faults = {name: sentence(error) for name, error in found.items()}
    if password != form.get("again", ""):
        faults["again"] = "The two passwords differ"
    if faults:
        return _start(visit, {name: faults[name] for name in ("password", "again", "code") if name in faults})
    try:
        links.use(visit.console.credentials, token, password, code)
    except PasswordRefused as error:
        return _start(visit, {"password": sentence(error)})
    except LinkRefused:
        raise
    except SignInRefused as error:
        return _start(visit, {"code": sentence(error)})
    return SessionChange("/sign-in?after=password", None)


def start_code(visit: Visit) -> Response:
    """The second factor as a picture that an app reads."""
    found = links.start(visit.console.credentials, visit.path["token"])
    drawn = io.BytesIO()
    segno.make(found.address, error="m").save(
        drawn, kind="svg", scale=_QR_SCALE, light="#fff", svgclass=None, lineclass=None
    )
    return Response(drawn.getvalue(), media_type="image/svg+xml")


def _form(visit: Visit, faults: dict[str, str] | None = None) -> Response:
    wanted = visit.form.get("next") or visit.query.get("next") or "/"
    provider = visit.console.settings.console.identity_provider
    return visit.page(
        "sign_in",
        422 if faults else 200,
        faults=faults or {},
        user=visit.form.get("user", "")[:32],
        said="" if faults else _SAID.get(visit.query.get("after", ""), ""),
        next=own_page(wanted),
        provider=provider,
        origin=visit.console.settings.console.passkey_origin,
    )


def _renewal(visit: Visit, faults: dict[str, str], user: str, *, over: bool) -> Response:
    return visit.page("renewal", 422 if faults else 200, faults=faults, user=user[:32], over=over)


def _start(visit: Visit, faults: dict[str, str]) -> Response:
    found = links.start(visit.console.credentials, visit.path["token"])
    secret = " ".join(found.secret[at : at + 4] for at in range(0, len(found.secret), 4))
    return visit.page(
        "start",
        422 if faults else 200,
        faults=faults,
        about=found.person,
        secret=secret,
        token=visit.path["token"],
    )


def _attempt(visit: Visit) -> Attempt:
    form = visit.form
    return Attempt(form.get("user", ""), form.get("password", ""), form.get("code", ""), visit.address)
