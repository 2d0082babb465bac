"""The verifier of evidence and real gpg: which signatures it takes, and that what it takes is what was signed."""

from __future__ import annotations

import importlib.util
import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.crypto.gnupg.engine import GnuPgEngine
from gateway.crypto.gnupg.keystore import GnuPgKeyStore
from tests.fakes.openpgp import LONG_AGO, Recipe, StockGpg

TOOL = Path(__file__).parents[2] / "tools" / "verify_evidence.py"
ONE, OTHER, ENDED = "One <one@site.invalid>", "Other <other@site.invalid>", "Ended <ended@site.invalid>"
SIGN = ("-z", "0", "--digest-algo", "SHA256")


@pytest.fixture(scope="module")
def tool() -> Any:
    spec = importlib.util.spec_from_file_location("verify_evidence", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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
    assert found == (stock.fingerprint(ONE), b"SHA256", b"what")
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
        with pytest.raises(ValueError, match="gpg refuses the signature"):
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
def test_a_detached_signature_has_one_form_whatever_the_kind_of_key(tool: Any, tmp_path: Path, signing: str) -> None:
    stock = StockGpg(tmp_path / "g")
    try:
        key = stock.make_key_by(ONE, Recipe(signing, encrypting="cv25519" if signing == "ed25519" else "rsa2048"))
        signature = stock.run(*SIGN, "--local-user", f"={ONE}", "--detach-sign", feed=b"what")
    finally:
        stock.close()
    tool.check_form(signature, key)
    for at in range(3):  # the packet's header: what follows is under the signature itself
        with pytest.raises((ValueError, OverflowError)):
            tool.check_form(signature[:at] + bytes([signature[at] ^ 1]) + signature[at + 1 :], key)
    for other in (signature + b"\0", signature[:-1], b"\x00" + signature):
        with pytest.raises((ValueError, OverflowError)):
            tool.check_form(other, key)


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
    assert tool.signed_by(armoured, unwrapped) == (pins["E09000030"], b"SHA256", b"what was delivered")
    assert stores["DWP"].kept("E09000030") == (pins["E09000030"],)
    assert stores["DWP"].kept() == (pins["DWP"],)
    signature = stores["DWP"].sign_binary(b"manifest", pins["DWP"])
    assert tool.signed_by(stores["DWP"].export_own().encode(), b"manifest", signature)[0] == pins["DWP"]
    tool.check_form(signature, pins["DWP"])
