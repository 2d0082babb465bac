"""The verifier of evidence and real gpg: which signatures it takes, and that what it takes is what was signed."""

from __future__ import annotations

import ast
import io
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.crypto.gnupg.engine import GnuPgEngine
from gateway.crypto.gnupg.keystore import GnuPgKeyStore
from tests.fakes.openpgp import LONG_AGO, Recipe, StockGpg
from tests.fakes.verifier import TOOL, verifier

ONE, OTHER, ENDED = "One <one@site.invalid>", "Other <other@site.invalid>", "Ended <ended@site.invalid>"
SIGN = ("-z", "0", "--digest-algo", "SHA256")


@pytest.fixture(scope="module")
def tool() -> Any:
    return verifier()


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StockGpg]:
    made = StockGpg(tmp_path_factory.mktemp("g"))
    try:
        for user_id in (ONE, OTHER):
            made.make_key(user_id)
        made.make_key(ENDED, "--faked-system-time", LONG_AGO, expires="20d")
        yield made
    finally:
        made.close()


def signed(stock: StockGpg, user_id: str, *options: str, content: bytes = b"{}") -> bytes:
    return stock.run(*SIGN, *options, "--local-user", f"={user_id}", "--sign", feed=content)


def certificate(stock: StockGpg, user_id: str) -> bytes:
    return stock.certificate(user_id).encode()


def test_who_signed_and_what_comes_back(tool: Any, stock: StockGpg) -> None:
    both = certificate(stock, OTHER) + certificate(stock, ONE)
    found = tool.signed_by(both, signed(stock, ONE, content=b"what"))
    assert found == (stock.fingerprint(ONE), b"what")
    detached = stock.run(*SIGN, "--local-user", f"={ONE}", "--detach-sign", feed=b"what")
    assert tool.signed_by(both, b"what", detached)[0] == stock.fingerprint(ONE)


def test_a_key_that_has_ended_since_signed_well_and_a_revoked_one_did_not(
    tool: Any, stock: StockGpg, tmp_path: Path
) -> None:
    message = signed(stock, ENDED, "--faked-system-time", LONG_AGO)
    assert tool.signed_by(certificate(stock, ENDED), message)[0] == stock.fingerprint(ENDED)
    revoker = StockGpg(tmp_path / "r")
    try:
        revoker.learn(stock.certificate(OTHER))
        revoker.learn(stock.revocation(stock.fingerprint(OTHER)))
        with pytest.raises(ValueError, match="gpg does not find one good signature"):
            tool.signed_by(certificate(revoker, OTHER), signed(stock, OTHER))
    finally:
        revoker.close()


def test_anything_but_one_good_signature_over_one_content_is_refused(tool: Any, stock: StockGpg) -> None:
    own, good = certificate(stock, ONE), signed(stock, ONE)
    bad = {
        "another key": signed(stock, OTHER),
        "two signatures": signed(stock, ONE, "--local-user", f"={OTHER}"),
        "no signature": stock.run("-z", "0", "--store", feed=b"{}"),
        "altered": good.replace(b"{}", b"[]"),
        "followed by another": good + good,
        "cut": good[:-1],
        "a weak digest": stock.run("-z", "0", "--digest-algo", "SHA1", "--allow-weak-digest-algos", "--local-user", f"={ONE}", "--sign", feed=b"{}"),
        "encrypted": stock.seal(stock.fingerprint(ONE), b"{}", "--local-user", f"={ONE}"),
        "nothing": b"",
    }  # fmt: skip
    for what, message in bad.items():
        with pytest.raises(ValueError):  # noqa: PT011 - each says something else
            tool.signed_by(own + certificate(stock, OTHER) if what == "two signatures" else own, message)


@pytest.mark.parametrize("signing", ["ed25519", "rsa2048"])
def test_no_bit_of_a_detached_signature_changes_unseen_whatever_the_kind_of_key(
    tool: Any, tmp_path: Path, signing: str
) -> None:
    stock = StockGpg(tmp_path / "g")
    try:
        key = stock.make_key_by(ONE, Recipe(signing, encrypting="cv25519" if signing == "ed25519" else "rsa2048"))
        signature = stock.run(*SIGN, "--local-user", f"={ONE}", "--detach-sign", feed=b"what")
        held = stock.certificate(ONE).encode()
    finally:
        stock.close()

    def refused(other: bytes) -> bool:
        try:
            return bool(tool.signed_by(held, b"what", other)[0] != key)
        except (ValueError, OverflowError):
            return True

    assert not refused(signature)
    hashed = 6 + int.from_bytes(signature[2 + signature[0] % 2 :][4:6], "big")
    loose = [
        *range(3),
        *range(hashed + 2, hashed + 20),
    ]  # the header, and what lies between the signed part and the numbers
    for at in {*loose, *range(0, len(signature), 3)} if signing == "ed25519" else loose:
        assert refused(signature[:at] + bytes([signature[at] ^ 1 << at % 8]) + signature[at + 1 :]), at
    for other in (signature + b"\0", signature[:-1], b"\x00" + signature):
        assert refused(other)


