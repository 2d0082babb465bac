"""What a store of a site's files does, on every implementation: a gateway alone, a directory that all nodes mount, and S3.

S3 is moto's here: the protocol, with no durability behind it.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import obstore
import pytest

from gateway.errors import (
    CustodyLost,
    DiskFailed,
    DiskFull,
    StoreFileLost,
    StoreForeign,
    StoreFull,
    StoreUnprepared,
    StoreUnreachable,
)
from gateway.storage.durable import DISK, Disk
from gateway.storage.objects.contract import MARK, ObjectStore
from gateway.storage.objects.directory import DirectoryStore
from gateway.storage.objects.s3 import Bucket, S3Store
from gateway.storage.payloads import KeptFile, OneMachine, Payloads
from gateway.storage.sealing import Sealing, new_key
from gateway.storage.shared_payloads import SharedPayloads
from tests.fakes.s3 import S3Server, s3_server

NINO = b"<nino>QQ123456C</nino>\n"
LARGE = 9 << 20
_numbers = count()


@dataclass
class Site:
    """Nodes of one site, each with a state of its own."""

    root: Path
    objects: Callable[[Disk], ObjectStore]
    raw: Callable[[], dict[str, bytes]]
    put_raw: Callable[[str, bytes], None]
    keys: tuple[str, str]

    def node(self, name: str, disk: Disk = DISK, store_disk: Disk = DISK) -> Node:
        state = self.root / name / "state"
        state.mkdir(parents=True, exist_ok=True)
        plain, sealed = map(Sealing, self.keys)
        return Node(state, SharedPayloads(state, self.objects(store_disk), lambda: plain, lambda: sealed, disk))


@dataclass
class Node:
    state: Path
    payloads: SharedPayloads

    def write(self, name: str, content: bytes) -> tuple[Path, str]:
        path = self.state / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path, hashlib.sha256(content).hexdigest()


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server() as running:
        yield running


@pytest.fixture(params=["directory", "s3"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Site:
    made = (_directory if request.param == "directory" else _s3)(request, tmp_path)
    made.node("first").payloads.prepare(b"DWP")
    return made


def _directory(_request: pytest.FixtureRequest, tmp_path: Path) -> Site:
    root = tmp_path / "store"
    root.mkdir()

    def raw() -> dict[str, bytes]:
        files = (path for path in root.rglob("*") if path.is_file())
        return {str(path.relative_to(root)): path.read_bytes() for path in files}

    def put_raw(key: str, content: bytes) -> None:
        (root / key).write_bytes(content)

    return Site(
        tmp_path,
        lambda disk: DirectoryStore(root, f"t{next(_numbers)}", disk=disk),
        raw,
        put_raw,
        (new_key(), new_key()),
    )


def _s3(request: pytest.FixtureRequest, tmp_path: Path) -> Site:
    running: S3Server = request.getfixturevalue("server")
    name = f"bucket-{next(_numbers)}"
    running.make_bucket(name)
    bucket = Bucket(name, "site/files", "us-east-1", running.endpoint, "AKIA", "secret")
    store = S3Store(bucket, tmp_path)

    def raw() -> dict[str, bytes]:
        everything = S3Store(replace(bucket, prefix=""), tmp_path)._store
        listed = [each["path"] for page in obstore.list(everything) for each in page]
        return {key: bytes(obstore.get(everything, key).bytes()) for key in listed}

    def put_raw(key: str, content: bytes) -> None:
        obstore.put(S3Store(replace(bucket, prefix=""), tmp_path)._store, key, content)

    return Site(tmp_path, lambda _disk: store, raw, put_raw, (new_key(), new_key()))


def _files_of(raw: dict[str, bytes]) -> dict[str, bytes]:
    return {key: content for key, content in raw.items() if MARK not in key and "gateway-key" not in key}


# -- a gateway alone


def test_a_gateway_alone_keeps_nothing_elsewhere_and_removes_what_is_forgotten(tmp_path: Path) -> None:
    payloads: Payloads = OneMachine()
    path = tmp_path / "a"
    path.write_bytes(NINO)
    payloads.keep({path: "0" * 64})
    assert payloads.fetch(path, "0" * 64) == path
    assert list(payloads.names(tmp_path)) == []
    payloads.forget(path, "0" * 64)
    payloads.forget(path, "0" * 64)
    with pytest.raises(FileNotFoundError):
        payloads.fetch(path, "0" * 64)


# -- what every store does


@pytest.mark.parametrize("content", [b"", NINO, os.urandom(LARGE)], ids=["empty", "small", "in-parts"])
@pytest.mark.parametrize("name", ["vault/custody/0192", "sealed/out/E09000030/0192.pgp"])
def test_what_one_node_kept_another_one_fetches(site: Site, name: str, content: bytes) -> None:
    first, second = site.node("first"), site.node("second")
    path, sha256 = first.write(name, content)
    first.payloads.keep({path: sha256})
    first.payloads.keep({path: sha256})
    there = second.state / name
    assert second.payloads.fetch(there, sha256) == there
    assert there.read_bytes() == content
    assert there.stat().st_mode & 0o007 == 0
    assert list(there.parent.iterdir()) == [there]
    assert list(second.payloads.names(second.state)) == [(there, sha256)]


def test_neither_content_nor_digest_is_in_the_store_unsealed(site: Site) -> None:
    node = site.node("first")
    files = dict([node.write("vault/custody/a", NINO * 9000), node.write("quarantine/b.sealed", NINO)])
    node.payloads.keep(files)
    for key, content in site.raw().items():
        assert b"QQ123456C" not in content
        assert not any(digest in key or digest.encode() in content for digest in files.values())


def test_a_file_that_lies_under_another_name_is_kept_by_its_own(site: Site) -> None:
    node = site.node("first")
    lying, sha256 = node.write("vault/submitted/run/1", NINO)
    named = node.state / "vault/custody/x"
    node.payloads.keep({named: sha256}, {named: lying})
    assert list(node.payloads.names(node.state / "vault" / "custody")) == [(named, sha256)]
    assert node.payloads.fetch(named, sha256).read_bytes() == NINO


def test_names_are_those_below_a_directory_or_of_a_file_in_order(site: Site) -> None:
    node = site.node("first")
    names = ["exceptions/in/A/2.csv", "exceptions/in/A/1.csv", "exceptions/in/AB/1.csv", "evidence/A/1.receipt.pgp"]
    files = dict(node.write(name, name.encode()) for name in names)
    node.payloads.keep(files)

    def told(below: str) -> list[str]:
        found = list(node.payloads.names(node.state / below))
        assert all(files[path] == sha256 for path, sha256 in found)
        return [str(path.relative_to(node.state)) for path, _ in found]

    assert told("exceptions/in/A") == ["exceptions/in/A/1.csv", "exceptions/in/A/2.csv"]
    assert told("exceptions") == ["exceptions/in/A/1.csv", "exceptions/in/A/2.csv", "exceptions/in/AB/1.csv"]
    assert told("exceptions/in/A/1.csv") == ["exceptions/in/A/1.csv"]
    assert told("exceptions/in/A/1") == told("sealed") == []


@pytest.mark.parametrize("content", [NINO, os.urandom(LARGE)], ids=["small", "in-parts"])
def test_when_the_store_got_a_file_is_by_its_clock_and_stays_though_it_is_kept_again(
    site: Site, content: bytes
) -> None:
    node = site.node("first")
    path, sha256 = node.write("sealed/in/E09000030/0192.pgp", content)
    assert node.payloads.kept_at(path, sha256) is None
    before = time.time()
    node.payloads.keep({path: sha256})
    since = node.payloads.kept_at(path, sha256)
    assert since is not None
    assert before - 1.0 <= since <= time.time() + 1.0  # S3 tells whole seconds
    time.sleep(1.1)
    node.payloads.keep({path: sha256})
    second = site.node("second")
    assert second.payloads.kept_at(second.state / path.relative_to(node.state), sha256) == since


def test_two_contents_of_one_name_are_two_files(site: Site) -> None:
    first, late = site.node("first"), site.node("late")
    path, right = first.write("sealed/out/A/1.pgp", b"right")
    other, wrong = late.write("sealed/out/A/1.pgp", b"of a node that was fenced")
    first.payloads.keep({path: right})
    late.payloads.keep({other: wrong})
    assert late.payloads.fetch(other, right).read_bytes() == b"right"
    late.payloads.forget(other, wrong)
    assert other.read_bytes() == b"right"
    assert list(first.payloads.names(first.state)) == [(path, right)]
    first.payloads.forget(path, right)
    assert not path.exists()
    assert list(first.payloads.names(first.state)) == []


def test_what_is_forgotten_is_nowhere_and_again_is_the_same(site: Site) -> None:
    node = site.node("first")
    path, sha256 = node.write("vault/custody/a", NINO)
    node.payloads.keep({path: sha256})
    for _ in range(2):
        node.payloads.forget(path, sha256)
    assert not _files_of(site.raw())
    with pytest.raises(FileNotFoundError):
        node.payloads.fetch(path, sha256)


def test_many_are_forgotten_together(site: Site) -> None:
    node = site.node("first")
    files = dict(node.write(f"vault/custody/{number}", b"%d" % number) for number in range(20))
    kept = node.write("vault/custody/kept", NINO)
    node.payloads.keep(files | dict([kept]))
    node.payloads.forget_all(KeptFile(*file) for file in [*files.items(), (node.state / "vault/custody/no", "0" * 64)])
    assert list(node.payloads.names(node.state)) == [kept]
    assert list((node.state / "vault/custody").iterdir()) == [kept[0]]


@pytest.mark.parametrize("harm", ["altered", "cut", "emptied", "extended"])
@pytest.mark.parametrize("content", [NINO, NINO * 9000], ids=["small", "chunks"])
def test_an_altered_object_is_named_and_leaves_no_file(site: Site, harm: str, content: bytes) -> None:
    first, second = site.node("first"), site.node("second")
    path, sha256 = first.write("vault/custody/a", content)
    first.payloads.keep({path: sha256})
    ((key, sealed),) = _files_of(site.raw()).items()
    flipped = sealed[:-40] + bytes([sealed[-40] ^ 1]) + sealed[-39:]
    harmed = {"altered": flipped, "cut": sealed[: len(sealed) // 2], "emptied": b"", "extended": sealed + b"x"}[harm]
    site.put_raw(key, harmed)
    there = second.state / "vault/custody/a"
    with pytest.raises(StoreFileLost, match=r"store of \[payloads\] .* vault/custody/a[./][a-z2-7]+"):
        second.payloads.fetch(there, sha256)
    assert [path for path in second.state.rglob("*") if path.is_file()] == []


def test_swapped_objects_are_named(site: Site) -> None:
    first, second = site.node("first"), site.node("second")
    files = dict([first.write("vault/custody/a", b"a" * 50), first.write("vault/custody/b", b"b" * 50)])
    first.payloads.keep(files)
    (one, two) = _files_of(site.raw()).items()
    site.put_raw(one[0], two[1])
    site.put_raw(two[0], one[1])
    for path, sha256 in files.items():
        with pytest.raises(StoreFileLost, match=str(path.relative_to(first.state))):
            second.payloads.fetch(second.state / path.relative_to(first.state), sha256)


def test_an_object_that_is_put_back_is_brought(site: Site) -> None:
    first, second = site.node("first"), site.node("second")
    path, sha256 = first.write("vault/custody/a", NINO)
    first.payloads.keep({path: sha256})
    ((key, sealed),) = _files_of(site.raw()).items()
    there = second.state / "vault/custody/a"
    site.put_raw(key, sealed[:-1])
    with pytest.raises(StoreFileLost):
        second.payloads.fetch(there, sha256)
    site.put_raw(key, sealed)
    assert second.payloads.fetch(there, sha256).read_bytes() == NINO


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _device(path: Path) -> None:
    try:
        os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 5))  # /dev/zero, which has no end
    except PermissionError:
        pytest.skip("no account but root makes devices")


def _socket(path: Path) -> None:
    os.mknod(path, stat.S_IFSOCK | 0o600)


@pytest.mark.parametrize(
    "make", [_pipe, Path.mkdir, _device, _socket, lambda path: path.symlink_to("/dev/zero")],
    ids=["pipe", "directory", "device", "socket", "link"],
)  # fmt: skip
def test_what_is_no_file_in_an_objects_place_is_named_at_once(
    tmp_path: Path, request: pytest.FixtureRequest, make: Callable[[Path], None]
) -> None:
    site = _directory(request, tmp_path)
    first, second = site.node("first"), site.node("second")
    first.payloads.prepare(b"DWP")
    path, sha256 = first.write("vault/custody/a", NINO)
    first.payloads.keep({path: sha256})
    ((key, sealed),) = _files_of(site.raw()).items()
    place = tmp_path / "store" / key
    place.unlink()
    make(place)
    told: list[BaseException] = []

    def ask(act: Callable[[], object]) -> None:
        try:
            act()
        except StoreFileLost as error:
            told.append(error)

    acts = (
        lambda: second.payloads.fetch(second.state / "vault/custody/a", sha256),
        lambda: first.payloads.keep({path: sha256}),
    )
    for act in acts:
        asking = threading.Thread(target=ask, args=(act,), daemon=True)
        asking.start()
        asking.join(30)
        assert not asking.is_alive(), "whoever looks at it waits for ever"
    assert [key in str(error) for error in told] == [True, True]
    assert dict(second.payloads.names(second.state)) == {}
    place.rmdir() if place.is_dir() and not place.is_symlink() else place.unlink()
    place.write_bytes(sealed)
    assert second.payloads.fetch(second.state / "vault/custody/a", sha256).read_bytes() == NINO


def test_a_file_with_other_bytes_than_it_was_taken_with_is_not_kept(site: Site) -> None:
    node = site.node("first")
    path, sha256 = node.write("vault/custody/a", NINO)
    path.write_bytes(NINO + b" ")
    with pytest.raises(CustodyLost):
        node.payloads.keep({path: sha256})
    assert not _files_of(site.raw())


def test_a_local_file_with_other_bytes_is_brought_anew(site: Site) -> None:
    node = site.node("first")
    path, sha256 = node.write("vault/custody/a", NINO)
    node.payloads.keep({path: sha256})
    path.write_bytes(b"half")
    assert node.payloads.fetch(path, sha256).read_bytes() == NINO


def test_a_node_with_another_key_is_told_so_and_sees_no_empty_store(site: Site) -> None:
    node = site.node("first")
    path, sha256 = node.write("vault/custody/a", NINO)
    node.payloads.keep({path: sha256})
    stranger = replace(site, keys=(new_key(), new_key())).node("stranger").payloads
    for act in (
        lambda: stranger.fetch(site.root / "stranger/state/vault/custody/a", sha256),
        lambda: list(stranger.names(site.root / "stranger" / "state" / "vault")),
        lambda: stranger.prepare(b"DWP"),
        stranger.verify,
    ):
        with pytest.raises(StoreForeign):
            act()
    assert node.payloads.verify() == b"DWP"


def test_threads_that_fetch_one_file_at_once_all_get_it_whole(site: Site) -> None:
    first, second = site.node("first"), site.node("second")
    content = os.urandom(3 << 20)
    path, sha256 = first.write("sealed/in/A/1.pgp", content)
    first.payloads.keep({path: sha256})
    there = second.state / "sealed/in/A/1.pgp"
    seen: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: seen.append(second.payloads.fetch(there, sha256).read_bytes()))
        for _ in range(6)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert [hashlib.sha256(each).hexdigest() for each in seen] == [sha256] * 6
    assert list(there.parent.iterdir()) == [there]


def test_five_hundred_files_are_kept_at_once(site: Site) -> None:
    first, second = site.node("first"), site.node("second")
    files = dict(first.write(f"vault/custody/{number:04d}", b"%d" % number * 3000) for number in range(500))
    begun = time.monotonic()
    first.payloads.keep(files)
    assert time.monotonic() - begun < 60
    assert {path.name: sha256 for path, sha256 in second.payloads.names(second.state)} == {
        path.name: sha256 for path, sha256 in files.items()
    }


def test_this_machines_full_disk_is_disk_full_and_leaves_nothing(site: Site) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "no room")

    first = site.node("first")
    path, sha256 = first.write("vault/custody/a", NINO)
    first.payloads.keep({path: sha256})
    second = site.node("second", disk=replace(DISK, write=full))
    with pytest.raises(DiskFull) as told:
        second.payloads.fetch(second.state / "vault/custody/a", sha256)
    assert not isinstance(told.value, StoreFull)
    assert [path for path in second.state.rglob("*") if path.is_file()] == []


def test_a_file_that_cannot_be_read_here_is_this_disks_failure(site: Site) -> None:
    node = site.node("first")
    with pytest.raises(DiskFailed):
        node.payloads.keep({node.state / "vault/custody/none": "0" * 64})


@pytest.mark.skipif(os.geteuid() != 0, reason="takes root")
def test_what_root_brings_and_writes_is_the_directorys_owners(tmp_path: Path) -> None:
    site = _directory(None, tmp_path)  # type: ignore[arg-type]
    second = site.node("second")
    for path in (tmp_path / "store", second.state):
        os.chown(path, 1234, 2345)
    first = site.node("first")
    first.payloads.prepare(b"DWP")
    path, sha256 = first.write("evidence/A/1.receipt.pgp", NINO)
    first.payloads.keep({path: sha256})
    second.payloads.fetch(second.state / "evidence/A/1.receipt.pgp", sha256)
    made = [*(tmp_path / "store").rglob("*"), *second.state.rglob("*")]
    assert len(made) > 6
    assert {(each.stat().st_uid, each.stat().st_gid) for each in made} == {(1234, 2345)}


# -- what is one store's alone


def test_a_directory_that_is_not_mounted_is_away_and_not_empty(tmp_path: Path) -> None:
    site = _directory(None, tmp_path)  # type: ignore[arg-type]
    node = site.node("first")
    node.payloads.prepare(b"DWP")
    path, sha256 = node.write("vault/custody/a", NINO)
    node.payloads.keep({path: sha256})
    (tmp_path / "store").rename(tmp_path / "away")
    (tmp_path / "store").mkdir()
    path.unlink()
    for act in (
        lambda: node.payloads.keep({path: sha256}),
        lambda: node.payloads.fetch(path, sha256),
        lambda: node.payloads.forget(path, sha256),
        lambda: list(node.payloads.names(node.state)),
        lambda: node.payloads.kept_at(path, sha256),
    ):
        with pytest.raises(StoreUnprepared, match="not mounted there, or was not prepared"):
            act()
    assert list((tmp_path / "store").iterdir()) == []
    (tmp_path / "store").rmdir()
    with pytest.raises(StoreUnreachable):
        node.payloads.fetch(path, sha256)
    (tmp_path / "away").rename(tmp_path / "store")
    assert node.payloads.fetch(path, sha256).read_bytes() == NINO


@pytest.mark.parametrize("operation", ["write", "fsync"])
def test_a_directory_without_room_is_store_full_and_one_that_fails_is_away(tmp_path: Path, operation: str) -> None:
    site = _directory(None, tmp_path)  # type: ignore[arg-type]
    node = site.node("first")
    node.payloads.prepare(b"DWP")
    path, sha256 = node.write("vault/custody/a", NINO)
    before = site.raw()
    for number, expected in ((errno.ENOSPC, StoreFull), (errno.EIO, StoreUnreachable)):

        def failing(*_: object, number: int = number) -> int:
            raise OSError(number, "as the disk says")

        failed = site.node("second", store_disk=replace(DISK, **{operation: failing}))  # type: ignore[arg-type]
        with pytest.raises(expected):
            failed.payloads.keep({failed.write("vault/custody/a", NINO)[0]: sha256})
        assert site.raw() == before
    node.payloads.keep({path: sha256})


def test_kill_9_in_mid_put_leaves_whole_objects_or_none(tmp_path: Path) -> None:
    site = _directory(None, tmp_path)  # type: ignore[arg-type]
    node = site.node("first")
    node.payloads.prepare(b"DWP")
    files = dict(node.write(f"vault/custody/{number}", os.urandom(1 << 20)) for number in range(40))
    (tmp_path / "key").write_text("".join(site.keys))
    seen = set()
    for pause in (0.01, 0.03, 0.06, 0.1, 0.15):
        writer = subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(node.state), str(tmp_path / "store"), str(tmp_path / "key")],
            stdout=subprocess.PIPE,
        )
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(pause)
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
        for path, sha256 in node.payloads.names(node.state):
            second = site.node(f"second-{pause}")
            assert files[path] == sha256
            assert second.payloads.fetch(second.state / path.relative_to(node.state), sha256)
            seen.add(path)
        shutil.rmtree(tmp_path / "store" / "vault", ignore_errors=True)
    node.payloads.keep(files)
    assert len(list(node.payloads.names(node.state))) == len(files)
    # What it left is cleared away after a day, by the store's clock.
    incoming = tmp_path / "store" / ".incoming"
    left = list(incoming.iterdir())
    for path in left:
        os.utime(path, (time.time() - 90_000,) * 2)
    site.node("third").payloads.keep(dict([site.node("third").write("vault/custody/x", NINO)]))
    assert list(incoming.iterdir()) == []


_WRITER = """
import sys
from hashlib import sha256
from pathlib import Path
from gateway.storage.objects.directory import DirectoryStore
from gateway.storage.sealing import Sealing
from gateway.storage.shared_payloads import SharedPayloads
state, store, keys = map(Path, sys.argv[1:])
import os
plain, sealed = map(Sealing, keys.read_text().split())
payloads = SharedPayloads(state, DirectoryStore(store, str(os.getpid())), lambda: plain, lambda: sealed)
files = {path: sha256(path.read_bytes()).hexdigest() for path in (state / "vault/custody").iterdir()}
print(flush=True)
payloads.keep(files)
"""


def test_a_server_that_is_away_or_without_the_bucket_is_unreachable_and_not_empty(tmp_path: Path) -> None:
    with s3_server() as running:
        running.make_bucket("ours-1")
        bucket = Bucket("ours-1", "", "us-east-1", running.endpoint, "AKIA", "secret")
        keys = (new_key(), new_key())
        plain, sealed = map(Sealing, keys)

        def node(of: Bucket) -> Node:
            return Node(tmp_path, SharedPayloads(tmp_path, S3Store(of, tmp_path), lambda: plain, lambda: sealed))

        ours = node(bucket)
        ours.payloads.prepare(b"DWP")
        path, sha256 = ours.write("vault/custody/a", NINO)
        ours.payloads.keep({path: sha256})
        path.unlink()
        for other in (node(replace(bucket, name="ours-2")), node(replace(bucket, prefix="not-prepared"))):
            for act in (
                lambda o=other: o.payloads.fetch(path, sha256),
                lambda o=other: list(o.payloads.names(tmp_path)),
            ):
                with pytest.raises(StoreUnreachable):
                    act()
        running.process.kill()
        running.process.wait()
        begun = time.monotonic()
        with pytest.raises(StoreUnreachable) as told:
            ours.payloads.fetch(path, sha256)
        assert time.monotonic() - begun < 30
        assert "127.0.0.1" not in str(told.value)
