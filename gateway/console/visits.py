"""One request of one person, as a page sees it. Raises nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.responses import HTMLResponse, RedirectResponse

from gateway.console.rendering import render
from gateway.console.site import Site
from gateway.domain.people import Person, Right, may

SEE_OTHER = 303


@dataclass(frozen=True)
class MenuItem:
    """A line of the menu."""

    path: str
    title: str
    current: bool


@dataclass(frozen=True)
class Note:
    """A banner over a page; `path` is where it leads."""

    id: str
    title: str
    text: str
    path: str = ""


@dataclass(frozen=True)
class Visit:
    """`query` and `form` have the first value of each name, `path` what the address's pattern took out of it; `csrf` is what forms of
    this session carry; `address` is the peer's, as far as the console knows it.
    """

    console: Site
    path: Mapping[str, str]
    query: Mapping[str, str]
    form: Mapping[str, str]
    person: Person | None
    csrf: str
    session: str | None
    address: str
    menu: Sequence[MenuItem] = ()
    notes: list[Note] = field(default_factory=list)
    away: str | None = None
    """The token of whoever is away to the identity provider."""
    check: str | None = None
    """The management check that whoever asks has to acknowledge: every page says so until then."""
    mark: str = ""
    """How far the site was before the page was made (`live.mark`): a page that renews itself says so when it connects."""
    fault: str = ""
    """What was wrong with what was filled in, where a list is shown again for it."""

    @property
    def site(self) -> str:
        return self.console.settings.site.code

    @property
    def site_name(self) -> str:
        return self.console.settings.site.name

    @property
    def user(self) -> str:
        """The user id of whoever asks; a page that takes a right has one."""
        return "" if self.person is None else self.person.user

    def may(self, right: str) -> bool:
        """Whether whoever asks has the right of that name."""
        return self.person is not None and may(self.person, Right(right))

    def page(self, template: str, status: int = 200, **context: Any) -> HTMLResponse:
        """The page that a template makes."""
        return render(template, status, visit=self, **context)

    def to(self, path: str) -> RedirectResponse:
        """Go on at another page, by GET."""
        return RedirectResponse(path, SEE_OTHER)


def own_page(path: str) -> str:
    """A page of the console to go on at; anything else is the overview."""
    is_own = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable() and "\\" not in path
    return path if is_own else "/"