def test_an_unwrapped_message_of_the_gateway_s_is_one_that_it_takes(tool: Any, tmp_path: Path) -> None:
    stores = {code: GnuPgKeyStore(tmp_path / code) for code in ("DWP", "E09000030")}
    keys = {code: store.create_own(f"{code} gateway <gateway@{code}.invalid>", 30) for code, store in stores.items()}
    for code, other in (("DWP", "E09000030"), ("E09000030", "DWP")):
        stores[code].pin(other, stores[other].export_own())
    pins = {code: key.fingerprint for code, key in keys.items()}
    with GnuPgEngine(tmp_path / "E09000030", pins["E09000030"], pins, time.time) as sender:
        sender.seal(io.BytesIO(b"what was delivered"), "DWP", tmp_path / "m.pgp")
    with GnuPgEngine(tmp_path / "DWP", pins["DWP"], pins, time.time) as receiver:
        unwrapped = receiver.unwrap(tmp_path / "m.pgp", 10_000)
    armoured = stores["DWP"].export_partner("E09000030", pins["E09000030"]).encode()
    assert tool.signed_by(armoured, unwrapped) == (pins["E09000030"], b"what was delivered")
    assert stores["DWP"].kept("E09000030") == (pins["E09000030"],)
    assert stores["DWP"].kept() == (pins["DWP"],)
    signature = stores["DWP"].sign_binary(b"manifest", pins["DWP"])
    assert tool.signed_by(stores["DWP"].export_own().encode(), b"manifest", signature)[0] == pins["DWP"]


# -- the command, and statements alone


def run(*arguments: str | Path, path: str | None = None) -> tuple[int, str]:
    """Exit status, and all that it says; `path` is where programs are looked for."""
    environment = os.environ if path is None else {"PATH": path}
    command = [sys.executable, "-I", str(TOOL), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def files(stock: StockGpg, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A statement of ONE's site, one that OTHER signed in its name, and ONE's certificate."""
    made = tmp_path_factory.mktemp("statements")
    for name, user_id in (("good", ONE), ("forged", OTHER)):
        content = b'{"day":"2026-11-27","head":{"sequence":5,"sha256":"0"},"site":"DWP"}\n'
        signed_text = stock.run("--digest-algo", "SHA256", "--local-user", f"={user_id}", "--clearsign", feed=content)
        (made / f"{name}.asc").write_bytes(signed_text)
    (made / "mailed.asc").write_bytes((made / "good.asc").read_bytes().replace(b"\n", b"\r\n"))
    (made / "one.asc").write_bytes(certificate(stock, ONE))
    (made / "no.zip").write_bytes(b"PK no ZIP")
    return made


def test_a_statement_alone_is_held_against_the_key_that_the_reader_knows(stock: StockGpg, files: Path) -> None:
    alone, key = (files / "good.asc", "--certificate", files / "one.asc"), stock.fingerprint(ONE)
    status, said = run(*alone)
    assert (status, said.endswith("WHAT IS SHOWN HOLDS; NOT SHOWN: that this is DWP's key.\n")) == (0, True)
    assert f"give --known DWP={key}\n" in said
    grouped = " ".join(key[at : at + 4] for at in range(0, 40, 4))
    for known in (key, f"0x{key}", key.lower(), grouped):
        status, said = run(*alone, "--known", f"DWP={known}")
        assert (status, said.endswith("EVERYTHING HOLDS.\n")) == (0, True), known
    status, said = run(*alone, "--known", f"DWP={stock.fingerprint(OTHER)}")
    assert (status, "is not the key that you know of DWP" in said) == (1, True)
    assert run(files / "mailed.asc", *alone[1:], "--known", f"DWP={key}")[1].endswith("EVERYTHING HOLDS.\n")
    status, said = run(files / "good.asc", files / "forged.asc", *alone[1:], "--known", f"DWP={key}")
    assert (status, "DOES NOT HOLD" in said) == (1, True)


def test_what_is_wrong_with_the_reader_s_side_does_not_accuse_the_evidence(
    stock: StockGpg, files: Path, tmp_path: Path
) -> None:
    alone, key = (files / "good.asc", "--certificate", files / "one.asc"), stock.fingerprint(ONE)
    for words, said in {
        (*alone, "--known", key): "--known takes CODE=FINGERPRINT",
        (*alone, "--known", "DWP=123"): "--known takes CODE=FINGERPRINT",
        (files / "good.asc",): "give one FILE.zip and",
        (files / "no.zip", files / "no.zip"): "give one FILE.zip and",
        (files / "no.zip", *alone[1:]): "give one FILE.zip and",
        (files / "none.asc", *alone[1:]): "No such file",
        (files / "good.asc", "--certificate", files / "none.asc"): "No such file",
    }.items():
        status, told = run(*words)
        assert (status, said in told) == (2, True), told
        assert "DOES NOT HOLD" not in told
    status, told = run(*alone, path=str(tmp_path))
    assert (status, told.startswith("CANNOT BE CHECKED HERE") and "'gpg'" in told) == (2, True)
    status, told = run(*alone, "--known", f"DPW={key}")
    assert (status, "NOT SHOWN: that this is DWP's key." in told) == (0, True)
    assert run(files / "no.zip")[0] == 1
    for script in ("#!/nowhere/at/all\n", "#!/bin/sh\nexit 127\n"):
        (tmp_path / "gpg").write_text(script)
        (tmp_path / "gpg").chmod(0o700)
        status, told = run(*alone, path=str(tmp_path))
        assert (status, told.startswith("CANNOT BE CHECKED HERE")) == (2, True)


def test_an_old_python_is_told_apart_from_a_forgery(files: Path) -> None:
    old = f"import sys, runpy; sys.version_info = (3, 9, 2); sys.argv[0] = 'it'; runpy.run_path({str(TOOL)!r}, run_name='__main__')"
    command = [sys.executable, "-I", "-c", old, str(files / "no.zip")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, "it needs Python 3.11" in done.stdout) == (2, True)
    ast.parse(TOOL.read_text(), feature_version=(3, 8))
