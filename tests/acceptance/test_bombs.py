"""Bombs at each layer: small files that would cost much, and what they cost. The limits are those of docs/limits.md.

Each goes through the real engine, the real unpacking and the real readers of one site, and is watched from outside:
processor time of this process and of everything that it started, the largest resident memory of each, and the bytes that
lie in the vault. What was measured is printed: `.venv/bin/pytest -n0 -rP tests/acceptance/test_bombs.py`.
"""

from __future__ import annotations

import json
import os
import resource
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.crypto.gnupg.engine import OpenLimits
from gateway.validation.sandbox.pool import DEFAULT_LIMITS, Sandbox
from tests.acceptance.reading import files_below, rows
from tests.acceptance.receiving import Receiver, receiver
from tests.conftest import Tally
from tests.fakes import bombs
from tests.fakes.bombs import GIB, MIB, tar_extended_headers, tar_header, tar_member
from tests.fakes.forger import Forger, Parcel, Payload, compressed, sha256
from tests.fakes.openpgp import StockGpg, bomb, literal, packet, protected, session_key_packet

LA = "E09000030"
END = bytes(1024)
OVERHEAD_SECONDS = 3.0
"""Of this process, for the ledger, the log and the watching."""


@dataclass
class Cost:
    """Seconds of processor time, bytes of memory of the largest process that was started, and bytes in the vault."""

    cpu: float = 0.0
    memory: int = 0
    ours: int = 0
    disk: int = 0


@dataclass(frozen=True)
class Bench:
    """The site, its readers, and the partner that sends it bombs."""

    site: Receiver
    dwp: Forger
    readers: Sandbox

    @contextmanager
    def watched(self) -> Iterator[Cost]:
        """What everything inside costs."""
        cost, over = Cost(), threading.Event()
        watch = threading.Thread(target=self._watch, args=(cost, over))
        before = self._cpu()
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        base = _status(os.getpid(), "VmHWM")
        watch.start()
        try:
            yield cost
        finally:
            over.set()
            watch.join()
            cost.cpu = self._cpu() - before
            cost.ours = _status(os.getpid(), "VmHWM") - base

    def _watch(self, cost: Cost, over: threading.Event) -> None:
        vault = self.site.site.home.vault
        while not over.wait(0.005):
            cost.memory = max([cost.memory, *(_status(pid, "VmHWM") for pid in _children())])
            with suppress(FileNotFoundError):
                cost.disk = max(cost.disk, sum(path.stat().st_size for path in files_below(vault)))

    def _cpu(self) -> float:
        """Of this process, of those that have ended, and of the readers that live."""
        ours, ended = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        tick = os.sysconf("SC_CLK_TCK")
        living = 0.0
        for pid in self.readers.pids:
            with suppress(FileNotFoundError, ProcessLookupError):
                fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
                living += (int(fields[11]) + int(fields[12])) / tick
        return ours.ru_utime + ours.ru_stime + ended.ru_utime + ended.ru_stime + living

    # -- what is sealed

    def wrapped(self, packets: bytes) -> Parcel:
        """Any packets, encrypted to the site."""
        parcel = self.dwp.consignment(LA, [Payload(b"x")])
        inside = StockGpg(self.site.site.home.keyrings / "own")
        key = inside.session_key(parcel.sealed)
        return Parcel(parcel.id, session_key_packet(parcel.sealed) + protected(key, packets), parcel.document)

    def archive(self, make: Callable[[bytes], bytes], *payloads: Payload) -> Parcel:
        """Any literal content, signed and sealed; `make` gets the manifest's member."""
        document = self.dwp.manifest(LA, payloads or [Payload(bytes(4096))])
        content = make(tar_member("manifest.json", json.dumps(document).encode()))
        return Parcel(document["consignment"], self.dwp.seal(content, LA), document)


def _children() -> list[int]:
    found: list[int] = []
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError):
            found += map(int, (task / "children").read_text(encoding="ascii").split())
    return found


def _status(pid: int, key: str) -> int:
    """A size out of a process's status, in bytes; 0 of a process that has ended."""
    with suppress(FileNotFoundError, ProcessLookupError):
        for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith(f"{key}:"):
                return int(line.split()[1]) * 1024
    return 0


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    root = tmp_path_factory.mktemp("bombs")
    dwp = Forger(root / "forged-DWP", "DWP")
    try:
        with receiver(root, LA, [dwp]) as site:
            # The readers are there, and warm, before the first bomb: starting them is no bomb's doing.
            site.receive(dwp, [dwp.consignment(LA, [Payload(b"<warm/>")])])
            assert site.readers is not None
            yield Bench(site, dwp, site.readers)
            site.assert_audit()
    finally:
        dwp.close()


