"""What people do to the spool: twice the same, two of one name, half a file, no file at all, and files that are wrong.

The tests of this module share one pair of running sites, as people share a gateway: whatever one of them drops must not
disturb the others, and the promises are held against everything that was dropped so far.
"""

from __future__ import annotations

import json
import os
import random
import re
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import FileNameRefused, FlowNotPermitted, PartnerUnknown
from gateway.sample.extract import ExtractSampler
from gateway.sample.laid import LaidSampler
from gateway.settings.debris import PASSED_OVER
from gateway.settings.resources import resource
from gateway.spool.names import check_name
from gateway.spool.passed_over import PassedOver
from gateway.spool.returns import LETTERS, WHY
from tests.acceptance.copies import copied_pair
from tests.acceptance.promises import Book, Dropped, sha256
from tests.acceptance.reading import files_below, holding, rows
from tests.acceptance.sites import Site, claim, wait_until
from tests.conftest import Tally
from tests.fakes.evil_names import EVIL_NAMES

SECONDS = 90.0
"""How long anything may take here: a busy machine is slow, and a good one never waits."""

_SETTLE = 3.0
_TODAY = date(2026, 11, 22)
_NUMBER = re.compile(rb"\b[A-Z]{2}\d{6}[A-D]?\b")


@dataclass
class Sites:
    """The pair, running, and the book of what was dropped."""

    dwp: Site
    la: Site
    book: Book
    serial: Iterator[int] = field(default_factory=lambda: count(1))

    def outbound(self, flow: str = "claim") -> Path:
        return self.dwp.home.outbound / flow / self.la.code

    def returned(self, flow: str = "claim") -> Path:
        return self.dwp.home.returned / flow / self.la.code

    def claim(self, defect: str | None = None) -> tuple[str, bytes]:
        """Another claim than all before, under a name of its own."""
        number = next(self.serial)
        return claim(number, seed=number, defect=defect)

    def rows(self, name: str, direction: str = "out") -> list[dict[str, Any]]:
        site = self.dwp if direction == "out" else self.la
        return rows(site, "SELECT * FROM transfers WHERE direction = ? AND name = ?", direction, name)

    def wait_for(self, name: str, *states: str) -> list[dict[str, Any]]:
        """The transfers of that name, oldest first, once they are in these states."""

        def look() -> list[dict[str, Any]] | None:
            found = self.rows(name)
            return found if [row["state"] for row in found] == list(states) else None

        try:
            return list(wait_until(look, SECONDS, f"{name} {states}"))
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.rows(name)}\n{self.dwp.log_text()[-4000:]}") from None

    def still_works(self) -> None:
        """Let a claim make the whole trip: whatever was dropped before it has been looked at by then."""
        name, content = self.claim()
        self.book.drop(self.dwp, "claim", self.la.code, name, content)
        self.wait_for(name, "receipted")

    def delivered(self, digest: str) -> list[str]:
        """The names under which those bytes lie at the authority."""
        return sorted(name for name, content in self.la.inbound("claim", "DWP").items() if sha256(content) == digest)

    def refusals(self) -> list[dict[str, Any]]:
        """What the log says of things in the spool that are no submission; every line of it has to be JSON."""
        lines = self.dwp.log.read_bytes().splitlines()
        told = [json.loads(line) for line in lines]
        return [line for line in told if line["event"] == "spool.refused"]

    def refused_since(self, before: int, number: int) -> list[dict[str, Any]]:
        """The lines about the next so many refusals; a line comes a moment after the entry has gone back."""
        wait_until(lambda: len(self.refusals()) >= before + number, SECONDS, f"{number} lines about refusals")
        return self.refusals()[before:]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sites]:
    with copied_pair(tmp_path_factory.mktemp("spool-trouble")) as (dwp, la):
        dwp.edit_config("flows.claim", settle_seconds=_SETTLE)
        # So long that only a marker, or a rename, can be the reason why a LAID is taken.
        dwp.edit_config("flows.laid", settle_seconds=3600.0)
        dwp.start()
        la.start()
        yield Sites(dwp, la, Book((dwp, la)))


@pytest.fixture
def sites(running: Sites) -> Iterator[Sites]:
    """The sites; whatever a test did, the daemons of before are still there, and every promise holds."""
    processes = [running.dwp.role(role) for role in ("inspect", "vault", "link")]
    yield running
    assert [running.dwp.role(role) for role in ("inspect", "vault", "link")] == processes
    running.book.assert_promises()


