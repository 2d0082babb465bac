"""Hints from the file system."""

import ctypes
import errno
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from watchdog.observers import inotify_c
from watchdog.observers.inotify_c import InotifyConstants, InotifyEvent, InotifyFD, WatchDescriptor

from gateway.spool.watching import Hint, Watcher


class Hints:
    def __init__(self) -> None:
        self.seen: list[tuple[Path, Hint]] = []
        self.fallbacks: list[str] = []

    def note(self, path: Path, hint: Hint) -> None:
        self.seen.append((path, hint))

    def watch(self, *roots: Path, every_write: bool = False) -> Watcher:
        return Watcher(roots, self.note, self.fallbacks.append, every_write=every_write)

    def come(self, path: Path, hint: Hint) -> None:
        poll(lambda: (path, hint) in self.seen)


def poll(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_plain_copy_is_a_hint(tmp_path: Path) -> None:
    hints = Hints()
    with hints.watch(tmp_path) as watcher:
        assert watcher.live
        (tmp_path / "a.xml").write_bytes(b"x")
        hints.come(tmp_path / "a.xml", Hint.CHANGED)
    assert hints.fallbacks == []


def test_a_write_is_a_hint_of_its_own_where_it_is_asked_for(tmp_path: Path) -> None:
    hints = Hints()
    with hints.watch(tmp_path, every_write=True), (tmp_path / "a.xml").open("wb", buffering=0) as file:
        file.write(b"x")
        hints.come(tmp_path / "a.xml", Hint.WRITING)
        assert [hint for path, hint in hints.seen if path == tmp_path / "a.xml"][-1] is Hint.WRITING
        file.close()
        poll(lambda: hints.seen[-1] == (tmp_path / "a.xml", Hint.CHANGED))


def test_a_watcher_that_is_left_gives_no_more_hints(tmp_path: Path) -> None:
    watcher = Hints().watch(tmp_path)
    with watcher:
        pass
    assert not watcher.live


def test_a_rename_within_the_tree_says_so_at_once(tmp_path: Path) -> None:
    hints = Hints()
    waits = []
    with hints.watch(tmp_path):
        for name in ("a.xml", "b.xml", "c.xml"):
            (tmp_path / "a.part").write_bytes(b"x")
            renamed = time.monotonic()
            (tmp_path / "a.part").rename(tmp_path / name)
            hints.come(tmp_path / name, Hint.MOVED)
            waits.append(time.monotonic() - renamed)
    assert min(waits) < 0.4  # watchdog's observers would hold each back for half a second


def test_a_directory_that_is_renamed_goes_on_being_watched(tmp_path: Path) -> None:
    hints = Hints()
    (tmp_path / "old").mkdir()
    with hints.watch(tmp_path):
        (tmp_path / "old").rename(tmp_path / "new")
        poll(lambda: any(path == tmp_path / "new" for path, _ in hints.seen))
        (tmp_path / "new" / "a.xml").write_bytes(b"x")
        hints.come(tmp_path / "new" / "a.xml", Hint.CHANGED)


def test_a_rename_from_outside_the_tree_says_so(tmp_path: Path) -> None:
    hints = Hints()
    (tmp_path / "watched").mkdir()
    (tmp_path / "a.part").write_bytes(b"x")
    with hints.watch(tmp_path / "watched"):
        (tmp_path / "a.part").rename(tmp_path / "watched" / "a.xml")
        hints.come(tmp_path / "watched" / "a.xml", Hint.MOVED)


def test_directories_made_later_are_watched_too(tmp_path: Path) -> None:
    hints = Hints()
    with hints.watch(tmp_path):
        directory = tmp_path / "claim" / "E09000030"
        directory.mkdir(parents=True)
        hints.come(directory, Hint.CHANGED)
        (directory / ".a").write_bytes(b"x")
        (directory / ".a").rename(directory / "a.xml")
        poll(lambda: any(path == directory / "a.xml" for path, _ in hints.seen))


def test_several_trees_are_watched(tmp_path: Path) -> None:
    hints = Hints()
    roots = [tmp_path / "outbound", tmp_path / "landing"]
    for root in roots:
        root.mkdir()
    with hints.watch(*roots):
        for root in roots:
            (root / "a").write_bytes(b"x")
            hints.come(root / "a", Hint.CHANGED)


def test_a_name_that_is_no_utf8_is_a_hint_like_any_other(tmp_path: Path) -> None:
    hints = Hints()
    with hints.watch(tmp_path):
        path = tmp_path / os.fsdecode(b"\xff.xml")
        path.write_bytes(b"x")
        hints.come(path, Hint.CHANGED)


def test_a_root_that_is_missing_falls_back_and_says_why(tmp_path: Path) -> None:
    hints = Hints()
    with hints.watch(tmp_path / "absent") as watcher:
        assert not watcher.live
    assert len(hints.fallbacks) == 1


def test_the_kernels_limit_falls_back_and_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(28, "inotify watch limit reached")

    monkeypatch.setattr(InotifyFD, "add_callback", refuse)
    hints = Hints()
    with hints.watch(tmp_path) as watcher:
        assert not watcher.live
    assert hints.fallbacks == ["no file-system events: inotify watch limit reached"]


def test_what_came_into_a_directory_before_it_was_watched_is_a_hint(tmp_path: Path) -> None:
    hints = Hints()
    made = tmp_path / "made"
    with hints.watch(tmp_path):
        hidden = tmp_path.with_name("elsewhere")
        (hidden / "claim").mkdir(parents=True)
        (hidden / "claim" / "a.xml").write_bytes(b"x")
        hidden.rename(made)
        hints.come(made / "claim" / "a.xml", Hint.CHANGED)


def test_a_root_that_is_a_link_is_watched_and_a_link_below_it_is_not(tmp_path: Path) -> None:
    hints = Hints()
    for name in ("real", "elsewhere"):
        (tmp_path / name).mkdir()
    (tmp_path / "real" / "link").symlink_to(tmp_path / "elsewhere")
    root = tmp_path / "outbound"
    root.symlink_to(tmp_path / "real")
    with hints.watch(root) as watcher:
        assert watcher.live
        (tmp_path / "elsewhere" / "a.xml").write_bytes(b"x")
        (root / "b.xml").write_bytes(b"x")
        hints.come(root / "b.xml", Hint.CHANGED)
    assert {path.name for path, _ in hints.seen} == {"b.xml"}


def test_after_events_that_the_kernel_dropped_new_directories_are_watched_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hints = Hints()
    read = InotifyFD.read_events
    dropped = InotifyEvent(WatchDescriptor(-1), InotifyConstants.IN_Q_OVERFLOW, 0, b"")
    full = [True]

    def overflowing(self: InotifyFD) -> list[InotifyEvent]:
        events = read(self)
        return [dropped] if events and full[0] else events

    monkeypatch.setattr(InotifyFD, "read_events", overflowing)
    with hints.watch(tmp_path):
        (tmp_path / "claim").mkdir()
        hints.come(tmp_path, Hint.CHANGED)
        assert {path for path, _ in hints.seen} == {tmp_path}
        full[0] = False
        (tmp_path / "claim" / "E09000030").mkdir()
        (tmp_path / "claim" / "E09000030" / "a.xml").write_bytes(b"x")
        hints.come(tmp_path / "claim" / "E09000030" / "a.xml", Hint.CHANGED)


def test_a_path_that_is_too_long_costs_its_own_hints_alone(tmp_path: Path) -> None:
    def deepen(top: Path) -> None:
        descriptor = os.open(top, os.O_RDONLY)
        for _ in range(20):
            os.mkdir("d" * 250, dir_fd=descriptor)
            below = os.open("d" * 250, os.O_RDONLY, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = below
        os.close(descriptor)

    for name in ("before", "later"):
        (tmp_path / "root" / name).mkdir(parents=True)
    deepen(tmp_path / "root" / "before")
    hints = Hints()
    with hints.watch(tmp_path / "root") as watcher:
        assert watcher.live
        assert len(hints.fallbacks) == 1
        assert "too long" in hints.fallbacks[0]
        deepen(tmp_path / "root" / "later")
        poll(lambda: len(hints.fallbacks) >= 2)
        (tmp_path / "root" / "before" / "a.xml").write_bytes(b"x")
        hints.come(tmp_path / "root" / "before" / "a.xml", Hint.CHANGED)


@pytest.mark.parametrize("when", ["before", "later", "below"])
def test_a_directory_that_cannot_be_read_is_told_and_watched_when_it_can_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    closed = tmp_path / "claim" / "closed"
    closed.parent.mkdir()
    hints = Hints()
    refuse_closed(monkeypatch, closed / "below" if when == "below" else closed)

    def make() -> None:
        (closed / "below").mkdir(parents=True)
        closed.chmod(0o000)

    if when != "later":
        make()
    with hints.watch(tmp_path) as watcher:
        if when == "later":
            closed.mkdir(mode=0o000)
        poll(lambda: len(hints.fallbacks) >= 1)
        assert watcher.live
        assert "Permission denied" in hints.fallbacks[0]
        closed.chmod(0o700)
        (closed / "below").mkdir(exist_ok=True)
        hints.come(closed / "below", Hint.CHANGED)
        (closed / "below" / "a.xml").write_bytes(b"x")
        hints.come(closed / "below" / "a.xml", Hint.CHANGED)


def refuse_closed(monkeypatch: pytest.MonkeyPatch, refused: Path) -> None:
    """As the kernel does for whoever is not root, while the mode of `closed` is 0."""
    add = inotify_c.inotify_add_watch

    def checked(descriptor: int, path: bytes, mask: int) -> int:
        closed = next(each for each in (refused, *refused.parents) if each.name == "closed")
        if path == os.fsencode(refused) and not closed.stat().st_mode & 0o700:
            ctypes.set_errno(errno.EACCES)
            return -1
        return add(descriptor, path, mask)

    monkeypatch.setattr(inotify_c, "inotify_add_watch", checked)


@pytest.mark.parametrize("by", ["removal", "rename"])
def test_a_root_that_is_another_one_now_is_watched_and_told(tmp_path: Path, by: str) -> None:
    root = tmp_path / "outbound"
    (root / "claim").mkdir(parents=True)
    (tmp_path / "new" / "claim").mkdir(parents=True)
    hints = Hints()

    def tell(why: str) -> None:
        hints.fallbacks.append(why)
        poll(root.is_dir)

    with Watcher([root], hints.note, tell):
        shutil.rmtree(root) if by == "removal" else root.rename(tmp_path / "old")
        (tmp_path / "new").rename(root)
        hints.come(root, Hint.CHANGED)
        (root / "claim" / "a.xml").write_bytes(b"x")
        poll(lambda: hints.fallbacks != [] and (root / "claim" / "a.xml", Hint.CHANGED) in hints.seen)
    assert all("removed" in why or "No such file" in why for why in hints.fallbacks)
