"""The desk aids: one page each, for whoever has the problem in hand. They come with the program, as Markdown."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup
from starlette.responses import Response

from gateway.console.visits import Visit
from gateway.errors import NotFound
from gateway.settings.resources import resource

_NAME: Final = re.compile(r"[a-z][a-z-]{0,60}")
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


def index(visit: Visit) -> Response:
    """The list of the desk aids."""
    return visit.page("desk_aid", content=_rendered("README"), title="Help")


def one(visit: Visit) -> Response:
    """One desk aid."""
    name = visit.path["name"]
    if _NAME.fullmatch(name) is None or not (_where() / f"{name}.md").is_file():
        raise NotFound("there is no desk aid of that name")
    return visit.page("desk_aid", content=_rendered(name), title=name.replace("-", " ").capitalize())


@cache
def _where() -> Path:
    return resource("operators")


@cache
def _rendered(name: str) -> Markup:
    """A desk aid as HTML. Its links to other desk aids lead there, all other links are their words alone."""
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse((_where() / f"{name}.md").read_text())
    for token in tokens:
        _dress(token)
        for inner in token.children or ():
            _dress(inner)
            if inner.type == "link_open":
                target = str(inner.attrs.get("href", "")).partition("#")[0].removesuffix(".md")
                inner.attrs["href"] = f"/help/{target}" if _NAME.fullmatch(target) else "/help"
    return Markup(parser.renderer.render(tokens, parser.options, {}))  # noqa: S704 - our own pages, read with HTML off


def _dress(token: Token) -> None:
    if token.nesting == 1 and token.tag in _CLASSES:
        token.attrs["class"] = _CLASSES[token.tag]
    if token.type == "fence":
        token.attrs["tabindex"] = "0"
