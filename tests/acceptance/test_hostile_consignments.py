"""The acceptance rule, line by line, at a running authority: what a correspondent of our own making may and may not send.

The correspondent follows the written contract with stock tools (tests/fakes/forger.py). One site serves all the tests.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.reading import files_below, holding, quarantined, rows, state_of
from tests.acceptance.sites import Site, claim, make_site, wait_until
from tests.acceptance.strangers import answer, leave, meet
from tests.fakes.forger import Forger, Parcel, Payload, compressed, moment, place, sha256, uuid7

LA = "E09000030"
MIB = 1 << 20


@dataclass(frozen=True)
class Bench:
    """The authority under test, its partners, and somebody whom it does not know."""

    la: Site
    dwp: Forger
    other: Forger
    retired: Forger
    stranger: Forger


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    root = tmp_path_factory.mktemp("hostile")
    la = make_site(root, LA)
    codes = ("DWP", "E08000004", "E08000012", "W06000024")
    forgers = [Forger(root / f"forged-{code}", code) for code in codes]
    try:
        for forger in forgers[:-1]:
            meet(la, forger)
        forgers[-1].learn(la.gateway("card").stdout)
        la.start()
        yield Bench(la, *forgers)
    finally:
        la.stop()
        for forger in forgers:
            forger.close()


def some_claims(seed: int, count: int) -> list[Payload]:
    """Claims whose names no other test uses."""
    made = (claim(index, seed=seed) for index in range(count))
    return [Payload(content, f"{seed}-{name}") for name, content in made]


def delivered(bench: Bench) -> dict[str, bytes]:
    return bench.la.inbound("claim", "DWP")


# -- what follows the contract


def test_consignment_made_with_stock_tools_is_delivered_and_its_receipt_is_one_that_stock_tools_read(
    bench: Bench,
) -> None:
    payloads = some_claims(seed=11, count=3)
    parcel = bench.dwp.consignment(LA, payloads)
    leave(bench.la, bench.dwp, parcel)
    receipt = answer(bench.la, bench.dwp, parcel.id)
    assert {name: delivered(bench)[name] for name in (payload.name for payload in payloads)} == {
        payload.name: payload.content for payload in payloads
    }
    assert {key: receipt[key] for key in ("version", "consignment", "sender", "recipient", "level")} == {
        "version": 1,
        "consignment": parcel.id,
        "sender": LA,
        "recipient": "DWP",
        "level": "delivered",
    }
    assert receipt["sealed_sha256"] == sha256(parcel.sealed)
    assert [(item["transfer"], item["sha256"], item["outcome"]) for item in receipt["items"]] == [
        (payload.transfer, sha256(payload.content), "delivered") for payload in payloads
    ]


def test_fields_that_a_later_version_may_add_are_ignored(bench: Bench) -> None:
    payload = some_claims(seed=12, count=1)[0]
    parcel = bench.dwp.consignment(LA, [replace(payload, said={"colour": "blue"})], mood="good")
    leave(bench.la, bench.dwp, parcel)
    assert [item["outcome"] for item in answer(bench.la, bench.dwp, parcel.id)["items"]] == ["delivered"]


def test_invalid_content_is_rejected_by_receipt_and_the_valid_file_beside_it_is_delivered(bench: Bench) -> None:
    good = some_claims(seed=13, count=1)[0]
    name, content = claim(1, seed=13, defect="nino")
    parcel = bench.dwp.consignment(LA, [good, Payload(content, name)])
    leave(bench.la, bench.dwp, parcel)
    receipt = answer(bench.la, bench.dwp, parcel.id)
    assert [item["outcome"] for item in receipt["items"]] == ["delivered", "rejected"]
    assert receipt["items"][1]["code"]
    assert receipt["items"][1]["reason"]
    assert good.name in delivered(bench)
    assert name not in delivered(bench)


def test_same_bytes_again_get_the_same_receipt_again_and_are_not_delivered_twice(bench: Bench) -> None:
    payloads = some_claims(seed=14, count=2)
    parcel = bench.dwp.consignment(LA, payloads)
    leave(bench.la, bench.dwp, parcel)
    first = answer(bench.la, bench.dwp, parcel.id)
    for payload in payloads:  # the back office takes its files away, so a second delivery would show
        (bench.la.home.inbound / "claim" / "DWP" / payload.name).unlink()
    leave(bench.la, bench.dwp, parcel)
    assert answer(bench.la, bench.dwp, parcel.id) == first
    assert not {payload.name for payload in payloads} & delivered(bench).keys()
    assert rows(bench.la, "SELECT * FROM quarantine WHERE consignment = ?", parcel.id) == []


def test_transfer_that_comes_again_in_another_consignment_is_answered_as_a_duplicate(bench: Bench) -> None:
    old, new = some_claims(seed=15, count=2)
    first = bench.dwp.consignment(LA, [old])
    leave(bench.la, bench.dwp, first)
    answer(bench.la, bench.dwp, first.id)
    (bench.la.home.inbound / "claim" / "DWP" / old.name).unlink()
    second = bench.dwp.consignment(LA, [old, new])
    leave(bench.la, bench.dwp, second)
    outcomes = {item["transfer"]: item["outcome"] for item in answer(bench.la, bench.dwp, second.id)["items"]}
    assert outcomes == {old.transfer: "duplicate", new.transfer: "delivered"}
    assert new.name in delivered(bench)
    assert old.name not in delivered(bench)


# -- what breaks it: each maker gives a sealed file for the DWP landing, and the words that must not get out of it

Maker = Callable[[Bench, list[Payload]], Parcel]


def sealed_with(*options: str) -> Maker:
    """All is well but for options of gpg."""

    def make(bench: Bench, payloads: list[Payload]) -> Parcel:
        document, packed = packed_for(bench, payloads)
        return Parcel(document["consignment"], bench.dwp.seal(packed, LA, *options), document)

    return make


def saying(**changes: Any) -> Maker:
    """All is well but for what the manifest says; a value that is called says it when the file is made.

    The table of cases is read long before its last case has its turn: a time in it would be past by then.
    """

    def make(bench: Bench, payloads: list[Payload]) -> Parcel:
        said = {key: change() if callable(change) else change for key, change in changes.items()}
        document = bench.dwp.manifest(LA, payloads) | said
        packed = bench.dwp.archive(json.dumps(document).encode(), [payload.content for payload in payloads])
        return Parcel(document["consignment"], bench.dwp.seal(packed, LA), document)

    return make


def item_saying(**said: Any) -> Maker:
    """All is well but for what the manifest says of its last item."""
    return lambda bench, payloads: bench.dwp.consignment(LA, [*payloads[:-1], replace(payloads[-1], said=said)])


def holding_members(rearrange: Callable[[list[tuple[tarfile.TarInfo, bytes]]], None]) -> Maker:
    """All is well but for the members of the archive."""

    def make(bench: Bench, payloads: list[Payload]) -> Parcel:
        document = bench.dwp.manifest(LA, payloads)
        members = [member("manifest.json", json.dumps(document).encode())]
        members += [member(f"payload/{number:04d}", payload.content) for number, payload in enumerate(payloads, 1)]
        rearrange(members)
        return Parcel(document["consignment"], bench.dwp.seal(compressed(tar_of(members)), LA), document)

    return make


def packed_as(change: Callable[[bytes], bytes]) -> Maker:
    """All is well but for the bytes of the packed archive."""

    def make(bench: Bench, payloads: list[Payload]) -> Parcel:
        document, packed = packed_for(bench, payloads)
        return Parcel(document["consignment"], bench.dwp.seal(change(packed), LA), document)

    return make


def with_sealed_bytes(change: Callable[[bytes], bytes]) -> Maker:
    """All is well but for the sealed bytes."""

    def make(bench: Bench, payloads: list[Payload]) -> Parcel:
        parcel = bench.dwp.consignment(LA, payloads)
        return replace(parcel, sealed=change(parcel.sealed))

    return make


def manifest_bytes(content: bytes) -> Maker:
    def make(bench: Bench, payloads: list[Payload]) -> Parcel:
        packed = bench.dwp.archive(content, [payload.content for payload in payloads])
        return Parcel(uuid7(), bench.dwp.seal(packed, LA), {})

    return make


def packed_for(bench: Bench, payloads: Sequence[Payload], forger: Forger | None = None) -> tuple[dict[str, Any], bytes]:
    document = (forger or bench.dwp).manifest(LA, payloads)
    return document, bench.dwp.archive(json.dumps(document).encode(), [payload.content for payload in payloads])


def member(name: str, content: bytes, **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in fields.items():
        setattr(info, key, value)
    return info, content


def tar_of(members: Sequence[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def unsigned(bench: Bench, payloads: list[Payload]) -> Parcel:
    document, packed = packed_for(bench, payloads)
    return Parcel(document["consignment"], bench.dwp.encrypt(packed, LA), document)


def unencrypted(bench: Bench, payloads: list[Payload]) -> Parcel:
    document, packed = packed_for(bench, payloads)
    signed = bench.dwp.gpg.run("-z", "0", "--local-user", bench.dwp.fingerprint, "--sign", feed=packed)
    return Parcel(document["consignment"], signed, document)


def signed_in_clear(bench: Bench, payloads: list[Payload]) -> Parcel:
    document, _ = packed_for(bench, payloads)
    text = json.dumps(document).encode()
    return Parcel(document["consignment"], bench.dwp.gpg.run("--clear-sign", feed=text), document)


def signed_by(who: str) -> Maker:
    """Sealed by somebody else, whose manifest claims to be the Department's."""

    def make(bench: Bench, payloads: list[Payload]) -> Parcel:
        document, packed = packed_for(bench, payloads)
        return Parcel(document["consignment"], getattr(bench, who).seal(packed, LA), document)

    return make