def shown(kind: str, size: int, cost: Cost, code: str) -> None:
    print(  # noqa: T201 - the measured figures are what this test is run for
        f"{kind:45} {size:>10,} bytes: {code:28} {cost.cpu:5.2f} s CPU, {cost.memory // MIB:>4} MiB in a child, "
        f"{cost.ours // MIB:>3} MiB here, {cost.disk / MIB:7.1f} MiB of disk"
    )


# -- in the envelope and in the archive: quarantined

SEALED: dict[str, tuple[set[str], Callable[[Bench], Parcel]]] = {
    "OpenPGP: 1 GiB in one layer": ({"envelope-too-large"}, lambda bench: bench.wrapped(bomb(1, 1))),
    "OpenPGP: 3 GiB in two layers": ({"envelope-too-large"}, lambda bench: bench.wrapped(bomb(2, 3))),
    "OpenPGP: 3 GiB in three layers": (
        {"envelope-too-large", "envelope-exhausting"},
        lambda bench: bench.wrapped(bomb(3, 3)),
    ),
    "OpenPGP: a hundred layers": (
        {"envelope-damaged"},
        lambda bench: bench.wrapped(layered(literal(b"x"), 100)),
    ),
    "OpenPGP: a hundred thousand signatures": (
        {"envelope-exhausting", "envelope-damaged", "signature-multiple", "signature-missing"},
        lambda bench: bench.wrapped(packet(4, b"\x03\x00\x08\x16" + bytes(8) + b"\x00") * 100_000 + literal(b"x")),
    ),
    "Zstandard: a window of 2 GiB": (
        {"archive-too-large"},
        lambda bench: bench.archive(lambda head: bombs.zstd_wide(head + END)),
    ),
    "Zstandard: 64 GiB after the end": (
        {"archive-too-large"},
        lambda bench: bench.archive(
            lambda head: bombs.zstd_zeros(head + tar_member("payload/0001", bytes(4096)) + END, 64 * GIB)
        ),
    ),
    "Zstandard: a million empty blocks": (
        {"archive-damaged"},
        lambda bench: bench.archive(lambda head: bombs.zstd_empty_blocks(head, 1_000_000)),
    ),
    "tar: a manifest of 7 GiB": (
        {"archive-too-large"},
        lambda bench: bench.archive(lambda _head: bombs.zstd_zeros(tar_header("manifest.json", 7 * GIB), 7 * GIB)),
    ),
    "tar: a payload of 7 GiB where 4 KiB are listed": (
        {"archive-size-mismatch"},
        lambda bench: bench.archive(lambda head: bombs.zstd_zeros(head + tar_header("payload/0001", 7 * GIB), 7 * GIB)),
    ),
    "tar: a sparse file": (
        {"archive-member-unsafe"},
        lambda bench: bench.archive(lambda head: compressed(head + tar_header("payload/0001", 512, b"S") + END)),
    ),
    "tar: extended headers without end": (
        {"archive-too-large"},
        lambda bench: bench.archive(
            lambda head: compressed(head + tar_extended_headers(2000) + tar_member("payload/0001", bytes(4096)) + END)
        ),
    ),
    "manifest: 4 GiB listed and sent": (
        {"archive-too-large"},
        lambda bench: bench.archive(
            lambda head: bombs.zstd_zeros(head, 5 * GIB),
            *(Payload(b"", f"{n}.xml", said={"size": 20 * MIB}) for n in range(205)),
        ),
    ),
    "manifest: 160 MiB of another digest": (
        {"archive-digest-mismatch"},
        lambda bench: bench.archive(
            lambda head: bombs.zstd_zeros(head + tar_header("payload/0001", 20 * MIB), 160 * MIB),
            *(Payload(b"", f"{n}.xml", said={"size": 20 * MIB}) for n in range(8)),
        ),
    ),
    "manifest: two million numbers": ({"manifest-malformed"}, lambda bench: of_json(bench, b'"a":[', b"0,", b"0]")),
    "manifest: a million empty lists": ({"manifest-malformed"}, lambda bench: of_json(bench, b'"a":[', b"[],", b"0]")),
    "manifest: a million empty items": (
        {"manifest-malformed"},
        lambda bench: of_json(bench, b'"items":[', b"{},", b"{}]"),
    ),
}
QUICK = (
    "manifest: a million empty items",
    "OpenPGP: 3 GiB in two layers",
    "Zstandard: 64 GiB after the end",
    "tar: extended headers without end",
)