def test_same_bytes_again_are_held_until_a_person_releases_them(sites: Sites) -> None:
    name, content = sites.claim()
    first = sites.book.drop(sites.dwp, "claim", sites.la.code, name, content)
    sites.wait_for(name, "receipted")
    sites.book.drop(sites.dwp, "claim", sites.la.code, name, content)
    (sent, held) = sites.wait_for(name, "receipted", "held")
    (shown,) = sites.dwp.transfers(name=name, state="held")
    assert (shown["id"], shown["code"]) == (held["id"], "suspected-duplicate")
    assert sent["id"] in shown["reason"]
    assert sites.delivered(first.sha256) == [name]
    sites.book.assert_promises()
    sites.dwp.gateway("release", held["id"], "--reason", "it is meant")
    sites.wait_for(name, "receipted", "receipted")
    assert sites.delivered(first.sha256) == sorted([name, _second(name, held["id"])])
    receipts = sites.dwp.home.receipts / "claim" / sites.la.code
    for each in (name, _second(name, held["id"])):
        wait_until((receipts / f"{each}.receipt.json").exists, SECONDS, f"the receipt of {each}")


def test_two_files_of_one_name_are_both_delivered_and_neither_is_overwritten(sites: Sites) -> None:
    name, older = sites.claim()
    _, newer = sites.claim()
    sites.book.drop(sites.dwp, "claim", sites.la.code, name, older)
    sites.wait_for(name, "receipted")
    sites.book.drop(sites.dwp, "claim", sites.la.code, name, newer)
    (_, second) = sites.wait_for(name, "receipted", "receipted")
    lying = sites.la.inbound("claim", "DWP")
    assert lying[name] == older
    assert lying[_second(name, second["id"])] == newer


