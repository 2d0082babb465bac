"""A second machine becomes a node by the commands of the desk aid: with the keys and partners of the first, and nothing of what was exchanged."""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from gateway.administration.nodes.joining import decrypted
from gateway.administration.nodes.packaging import MANIFEST
from gateway.assembly.stores import encrypt_with
from gateway.settings.home import Home
from tests.acceptance.copies import copied_pair
from tests.acceptance.forked import command
from tests.acceptance.sites import ENVIRONMENT, Site, claim, free_port, wait_until
from tests.fakes.postgresql import server

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "operators" / "nodes.md"


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The Department as its first node: its ledger in PostgreSQL, its directories shared; it runs, and has sent a file."""
    with server() as url, copied_pair(tmp_path_factory.mktemp("joining")) as (dwp, la):
        dwp.gateway("ledger", "copy", "--to", url)
        dwp.edit_config("ledger", url=url)
        dwp.share_files(dwp.home.root.parent / "store")
        dwp.edit_config("node", name="north-1", lease_seconds=3, heartbeat_seconds=0.5)
        (dwp.home.root.parent / "shared").mkdir()
        dwp.gateway("nodes", "share", dwp.home.root.parent / "shared")
        dwp.start()
        la.start()
        name, content = claim(1)
        dwp.drop("claim", la.code, name, content)
        wait_until(lambda: la.inbound("claim", "DWP"), 60, "the file")
        yield dwp


def package(first: Site, name: str, *words: str) -> tuple[Path, str]:
    """A package of that name, and what the command prints: its passphrase."""
    path = first.home.root.parent / name
    return path, first.gateway("nodes", "package", "--to", path, *words).stdout.strip()


def join(first: Site, path: Path, passphrase: str, *words: str, node: str = "north-2") -> tuple[int, str, Home]:
    home = Home(first.home.root.parent / node)
    secret = first.home.root.parent / "passphrase"
    secret.write_text(f"{passphrase}\n", encoding="ascii")
    order: tuple[str | Path, ...] = (
        "--home",
        home.root,
        "nodes",
        "join",
        path,
        "--node",
        node,
        "--passphrase-file",
        secret,
        *words,
    )
    done = command(*order, env=ENVIRONMENT)
    return done.returncode, done.stdout + done.stderr, home


def test_the_new_node_works_with_the_site_s_keys_and_partners_and_shares_its_directories(first: Site) -> None:
    path, passphrase = package(first, "node.pgp", "--reason", "a second machine")
    assert re.fullmatch(r"([A-Z2-9]{5}-){5}[A-Z2-9]{5}", passphrase)
    port = free_port()
    status, said, home = join(first, path, passphrase, "--sftp", f"127.0.0.1:{port}", "--dry-run", "--json")
    assert (status, home.root.exists()) == (0, False), said
    status, said, home = join(first, path, passphrase, "--sftp", f"127.0.0.1:{port}", "--json")
    assert status == 0, said
    told = json.loads(said)
    assert (told["node"], told["packaged_by"], told["nodes"]) == ("north-2", "north-1", {"north-1": "up"})
    second = Site(home.root, "DWP", port)
    configured = [site.home.gateway_toml.read_text("utf-8").splitlines() for site in (first, second)]
    differing = [line for line in configured[1] if line not in configured[0]]
    assert sorted(differing) == sorted(['name = "north-2"', f"port = {port}"])
    assert second.home.inbound.readlink() == first.home.inbound.readlink()
    assert second.json("keys", "list") == first.json("keys", "list")
    second.log = first.log.with_name("north-2.log")
    second.start()
    try:
        wait_until(lambda: {node["state"] for node in first.json("nodes")["nodes"]} == {"up"}, 30, "both nodes")
        assert {node["name"] for node in first.json("nodes")["nodes"]} == {"north-1", "north-2"}
        status, said, _ = join(first, path, passphrase, node="north-1")
        assert (status, "is there, since" in said) == (69, True), said
        status, said, _ = join(first, path, passphrase)
        assert (status, "There is a site in" in said) == (64, True), said
    finally:
        assert second.stop() == 0


def test_a_package_holds_configuration_and_secrets_and_nothing_that_was_exchanged(first: Site) -> None:
    (first.home.console / "identity-provider.secret").write_text("sesame\n", encoding="ascii")
    path, passphrase = package(first, "contents.pgp")
    content = decrypted(path, passphrase)
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        names = archive.getnames()
    assert names[0] == MANIFEST
    tops = {"/".join(Path(name).parts[:2]) for name in names[1:]}
    keys = {"state/keyrings", "state/ssh", "state/console"}
    assert tops <= keys | {
        "config/gateway.toml",
        "config/partners.d",
        "state/triage",
        "state/payload.key",
        "state/payload-sealed.key",
        "state/payloads",
    }
    assert tops >= keys | {"config/gateway.toml", "config/partners.d"}
    assert [name for name in names if "console" in name] == ["state/console/identity-provider.secret"]
    name, text = claim(1)
    assert not {name.encode(), text[500:560]} & {piece for piece in (name.encode(), text[500:560]) if piece in content}
    assert path.stat().st_mode & 0o077 == 0
    events: list[Any] = first.json("audit", "heads", "E09000030")
    assert events is not None


def test_what_is_no_package_or_opens_with_another_passphrase_makes_no_node(first: Site) -> None:
    path, passphrase = package(first, "refused.pgp")
    status, said, home = join(first, path, passphrase[::-1])
    assert (status, "does not open" in said) == (65, True), said
    damaged = path.with_name("damaged.pgp")
    octets = bytearray(path.read_bytes())
    octets[len(octets) // 2] ^= 1
    damaged.write_bytes(octets)
    status, said, home = join(first, damaged, passphrase, node="north-3")
    assert (status, "does not open" in said, home.root.exists()) == (65, True, False), said
    for number, (member, content) in enumerate(
        [("state/ledger-head", b"x"), ("../outside", b"x"), ("config/../../outside", b"x"), ("/tmp/outside", b"x")]
    ):
        forged = path.with_name(f"forged-{number}.pgp")
        forged.write_bytes(encrypt_with(passphrase, with_member(decrypted(path, passphrase), member, content)))
        status, said, home = join(first, forged, passphrase, node="north-4")
        assert (status, "package" in said, home.root.exists()) == (65, True, False), said
    assert not (path.parent / "outside").exists()


def test_a_name_that_is_there_and_another_place_are_refused(first: Site, tmp_path: Path) -> None:
    path, passphrase = package(first, "taken.pgp")
    home = Home(tmp_path / "north-1")
    (tmp_path / "passphrase").write_text(passphrase, encoding="ascii")
    order = ("nodes", "join", path, "--node", "north-1", "--passphrase-file", tmp_path / "passphrase")
    refused = command("--home", home.root, *order, env=ENVIRONMENT)
    assert (refused.returncode, "north-1 is there" in refused.stderr) == (69, True), refused.stderr
    shared = first.home.root.parent / "shared"
    shared.rename(shared.with_name("unmounted"))
    shared.mkdir()
    try:
        status, said, made = join(first, path, passphrase, node="north-5")
    finally:
        shared.rmdir()
        shared.with_name("unmounted").rename(shared)
    assert (status, ".gateway-site" in said, made.root.exists()) == (69, True, False), said
    busy = first.gateway("nodes", "share", shared, check=False)
    assert (busy.returncode, "runs" in busy.stderr) == (69, True), busy.stderr


def test_a_store_that_is_not_mounted_on_the_new_machine_is_named_and_makes_no_node(first: Site) -> None:
    path, passphrase = package(first, "no-store.pgp")
    store = first.home.root.parent / "store"
    store.rename(store.with_name("unmounted-store"))
    store.mkdir()
    try:
        status, said, made = join(first, path, passphrase, "--dry-run", node="north-6")
    finally:
        store.rmdir()
        store.with_name("unmounted-store").rename(store)
    assert (status, "not mounted there, or was not prepared" in said, made.root.exists()) == (75, True, False), said
    status, said, made = join(first, path, passphrase, "--dry-run", node="north-6")
    assert (status, made.root.exists()) == (0, False), said


def with_member(tar: bytes, name: str, content: bytes) -> bytes:
    """A package with one file more."""
    made = io.BytesIO(tar)
    with tarfile.open(fileobj=made, mode="a") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return made.getvalue()
