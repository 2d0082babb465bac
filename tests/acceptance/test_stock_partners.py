"""Partners without our program: whatever their stock tools make of the contract is taken, if the contract leaves it open.

The makers follow docs/wire-format.md with real gpg, tar and zstd; what is checked is that the file lies before the back
office byte for byte, and that the receipt says so.
"""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import zstandard

from tests.acceptance.receiving import Receiver, receiver
from tests.acceptance.sites import claim
from tests.fakes.forger import Forger, Parcel, Payload, compressed, sha256, uuid7
from tests.fakes.openpgp import Recipe

LA = "E09000030"
RECIPES = {
    "E06000001": Recipe("rsa4096", "rsa4096"),
    "E06000002": Recipe("nistp256", "nistp256"),
    "E06000003": Recipe("brainpoolP384r1", "brainpoolP384r1"),
    "E06000004": Recipe("ed25519", "cv25519", signing_subkey="rsa3072"),
    "E06000005": Recipe("rsa3072", "cv25519", signing_subkey="ed25519", expires="never"),
}

_numbers = count()


@pytest.fixture(scope="module")
def forgers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Forger]]:
    root = tmp_path_factory.mktemp("stock")
    made = {"DWP": Forger(root / "DWP", "DWP")}
    made |= {code: Forger(root / code, code, recipe=recipe) for code, recipe in RECIPES.items()}
    yield made
    for forger in made.values():
        forger.close()


@pytest.fixture(scope="module")
def site(forgers: dict[str, Forger], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    with receiver(tmp_path_factory.mktemp("receiver"), LA, list(forgers.values())) as made:
        yield made


@pytest.fixture
def dwp(forgers: dict[str, Forger]) -> Forger:
    return forgers["DWP"]


def claims(number: int = 1) -> list[Payload]:
    made = []
    for _ in range(number):
        name, content = claim(next(_numbers), seed=41)
        made.append(Payload(content, f"{next(_numbers)}-{name}"))
    return made


def is_delivered(site: Receiver, forger: Forger, payloads: list[Payload], parcel: Parcel) -> None:
    (told,) = site.receive(forger, [parcel])
    assert told["state"] == "delivered", (told, site.lines()[-9:])
    lying = site.delivered(payloads[0].flow, forger.code)
    assert {payload.name: lying.get(payload.name) for payload in payloads} == {
        payload.name: payload.content for payload in payloads
    }
    receipt = site.receipt(forger, parcel.id)
    assert receipt["sealed_sha256"] == sha256(parcel.sealed)
    assert [item["outcome"] for item in receipt["items"]] == ["delivered"] * len(payloads)
    assert site.plaintext() == []


# -- how it is sealed


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--digest-algo", "SHA512"),
        ("--digest-algo", "SHA384"),
        ("--cipher-algo", "AES128"),
        ("--cipher-algo", "CAMELLIA256"),
        ("-z", "6"),
        ("-z", "9", "--compress-algo", "bzip2"),
        ("--set-filename", "consignment.tar.zst"),
        ("--force-mdc",),
        ("--rfc4880",),
        ("--gnupg",),
        ("--trust-model", "always", "--no-emit-version", "--no-comments"),
        ("--sig-notation", "note@example.invalid=a remark"),
    ],
    ids=" ".join,
)
def test_options_that_the_contract_leaves_open_make_no_difference(
    site: Receiver, dwp: Forger, options: tuple[str, ...]
) -> None:
    payloads = claims()
    document = dwp.manifest(LA, payloads)
    packed = dwp.archive(json.dumps(document).encode(), [payload.content for payload in payloads])
    is_delivered(site, dwp, payloads, Parcel(document["consignment"], dwp.seal(packed, LA, *options), document))


def test_gpg_may_be_given_a_file_and_compress_as_it_does_by_default(
    site: Receiver, dwp: Forger, tmp_path: Path
) -> None:
    # Without -z 0, and with the file's name and time in the literal packet.
    payloads = claims(2)
    document = dwp.manifest(LA, payloads)
    packed = tmp_path / "consignment.tar.zst"
    packed.write_bytes(dwp.archive(json.dumps(document).encode(), [payload.content for payload in payloads]))
    sealed = tmp_path / f"{document['consignment']}.pgp"
    who = ["--local-user", dwp.fingerprint, "--recipient", dwp.known[LA]]
    dwp.gpg.run(*who, "--output", str(sealed), "--sign", "--encrypt", str(packed))
    is_delivered(site, dwp, payloads, Parcel(document["consignment"], sealed.read_bytes(), document))


@pytest.mark.parametrize("code", RECIPES)
def test_partner_with_any_current_kind_of_key_is_introduced_heard_and_answered(
    site: Receiver, forgers: dict[str, Forger], code: str
) -> None:
    forger = forgers[code]
    payloads = [Payload(payload.content, payload.name, "redirect") for payload in claims()]
    document = forger.manifest(LA, payloads)
    packed = forger.archive(json.dumps(document).encode(), [payload.content for payload in payloads])
    parcel = Parcel(document["consignment"], forger.seal(packed, LA), document)
    (told,) = site.receive(forger, [parcel])
    # A claim is no redirect bundle, so the content is rejected: by then everything about the envelope was accepted.
    assert told["state"] == "delivered", told
    assert [item["outcome"] for item in site.receipt(forger, parcel.id)["items"]] == ["rejected"]


# -- how it is packed


def by_tar(form: str) -> Callable[[Forger, bytes, list[bytes]], bytes]:
    return lambda forger, manifest, contents: forger.archive(manifest, contents, f"--format={form}")


