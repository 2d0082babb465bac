"""The consignment's archive: packed, opened by stock tools, unpacked, and every deviation refused."""

import contextlib
import hashlib
import io
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from gateway.archive import tar
from gateway.archive.packing import archive_of
from gateway.archive.unpacking import Expected, Unpacked, UnpackLimits, unpack
from gateway.errors import (
    ArchiveDamaged,
    ArchiveDigestMismatch,
    ArchiveMemberExtra,
    ArchiveMemberMisplaced,
    ArchiveMemberMissing,
    ArchiveMemberRepeated,
    ArchiveMemberUnexpected,
    ArchiveMemberUnsafe,
    ArchiveRefused,
    ArchiveSizeMismatch,
    ArchiveTooLarge,
    CustodyLost,
    DiskFull,
    GatewayError,
    ManifestMalformed,
    ManifestMissing,
)
from gateway.storage.durable import DISK, Disk
from gateway.storage.file_group import Group
from tests.examples import examples

MANIFEST = b'{"version": 1}'
LIMITS = UnpackLimits(payload_bytes=1 << 20)


@dataclass(frozen=True)
class Item:
    path: Path
    size: int
    sha256: str


def items(root: Path, contents: Sequence[bytes]) -> list[Item]:
    made = []
    for number, content in enumerate(contents):
        path = root / f"custody-{number}"
        path.write_bytes(content)
        made.append(Item(path, len(content), hashlib.sha256(content).hexdigest()))
    return made


def open_archive(
    archive: bytes, root: Path, expected: Sequence[Expected], limits: UnpackLimits = LIMITS, disk: Disk = DISK
) -> list[Unpacked]:
    def on_manifest(manifest: bytes) -> Sequence[Expected]:
        if manifest != MANIFEST:
            raise ManifestMalformed
        return expected

    source, target = root / "archive", root / "target"
    source.write_bytes(archive)
    target.mkdir(exist_ok=True)
    with Group(target) as group:
        return unpack(source, target, on_manifest, group, limits, disk)


def refuses(
    error: type[GatewayError], archive: bytes, root: Path, contents: Sequence[bytes], limits: UnpackLimits = LIMITS
) -> None:
    with pytest.raises(error) as caught:
        open_archive(archive, root, items(root, contents), limits)
    assert type(caught.value) is error
    assert list((root / "target").iterdir()) == []


def member(name: str, content: bytes) -> bytes:
    return tar.header(name, len(content), 0) + content + tar.padding(len(content))


def squeezed(*parts: bytes) -> bytes:
    return zstandard.compress(b"".join(parts))


HEAD = member("manifest.json", MANIFEST)
ONE, TWO = b"<claim>1</claim>", b"<claim>2</claim>"
FIRST, SECOND = member("payload/0001", ONE), member("payload/0002", TWO)


# -- packing