def signed_for_one_second(bench: Bench, payloads: list[Payload]) -> Parcel:
    parcel = sealed_with("--default-sig-expire", "seconds=1")(bench, payloads)
    past(time.time() + 1)
    return parcel


def past(then: float) -> None:
    """Wait until that second is over."""
    wait_until(lambda: time.time() > then + 1, 90, "a second")


def signed_twice(bench: Bench, payloads: list[Payload]) -> Parcel:
    second = bench.dwp.gpg.make_key(f"second {uuid7()}")
    return sealed_with("--local-user", second)(bench, payloads)


def for_somebody_else(bench: Bench, payloads: list[Payload]) -> Parcel:
    bench.dwp.learn(bench.stranger.card())
    document, packed = packed_for(bench, payloads)
    return Parcel(document["consignment"], bench.dwp.seal(packed, bench.stranger.code), document)


def for_two(bench: Bench, payloads: list[Payload]) -> Parcel:
    bench.dwp.learn(bench.stranger.card())
    return sealed_with("--recipient", bench.stranger.fingerprint)(bench, payloads)


def two_messages(bench: Bench, payloads: list[Payload]) -> Parcel:
    first, second = bench.dwp.consignment(LA, payloads[:1]), bench.dwp.consignment(LA, payloads[1:])
    return replace(first, sealed=first.sealed + second.sealed)


