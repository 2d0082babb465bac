"""XML that the gateway writes itself: one element a line, every text escaped. Raises nothing. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from html import escape


@dataclass(frozen=True)
class Office:
    """The office that a document comes from."""

    code: str
    name: str
    telephone: str | None = None


class XmlLines:
    """XML in the making."""

    def __init__(self) -> None:
        self._depth = 1
        self._lines: list[str] = []

    def leaf(self, name: str, text: str | None) -> None:
        """An element with text; none at all where there is no text."""
        if text:
            self._lines.append(f"{' ' * self._depth}<{name}>{escape(text, quote=False)}</{name}>")

    @contextmanager
    def element(self, name: str) -> Iterator[None]:
        """An element around whatever is written meanwhile."""
        self._lines.append(f"{' ' * self._depth}<{name}>")
        self._depth += 1
        yield
        self._depth -= 1
        self._lines.append(f"{' ' * self._depth}</{name}>")

    def header(self, message_id: str, office: Office, created: datetime, authority: str) -> None:
        """What every document says of itself first, without the element around it; `created` is in UTC."""
        self.leaf("MessageId", message_id)
        with self.element("SendingOffice"):
            self.leaf("OfficeCode", office.code)
            self.leaf("OfficeName", office.name)
            self.leaf("OfficeTelephone", office.telephone)
        self.leaf("Created", f"{created:%Y-%m-%dT%H:%M:%SZ}")
        self.leaf("ProcessDate", f"{created:%Y-%m-%d}")
        self.leaf("AuthorityCode", authority)

    def document(self, root: str, namespace: str) -> bytes:
        """All of it, as UTF-8."""
        first = '<?xml version="1.0" encoding="UTF-8"?>', f'<{root} xmlns="{namespace}">'
        return "\n".join([*first, *self._lines, f"</{root}>", ""]).encode()
