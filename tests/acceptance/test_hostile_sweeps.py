"""What cannot be listed case by case: messages cut and altered anywhere, messages of no stock tool, manifests of any form.

Each is left in a partner's landing and goes through the real engine and the real stages of one site. Whatever it is: it
is locked away whole under a code, nothing of it is delivered, and no plaintext is left.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.reading import holding, rows
from tests.acceptance.receiving import Receiver, receiver
from tests.conftest import Tally
from tests.fakes.forger import Forger, Parcel, Payload, moment, sha256, uuid7
from tests.fakes.openpgp import (
    StockGpg,
    encrypted_aead,
    literal,
    packet,
    protected,
    session_key_packet,
    unprotected,
    without_integrity_code,
)

LA = "E09000030"
WORDS = b"nobody may read these words"
_GROUP = 50


@dataclass(frozen=True)
class Bench:
    """The site, the partner that attacks it, and the site's own keyring, which knows every session key."""

    site: Receiver
    dwp: Forger

    @property
    def inside(self) -> StockGpg:
        return StockGpg(self.site.site.home.keyrings / "own")

    def refuses(self, parcels: Sequence[Parcel]) -> Counter[str]:
        """Leave them all; how many were locked away under which code. Nothing else may come of any."""
        home = self.site.site.home
        codes: Counter[str] = Counter()
        for start in range(0, len(parcels), _GROUP):
            group = parcels[start : start + _GROUP]
            for parcel, told in zip(group, self.site.receive(self.dwp, group), strict=True):
                assert told["state"] == "quarantined", (told, len(parcel.sealed))
                codes[told["code"]] += 1
                (entry,) = rows(self.site.site, "SELECT * FROM quarantine WHERE consignment = ?", parcel.id)
                assert (entry["code"], entry["sha256"]) == (told["code"], sha256(parcel.sealed))
                assert (home.quarantine / f"{entry['id']}.sealed").read_bytes() == parcel.sealed
        assert rows(self.site.site, "SELECT id FROM transfers WHERE direction = 'in'") == []
        assert self.site.plaintext() == []
        assert self.site.delivered("claim", "DWP") == {}
        return codes

    def parcel(self) -> Parcel:
        return self.dwp.consignment(LA, [Payload(WORDS * 40), Payload(random.randbytes(3000), "noise.xml")])

    def wrapped(self, packets: Callable[[bytes], bytes], around: Callable[[bytes, bytes], bytes] = protected) -> Parcel:
        """What `packets` makes of signed packets, encrypted to the site by a writer of our own."""
        document = self.dwp.manifest(LA, [Payload(WORDS * 40)])
        packed = self.dwp.archive(json.dumps(document).encode(), [WORDS * 40])
        good = self.dwp.seal(packed, LA)
        signed = self.dwp.gpg.run("-z", "0", "--local-user", self.dwp.fingerprint, "--sign", feed=packed)
        key = self.inside.session_key(good)
        return Parcel(document["consignment"], session_key_packet(good) + around(key, packets(signed)), document)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    root = tmp_path_factory.mktemp("sweeps")
    dwp = Forger(root / "forged-DWP", "DWP")
    try:
        with receiver(root, LA, [dwp], deliver=False) as site:
            yield Bench(site, dwp)
            assert holding(WORDS, site.site.home.root) == []
            site.assert_audit()
    finally:
        dwp.close()


def altered(content: bytes, at: int, bit: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :]


