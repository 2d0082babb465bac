"""Writes sample XML, one element a line, and keeps count, so that trailers agree with what was written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from xml.sax.saxutils import escape

from gateway.sample.people import Home, Person


class XmlWriter:
    """A document being written. `counts` has how often each element was opened, `pence` the sum of each amount."""

    def __init__(self, root: str, namespace: str) -> None:
        self.counts: Counter[str] = Counter()
        self.pence: Counter[str] = Counter()
        self._root = root
        self._depth = 1
        self._lines = ['<?xml version="1.0" encoding="UTF-8"?>', f'<{root} xmlns="{namespace}">']

    def leaf(self, name: str, text: str | None) -> None:
        """An element with text; none at all where there is no text."""
        if text:
            self._lines.append(f"{' ' * self._depth}<{name}>{escape(text)}</{name}>")

    def day(self, name: str, day: date | None) -> None:
        if day is not None:
            self.leaf(name, day.isoformat())

    def flag(self, name: str, answer: bool) -> None:  # noqa: FBT001 - the answer is the element's text
        self.leaf(name, "yes" if answer else "no")

    def money(self, name: str, amount: str) -> None:
        """An amount in pounds with two decimals, added to what was written under that name."""
        self.pence[name] += int(amount.replace(".", ""))
        self.leaf(name, amount)

    def total(self, name: str, of: str) -> None:
        pence = self.pence[of]
        self.leaf(name, f"{pence // 100}.{pence % 100:02d}")

    @contextmanager
    def element(self, name: str) -> Iterator[None]:
        """An element around whatever is written meanwhile."""
        self.counts[name] += 1
        self._lines.append(f"{' ' * self._depth}<{name}>")
        self._depth += 1
        yield
        self._depth -= 1
        self._lines.append(f"{' ' * self._depth}</{name}>")

    def name(self, person: Person) -> None:
        with self.element("Name"):
            self.leaf("Title", person.title)
            for given in person.given:
                self.leaf("GivenName", given)
            self.leaf("FamilyName", person.family)

    def address(self, home: Home) -> None:
        with self.element("Address"):
            self.address_parts(home)

    def address_parts(self, home: Home) -> None:
        """What an element of the type `AddressType` holds."""
        if home.street is None:
            with self.element("Lines"):
                for line in home.lines:
                    self.leaf("Line", line)
        else:
            with self.element("Bs7666"):
                self.leaf("SecondaryName", home.flat)
                self.leaf("PrimaryName", home.house)
                self.leaf("Street", home.street)
                self.leaf("Locality", home.locality)
                self.leaf("Town", home.town)
                self.leaf("Uprn", home.uprn)
        self.leaf("Postcode", home.postcode)

    def text(self) -> str:
        """The whole document."""
        return "\n".join([*self._lines, f"</{self._root}>", ""])