@examples(40)
@given(st.lists(st.binary(max_size=2000) | st.integers(0, 400_000).map(bytes), max_size=6), st.integers(1, 300_000))
def test_what_is_packed_is_what_is_unpacked(contents: list[bytes], step: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        wanted = items(root, contents)
        writer = archive_of(MANIFEST, wanted, 1_800_000_000)
        archive = b"".join(iter(lambda: writer.read(step), b""))
        unpacked = open_archive(archive, root, wanted, replace(LIMITS, payload_bytes=1 << 30))
        assert [item.path.read_bytes() for item in unpacked] == contents
        assert [item.path.name for item in unpacked] == [f"{number:04d}" for number in range(1, len(contents) + 1)]
        assert [item.sha256 for item in unpacked] == [item.sha256 for item in wanted]


def test_reads_are_never_longer_than_asked_and_minus_one_reads_all(tmp_path: Path) -> None:
    wanted = items(tmp_path, [bytes(range(256)) * 2000])
    writer = archive_of(MANIFEST, wanted, 0)
    assert all(len(piece) <= 7 for piece in iter(lambda: writer.read(7), b""))
    assert writer.read(7) == b""
    assert zstandard.ZstdDecompressor().decompressobj().decompress(archive_of(MANIFEST, wanted, 0).read())


def test_stock_tools_open_it(tmp_path: Path) -> None:
    wanted = items(tmp_path, [ONE, b"", TWO * 1000])
    (tmp_path / "archive.zst").write_bytes(archive_of(MANIFEST, wanted, 1_700_000_000).read())
    subprocess.run(["zstd", "-q", "-d", "archive.zst", "-o", "archive.tar"], cwd=tmp_path, check=True)
    listed = subprocess.run(["tar", "tf", "archive.tar"], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert listed.stdout.split() == ["manifest.json", "payload/0001", "payload/0002", "payload/0003"]
    extracted = subprocess.run(["tar", "xf", "archive.tar"], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert extracted.stderr == ""
    assert (tmp_path / "payload" / "0003").read_bytes() == TWO * 1000


def test_the_same_call_gives_the_same_bytes(tmp_path: Path) -> None:
    wanted = items(tmp_path, [ONE])
    assert archive_of(MANIFEST, wanted, 7).read() == archive_of(MANIFEST, wanted, 7).read()


@pytest.mark.parametrize("content", [b"<claim>9</claim>", b"<claim>1</claim>+", b"<claim>", None])
def test_a_file_that_is_not_what_was_taken_in_is_not_packed(content: bytes | None, tmp_path: Path) -> None:
    wanted = items(tmp_path, [ONE])
    if content is None:
        wanted[0].path.unlink()
    else:
        wanted[0].path.write_bytes(content)
    with pytest.raises(CustodyLost):
        archive_of(MANIFEST, wanted, 0).read()


def test_a_writer_that_is_given_up_closes_its_file(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    writer = archive_of(MANIFEST, items(tmp_path, [hashlib.sha512(ONE).digest() * 10_000]), 0)
    assert writer.read(10)
    writer.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


# -- archives of other programs


@pytest.mark.parametrize("form", ["gnu", "ustar", "posix"])
@pytest.mark.parametrize("level", ["-1", "-19"])
def test_an_archive_of_stock_tar_and_zstd_is_accepted(form: str, level: str, tmp_path: Path) -> None:
    (tmp_path / "payload").mkdir()
    (tmp_path / "manifest.json").write_bytes(MANIFEST)
    (tmp_path / "payload" / "0001").write_bytes(ONE)
    (tmp_path / "payload" / "0002").write_bytes(TWO * 1000)
    names = ["manifest.json", "payload/0001", "payload/0002"]
    subprocess.run(["tar", "cf", "a.tar", f"--format={form}", *names], cwd=tmp_path, check=True)
    subprocess.run(["zstd", "-q", level, "a.tar"], cwd=tmp_path, check=True)
    unpacked = open_archive((tmp_path / "a.tar.zst").read_bytes(), tmp_path, items(tmp_path, [ONE, TWO * 1000]))
    assert [item.path.read_bytes() for item in unpacked] == [ONE, TWO * 1000]


def test_an_archive_piped_through_zstd_is_accepted(tmp_path: Path) -> None:
    made = subprocess.run(["zstd", "-c"], input=HEAD + FIRST + tar.END, check=True, capture_output=True)
    assert len(open_archive(made.stdout, tmp_path, items(tmp_path, [ONE]))) == 1


# -- refusals


@pytest.mark.parametrize(
    ("parts", "error"),
    [
        pytest.param([HEAD, FIRST, SECOND], ArchiveDamaged, id="no end"),
        pytest.param([HEAD, FIRST, SECOND, bytes(512)], ArchiveDamaged, id="half an end"),
        pytest.param([HEAD, FIRST, SECOND[:-100]], ArchiveDamaged, id="cut short"),
        pytest.param([HEAD, FIRST, SECOND, tar.END, b"x"], ArchiveDamaged, id="content after the end"),
        pytest.param([HEAD, FIRST, SECOND, tar.END, bytes(2 << 20)], ArchiveTooLarge, id="endless padding"),
        pytest.param([HEAD, FIRST, tar.END], ArchiveMemberMissing, id="missing"),
        pytest.param([HEAD, FIRST, tar.END, SECOND], ArchiveMemberMissing, id="after the end"),
        pytest.param([HEAD, FIRST, SECOND, member("payload/0003", b"x"), tar.END], ArchiveMemberExtra, id="extra"),
        pytest.param([HEAD, FIRST, SECOND, SECOND, tar.END], ArchiveMemberRepeated, id="the last again"),
        pytest.param([HEAD, SECOND, FIRST, tar.END], ArchiveMemberMisplaced, id="order"),
        pytest.param([HEAD, FIRST, FIRST, tar.END], ArchiveMemberRepeated, id="twice"),
        pytest.param([HEAD, HEAD, FIRST, tar.END], ArchiveMemberRepeated, id="manifest again"),
        pytest.param([HEAD, FIRST, member("../0002", TWO), tar.END], ArchiveMemberUnexpected, id="path"),
        pytest.param([HEAD, FIRST, member("/etc/passwd", TWO), tar.END], ArchiveMemberUnexpected, id="absolute path"),
        pytest.param([HEAD, FIRST, member("./payload/0002", TWO), tar.END], ArchiveMemberUnexpected, id="dot"),
        pytest.param([HEAD, FIRST, member("payload/0002", TWO + b"."), tar.END], ArchiveSizeMismatch, id="longer"),
        pytest.param([HEAD, FIRST, member("payload/0002", TWO[1:]), tar.END], ArchiveSizeMismatch, id="shorter"),
        pytest.param([HEAD, FIRST, member("payload/0002", ONE), tar.END], ArchiveDigestMismatch, id="other bytes"),
        pytest.param([FIRST, HEAD, SECOND, tar.END], ManifestMissing, id="manifest not first"),
        pytest.param([tar.END], ManifestMissing, id="nothing"),
        pytest.param([member("manifest.json", b"[]"), FIRST, SECOND, tar.END], ManifestMalformed, id="manifest"),
        pytest.param([b"x" * 512], ArchiveDamaged, id="no tar"),
        pytest.param([], ArchiveDamaged, id="empty"),
    ],
)
def test_an_archive_that_is_not_its_manifest_is_refused(
    parts: list[bytes], error: type[GatewayError], tmp_path: Path
) -> None:
    refuses(error, squeezed(*parts), tmp_path, [ONE, TWO])


@pytest.mark.parametrize(
    "kind",
    [
        tarfile.SYMTYPE,
        tarfile.LNKTYPE,
        tarfile.DIRTYPE,
        tarfile.FIFOTYPE,
        tarfile.CHRTYPE,
        tarfile.BLKTYPE,
        tarfile.CONTTYPE,
        tarfile.GNUTYPE_LONGNAME,
        tarfile.GNUTYPE_LONGLINK,
        tarfile.GNUTYPE_SPARSE,
    ],
)
def test_a_member_that_is_no_plain_file_is_refused(kind: bytes, tmp_path: Path) -> None:
    info = tarfile.TarInfo("payload/0001")
    info.type, info.linkname, info.size = kind, "/etc/passwd", 0
    refuses(ArchiveMemberUnsafe, squeezed(HEAD, info.tobuf(tarfile.GNU_FORMAT), tar.END), tmp_path, [ONE])


def extended(key: str, value: str) -> bytes:
    info = tarfile.TarInfo("payload/0001")
    info.size = len(ONE)
    info.pax_headers = {key: value}
    return info.tobuf(tarfile.PAX_FORMAT) + ONE + tar.padding(len(ONE))


@pytest.mark.parametrize("key", ["path", "size", "linkpath", "GNU.sparse.major", "GNU.sparse.name", "SCHILY.realsize"])
def test_an_extended_header_that_changes_name_or_size_is_refused(key: str, tmp_path: Path) -> None:
    refuses(ArchiveMemberUnsafe, squeezed(HEAD, extended(key, "16"), tar.END), tmp_path, [ONE])


@pytest.mark.parametrize("key", ["mtime", "comment", "uname"])
def test_an_extended_header_with_times_and_owners_is_passed_over(key: str, tmp_path: Path) -> None:
    assert open_archive(squeezed(HEAD, extended(key, "16"), tar.END), tmp_path, items(tmp_path, [ONE]))


@pytest.mark.parametrize(("count", "accepted"), [(2, True), (3, False)])
def test_extended_headers_are_not_read_without_end(count: int, *, accepted: bool, tmp_path: Path) -> None:
    info = tarfile.TarInfo("payload/0001")
    headers = info.create_pax_global_header({"comment": "x" * 60_000}) * count
    if accepted:
        assert open_archive(squeezed(HEAD, headers, FIRST, tar.END), tmp_path, items(tmp_path, [ONE]))
    else:
        refuses(ArchiveTooLarge, squeezed(HEAD, headers, FIRST, tar.END), tmp_path, [ONE])


@pytest.mark.parametrize("content", [b"x", b"9 a=b\n", b"0 a=b\n", b"4 a=\n", b"10 mtime=", b"99999999999 mtime=1\n"])
def test_a_damaged_extended_header_is_refused(content: bytes) -> None:
    with pytest.raises(ArchiveRefused):
        tar.check_extension(content)


@pytest.mark.parametrize(
    "limits",
    [UnpackLimits(payload_bytes=31), UnpackLimits(1 << 20, members=1), UnpackLimits(1 << 20, manifest_bytes=3)],
    ids=["bytes", "members", "manifest"],
)
def test_limits_are_kept(limits: UnpackLimits, tmp_path: Path) -> None:
    refuses(ArchiveTooLarge, squeezed(HEAD, FIRST, SECOND, tar.END), tmp_path, [ONE, TWO], limits)


def test_reading_stops_at_the_manifests_size(tmp_path: Path) -> None:
    bomb = zstandard.ZstdCompressor(level=19).compress(HEAD + tar.header("payload/0001", 1 << 30, 0) + bytes(1 << 28))
    refuses(ArchiveSizeMismatch, bomb, tmp_path, [ONE])


@examples(150)
@given(st.data())
def test_any_altered_byte_is_refused_and_leaves_no_file(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        wanted = items(root, [ONE, TWO])
        plain = bytearray(zstandard.decompress(archive_of(MANIFEST, wanted, 7).read(), max_output_size=1 << 20))
        position = data.draw(st.integers(0, len(plain) - 1))
        plain[position] ^= data.draw(st.integers(1, 255))
        with pytest.raises((ArchiveRefused, ManifestMalformed)):
            open_archive(squeezed(bytes(plain)), root, wanted)
        assert list((root / "target").iterdir()) == []


@examples(100)
@given(st.data())
def test_any_altered_compressed_byte_never_changes_what_is_unpacked(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        wanted = items(root, [ONE, TWO * 50])
        archive = bytearray(archive_of(MANIFEST, wanted, 7).read())
        position = data.draw(st.integers(0, len(archive) - 1))
        archive[position] ^= data.draw(st.integers(1, 255))
        left = []
        with contextlib.suppress(ArchiveRefused, ManifestMalformed):
            left = [item.path.read_bytes() for item in open_archive(bytes(archive), root, wanted)]
        assert left in ([], [ONE, TWO * 50])
        assert len(list((root / "target").iterdir())) == len(left)


def test_leftovers_of_an_attempt_that_died_are_replaced(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    for name in ("0001", "0007"):
        (tmp_path / "target" / name).write_bytes(b"half")
    open_archive(squeezed(HEAD, FIRST, tar.END), tmp_path, items(tmp_path, [ONE]))
    assert [entry.name for entry in (tmp_path / "target").iterdir()] == ["0001"]


def test_a_full_disk_leaves_no_file(tmp_path: Path) -> None:
    def write(descriptor: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    with pytest.raises(DiskFull):
        open_archive(squeezed(HEAD, FIRST, tar.END), tmp_path, items(tmp_path, [ONE]), disk=replace(DISK, write=write))
    assert list((tmp_path / "target").iterdir()) == []


# -- compression


def streamed(*, window_log: int = 0, checksum: bool = False) -> Callable[[bytes], bytes]:
    parameters = zstandard.ZstdCompressionParameters(window_log=window_log, write_checksum=checksum)
    compressor = zstandard.ZstdCompressor(compression_params=parameters)

    def compress(data: bytes) -> bytes:
        stream = compressor.compressobj()
        return stream.compress(data) + stream.flush()

    return compress


GOOD = HEAD + FIRST + tar.END


@pytest.mark.parametrize(
    ("archive", "error"),
    [
        pytest.param(squeezed(GOOD) + b"x", ArchiveDamaged, id="something after the frame"),
        pytest.param(squeezed(GOOD) * 2, ArchiveDamaged, id="two frames"),
        pytest.param(squeezed(GOOD) + b"\x50\x2a\x4d\x18\0\0\0\0", ArchiveDamaged, id="skippable frame after"),
        pytest.param(b"\x50\x2a\x4d\x18\0\0\0\0" + squeezed(GOOD), ArchiveDamaged, id="skippable frame before"),
        pytest.param(squeezed(GOOD)[:-1], ArchiveDamaged, id="truncated"),
        pytest.param(streamed(checksum=True)(GOOD)[:-1], ArchiveDamaged, id="truncated checksum"),
        pytest.param(streamed(checksum=True)(GOOD)[:-4] + b"nope", ArchiveDamaged, id="wrong checksum"),
        pytest.param(streamed(window_log=24)(GOOD), ArchiveTooLarge, id="window of 16 MiB"),
        pytest.param(b"\x28\xb5\x2f\xfd\x00\x58" + b"\0\0\0" * 2000 + b"\1\0\0", ArchiveDamaged, id="empty blocks"),
        pytest.param(b"\x28\xb5\x2f\xfd\x00\x58\x07\0\0", ArchiveDamaged, id="reserved block"),
        pytest.param(b"\x28\xb5\x2f\xfd\x00\x58\xfb\xff\xff\0", ArchiveDamaged, id="block of 2 MiB"),
        pytest.param(b"", ArchiveDamaged, id="nothing"),
        pytest.param(GOOD, ArchiveDamaged, id="not compressed"),
    ],
)
def test_anything_but_one_whole_frame_is_refused(archive: bytes, error: type[GatewayError], tmp_path: Path) -> None:
    refuses(error, archive, tmp_path, [ONE])


@pytest.mark.parametrize("checksum", [True, False])
@pytest.mark.parametrize("window_log", [17, 23])
def test_one_whole_frame_is_read(window_log: int, *, checksum: bool, tmp_path: Path) -> None:
    archive = streamed(window_log=window_log, checksum=checksum)(GOOD)
    assert open_archive(archive, tmp_path, items(tmp_path, [ONE]))


def test_flushed_and_empty_blocks_are_read(tmp_path: Path) -> None:
    stream = zstandard.ZstdCompressor().compressobj()
    out = io.BytesIO()
    for start in range(0, len(GOOD), 100):
        out.write(stream.compress(GOOD[start : start + 100]))
        out.write(stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK))
    out.write(stream.flush())
    assert open_archive(out.getvalue(), tmp_path, items(tmp_path, [ONE]))