def same_transfer_twice(bench: Bench, payloads: list[Payload]) -> Parcel:
    return bench.dwp.consignment(LA, [payloads[0], replace(payloads[1], transfer=payloads[0].transfer)])


def with_link(kind: bytes, target: str) -> Maker:
    def rearrange(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        members[1] = member("payload/0001", b"", type=kind, linkname=target)

    return holding_members(rearrange)


def exchange_payloads(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    members[1], members[2] = members[2], members[1]


def unpacked(packed: bytes) -> bytes:
    return subprocess.run(["zstd", "-dcq"], input=packed, check=True, capture_output=True).stdout


CASES: dict[str, tuple[str, Maker]] = {
    "unsigned": ("signature-missing", unsigned),
    "signed by a key that nobody knows": ("signer-unknown", signed_by("stranger")),
    "signed by another partner's key": ("signer-other-partner", signed_by("other")),
    "signed twice": ("signature-multiple", signed_twice),
    "signed over SHA-1": ("signature-weak", sealed_with("--digest-algo", "SHA1", "--allow-weak-digest-algos")),
    "signed for one second": ("signature-expired", signed_for_one_second),
    "not encrypted": ("envelope-not-encrypted", unencrypted),
    "encrypted to somebody else": ("envelope-recipient", for_somebody_else),
    "encrypted to somebody else besides": ("envelope-more-recipients", for_two),
    "encrypted to hidden keys": ("envelope-recipient", sealed_with("--throw-keyids")),
    "encrypted to a passphrase besides": (
        "envelope-more-recipients",
        sealed_with("--symmetric", "--pinentry-mode", "loopback", "--passphrase", "x"),
    ),
    "armoured": ("envelope-armoured", sealed_with("--armor")),
    "a text signed in clear": ("envelope-clear-signed", signed_in_clear),
    "no OpenPGP at all": ("envelope-not-openpgp", with_sealed_bytes(lambda _sealed: b"Dear Sir or Madam" * 100)),
    "empty": ("envelope-not-openpgp", with_sealed_bytes(lambda _sealed: b"")),
    "truncated": ("envelope-truncated", with_sealed_bytes(lambda sealed: sealed[:-100])),
    "one bit altered": (
        "envelope-damaged or signature-bad",  # gpg stops at a bad signature before it reads the integrity code
        with_sealed_bytes(lambda sealed: sealed[:-500] + bytes([sealed[-500] ^ 1]) + sealed[-499:]),
    ),
    "followed by more": ("envelope-trailing", with_sealed_bytes(lambda sealed: sealed + b"\x00more")),
    "two messages": ("envelope-trailing", two_messages),
    "names another recipient": ("manifest-recipient", saying(recipient="E08000004")),
    "names another sender": ("manifest-sender", saying(sender="E08000004")),
    "names another signer": ("manifest-signer", saying(signer="A" * 40)),
    "names another encryption key": ("manifest-encrypted-to", saying(encrypted_to="B" * 40)),
    "created in the future": ("manifest-future", saying(created=partial(moment, 400))),
    "expired": ("manifest-expired", saying(created=partial(moment, -86400), expires=partial(moment, -1))),
    "of a flow that goes the other way": ("manifest-flow", item_saying(flow="extract")),
    "of a flow that there is not": ("manifest-flow", item_saying(flow="poem")),
    "item larger than its flow allows": ("manifest-item-too-large", item_saying(size=20 * MIB + 1)),
    "item of another size": ("archive-size-mismatch", item_saying(size=1)),
    "item of another digest": ("archive-digest-mismatch", item_saying(sha256="0" * 64)),
    "item with a path for a name": ("manifest-name", item_saying(name="../../../etc/cron.d/x")),
    "item with a folder in its name": ("manifest-name", item_saying(name="claims/x.xml")),
    "item with a parent for a name": ("manifest-name", item_saying(name="..")),
    "item with a NUL in its name": ("manifest-name", item_saying(name="x.xml\0.pdf")),
    "item without an id": ("manifest-malformed", item_saying(transfer="1")),
    "item with a path for an id": ("manifest-malformed", item_saying(transfer="../../../../../../../../../../etc/x")),
    "same transfer twice": ("manifest-malformed", same_transfer_twice),
    "no items": ("manifest-malformed", saying(items=[])),
    "sequence that is no number": ("manifest-malformed", saying(sequence="1")),
    "time without an offset": ("manifest-malformed", saying(created="2026-11-21T10:00:00")),
    "unknown version": ("manifest-version", saying(version=2)),
    "no version": ("manifest-malformed", saying(version=None)),
    "manifest that is no JSON": ("manifest-malformed", manifest_bytes(b'{"version": 1, "consignment": ')),
    "manifest that is a list": ("manifest-malformed", manifest_bytes(b"[1]")),
    "manifest nested without end": ("manifest-malformed", manifest_bytes(b'{"version":1,"a":' + b"[" * 100_000)),
    "manifest not first": ("manifest-missing", holding_members(lambda members: members.append(members.pop(0)))),
    "member more": (
        "archive-member-extra",
        holding_members(lambda members: members.append(member("payload/0003", b"stowaway"))),
    ),
    "member twice": ("archive-member-repeated", holding_members(lambda members: members.insert(2, members[1]))),
    "member less": ("archive-member-missing", holding_members(lambda members: members.__delitem__(-1))),
    "members in another order": ("archive-member-order", holding_members(exchange_payloads)),
    "member with a path for a name": (
        "archive-member-unexpected",
        holding_members(lambda members: setattr(members[1][0], "name", "../../../../tmp/gateway-was-here")),
    ),
    "symbolic link": ("archive-member-unsafe", with_link(tarfile.SYMTYPE, "/etc/passwd")),
    "hard link": ("archive-member-unsafe", with_link(tarfile.LNKTYPE, "manifest.json")),
    "device": ("archive-member-unsafe", with_link(tarfile.CHRTYPE, "")),
    "archive that is not compressed": ("archive-damaged", packed_as(unpacked)),
    "archive that is cut short": ("archive-damaged", packed_as(lambda packed: packed[:-20])),
    "archive followed by a second one": ("archive-damaged", packed_as(lambda packed: packed + packed)),
    "archive with content after its end": (
        "archive-damaged",
        packed_as(lambda packed: compressed(unpacked(packed) + b"hidden".ljust(512, b"\0"))),
    ),
}


def secret_payloads() -> tuple[bytes, list[Payload]]:
    """Two files of words that occur nowhere else."""
    words = f"nobody may read {uuid7()}".encode()
    return words, [Payload(b"<first>%b</first>\n" % words, "a.xml"), Payload(b"<second>%b</second>\n" % words, "b.xml")]


def nothing_came_of_it(bench: Bench, words: bytes, parcel: Parcel) -> None:
    """Nothing delivered, no plaintext anywhere, no transfer in the ledger."""
    home = bench.la.home
    wait_until(lambda: not list(files_below(home.opened)), 90, "an empty vault")
    assert holding(words, home.root) == []
    items = parcel.document.get("items", [])
    transfers = [str(item["transfer"]) for item in items]
    known = rows(bench.la, "SELECT id FROM transfers WHERE consignment = ?", parcel.id)
    assert known == [], transfers
    assert not (home.sealed_in / "DWP" / parcel.name).exists()


@pytest.mark.parametrize("case", CASES)
def test_broken_rule_is_quarantined_under_its_own_code_and_leaves_no_plaintext(bench: Bench, case: str) -> None:
    code, make = CASES[case]
    words, payloads = secret_payloads()
    parcel = make(bench, payloads)
    leave(bench.la, bench.dwp, parcel)
    entry = quarantined(bench.la, sha256(parcel.sealed), parcel.id)
    assert entry["code"] in code.split(" or "), entry["reason"]
    assert (entry["partner"], entry["consignment"]) == ("DWP", parcel.id)
    kept = bench.la.home.quarantine / f"{entry['id']}.sealed"
    assert kept.read_bytes() == parcel.sealed
    if parcel.sealed:
        wait_until(lambda: state_of(bench.la, parcel.id, "in") == "quarantined", 90, "its state")
    nothing_came_of_it(bench, words, parcel)


def test_file_under_another_id_than_its_manifest_names_is_quarantined(bench: Bench) -> None:
    words, payloads = secret_payloads()
    parcel = replace(bench.dwp.consignment(LA, payloads), id=uuid7())
    leave(bench.la, bench.dwp, parcel)
    entry = quarantined(bench.la, sha256(parcel.sealed))
    assert (entry["code"], entry["consignment"]) == ("manifest-identity", parcel.id)
    nothing_came_of_it(bench, words, parcel)


def test_consignment_of_one_partner_in_the_landing_of_another_is_quarantined(bench: Bench) -> None:
    words, payloads = secret_payloads()
    parcel = bench.dwp.consignment(LA, payloads)
    leave(bench.la, bench.other, parcel)
    entry = quarantined(bench.la, sha256(parcel.sealed))
    assert (entry["code"], entry["partner"]) == ("signer-other-partner", bench.other.code)
    nothing_came_of_it(bench, words, parcel)


def test_consignment_that_a_partner_resealed_for_us_is_quarantined(bench: Bench) -> None:
    # Sign-then-encrypt binds no recipient: only the signed manifest says for whom it was.
    words, payloads = secret_payloads()
    bench.dwp.learn(bench.other.card())
    document = bench.dwp.manifest(bench.other.code, payloads)
    packed = bench.dwp.archive(json.dumps(document).encode(), [payload.content for payload in payloads])
    parcel = Parcel(document["consignment"], bench.dwp.seal(packed, LA), document)
    leave(bench.la, bench.dwp, parcel)
    assert quarantined(bench.la, sha256(parcel.sealed))["code"] == "manifest-recipient"
    nothing_came_of_it(bench, words, parcel)


def test_key_that_was_revoked_or_has_expired_since_its_card_was_taken_signs_nothing_any_more(bench: Bench) -> None:
    words, payloads = secret_payloads()
    forger = bench.retired
    ring = bench.la.home.keyrings / "partners" / f"{forger.code}.kbx"
    parcels = []
    for _ in range(2):
        document, packed = packed_for(bench, payloads, forger)
        parcels.append(Parcel(document["consignment"], forger.seal(packed, LA), document))
    forger.gpg.run("--quick-set-expire", forger.fingerprint, "seconds=1")
    past(time.time() + 1)
    for parcel, code in zip(parcels, ("signer-expired", "signer-revoked"), strict=True):
        if code == "signer-revoked":
            forger.gpg.learn(forger.gpg.revocation(forger.fingerprint))
        replace_ring(ring, forger)
        leave(bench.la, forger, parcel)
        entry = quarantined(bench.la, sha256(parcel.sealed))
        assert (entry["code"], entry["partner"]) == (code, forger.code), entry["reason"]
        nothing_came_of_it(bench, words, parcel)


def replace_ring(ring: Path, forger: Forger) -> None:
    """Give the gateway the certificate as it is now, as a sysadmin would who learns of it."""
    new = ring.with_suffix(".new")
    certificate = forger.gpg.run("--export", forger.fingerprint)
    forger.gpg.run("--no-default-keyring", "--keyring", str(new), "--import", feed=certificate)
    new.replace(ring)


# -- replays


def test_same_id_with_other_bytes_is_quarantined_and_the_first_stays_as_it_was(bench: Bench) -> None:
    payload = some_claims(seed=21, count=1)[0]
    first = bench.dwp.consignment(LA, [payload])
    leave(bench.la, bench.dwp, first)
    receipt = answer(bench.la, bench.dwp, first.id)
    words, others = secret_payloads()
    second = bench.dwp.consignment(LA, others, consignment=first.id)
    leave(bench.la, bench.dwp, second)
    entry = quarantined(bench.la, sha256(second.sealed))
    assert (entry["code"], entry["consignment"]) == ("replay-other-bytes", first.id)
    assert holding(words, bench.la.home.root) == []
    leave(bench.la, bench.dwp, first)
    assert answer(bench.la, bench.dwp, first.id) == receipt


def test_sequence_that_another_consignment_had_is_quarantined(bench: Bench) -> None:
    first = bench.dwp.consignment(LA, some_claims(seed=22, count=1))
    leave(bench.la, bench.dwp, first)
    answer(bench.la, bench.dwp, first.id)
    words, payloads = secret_payloads()
    second = bench.dwp.consignment(LA, payloads, sequence=first.document["sequence"])
    leave(bench.la, bench.dwp, second)
    assert quarantined(bench.la, sha256(second.sealed))["code"] == "replay-sequence"
    nothing_came_of_it(bench, words, second)


def test_transfer_that_comes_again_with_other_bytes_is_quarantined(bench: Bench) -> None:
    payload = some_claims(seed=23, count=1)[0]
    first = bench.dwp.consignment(LA, [payload])
    leave(bench.la, bench.dwp, first)
    answer(bench.la, bench.dwp, first.id)
    words, payloads = secret_payloads()
    second = bench.dwp.consignment(LA, [replace(payloads[0], transfer=payload.transfer)])
    leave(bench.la, bench.dwp, second)
    assert quarantined(bench.la, sha256(second.sealed))["code"] == "replay-transfer"
    receipt = answer(bench.la, bench.dwp, second.id)
    assert [(item["outcome"], item["code"]) for item in receipt["items"]] == [("quarantined", "replay-transfer")]
    nothing_came_of_it(bench, words, second)


def test_refused_consignment_keeps_neither_its_sequence_nor_its_transfers_from_coming_again(bench: Bench) -> None:
    payload = some_claims(seed=24, count=1)[0]
    wrong = bench.dwp.consignment(LA, [replace(payload, said={"size": 1})])
    leave(bench.la, bench.dwp, wrong)
    assert quarantined(bench.la, sha256(wrong.sealed))["code"] == "archive-size-mismatch"
    right = bench.dwp.consignment(LA, [payload], sequence=wrong.document["sequence"])
    leave(bench.la, bench.dwp, right)
    assert [item["outcome"] for item in answer(bench.la, bench.dwp, right.id)["items"]] == ["delivered"]


# -- who is told


def test_sender_is_told_of_a_refusal_only_where_the_manifest_proved_to_be_its_own(bench: Bench) -> None:
    _, payloads = secret_payloads()
    late = bench.dwp.consignment(LA, payloads, created=moment(-600), expires=moment(-300))
    unproven = saying(recipient="E08000004")(bench, payloads)
    for parcel in (unproven, late):
        leave(bench.la, bench.dwp, parcel)
    receipt = answer(bench.la, bench.dwp, late.id)
    assert [(item["outcome"], item["code"]) for item in receipt["items"]] == [("quarantined", "manifest-expired")] * 2
    quarantined(bench.la, sha256(unproven.sealed))
    assert rows(bench.la, "SELECT * FROM receipts WHERE consignment = ?", unproven.id) == []


# -- the landing itself


def test_what_is_neither_consignment_nor_receipt_is_locked_away(bench: Bench) -> None:
    landing = bench.la.home.landing_in("DWP")
    names = [
        "hello.txt",
        "x.copy",
        f"{uuid7()}.pgp.copy",
        f"{uuid7().upper()}.pgp",
        f"{uuid7()}.PGP",
        "-rf.pgp",
        " .pgp",
        "café.pgp",
    ]
    names += [f"{uuid7()}.pgp.pgp", "%s%n.receipt.pgp", "a" * 240 + ".pgp"]
    unfinished = landing / f".{uuid7()}.pgp"  # as some clients name what they have not written to its end
    unfinished.write_bytes(b"garbage")
    for name in names:
        content = f"garbage {name} {uuid7()}".encode()
        place(landing, name, content)
        entry = quarantined(bench.la, sha256(content))
        assert (entry["code"], entry["partner"]) == ("landing-unexpected", "DWP"), name
        assert (bench.la.home.quarantine / f"{entry['id']}.sealed").read_bytes() == content
    assert list(landing.iterdir()) == [unfinished]
    unfinished.unlink()
    arrivals = bench.la.home.sealed_in / "DWP" / "arrivals"
    wait_until(lambda: list(arrivals.iterdir()) == [], 30, "room among the arrivals")


def test_links_pipes_and_folders_in_the_landing_are_refused_and_never_followed(bench: Bench, tmp_path: Path) -> None:
    landing = bench.la.home.landing_in("DWP")
    target = tmp_path / "not yours"
    target.write_text("untouched")
    before = len(rows(bench.la, "SELECT id FROM quarantine WHERE code = 'landing-unexpected'"))
    (landing / f"{uuid7()}.pgp").symlink_to(target)
    (landing / f"{uuid7()}.receipt.pgp").symlink_to(tmp_path)
    (landing / "dangling").symlink_to(tmp_path / "nowhere")
    os.mkfifo(landing / f"{uuid7()}.pgp")
    full = tmp_path / "full"
    full.mkdir()
    (full / "inside").write_text("kept?")
    full.rename(landing / f"{uuid7()}.pgp")  # whole when it is there: the gateway takes it at once
    wait_until(
        lambda: len(rows(bench.la, "SELECT id FROM quarantine WHERE code = 'landing-unexpected'")) == before + 5,
        30,
        "five refusals",
    )
    assert list(landing.iterdir()) == []
    arrivals = bench.la.home.sealed_in / "DWP" / "arrivals"
    wait_until(lambda: list(arrivals.iterdir()) == [], 30, "room among the arrivals")
    assert target.read_text() == "untouched"
    payload = some_claims(seed=31, count=1)[0]
    parcel = bench.dwp.consignment(LA, [payload])
    leave(bench.la, bench.dwp, parcel)
    assert [item["outcome"] for item in answer(bench.la, bench.dwp, parcel.id)["items"]] == ["delivered"]


def test_upload_that_is_not_finished_is_left_to_its_writer(bench: Bench) -> None:
    payload = some_claims(seed=32, count=1)[0]
    parcel = bench.dwp.consignment(LA, [payload])
    part = bench.la.home.landing_in("DWP") / f"{parcel.name}.part"
    part.write_bytes(parcel.sealed[:100])
    marker = bench.dwp.consignment(LA, some_claims(seed=33, count=1))
    leave(bench.la, bench.dwp, marker)
    answer(bench.la, bench.dwp, marker.id)
    assert part.read_bytes() == parcel.sealed[:100]
    part.write_bytes(parcel.sealed)
    part.rename(part.with_suffix(""))
    assert [item["outcome"] for item in answer(bench.la, bench.dwp, parcel.id)["items"]] == ["delivered"]


def test_quarantine_list_says_of_every_entry_what_the_contract_promises(bench: Bench) -> None:
    _, payloads = secret_payloads()
    parcel = unsigned(bench, payloads)
    leave(bench.la, bench.dwp, parcel)
    expected = quarantined(bench.la, sha256(parcel.sealed))
    listed = bench.la.json("quarantine", "list")
    entry = next(entry for entry in listed if entry["consignment"] == parcel.id)
    assert entry["id"] == expected["id"]
    assert (entry["partner"], entry["code"]) == ("DWP", "signature-missing")
    assert entry["reason"]
    assert entry["received"]
    known = {
        row["id"]: row["code"] for row in rows(bench.la, "SELECT id, code FROM quarantine WHERE discarded IS NULL")
    }
    assert {entry["id"]: entry["code"] for entry in listed}.items() <= known.items()
