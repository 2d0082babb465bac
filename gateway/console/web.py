"""The console as an ASGI application: finds the page by its table, who asks by the session, and whether that person may.

Every request looks the person up in the ledger anew: a right that was taken away, or a person who was suspended, counts at once. It is answered in a
thread, since it reads a database, when it is its turn (`turns`).
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import partial
from typing import Final, Literal
from urllib.parse import urlencode, urlsplit

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from gateway.administration.credentials import refusals, sessions
from gateway.administration.credentials.sessions import Session
from gateway.administration.looking.opening import must_acknowledge
from gateway.console.guard import Guard
from gateway.console.listeners import Listeners
from gateway.console.live import feed, mark, now
from gateway.console.pages import PAGES, Page
from gateway.console.programs.operations import OPERATIONS, PREFIX
from gateway.console.programs.web import programs
from gateway.console.rooms import continuity, send
from gateway.console.rooms.account import password_note
from gateway.console.rooms.identity_provider import Away, SessionPage
from gateway.console.rooms.sign_in import SessionChange
from gateway.console.site import Site
from gateway.console.turns import Turns
from gateway.console.uploading import FORM_BYTES, receive
from gateway.console.visits import MenuItem, Note, Visit
from gateway.console.watching import Watch
from gateway.domain.identity import RANDOM_BYTES, new_id
from gateway.domain.people import Person, Right, may
from gateway.errors import Defer, GatewayError, Halt, NotFound, NotPermitted
from gateway.settings.model import Settings, SiteKind

_LONGEST_FIELD: Final = 4_000
_MOST_FIELDS: Final = 40


def application(site: Site) -> ASGIApp:
    """The application, with its guard around it."""
    address = urlsplit(site.settings.console.origin)
    cookie = Cookie(site.settings.site.code, secure=address.scheme == "https")
    by_path: dict[str, list[Page]] = {}
    for page in PAGES:
        if page.only in (None, site.settings.site.kind):
            by_path.setdefault(page.path, []).append(page)
    turns = Turns(site.stopping)
    routes: list[BaseRoute] = [
        Route(path, _endpoint(site, cookie, turns, pages), methods=[page.method for page in pages])
        for path, pages in by_path.items()
    ]
    routes.append(Route("/live", partial(_live, site, cookie, Watch(partial(now, site)), Listeners())))
    routes.append(Mount(PREFIX, programs(site, partial(_address, site))))
    routes.append(Mount("/static", StaticFiles(packages=[("gateway.console", "static")])))
    handlers = {HTTPException: partial(_no_page, site), 500: partial(_failed, site)}
    larger = {page.path: _largest(site.settings) for page in PAGES if page.takes_file}
    larger |= {PREFIX + each.path: _largest(site.settings) for each in OPERATIONS if each.takes_file}
    hosts = {address.netloc, urlsplit(site.settings.console.passkey_origin).netloc} - {""}
    return Guard(Starlette(routes=routes, exception_handlers=handlers), hosts, larger)


def _largest(settings: Settings) -> int:
    """Bytes of a form with a file."""
    return FORM_BYTES + max(flow.max_bytes for flow in settings.flows.values())


class Cookie:
    """The cookie of a session: a browser's sites on one host share a jar, so its name has the site's code. With `what`, the one of who is
    away to the identity provider: that is another site, from which a browser brings back no strict cookie.
    """

    def __init__(self, code: str, *, secure: bool, what: str = "") -> None:
        self._name = f"{'__Host-' if secure else ''}gateway-{code.lower()}{what and '-'}{what}"
        self._secure = secure
        self._same: Literal["strict", "lax"] = "lax" if what else "strict"

    def token(self, request: Request) -> str | None:
        """The session's token, as far as there is one of its form."""
        found = request.cookies.get(self._name)
        return found if found and len(found) <= 200 else None

    def put(self, response: Response, token: str | None) -> None:
        """Set it, or take it back."""
        if token is None:
            response.delete_cookie(self._name, secure=self._secure, httponly=True, samesite=self._same)
        else:
            response.set_cookie(self._name, token, secure=self._secure, httponly=True, samesite=self._same)