def test_file_that_is_still_being_written_is_not_taken_before_it_is_quiet(sites: Sites) -> None:
    name, content = sites.claim()
    path = sites.outbound() / name
    pieces = 16
    longest, last = 0.0, time.monotonic()
    for number in range(pieces):
        with path.open("ab") as file:
            file.write(content[len(content) * number // pieces : len(content) * (number + 1) // pieces])
        longest, last = max(longest, time.monotonic() - last), time.monotonic()
        time.sleep(_SETTLE * 1.5 / pieces)  # a writer's pauses; all together longer than the settle time
        if longest < _SETTLE * 0.8:  # else this machine made the pause that ends the writing
            assert sites.rows(name) == []
    if longest >= _SETTLE * 0.8:
        pytest.skip("the machine is too busy to write without long pauses")
    sites.book.note(sites.dwp, "claim", sites.la.code, name, content)
    (row,) = sites.wait_for(name, "receipted")
    assert row["sha256"] == sha256(content)
    assert sites.la.inbound("claim", "DWP")[name] == content


def test_unfinished_names_are_left_alone_until_they_are_renamed(sites: Sites) -> None:
    name, content = sites.claim()
    temporary = [f"{name}.part", f"{name}.filepart", f"{name}.tmp", f"{name}~", f".{name}"]
    long_ago = time.time() - 3600
    for each in temporary:
        (sites.outbound() / each).write_bytes(content)
        os.utime(sites.outbound() / each, (long_ago, long_ago))
    sites.still_works()
    assert {path.name for path in sites.outbound().iterdir()} >= set(temporary)
    assert rows(sites.dwp, "SELECT id FROM transfers WHERE sha256 = ?", sha256(content)) == []
    (sites.outbound() / temporary[0]).rename(sites.outbound() / name)
    sites.book.note(sites.dwp, "claim", sites.la.code, name, content)
    sites.wait_for(name, "receipted")
    for each in temporary[1:]:
        (sites.outbound() / each).unlink()


def test_ready_marker_makes_a_file_go_at_once_and_goes_with_it(sites: Sites) -> None:
    sample = LaidSampler().make(
        sender="DWP", recipient=sites.la.code, index=next(sites.serial), random=random.Random(3), today=_TODAY
    )
    path = sites.outbound("laid") / sample.name
    path.write_bytes(sample.content)
    sites.still_works()
    assert path.exists()
    assert sites.rows(sample.name) == []
    marker = path.with_name(f"{sample.name}.ready")
    marker.touch()
    sites.book.note(sites.dwp, "laid", sites.la.code, sample.name, sample.content)
    sites.wait_for(sample.name, "receipted")
    wait_until(lambda: not path.exists() and not marker.exists(), SECONDS, "the marker's removal")
    assert sites.la.inbound("laid", "DWP")[sample.name] == sample.content


def test_what_is_no_plain_file_comes_back_with_the_reason_and_its_content_is_not_touched(
    sites: Sites, tmp_path: Path
) -> None:
    outbound, returned = sites.outbound(), sites.returned()
    before = len(sites.refusals())
    _, content = sites.claim()
    secret = tmp_path / "secret.xml"
    secret.write_bytes(content)
    (outbound / "folder").mkdir()
    (outbound / "folder" / "inside.xml").write_bytes(content)
    (outbound / "link.xml").symlink_to(secret)
    (outbound / "dangling.xml").symlink_to(tmp_path / "nothing")
    (outbound / "loop").symlink_to(outbound)
    os.mkfifo(outbound / "pipe.xml")
    _make_socket(outbound / "socket.xml")
    (outbound / "second-name.xml").hardlink_to(secret)
    strange = ["folder", "link.xml", "dangling.xml", "loop", "pipe.xml", "socket.xml", "second-name.xml"]
    _wait_for_reasons(sites, returned, strange)
    assert (returned / "folder" / "inside.xml").read_bytes() == content
    assert (returned / "link.xml").readlink() == secret
    assert (returned / "pipe.xml").is_fifo()
    assert (returned / "second-name.xml").samefile(secret)
    assert secret.read_bytes() == content
    assert not [path for path in outbound.iterdir() if path.name in strange]
    told = sites.refused_since(before, len(strange))
    assert sorted(line["name"] for line in told) == sorted(strange)
    assert {line["code"] for line in told} == {"file-unsafe"}
    assert sites.delivered(sha256(content)) == []
    sites.still_works()
    # Returned entries that are no files have no place in the book of files.
    sites.book.note(sites.dwp, "claim", sites.la.code, "second-name.xml", content)


@pytest.mark.torture
@pytest.mark.timeout(600)
def test_entries_that_are_swapped_while_they_are_read_give_nothing_away(
    sites: Sites, tmp_path: Path, tally: Tally
) -> None:
    before = len(sites.refusals())
    _, content = sites.claim()
    secret = tmp_path / "secret.xml"
    secret.write_bytes(content)
    swapper = _Swapper(sites.outbound(), secret, [sites.claim()[1] for _ in range(4)])
    for _ in range(3000):
        swapper.swap()
        time.sleep(0.002)
    swapper.clear()
    sites.still_works()
    assert sites.delivered(sha256(content)) == []
    assert rows(sites.dwp, "SELECT id FROM transfers WHERE sha256 = ?", sha256(content)) == []
    assert secret.read_bytes() == content
    copies = []
    for path in files_below(sites.dwp.home.root):
        with suppress(FileNotFoundError):  # the gateway is at work, and clears away what it took
            if path.is_file() and not path.is_symlink() and path.read_bytes() == content and not path.samefile(secret):
                copies.append(path)
    assert copies == []
    assert len(sites.refusals()) > before
    assert rows(sites.dwp, "SELECT id FROM transfers WHERE name LIKE 'swapped-%'")
    tally("spool entries swapped while read", tried=swapper.swaps, lost=0)


class _Swapper:
    """Puts one kind of entry in the place of another, under a few names, by renames alone."""

    def __init__(self, directory: Path, secret: Path, contents: list[bytes]) -> None:
        self._directory, self._secret, self._contents = directory, secret, contents
        self._random = random.Random(5)
        self._names = [f"swapped-{number}.xml" for number in range(6)]
        self.swaps = 0

    def swap(self) -> None:
        name = self._random.choice(self._names)
        made = self._directory / f".{name}.{self.swaps}"
        self._random.choice([self._file, self._file, self._link, self._second_name, self._folder, os.mkfifo])(made)
        try:
            made.rename(self._directory / name)
        except OSError:  # a folder and what is none do not take each other's place
            self._remove(self._directory / name)
            self._remove(made)
        self.swaps += 1

    def clear(self) -> None:
        for path in self._directory.iterdir():
            if "swapped-" in path.name:
                self._remove(path)

    def _file(self, path: Path) -> None:
        path.write_bytes(self._random.choice(self._contents))

    def _link(self, path: Path) -> None:
        path.symlink_to(self._secret)

    def _second_name(self, path: Path) -> None:
        path.hardlink_to(self._secret)

    def _folder(self, path: Path) -> None:
        path.mkdir()

    @staticmethod
    def _remove(path: Path) -> None:
        with suppress(FileNotFoundError):
            if path.is_dir() and not path.is_symlink():
                path.rmdir()
            else:
                path.unlink()


def test_empty_files_come_back_and_names_that_cannot_be_carried_come_back_under_ones_that_can(sites: Sites) -> None:
    outbound, returned = sites.outbound(), sites.returned()
    before = len(sites.refusals())
    names = [
        "empty.xml",
        "two\nlines.xml",
        "\x1b[31mred.xml",
        "\u202elmx.fdp",
        "a\u2066b\u2069.xml",
        "back\\slash.xml",
        "next\x85line.xml",
        "\u2028QQ123456C.xml",
        os.fsdecode(b"\xff\xfe.xml"),
    ]
    files: dict[str, Dropped] = {}
    for name in names:
        content = b"" if name == "empty.xml" else sites.claim()[1]
        # By a plain copy: the name is as the operator's program made it.
        (outbound / name).write_bytes(content)
        files[name] = sites.book.note(sites.dwp, "claim", sites.la.code, name, content)
    wait_until(
        lambda: not {path.name for path in outbound.iterdir()} & set(names), SECONDS, "the return of all of them"
    )
    told = sites.refused_since(before, len(names))
    assert sorted({line["code"] for line in told}) == ["file-empty", "file-name"]
    for name in names:
        (back,) = [path for path in _files(returned) if path.read_bytes() == files[name].content and _is_of(path, name)]
        check_name(back.name)
        assert back.name.isprintable()
        why = back.with_name(back.name + WHY).read_text(encoding="utf-8")
        assert "What to do:" in why
    text = sites.dwp.log_text()
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "QQ123456C" not in text
    assert sites.la.inbound("claim", "DWP").keys().isdisjoint(names)
    sites.still_works()


def test_every_evil_name_is_delivered_as_it_is_or_comes_back_under_a_safe_one(sites: Sites) -> None:
    outbound, returned = sites.outbound(), sites.returned()
    before = len(sites.refusals())
    passed_over = PassedOver(PASSED_OVER)
    names = [name for name in EVIL_NAMES if not passed_over(name)]
    debris = [name for name in EVIL_NAMES if passed_over(name)]
    for name in debris:
        (outbound / name).write_bytes(b"debris")
    files = {}
    for name in names:
        files[name] = sites.book.note(sites.dwp, "claim", sites.la.code, name, sites.claim()[1])
        (outbound / name).write_bytes(files[name].content)
    wait_until(lambda: not {path.name for path in outbound.iterdir()} & set(names), SECONDS, "an empty spool")
    carried = [name for name in names if _is_carried(name)]
    told = sites.refused_since(before, len(names) - len(carried))
    assert [line["code"] for line in told] == ["file-name"] * (len(names) - len(carried))
    sites.still_works()
    for name in carried:
        sites.wait_for(name, "receipted")
        assert sites.delivered(files[name].sha256) == [name]
    back = {path.read_bytes(): path for path in _files(returned)}
    for name in set(names) - set(carried):
        path = back[files[name].content]
        check_name(path.name)
        why = path.with_name(path.name + WHY).read_text(encoding="utf-8")
        assert "What to do:" in why
        assert sites.delivered(files[name].sha256) == []
    for name in debris:
        assert (outbound / name).read_bytes() == b"debris"
        (outbound / name).unlink()
    for line in sites.dwp.log.read_text(encoding="utf-8").splitlines():
        assert line.isprintable(), "a line of the log that moves a cursor"
        json.loads(line)


def _is_carried(name: str) -> bool:
    try:
        check_name(name)
    except FileNameRefused:
        return False
    return True


def test_what_lies_under_no_flow_or_no_partner_comes_back(sites: Sites) -> None:
    outbound, returned = sites.dwp.home.outbound, sites.dwp.home.returned
    before = len(sites.refusals())
    places = {
        ("holiday", "E09000030"): "no flow of that name",
        ("two\nlines", "E09000030"): "no flow of that name",
        ("claim", "E99999999"): PartnerUnknown().reason,
        ("claim", "$(reboot)"): PartnerUnknown().reason,
        ("extract", "E09000030"): FlowNotPermitted().reason,
        ("", ""): "does not lie in a directory",
        ("claim", ""): "does not lie in a directory",
    }
    for number, (flow, partner) in enumerate(places):
        directory = outbound / flow / partner
        directory.mkdir(parents=True, exist_ok=True)
        content = sites.claim()[1]
        (directory / f"lost-{number}.xml").write_bytes(content)
        sites.book.note(sites.dwp, flow, partner, f"lost-{number}.xml", content)
    told = sites.refused_since(before, len(places))
    assert sorted(line["name"] for line in told) == [f"lost-{number}.xml" for number in range(len(places))]
    for number, ((flow, partner), reason) in enumerate(places.items()):
        back = returned / flow / partner / f"lost-{number}.xml"
        assert back.exists()
        assert reason in back.with_name(back.name + WHY).read_text(encoding="utf-8")
    sites.still_works()


@pytest.mark.parametrize(
    ("defect", "code", "place"),
    [
        ("nino", "nino", r"line \d+"),
        ("missing-element", None, r"line \d+"),
        ("doctype", None, r""),
        ("truncated", None, r"line \d+"),
        ("wrong-authority", "wrong-authority", r"header"),
    ],
)
def test_wrong_content_comes_back_whole_and_says_where_and_which_rule_but_never_a_value(
    sites: Sites, defect: str, code: str | None, place: str
) -> None:
    name, content = sites.claim(defect)
    sites.book.drop(sites.dwp, "claim", sites.la.code, name, content)
    (row,) = sites.wait_for(name, "rejected")
    assert code is None or row["code"] == code
    why = _why(sites, sites.returned(), name)
    assert (sites.returned() / name).read_bytes() == content
    assert why.startswith(f"{name} was not accepted.")
    assert re.search(place, why)
    assert f"[{row['code']}]" in why
    assert "What to do:" in why
    _assert_quotes_nothing(sites, sites.dwp, why, content)
    assert not holding(content[:200], sites.la.home.root)


def test_wrong_extract_comes_back_to_the_authority_by_row_and_field(sites: Sites) -> None:
    sample = ExtractSampler(resource("schemas"), rows=40).make(
        sender=sites.la.code,
        recipient="DWP",
        index=next(sites.serial),
        random=random.Random(11),
        today=_TODAY,
        defect="nino",
    )
    sites.book.drop(sites.la, "extract", "DWP", sample.name, sample.content)
    why = _why(sites, sites.la.home.returned / "extract" / "DWP", sample.name)
    assert re.search(r"(row|record|line) \d+", why)
    assert "field" in why
    _assert_quotes_nothing(sites, sites.la, why, sample.content)


# -- what the tests look at


def _second(name: str, transfer: str) -> str:
    """The second file of a name (section 4 of the contract)."""
    stem, _, extension = name.rpartition(".")
    return f"{stem}~{transfer}.{extension}"


def _why(sites: Sites, returned: Path, name: str) -> str:
    reason = returned / f"{name}{WHY}"
    # The letter is there before the file that it is about.
    wait_until(lambda: reason.exists() and os.path.lexists(returned / name), SECONDS, f"the reason of {name}")
    return reason.read_text(encoding="utf-8")


def _wait_for_reasons(sites: Sites, returned: Path, names: list[str]) -> None:
    def missing() -> list[str]:
        there = (returned / f"{name}{WHY}" for name in names)
        return [
            name
            for name, reason in zip(names, there, strict=True)
            if not (reason.exists() and os.path.lexists(returned / name))
        ]

    with suppress(AssertionError):
        wait_until(lambda: not missing(), SECONDS, "the reasons")
    assert missing() == [], sites.dwp.log_text()[-3000:]


def _files(directory: Path) -> Iterator[Path]:
    for path in directory.iterdir():
        if path.is_file() and not path.is_symlink() and not path.name.endswith(LETTERS):
            yield path


def _is_of(path: Path, name: str) -> bool:
    """Tells the one empty file from others."""
    return bool(path.stat().st_size) or path.name == name


def _assert_quotes_nothing(sites: Sites, site: Site, why: str, content: bytes) -> None:
    numbers = {number.decode() for number in _NUMBER.findall(content)}
    assert numbers
    said = [why, site.log_text(), *(row["reason"] or "" for row in rows(site, "SELECT reason FROM transfers"))]
    for number in numbers:
        assert not [text for text in said if number in text]


def _make_socket(path: Path) -> None:
    """A Unix socket; bound by a short name, as its path may be longer than a socket's may be."""
    here = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(f"/proc/self/fd/{here}/{path.name}")
    finally:
        os.close(here)
