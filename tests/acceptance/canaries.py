"""Personal data that can be recognised anywhere, and the search for it: raw, in other clothes, and inside compressed frames.

`people` makes the samplers draw nobody but a few people whose names, homes, numbers and accounts occur nowhere else. Their
insurance numbers begin with QQ, which is never issued. `Search.found` says which of them a piece of data holds, and in
which form; `Processes` looks at what the kernel shows of every process while a test runs.
"""

from __future__ import annotations

import base64
import bz2
import gzip
import lzma
import re
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Final, Self
from urllib.parse import quote, quote_plus

import pytest
import zstandard

from gateway.sample import extract_records
from gateway.sample import people as made_up

_GIVEN: Final = ("Zephaniahcanary", "Ottolinecanary")
_NUMBERS: Final = ("QQ918273A", "QQ827364B", "QQ736455C", "QQ645546D")

PEOPLE: Final[Mapping[str, str]] = {
    **{f"number {number[-1]}": number for number in _NUMBERS},
    **{f"given name {at}": name for at, name in enumerate(_GIVEN, 1)},
    "family name": "Quillfeathercanary",
    "street": "Xylophone Canary Row",
    "town": "Upper Canaryham",
    "bank": "Canary Thrift and Loan",
    "sort code": "009731",
    "account": "58102947",
    "passphrase": "hunter2-correct-horse-canary",
}
"""What it is, and the text of it. The sort code alone is too short to be looked for by itself."""

SOUGHT: Final[Mapping[str, str]] = {what: text for what, text in PEOPLE.items() if len(text) >= 8}


def people(patch: pytest.MonkeyPatch) -> None:
    """From now on, every sample is about them. The passphrase is where somebody pasted it: as an employer's name."""
    one: dict[str, Callable[[Random], str]] = {
        "nino": lambda random: random.choice(_NUMBERS),
        "sort_code": lambda _random: PEOPLE["sort code"],
        "account_number": lambda _random: PEOPLE["account"],
        "bank": lambda _random: PEOPLE["bank"],
        "employer": lambda _random: PEOPLE["passphrase"],
        "landlord": lambda _random: PEOPLE["passphrase"],
    }
    for name, draw in one.items():
        patch.setattr(made_up, name, draw)
    patch.setattr(extract_records, "nino", lambda serial: _NUMBERS[serial % len(_NUMBERS)].encode())
    for pool in ("_WOMEN", "_MEN"):
        patch.setattr(made_up, pool, _GIVEN)
    patch.setattr(made_up, "_FAMILIES", (PEOPLE["family name"],))
    patch.setattr(made_up, "_STREETS", (PEOPLE["street"],))
    patch.setattr(made_up, "_TOWNS", (PEOPLE["town"],))


# -- other clothes