def _away(site: Site) -> Cookie:
    return Cookie(site.settings.site.code, secure=site.settings.console.origin.startswith("https:"), what="away")


def csrf_of(token: str) -> str:
    """What forms of a session carry: whoever does not know the session's token cannot make it."""
    return hmac.digest(token.encode(), b"forms", hashlib.sha256).hex()


def _is_own(visit: Visit, form: Mapping[str, str]) -> bool:
    """Whether a form is of this session."""
    return hmac.compare_digest(form.get("csrf", "").encode(errors="replace"), visit.csrf.encode())


def _endpoint(site: Site, cookie: Cookie, turns: Turns, pages: list[Page]) -> Callable[[Request], Awaitable[Response]]:
    by_method = {page.method: page for page in pages}

    async def answer(request: Request) -> Response:
        page = by_method[request.method]
        form: Mapping[str, str] = {}
        if page.takes_file:
            came = await _received(site, cookie, page, request)
            if isinstance(came, Response):
                return came
            form = came
        elif request.method == "POST":
            try:
                async with request.form(max_files=0, max_fields=_MOST_FIELDS, max_part_size=_LONGEST_FIELD) as found:
                    form = {name: value for name, value in found.items() if isinstance(value, str)}
            except ClientDisconnect:
                return Response(status_code=400)
        return await turns.answer(page, partial(_answer, site, cookie, page, request, form))

    return answer


async def _received(site: Site, cookie: Cookie, page: Page, request: Request) -> Mapping[str, str] | Response:
    """The fields of a form with a file, and what came of the file: only who may send files is listened to at all."""
    visit = await run_in_threadpool(_visit, site, cookie, page, request, {})
    if isinstance(visit, Response):
        return visit

    def most(fields: dict[str, str]) -> int:
        flow = site.settings.flows.get(fields.get("flow", ""))
        return flow.max_bytes if flow is not None and _is_own(visit, fields) else 0

    identity = new_id(site.now, os.urandom(RANDOM_BYTES))
    try:
        await run_in_threadpool(send.require_room, site, int(request.headers.get("content-length", "0")))
        came = await receive(request, site.settings.home.uploads / identity, most)
    except ClientDisconnect:
        return Response(status_code=400)
    except (Defer, Halt) as error:
        return _problem(visit, 503, "The site cannot answer now", error.reason, error.remedy)
    return {**came.fields, **send.fields(identity, came)}


def _answer(site: Site, cookie: Cookie, page: Page, request: Request, form: Mapping[str, str]) -> Response:
    visit = _visit(site, cookie, page, request, form)
    if isinstance(visit, Response):
        return visit
    token = visit.session
    if request.method == "POST" and token is not None and not _is_own(visit, form):
        return _problem(
            visit, 403, "This form is out of date", "Go back, load the page again, and fill it in once more."
        )
    try:
        response = page.answer(visit)
    except NotFound as error:
        return _problem(visit, 404, "There is no such thing here", error.reason)
    except NotPermitted as error:
        return _problem(visit, 403, "This is not permitted", error.reason, error.remedy)
    except (Defer, Halt) as error:
        return _problem(visit, 503, "The site cannot answer now", error.reason, error.remedy)
    except GatewayError as error:
        return _problem(visit, 422, "This cannot be done", error.reason, error.remedy)
    new = response.session if isinstance(response, SessionChange | SessionPage) else token
    if isinstance(response, Away):
        _away(site).put(response, response.away)
    elif visit.away is not None and new is not None:  # whoever is in; a refusal leaves another tab on its way
        _away(site).put(response, None)
    if new != cookie.token(request):
        cookie.put(response, new)
    return response


