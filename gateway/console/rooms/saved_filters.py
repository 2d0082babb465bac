"""The saved filters of whoever looks at a list: links above it, a form that saves the present one, and buttons that remove them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, urlencode

from starlette.responses import Response

from gateway.administration.credentials import saved_filters
from gateway.administration.credentials.rows import SavedFilter
from gateway.console.rendering import address
from gateway.console.visits import Visit
from gateway.errors import UsageWrong


@dataclass(frozen=True)
class Saved:
    """What a list at `path` shows of them: those that are kept, the present filter as a query, and the name typed where it was refused."""

    path: str
    kept: list[SavedFilter]
    present: str
    typed: str


def of(visit: Visit, path: str, query: Mapping[str, str]) -> Saved:
    """Those of whoever asks, at a list whose present filter is `query`."""
    kept = saved_filters.saved(visit.console.credentials.store, visit.user, path)
    return Saved(path, kept, urlencode(query), visit.form.get("name", ""))


def changes(path: str, names: Collection[str], shown: Callable[[Visit], Response]) -> Callable[[Visit], Response]:
    """What saves and removes filters of a list. `names` are what its address may have; `shown` is the list, shown again where a name is refused."""

    def change(visit: Visit) -> Response:
        store, form = visit.console.credentials.store, visit.form
        present = {name: value for name, value in parse_qsl(form.get("query", "")) if name in names}
        query = urlencode(present)
        try:
            if "remove" in form:
                saved_filters.remove(store, visit.user, path, form["remove"])
            else:
                saved_filters.save(store, visit.user, path, form.get("name", ""), query)
        except UsageWrong as error:
            response = shown(replace(visit, query=present, fault=error.reason))
            response.status_code = 422
            return response
        return visit.to(address(path, **present))

    return change