def spread(length: int, number: int) -> list[int]:
    """At least so many offsets over the length, with those of the first and last bytes, where headers and codes are."""
    even = (length * index // number for index in range(1, number))
    return sorted({*range(1, number // 6), *even, *range(length - number // 16, length)})


# -- cut and altered


def cut_and_altered(bench: Bench, number: int) -> dict[str, Counter[str]]:
    parcel = bench.parcel()
    whole = parcel.sealed
    found = {}
    offsets = spread(len(whole), number)
    found["cut"] = bench.refuses([Parcel(uuid7(), whole[:at], {}) for at in offsets])
    found["altered"] = bench.refuses([Parcel(uuid7(), altered(whole, at, at % 8), {}) for at in offsets])
    return found


def assert_of_the_envelope(found: dict[str, Counter[str]]) -> None:
    assert found["cut"].keys() <= {"envelope-truncated", "envelope-not-openpgp"}
    # What an altered byte of the ciphertext decrypts to is chance, so that any of these can be the first that shows.
    assert all(code.startswith(("envelope-", "signature-", "signer-")) for code in found["altered"])


def test_envelope_that_is_cut_or_altered_anywhere_is_quarantined_and_leaves_no_plaintext(bench: Bench) -> None:
    assert_of_the_envelope(cut_and_altered(bench, 24))


@pytest.mark.torture
@pytest.mark.timeout(900)
def test_a_thousand_cuts_and_a_thousand_alterations_are_all_quarantined(bench: Bench, tally: Tally) -> None:
    found = cut_and_altered(bench, 1000)
    assert_of_the_envelope(found)
    for what, codes in found.items():
        tally(f"envelopes {what}", tried=codes.total(), lost=0)


# -- messages that no stock tool writes

STRANGE: dict[str, tuple[str, Callable[[Bench], Parcel]]] = {
    "no integrity protection": ("envelope-no-integrity", lambda bench: bench.wrapped(bytes, unprotected)),
    "integrity code cut off": ("envelope-damaged", lambda bench: bench.wrapped(bytes, without_integrity_code)),
    "AEAD, the draft's packet": ("envelope-unsupported", lambda bench: bench.wrapped(bytes, encrypted_aead)),
    "AEAD, version 2 of the packet": (
        "envelope-unsupported",
        lambda bench: bench.wrapped(bytes, lambda _key, packets: packet(18, b"\x02\x09\x02\x06" + packets)),
    ),
    "session key of version 6": (
        "envelope-unsupported",
        lambda bench: resealed(bench, lambda key: packet(1, b"\x06" + key[3:])),
    ),
    "session key of version 2": (
        "envelope-unsupported",
        lambda bench: resealed(bench, lambda key: packet(1, b"\x02" + key[3:])),
    ),
    "content altered under its signature": (
        "signature-bad",
        lambda bench: bench.wrapped(lambda it: altered(it, len(it) // 2, 0)),
    ),
    "literal unsigned": ("signature-missing", lambda bench: bench.wrapped(lambda _signed: literal(WORDS))),
    "content before the signed": ("envelope-trailing", lambda bench: bench.wrapped(lambda it: literal(b"x") + it)),
    "content after the signed": ("envelope-trailing", lambda bench: bench.wrapped(lambda it: it + literal(b"x"))),
    "signed twice within one": ("envelope-trailing", lambda bench: bench.wrapped(lambda it: it + it)),
    # gpg passes over the signature that it does not know, and finds content that nobody has announced.
    "signature of version 6": ("envelope-trailing", lambda bench: bench.wrapped(lambda it: renumbered(it, 6))),
    "signature of version 5": ("envelope-trailing", lambda bench: bench.wrapped(lambda it: renumbered(it, 5))),
    "nothing within": ("envelope-damaged", lambda bench: bench.wrapped(lambda _signed: b"")),
}


def resealed(bench: Bench, change: Callable[[bytes], bytes]) -> Parcel:
    """The session key's packet written anew."""
    parcel = bench.parcel()
    key = session_key_packet(parcel.sealed)
    return Parcel(parcel.id, change(key) + parcel.sealed[len(key) :], {})


def renumbered(signed: bytes, version: int) -> bytes:
    """A signed message whose one-pass and signature packets say another version (RFC 9580 sections 5.2 and 5.4)."""
    at = signed.rindex(b"\x04\x00\x16")
    return bytes([signed[0], signed[1], version]) + signed[3:at] + bytes([version]) + signed[at + 1 :]


@pytest.mark.parametrize("kind", STRANGE)
def test_message_that_no_stock_tool_writes_is_quarantined_by_its_name(bench: Bench, kind: str) -> None:
    code, make = STRANGE[kind]
    assert bench.refuses([make(bench)]) == {code: 1}


# -- manifests of any form

Change = Callable[[dict[str, Any]], object]


def without(*path: str | int) -> Change:
    def change(document: dict[str, Any]) -> None:
        inner: Any = document
        for step in path[:-1]:
            inner = inner[step]
        del inner[path[-1]]

    return change


def saying(**said: Any) -> Change:
    return lambda document: document.update(said)


def item_saying(**said: Any) -> Change:
    return lambda document: document["items"][0].update(said)


MALFORMED: dict[str, Change] = {
    **{
        f"no {field}": without(field)
        for field in (
            "consignment",
            "sender",
            "recipient",
            "signer",
            "encrypted_to",
            "sequence",
            "created",
            "expires",
            "audit_head",
            "items",
            "version",
        )
    },
    **{
        f"no {field} of an item": without("items", 0, field) for field in ("transfer", "flow", "name", "size", "sha256")
    },
    **{f"no {field} of the head": without("audit_head", field) for field in ("sequence", "sha256")},
    "version of text": saying(version="1"),
    "version of truth": saying(version=True),
    "version with a fraction": saying(version=1.5),
    "consignment of capitals": lambda document: document.update(consignment=document["consignment"].upper()),
    "consignment of version 4": saying(consignment="6e8f9a52-1c2d-4abc-8def-0123456789ab"),
    "consignment with a path": saying(consignment="../../../../etc/cron.d/gateway-was-here"),
    "sender of small letters": saying(sender="dwp"),
    "recipient of one letter": saying(recipient="E"),
    "recipient with a line": saying(recipient="E09000030\n"),
    "signer of small letters": lambda document: document.update(signer=document["signer"].lower()),
    "signer of 64 digits": saying(signer="A" * 64),
    "sequence nought": saying(sequence=0),
    "sequence below nought": saying(sequence=-1),
    "sequence of text": saying(sequence="42"),
    "sequence with a fraction": saying(sequence=42.0),
    "sequence of a hundred digits": saying(sequence=10**99),
    "sequence of truth": saying(sequence=True),
    "created without a zone": saying(created="2026-11-21T10:00:00"),
    "created without a time": saying(created="2026-11-21"),
    "created as a number": saying(created=1795307917),
    "created of a year that there is not": saying(created="0000-11-21T10:00:00Z"),
    "created of a day that there is not": saying(created="2026-02-30T10:00:00Z"),
    "expires of words": saying(expires="in a week"),
    "expires beyond all years": saying(expires="9999-12-31T23:59:59-23:59"),
    "expires before all years": saying(expires="0001-01-01T00:00:00+23:59"),
    "head of text": saying(audit_head="none"),
    "head of a hundred digits": saying(audit_head={"sequence": 10**99, "sha256": "0" * 64}),
    "head of a short digest": saying(audit_head={"sequence": 1, "sha256": "0" * 63}),
    "items of an object": saying(items={}),
    "items of text": saying(items=["claim"]),
    "no item": saying(items=[]),
    "ten thousand and one items": lambda document: document.update(
        items=[document["items"][0] | {"transfer": uuid7()} for _ in range(10_001)]
    ),
    "transfer twice": lambda document: document["items"].append(document["items"][0]),
    "transfer with a NUL": item_saying(transfer="\0" * 36),
    "flow of capitals": item_saying(flow="CLAIM"),
    "flow with a path": item_saying(flow="../claim"),
    "name of nothing": item_saying(name=""),
    "name of a thousand letters": item_saying(name="n" * 1000),
    "name of a number": item_saying(name=7),
    "size below nought": item_saying(size=-1),
    "size with a fraction": item_saying(size=1080.0),
    "size of text": item_saying(size="1080"),
    "size of a hundred digits": item_saying(size=10**99),
    "digest of capitals": item_saying(sha256="A" * 64),
    "digest of another kind": item_saying(sha256="0" * 128),
    "schema of a thousand letters": item_saying(schema="s" * 1000),
    "reference of an object": item_saying(reference={}),
    "redirected from nowhere": item_saying(redirected_from="nowhere"),
}

NO_JSON: dict[str, bytes] = {
    "nothing": b"",
    "a list": b"[]",
    "null": b"null",
    "a number": b"1",
    "cut short": b'{"version": 1, "consignment": "',
    "two documents": b'{"version": 1}{"version": 1}',
    "a comma too many": b'{"version": 1,}',
    "single quotes": b"{'version': 1}",
    "not a number": b'{"version": NaN}',
    "UTF-16": '{"version": 1}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"version": 1}',
    "no UTF-8": b'{"version": 1, "consignment": "\xff"}',
    "half a surrogate": b'{"version": 1, "consignment": "\\ud800"}',
    "a NUL": b'{"version": 1}\0',
    "lists without end": b'{"version": 1, "a": ' + b"[" * 100_000,
    "objects without end": b'{"version": 1, "a": ' + b'{"a":' * 100_000,
}


def of_manifest(bench: Bench, content: bytes, identity: str = "") -> Parcel:
    return Parcel(identity or uuid7(), bench.dwp.seal(bench.dwp.archive(content, [WORDS * 40]), LA), {})


def test_manifest_that_is_malformed_in_any_way_is_quarantined_as_that(bench: Bench) -> None:
    parcels = {}
    for kind, change in MALFORMED.items():
        document = bench.dwp.manifest(LA, [Payload(WORDS * 40)])
        identity = document["consignment"]
        change(document)
        parcels[kind] = of_manifest(bench, json.dumps(document).encode(), identity)
    parcels |= {kind: of_manifest(bench, content) for kind, content in NO_JSON.items()}
    assert len(parcels) > 50
    found = bench.refuses(list(parcels.values()))
    assert found == {"manifest-malformed": len(parcels)}


def test_words_of_a_manifest_reach_neither_log_nor_quarantine(bench: Bench) -> None:
    canary = "QQ123456C"
    parcels = []
    for change in (saying(recipient=canary), item_saying(flow=canary), item_saying(name=f"../{canary}.xml")):
        document = bench.dwp.manifest(LA, [Payload(WORDS * 40)])
        change(document)
        parcels.append(of_manifest(bench, json.dumps(document).encode(), document["consignment"]))
    found = bench.refuses(parcels)
    assert found == {"manifest-recipient": 1, "manifest-malformed": 1, "manifest-name": 1}
    assert canary.encode() not in bench.site.log.getvalue()
    assert rows(bench.site.site, "SELECT id FROM quarantine WHERE reason LIKE ?", f"%{canary}%") == []


def test_consignment_that_was_locked_away_may_be_sent_again_and_stays_locked_away(bench: Bench) -> None:
    parcel = of_manifest(bench, b"[]")
    bench.refuses([parcel])
    (told,) = bench.site.receive(bench.dwp, [parcel])
    assert (told["state"], told["code"]) == ("quarantined", "manifest-malformed")
    assert len(rows(bench.site.site, "SELECT id FROM quarantine WHERE consignment = ?", parcel.id)) == 1


def test_every_line_of_the_log_is_json_and_each_refusal_is_one_line(bench: Bench, tmp_path: Path) -> None:
    before = len(bench.site.lines())
    bench.refuses([of_manifest(bench, b"[]"), Parcel(uuid7(), b"no message", {})])
    told = [line for line in bench.site.lines()[before:] if line["event"] == "consignment.quarantined"]
    assert [(line["code"], line["level"]) for line in told] == [
        ("manifest-malformed", "error"),
        ("envelope-not-openpgp", "error"),
    ] or [line["code"] for line in told] == ["envelope-not-openpgp", "manifest-malformed"]
    assert all(moment(-3600) < line["timestamp"] for line in told)