def _visit(site: Site, cookie: Cookie, page: Page, request: Request, form: Mapping[str, str]) -> Visit | Response:
    """Who asks, if that person may see the page; else where to go, or why not."""
    site.look()
    token = cookie.token(request)
    session = _session(site, token, used="x-live" not in request.headers)
    person = None if session is None else session.person
    if person is None:
        token = None
    check, seen = (None, "") if person is None else _stands(site, person)
    visit = Visit(
        console=site,
        path={name: str(value) for name, value in request.path_params.items()},
        query={name: value[:_LONGEST_FIELD] for name, value in request.query_params.items()},
        form=form,
        person=person,
        csrf="" if token is None else csrf_of(token),
        session=token,
        address=_address(site, request),
        away=_away(site).token(request),
        menu=_menu(page, person, site.settings.site.kind),
        notes=[] if session is None else list(_notes(site, session)),
        check=check,
        mark=seen,
    )
    if page.path == "/" and person is not None and not may(person, Right.OVERVIEW) and visit.menu:
        return visit.to(visit.menu[0].path)
    if page.right is not None or page.own:
        if person is None:
            wanted = request.url.path if request.method == "GET" else "/"
            had_one = cookie.token(request) is not None
            query = {**({} if wanted == "/" else {"next": wanted}), **({"after": "session"} if had_one else {})}
            return visit.to(f"/sign-in?{urlencode(query, safe='/')}" if query else "/sign-in")
        if page.right is not None and not may(person, page.right):
            refusals.page_refused(site.credentials, visit.address, person, page.path, page.right)
            return _problem(visit, 403, "You may not see this page", "None of your roles has the right that it takes.")
    return visit


def _session(site: Site, token: str | None, *, used: bool) -> Session | None:
    """Who asks, as the ledger has them now; None without a session that counts. A page that renews itself is no use of it."""
    return None if token is None else sessions.look(site.credentials, token, used=used)


def _address(site: Site, request: Request) -> str:
    """Whose address it is that asks. Where a proxy ends TLS it is the last one that the proxy names: nobody else gets to the console."""
    named = request.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
    if site.settings.console.address and named:
        return named[:64]
    return request.client.host if request.client else ""


def _stands(site: Site, person: Person) -> tuple[str | None, str]:
    """The check that somebody has to acknowledge, and how far the site is, before the page looks at anything."""
    with site.reading() as connection:
        found = must_acknowledge(connection, person.user)
        return None if found is None else found.id, mark(site, connection)


def _notes(site: Site, session: Session) -> Iterator[Note]:
    """What every page says above itself."""
    yield from continuity.notes(site, leads=may(session.person, Right.CONTINUITY))
    if session.remind:
        yield password_note(session.days_left)


def _menu(page: Page, person: Person | None, kind: SiteKind) -> list[MenuItem]:
    if person is None:
        return []
    return [
        MenuItem(each.path, each.menu, current=each.section == page.section)
        for each in PAGES
        if each.menu is not None and each.right is not None and may(person, each.right) and each.only in (None, kind)
    ]


def _problem(visit: Visit, status: int, heading: str, said: str, remedy: str = "") -> Response:
    return visit.page("problem", status, heading=heading, said=said, remedy=remedy)


async def _no_page(site: Site, _request: Request, error: HTTPException) -> Response:
    visit = Visit(site, {}, {}, {}, None, "", None, "")
    heading = "Page not found" if error.status_code == 404 else "This cannot be answered"
    return _problem(visit, error.status_code, heading, "If you typed the address, check it.")


async def _failed(site: Site, _request: Request, _error: Exception) -> Response:
    """A defect of ours: uvicorn logs it."""
    visit = Visit(site, {}, {}, {}, None, "", None, "")
    return _problem(visit, 500, "The console has a fault", "Nothing has changed. The log of the console says more.")


async def _live(site: Site, cookie: Cookie, watch: Watch[str], listeners: Listeners, request: Request) -> Response:
    """Says when something has happened, and nothing of what: pages ask again, with the rights of that moment."""
    token = cookie.token(request)

    def is_here() -> bool:
        return _session(site, token, used=False) is not None

    seen = request.headers.get("last-event-id") or request.query_params.get("seen", "")
    stream = StreamingResponse(feed(site, watch, is_here, seen), media_type="text/event-stream")
    return stream if token is None else listeners.bounded(token, stream)
