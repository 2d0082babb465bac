"""Help: the desk aids, one page each for whoever has the problem in hand, and the reference that they name. They come with the
program, as Markdown.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Final, NamedTuple

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup, escape
from starlette.responses import Response

from gateway.console.visits import Visit
from gateway.errors import NotFound
from gateway.settings.resources import resource

_INDEX: Final = "operators/README.md"
_REFERENCE: Final = ("audit", "authorities", "console-pages", "errors", "events", "limits", "metrics", "wire-format")
_COMMENT: Final = re.compile(r"(?ms)^<!--.*?-->$")
_CLASSES: Final = {
    "h1": "govuk-heading-l",
    "h2": "govuk-heading-m",
    "h3": "govuk-heading-s",
    "p": "govuk-body",
    "a": "govuk-link",
    "ul": "govuk-list govuk-list--bullet",
    "ol": "govuk-list govuk-list--number",
    "table": "govuk-table",
    "th": "govuk-table__header",
    "td": "govuk-table__cell",
}


class _Page(NamedTuple):
    """A page as it is shown, and its own heading."""

    title: str
    content: Markup


def index(visit: Visit) -> Response:
    """The list of the desk aids."""
    return visit.page("desk_aid", content=_rendered(_INDEX).content, title="Help")


def one(visit: Visit) -> Response:
    """One page."""
    found = _shown().get(visit.path["name"])
    if found is None:
        raise NotFound("there is no desk aid of that name")
    page = _rendered(found)
    return visit.page("desk_aid", content=page.content, title=page.title)


def names() -> tuple[str, ...]:
    """What `/help/NAME` can be asked for."""
    return tuple(sorted(_shown()))


def files() -> tuple[str, ...]:
    """The files of the documentation that are shown."""
    return (_INDEX, *_shown().values())


@cache
def _shown() -> Mapping[str, str]:
    """The pages that are shown, by their names in addresses: where they lie in the documentation."""
    aids = {path.stem: f"operators/{path.name}" for path in resource("docs").glob("operators/*.md")}
    aids.pop("README")
    formats = {f"format-{path.stem}": f"formats/{path.name}" for path in resource("docs").glob("formats/*.md")}
    return aids | formats | {f"reference-{name}": f"{name}.md" for name in _REFERENCE}


@cache
def _addresses() -> Mapping[str, str]:
    return {_INDEX: "/help"} | {page: f"/help/{name}" for name, page in _shown().items()}


@cache
def _rendered(page: str) -> _Page:
    """A page as HTML. Links to pages that are shown lead there, all other links are their words alone."""
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    title, tokens = "", list[Token]()
    text = _COMMENT.sub("", (resource("docs") / page).read_text("utf-8"))
    for token in _framed(parser.parse(text)):
        _dress(token)
        if token.children:
            token.children = list(_led(token.children, page))
            for inner in token.children:
                _dress(inner)
        if not title and tokens and tokens[-1].tag == "h1" and token.type == "inline":
            title = _words(token)
        tokens.append(token)
    content = parser.renderer.render(tokens, parser.options, {})
    return _Page(title, Markup(content))  # noqa: S704 - our own pages, read with HTML off


def _framed(tokens: list[Token]) -> Iterator[Token]:
    """Headings that can be linked to; tables that scroll by themselves, with the heading above as their caption, and no empty header."""
    above, taken, tables = "", dict[str, int](), dict[str, int]()
    for place, token in enumerate(tokens):
        following = tokens[place + 1] if place + 1 < len(tokens) else token
        match token.type:
            case "heading_open":
                above = _words(following)
                slug = re.sub(r"[^\w -]", "", above.lower()).replace(" ", "-")
                taken[slug] = taken.get(slug, -1) + 1
                token.attrs["id"] = f"{slug}-{taken[slug]}" if taken[slug] else slug
            case "th_open" if not following.children:
                token.tag = tokens[place + 2].tag = "td"
            case "th_open":
                token.attrs["scope"] = "col"
            case "table_close":
                yield token
                yield _html("</div>")
                continue
            case "table_open":
                tables[above] = tables.get(above, 0) + 1
                named = escape(f"{above}, table {tables[above]}" if tables[above] > 1 else above)
                yield _html(f'<div class="console-table" tabindex="0" role="region" aria-label="{named}">')
                yield token
                yield _html(f'<caption class="govuk-visually-hidden">{named}</caption>')
                continue
            case _:
                pass
        yield token


def _led(tokens: list[Token], page: str) -> Iterator[Token]:
    """The tokens of a paragraph without the links that lead to no page that is shown."""
    open_links: list[bool] = []
    for token in tokens:
        if token.type == "link_open":
            target, mark, part = str(token.attrs.get("href", "")).partition("#")
            there = posixpath.normpath(posixpath.join(posixpath.dirname(page), target)) if target else page
            open_links.append(there in _addresses())
            token.attrs["href"] = (_addresses().get(there, "") if target else "") + mark + part
        shown = open_links.pop() if token.type == "link_close" else not open_links or open_links[-1]
        if shown or not token.type.startswith("link_"):
            yield token


def _words(token: Token) -> str:
    return "".join(inner.content for inner in token.children or ())


def _html(text: str) -> Token:
    return Token("html_block", "", 0, content=text)


def _dress(token: Token) -> None:
    if token.nesting == 1 and token.tag in _CLASSES:
        token.attrs["class"] = _CLASSES[token.tag]
    if token.type == "fence":
        token.attrs["tabindex"] = "0"
