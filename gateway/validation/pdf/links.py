"""What the address of a link may be that a person has to click (RFC 3986, RFC 6068, RFC 3966).

An allowed link opens a web page or begins a letter or a call. None leads to a file or a program. Pure; raises nothing. A fault
names its kind and never the address.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Fault(StrEnum):
    """Why an address may not be linked to; each completes "The PDF has a link ..."."""

    NO_SCHEME = "that says no kind of address, such as https"
    SCHEME = "of a kind that is not allowed here"
    CHARACTERS = "whose address has characters that no address may have"
    HOST = "whose address names no site, or hides which one"
    MAIL = "that would put more into a letter than an address, a subject and a text"
    NUMBER = "that is no telephone number"


KNOWN: Final = ("https", "mailto", "http", "tel")
"""The kinds of address that a flow can allow."""
LINKS: Final = ("https", "mailto")
"""Those that are allowed where nothing else is set."""

_SCHEME: Final = re.compile(rb"([A-Za-z][A-Za-z0-9+.-]*):", re.ASCII)
_WRITTEN: Final = re.compile(rb"[ !#-;=?-\[\]_a-z~]*+", re.ASCII)
"""Printable ASCII but for quotes, angle brackets, backslash, ^, `, { | }: what may break out of a command line."""
_CONTROLS: Final = re.compile(rb"%(?:[01][0-9A-Fa-f]|7[Ff])")
_BREAKS: Final = re.compile(rb"%0[AaDd]")
_HOST: Final = re.compile(
    rb"//(?:[A-Za-z0-9._-]*[A-Za-z0-9]\.?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?(?=[/?#]|$)", re.ASCII
)
_NUMBER: Final = re.compile(rb"\+?[0-9().-]+(?:;[a-z0-9;=.+-]*)?", re.ASCII)
_OF_A_LETTER: Final = frozenset({b"to", b"cc", b"bcc", b"subject", b"body"})


def fault_of(address: bytes, allowed: frozenset[str]) -> tuple[Fault, str] | None:
    """What is wrong with an address, and the scheme where it is a known one; None for one that may be clicked."""
    scheme = _SCHEME.match(address)
    if scheme is None:
        return Fault.NO_SCHEME, ""
    name = scheme[1].decode("ascii").lower()
    if name not in allowed or name not in KNOWN:
        return Fault.SCHEME, name if name in _TOLD else ""
    rest = address[scheme.end() :]
    if _WRITTEN.fullmatch(rest) is None or rest != rest.strip():
        return Fault.CHARACTERS, name
    wrong = _OF_SCHEME[name](rest)
    return (wrong, name) if wrong else None


def _web(rest: bytes) -> Fault | None:
    if _HOST.match(rest) is None:
        return Fault.HOST
    return Fault.CHARACTERS if _CONTROLS.search(rest) else None


def _mail(rest: bytes) -> Fault | None:
    address, _, fields = rest.partition(b"?")
    if _CONTROLS.search(address):
        return Fault.CHARACTERS
    for field in fields.split(b"&") if fields else ():
        name, _, content = field.partition(b"=")
        if name.lower() not in _OF_A_LETTER:
            return Fault.MAIL
        if _CONTROLS.search(_BREAKS.sub(b"", content) if name.lower() == b"body" else content):
            return Fault.CHARACTERS
    return None


def _telephone(rest: bytes) -> Fault | None:
    return None if _NUMBER.fullmatch(rest) else Fault.NUMBER


_OF_SCHEME: Final[Mapping[str, Callable[[bytes], Fault | None]]] = MappingProxyType(
    {"https": _web, "http": _web, "mailto": _mail, "tel": _telephone}
)
_TOLD: Final = frozenset({*KNOWN, "file", "ftp", "javascript", "data", "smb", "ldap", "vbscript"})
"""Schemes that a finding may name: any other could be a person's own words."""
