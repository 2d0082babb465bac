"""Who has a file open for writing, asked of the real kernel."""

import mmap
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.storage import writers
from gateway.storage.writers import Writers, may_ask_of_any_file, writers_of

NOBODY = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "a.xml"
    file.write_bytes(b"<claim/>" * 10)
    return file


@pytest.fixture
def descriptor(path: Path) -> Iterator[int]:
    number = os.open(path, os.O_RDONLY)
    yield number
    os.close(number)


def test_nobody_writes_to_a_file_that_is_closed_or_open_for_reading(path: Path, descriptor: int) -> None:
    assert writers_of(descriptor) is Writers.NONE
    with path.open("rb"):
        assert writers_of(descriptor) is Writers.NONE


@pytest.mark.parametrize("mode", ["wb", "ab", "r+b"])
def test_whoever_may_write_is_seen_until_it_closes(mode: str, path: Path, descriptor: int) -> None:
    with path.open(mode):
        assert writers_of(descriptor) is Writers.SOME
    assert writers_of(descriptor) is Writers.NONE


def test_a_writer_in_another_process_is_seen(path: Path, descriptor: int) -> None:
    script = "import sys\nwith open(sys.argv[1], 'ab'):\n    print('open', flush=True)\n    sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", script, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        assert writers_of(descriptor) is Writers.SOME
        process.communicate("")
    assert writers_of(descriptor) is Writers.NONE


def test_a_map_for_writing_counts_after_its_descriptor_is_closed(path: Path, descriptor: int) -> None:
    with path.open("r+b") as file:
        mapped = mmap.mmap(file.fileno(), 0)
    with mapped:
        assert writers_of(descriptor) is Writers.SOME
    assert writers_of(descriptor) is Writers.NONE


def test_asking_keeps_nobody_from_writing_afterwards(path: Path, descriptor: int) -> None:
    assert writers_of(descriptor) is Writers.NONE
    opened = os.open(path, os.O_WRONLY | os.O_NONBLOCK)  # a lease that is still held would answer EWOULDBLOCK
    os.close(opened)


def test_a_file_system_that_others_write_to_over_a_network_cannot_tell(
    descriptor: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    nfs = 0x6969
    monkeypatch.setattr(writers, "file_system", lambda _: nfs)
    assert writers_of(descriptor) is Writers.UNKNOWN


@needs_root
def test_without_the_right_to_ask_about_files_of_others_the_answer_is_unknown_and_not_none(path: Path) -> None:
    path.chmod(0o644)
    path.parent.chmod(0o755)
    reader, writer = os.pipe()
    read_from = os.open(path, os.O_RDONLY)
    child = os.fork()
    if child == 0:
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        os.write(writer, f"{writers_of(read_from)} {may_ask_of_any_file()}".encode())
        os._exit(0)
    os.close(writer)
    os.close(read_from)
    with os.fdopen(reader) as answer:
        assert answer.read() == "unknown False"
    assert os.waitpid(child, 0)[1] == 0
    assert may_ask_of_any_file()