def forms(text: str) -> Iterator[tuple[str, bytes]]:
    """The text as it may lie somewhere, each form with its name."""
    plain = text.encode()
    yield "plain", plain
    for case in {text.lower(), text.upper()} - {text}:
        yield "in another case", case.encode()
    if text.startswith("QQ"):
        yield "in groups", " ".join((text[:2], text[2:4], text[4:6], text[6:8], text[8])).encode()
    yield "UTF-16, little end first", text.encode("utf-16-le")
    yield "UTF-16, big end first", text.encode("utf-16-be")
    yield "hexadecimal", plain.hex().encode()
    yield "hexadecimal in capitals", plain.hex().upper().encode()
    yield "escaped for JSON", "".join(f"\\u{ord(letter):04x}" for letter in text).encode()
    yield "escaped for XML", "".join(f"&#{ord(letter)};" for letter in text).encode()
    yield "percent-encoded", "".join(f"%{octet:02X}" for octet in plain).encode()
    for encode in (quote, quote_plus):
        yield "percent-encoded where needed", encode(text).encode()
    for before in range(3):
        # Whatever stands before and after it, these digits are there: the first and last may hold bits of neighbours.
        whole = base64.b64encode(bytes(before) + plain)
        yield "base 64", whole[-(-before * 8 // 6) : (before + len(plain)) * 8 // 6]


_FRAME: Final = re.compile(rb"\x28\xb5\x2f\xfd|\x1f\x8b\x08|\x78[\x01\x5e\x9c\xda]|BZh[1-9]|\xfd7zXZ\0")
_DEEPEST: Final = 3
_MOST: Final = 8 << 20
_BY_FIRST: Final[Mapping[int, Callable[[memoryview], bytes]]] = {
    0x28: lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data),
    0x1F: lambda data: zlib.decompressobj(31).decompress(data, _MOST),
    0x78: lambda data: zlib.decompressobj().decompress(data, _MOST),
    0x42: lambda data: bz2.BZ2Decompressor().decompress(data, _MOST),
    0xFD: lambda data: lzma.LZMADecompressor().decompress(data, _MOST),
}


class Search:
    """Looks for texts in all their forms."""

    def __init__(self, texts: Mapping[str, str] = SOUGHT) -> None:
        self._needles = {needle: f"{what}, {form}" for what, text in texts.items() for form, needle in forms(text)}

    def found(self, data: bytes, depth: int = 0) -> set[str]:
        """What of it is in the data, and how."""
        here = {told for needle, told in self._needles.items() if needle in data}
        if depth < _DEEPEST:
            for frame in _FRAME.finditer(data):
                with suppress(zstandard.ZstdError, zlib.error, OSError, lzma.LZMAError, EOFError, MemoryError):
                    rest = memoryview(data)[frame.start() : frame.start() + _MOST]
                    inner = _BY_FIRST[rest[0]](rest)
                    here |= {f"{told}, compressed" for told in self.found(inner, depth + 1)}
        return here

    def in_files(self, paths: Iterable[Path]) -> dict[str, set[str]]:
        """What the files hold, and their names: by path. What is no regular file has a name only."""
        told = {}
        for path in paths:
            with suppress(FileNotFoundError):
                content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
                if here := self.found(content) | {f"{each}, in the name" for each in self.found(str(path).encode())}:
                    told[str(path)] = here
        return told


class Processes:
    """What every process that began meanwhile shows of itself to others, looked at all the time from enter to exit."""

    EVERY: Final = 0.2

    def __init__(self, search: Search) -> None:
        self._search = search
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._before = {process.name for process in _all_processes()}
        self._seen: set[bytes] = set()
        self.looks = 0
        self.programs: set[str] = set()
        self.found: dict[str, set[str]] = {}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(self.EVERY):
            self.look()

    def look(self) -> None:
        """One look at all of them."""
        self.looks += 1
        for process in _all_processes():
            if process.name in self._before:
                continue
            for part in ("cmdline", "environ", "comm"):
                with suppress(OSError):  # it ended, or is somebody else's
                    self._judge(f"{process.name}/{part}", (process / part).read_bytes(), command=part == "cmdline")

    def _judge(self, where: str, data: bytes, *, command: bool) -> None:
        if data in self._seen:
            return
        self._seen.add(data)
        if command:
            # sshd writes what it is doing over its arguments: "sshd: root [net]".
            words = data.replace(b"\0", b" ").split()
            self.programs |= {Path(word.decode(errors="replace")).name.rstrip(":") for word in words[:1]}
        if here := self._search.found(data):
            self.found[where] = here


def _all_processes() -> Iterator[Path]:
    return (process for process in Path("/proc").iterdir() if process.name.isdecimal())


def in_memory(pid: int) -> set[str]:
    """Which of them a process holds in memory that it may write to: heap, stacks, buffers; as they are, for the speed of it.

    PermissionError where that is not ours to see.
    """
    held: set[str] = set()
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as source:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            places, rights, *_ = line.split()
            if rights.startswith("rw"):
                start, end = (int(number, 16) for number in places.split("-"))
                with suppress(OSError, OverflowError):
                    source.seek(start)
                    piece = source.read(end - start)
                    held |= {what for what, text in SOUGHT.items() if text.encode() in piece}
    return held


def squeezed(data: bytes) -> dict[str, bytes]:
    """The data in every compression that a search opens."""
    return {
        "zstd": zstandard.compress(data),
        "gzip": gzip.compress(data),
        "zlib": zlib.compress(data),
        "bz2": bz2.compress(data),
        "xz": lzma.compress(data),
        "zstd in gzip": gzip.compress(zstandard.compress(data)),
    }
