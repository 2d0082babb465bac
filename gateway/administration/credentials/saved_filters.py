"""Filters of lists that somebody saves under names of their own: nobody else sees them, and they go with the person.

They are for convenience alone, so they lie in the console's own database and the chain is not told. Raises UsageWrong and what the store raises.
"""

from __future__ import annotations

from typing import Final

from gateway.administration.credentials.rows import SavedFilter
from gateway.administration.credentials.store import Store
from gateway.errors import UsageWrong

MOST: Final = 40
"""Filters of one person, of all lists together."""
LONGEST_NAME: Final = 40
_LONGEST_QUERY: Final = 1_000


def saved(store: Store, user: str, path: str) -> list[SavedFilter]:
    """What somebody has saved of the list at a path, by name."""
    with store.read() as records:
        return [each for each in records.filters(user) if each.path == path]


def save(store: Store, user: str, path: str, name: str, query: str) -> None:
    """Keep a filter, instead of the list's other one of that name. UsageWrong for a name or a filter that is none, and for one too many."""
    title = " ".join(name.split())
    if not 1 <= len(title) <= LONGEST_NAME or not title.isprintable():
        raise UsageWrong(f"A filter's name has 1 to {LONGEST_NAME} printable characters.")
    if not 1 <= len(query) <= _LONGEST_QUERY:
        raise UsageWrong("There is no filter to save: choose what the list is to show first.")
    with store.write() as records:
        others = [each for each in records.filters(user) if (each.path, each.name) != (path, title)]
        if len(others) >= MOST:
            raise UsageWrong(f"You have saved {MOST} filters, which is as many as are kept: remove one first.")
        records.keep_filter(SavedFilter(user, path, title, query))


def remove(store: Store, user: str, path: str, name: str) -> None:
    """Forget one; nothing happens where it is not there."""
    with store.write() as records:
        records.remove_filter(user, path, name)