def by_python(form: int, **fields: Any) -> Callable[[Forger, bytes, list[bytes]], bytes]:
    def pack(_forger: Forger, manifest: bytes, contents: list[bytes]) -> bytes:
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w", format=form) as archive:
            named = {"manifest.json": manifest}
            named |= {f"payload/{number:04d}": content for number, content in enumerate(contents, 1)}
            for name, content in named.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                for key, value in fields.items():
                    setattr(info, key, value)
                archive.addfile(info, io.BytesIO(content))
        return compressed(stream.getvalue())

    return pack


TARS = {
    "ustar": by_tar("ustar"),
    "gnu": by_tar("gnu"),
    "pax": by_tar("posix"),
    "python, its default": by_python(tarfile.DEFAULT_FORMAT),
    "python, ustar": by_python(tarfile.USTAR_FORMAT),
    "python, fractions of a second and accents": by_python(
        tarfile.PAX_FORMAT, mtime=1795307917.25, uname="môn", gname="ynys", uid=3_000_000
    ),
    "python, gnu with large owners": by_python(tarfile.GNU_FORMAT, mtime=1795307917, uid=3_000_000),
}


@pytest.mark.parametrize("kind", TARS)
def test_archive_of_any_stock_tar_is_unpacked(site: Receiver, dwp: Forger, kind: str) -> None:
    payloads = claims(3)
    document = dwp.manifest(LA, payloads)
    packed = TARS[kind](dwp, json.dumps(document).encode(), [payload.content for payload in payloads])
    is_delivered(site, dwp, payloads, Parcel(document["consignment"], dwp.seal(packed, LA), document))


def by_zstd(*options: str) -> Callable[[bytes], bytes]:
    return lambda content: (
        subprocess.run(["zstd", "-cq", *options], input=content, check=True, capture_output=True).stdout
    )


def from_a_file(content: bytes) -> bytes:
    """With the content's size in the frame, as zstd knows it of a file."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        return subprocess.run(["zstd", "-cq", file.name], check=True, capture_output=True).stdout


def streamed(content: bytes) -> bytes:
    stream = io.BytesIO()
    with zstandard.ZstdCompressor(level=9).stream_writer(stream, closefd=False) as writer:
        for at in range(0, len(content), 1000):
            writer.write(content[at : at + 1000])
            writer.flush()
    return stream.getvalue()


FRAMES: dict[str, Callable[[bytes], bytes]] = {
    "-1": by_zstd("-1"),
    "-19": by_zstd("-19"),
    "--fast": by_zstd("--fast=5"),
    "many threads": by_zstd("-T4", "-B1MiB"),
    "no checksum": by_zstd("--no-check"),
    "from a file": from_a_file,
    "python at once": lambda content: zstandard.ZstdCompressor(level=3).compress(content),
    "python, a checksum": lambda content: zstandard.ZstdCompressor(level=3, write_checksum=True).compress(content),
    "python in pieces": streamed,
}


@pytest.mark.parametrize("kind", FRAMES)
def test_frame_of_any_stock_zstd_is_unpacked(site: Receiver, dwp: Forger, kind: str) -> None:
    payloads = claims(2)
    document = dwp.manifest(LA, payloads)
    plain = subprocess.run(
        ["zstd", "-dcq"],
        input=dwp.archive(json.dumps(document).encode(), [payload.content for payload in payloads]),
        check=True,
        capture_output=True,
    ).stdout
    is_delivered(site, dwp, payloads, Parcel(document["consignment"], dwp.seal(FRAMES[kind](plain), LA), document))


# -- what the manifest says


def later(days: int) -> datetime:
    return datetime.now(UTC) + timedelta(days=days)


MANIFESTS: dict[str, Callable[[dict[str, Any]], object]] = {
    "as small as can be": lambda document: [
        item.pop(key) for item in document["items"] for key in ("schema", "reference", "redirected_from")
    ],
    "nulls": lambda document: document["items"][0].update(schema=None, reference=None, redirected_from=None),
    "no chain of its own": lambda document: document.update(audit_head={"sequence": 0, "sha256": "0" * 64}),
    "a sequence that begins anywhere": lambda document: document.update(sequence=4242),
    "times in microseconds": lambda document: document.update(
        created=datetime.now(UTC).isoformat(), expires=later(7).isoformat()
    ),
    "times of another zone": lambda document: document.update(
        expires=later(7).strftime("%Y-%m-%dT%H:%M:%S+05:30"), created=later(-1).strftime("%Y-%m-%dT%H:%M:%S-08:00")
    ),
    "four minutes ahead": lambda document: document.update(
        created=(datetime.now(UTC) + timedelta(minutes=4)).strftime("%Y-%m-%dT%H:%M:%SZ")
    ),
    "a reference": lambda document: document["items"][0].update(reference="Bündel 7 / «März»"),
    "ids of another maker": lambda document: document["items"][0].update(transfer=uuid7()),
    "fields of a later version": lambda document: document.update(colour="blue", extra={"a": [1]}),
}


@pytest.mark.parametrize("kind", MANIFESTS)
def test_manifest_that_says_what_the_contract_allows_is_believed(site: Receiver, dwp: Forger, kind: str) -> None:
    payloads = claims()
    document = dwp.manifest(LA, payloads)
    MANIFESTS[kind](document)
    packed = dwp.archive(json.dumps(document, ensure_ascii=False).encode(), [payloads[0].content])
    is_delivered(site, dwp, payloads, Parcel(document["consignment"], dwp.seal(packed, LA), document))


def test_everything_of_this_module_leaves_a_chain_that_verifies(site: Receiver) -> None:
    site.assert_audit()