def of_json(bench: Bench, start: bytes, again: bytes, end: bytes) -> Parcel:
    """A manifest as long as it may be, of one thing over and over."""
    words = again * ((4 * MIB - 64) // len(again))
    return bench.archive(
        lambda _head: compressed(tar_member("manifest.json", b'{"version":1,' + start + words + end + b"}"))
    )


def layered(packets: bytes, number: int) -> bytes:
    for _ in range(number):
        packets = packet(8, b"\x00" + packets)
    return packets


def goes_off_in_the_envelope(bench: Bench, kind: str) -> None:
    codes, make = SEALED[kind]
    parcel = make(bench)
    with bench.watched() as cost:
        (told,) = bench.site.receive(bench.dwp, [parcel])
    shown(kind, len(parcel.sealed), cost, told["code"] or told["state"])
    assert told["state"] == "quarantined", told
    assert told["code"] in codes
    limits = OpenLimits()
    assert cost.cpu <= limits.opening(len(parcel.sealed)).cpu_seconds + 1 + OVERHEAD_SECONDS
    assert cost.memory <= max(limits.memory_bytes, DEFAULT_LIMITS.memory)
    assert cost.ours <= 256 * MIB
    # The content that gpg gave out, and what was unpacked of it before it was found wrong.
    listed = sum(item["size"] for item in parcel.document.get("items", []) if "digest" in kind)
    assert cost.disk <= limits.content(len(parcel.sealed), 4 * GIB) + listed
    assert bench.site.plaintext() == []


@pytest.mark.parametrize("kind", QUICK)
def test_bomb_is_quarantined_within_the_limits_and_leaves_nothing(bench: Bench, kind: str) -> None:
    goes_off_in_the_envelope(bench, kind)


@pytest.mark.torture
@pytest.mark.parametrize("kind", [kind for kind in SEALED if kind not in QUICK])
def test_every_bomb_in_envelope_or_archive_is_quarantined_within_the_limits(
    bench: Bench, tally: Tally, kind: str
) -> None:
    goes_off_in_the_envelope(bench, kind)
    tally("bombs", tried=1, lost=0)


# -- in the files themselves: rejected, or held where they end their reader

FILES: dict[str, tuple[str, str, Callable[[], bytes]]] = {
    **{f"XML: {kind}": ("claim", "xml", make) for kind, make in bombs.XML.items()},
    **{f"PDF: {kind}": ("laid", "pdf", make) for kind, make in bombs.PDF.items()},
}
QUICK_FILES = ("XML: a billion laughs", "PDF: objects in a stream of 2 GiB")


def goes_off_in_a_file(bench: Bench, kind: str) -> None:
    flow, ending, make = FILES[kind]
    content = make()
    payload = Payload(content, f"{sha256(content)[:16]}.{ending}", flow, said={"schema": None})
    parcel = bench.dwp.consignment(LA, [payload])
    with bench.watched() as cost:
        bench.site.receive(bench.dwp, [parcel])
        (row,) = rows(bench.site.site, "SELECT state, code, claims FROM transfers WHERE id = ?", payload.transfer)
    shown(kind, len(content), cost, row["code"])
    assert row["state"] in {"rejected", "held"}, row
    tries = 1 if row["state"] == "rejected" else 3
    each = DEFAULT_LIMITS.cpu_seconds + len(content) // DEFAULT_LIMITS.bytes_per_second + 1
    assert cost.cpu <= tries * (each + OVERHEAD_SECONDS) + OVERHEAD_SECONDS
    assert cost.memory <= DEFAULT_LIMITS.memory
    assert cost.ours <= 64 * MIB
    assert bench.site.delivered(flow, "DWP") == {}
    listed = [_outcome(item) for item in bench.site.receipt(bench.dwp, parcel.id)["items"]] if tries == 1 else []
    assert listed in ([], ["rejected"])


def _outcome(item: dict[str, Any]) -> str:
    return str(item["outcome"])


@pytest.mark.parametrize("kind", QUICK_FILES)
def test_file_that_is_a_bomb_is_not_delivered_and_costs_no_more_than_its_limits(bench: Bench, kind: str) -> None:
    goes_off_in_a_file(bench, kind)


@pytest.mark.torture
@pytest.mark.parametrize("kind", [kind for kind in FILES if kind not in QUICK_FILES])
def test_every_file_that_is_a_bomb_costs_no_more_than_its_limits(bench: Bench, tally: Tally, kind: str) -> None:
    goes_off_in_a_file(bench, kind)
    tally("bombs", tried=1, lost=0)
