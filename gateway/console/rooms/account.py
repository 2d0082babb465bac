"""One's own account: roles and dates, how long the password is good, and passkeys, which are added and removed here."""

from __future__ import annotations

from math import floor
from typing import Final

from starlette.responses import Response

from gateway.administration.credentials import passkeys, sessions
from gateway.administration.credentials.reminders import STEPS, password_ends
from gateway.administration.credentials.signing_in import Attempt
from gateway.administration.people import roster
from gateway.console.rendering import counted, sentence
from gateway.console.visits import Note, Visit
from gateway.domain.identity import from_text
from gateway.domain.people import Person
from gateway.errors import GatewayError, NotFound, PasskeyRefused, SignInRefused

_DAY: Final = 86_400.0


def password_note(days: int) -> Note:
    """The banner that says for how many days more the password is good."""
    left = "today" if days < 1 else f"in {counted(days, 'day')}"
    return Note("password", "Your password", f"Your password ends {left}. Set a new one before that.", "/password")


def shown(visit: Visit) -> Response:
    """The page."""
    return _shown(visit, {})


def begin(visit: Visit) -> Response:
    """Prove by password and code who adds a passkey, and lead on to the device."""
    form, site = visit.form, visit.console
    attempt = Attempt(visit.user, form.get("password", ""), form.get("code", ""), visit.address)
    try:
        options = passkeys.begin_to_add(site.credentials, visit.session or "", attempt, form.get("name", ""))
    except PasskeyRefused as error:
        return _shown(visit, {"name": sentence(error)})
    except SignInRefused:
        return _shown(visit, {"password": "The password or the code is not right"})
    except GatewayError as error:
        return _shown(visit, {"password": f"{sentence(error)} {error.remedy}"})
    return visit.page("passkey_add", options=options, origin=site.settings.console.passkey_origin)


def add(visit: Visit) -> Response:
    """Keep what the device answered."""
    try:
        passkeys.add(visit.console.credentials, visit.session or "", _person(visit), visit.form.get("credential", ""))
    except PasskeyRefused as error:
        return _shown(visit, {"name": f"{sentence(error)} {error.remedy}"})
    return visit.to("/account")


def remove(visit: Visit) -> Response:
    """Remove a passkey."""
    passkeys.remove(visit.console.credentials, visit.user, visit.form.get("passkey", ""), visit.session or "")
    return visit.to("/account")


def _person(visit: Visit) -> Person:
    """Whoever asks: `web` answers nobody else with a page of one's own."""
    if visit.person is None:
        raise NotFound("nobody is signed in")
    return visit.person


def _shown(visit: Visit, faults: dict[str, str]) -> Response:
    site = visit.console
    ends = password_ends(site.credentials).get(visit.user)
    left = -1.0 if ends is None else (from_text(ends) - site.now) / _DAY
    days = floor(left)
    if ends is not None and left <= max(STEPS) and not any(note.id == "password" for note in visit.notes):
        visit.notes.append(password_note(days))
    origin = site.settings.console.passkey_origin
    return visit.page(
        "account",
        422 if faults else 200,
        about=roster.shown(_person(visit)),
        faults=faults,
        ends=ends,
        days=days,
        passkeys=passkeys.listed(site.credentials, visit.user),
        most=passkeys.MOST,
        origin=origin,
        has_password=sessions.may_use_password(site.settings.console, _person(visit)),
        elsewhere=origin != site.settings.console.origin,
        given=visit.form.get("name", "")[: passkeys.LONGEST_NAME],
    )
