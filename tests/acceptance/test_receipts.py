"""Receipts at a running gateway that waits for one: only the right answer moves anything, and every other is locked away.

The partner is of our own making and follows the written contract with stock tools (tests/fakes/forger.py).
"""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.reading import files_below, quarantined, rows
from tests.acceptance.sites import Site, claim, make_site, wait_until
from tests.acceptance.strangers import carry, leave_receipt, meet
from tests.fakes.forger import Forger, Parcel, moment, place, sha256, uuid7

LA = "E09000030"

_numbers = count()


@dataclass(frozen=True)
class Bench:
    """The Department's gateway, the authority that answers it, another partner, and somebody whom it does not know."""

    dwp: Site
    la: Forger
    other: Forger
    stranger: Forger


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with made_bench(tmp_path_factory.mktemp("receipts")) as made:
        made.dwp.start()
        yield made


@contextmanager
def made_bench(root: Path) -> Iterator[Bench]:
    dwp = make_site(root, "DWP")
    forgers = [Forger(root / f"forged-{code}", code) for code in (LA, "E08000004", "W06000024")]
    try:
        for forger in forgers[:-1]:
            meet(dwp, forger)
        forgers[-1].learn(dwp.gateway("card").stdout)
        yield Bench(dwp, *forgers)
    finally:
        dwp.stop()
        for forger in forgers:
            forger.close()


@dataclass(frozen=True)
class Sent:
    """A consignment that the gateway sent and that waits for its answer: what went in, and what came out of it."""

    names: tuple[str, ...]
    contents: tuple[bytes, ...]
    manifest: dict[str, Any]
    sealed: bytes

    @property
    def id(self) -> str:
        return str(self.manifest["consignment"])


def send(bench: Bench, files: int = 1) -> Sent:
    """Let the gateway send claims in one consignment, and carry that to the authority."""
    made = [claim(index, seed=next(_numbers)) for index in range(files)]
    names = tuple(f"{next(_numbers)}-{name}" for name, _ in made)
    contents = tuple(content for _, content in made)
    if files == 1:
        bench.dwp.drop("claim", LA, names[0], contents[0])
    else:
        files_of = [bench.dwp.home.root.parent / name for name in names]
        for path, content in zip(files_of, contents, strict=True):
            path.write_bytes(content)
        bench.dwp.gateway("submit", "claim", LA, *files_of)

    def found() -> list[dict[str, Any]]:
        query = f"SELECT * FROM transfers WHERE state = 'sent' AND name IN ({', '.join('?' * files)})"  # noqa: S608 - marks
        known = rows(bench.dwp, query, *names)
        return known if len(known) == files else []

    consignments = {row["consignment"] for row in wait_until(found, 90, "sending")}
    assert len(consignments) == 1
    sealed = carry(bench.dwp, bench.la, f"{consignments.pop()}.pgp")
    manifest, members = bench.la.open(sealed)
    assert [members[f"payload/{number:04d}"] for number in range(1, files + 1)] == [
        contents[names.index(item["name"])] for item in manifest["items"]
    ]
    return Sent(names, contents, manifest, sealed)


def states(bench: Bench, sent: Sent) -> set[str]:
    found = rows(bench.dwp, "SELECT state FROM transfers WHERE consignment = ? AND direction = 'out'", sent.id)
    return {row["state"] for row in found}


def still_waits(bench: Bench, sent: Sent) -> None:
    """Nothing has moved: the transfers wait for their receipt, and custody holds their bytes."""
    home = bench.dwp.home
    assert states(bench, sent) == {"sent"}
    kept = [(home.custody / item["transfer"]).read_bytes() for item in sent.manifest["items"]]
    assert sorted(kept) == sorted(sent.contents)
    assert (home.sealed_out / LA / f"{sent.id}.pgp").read_bytes() == sent.sealed
    assert not any((home.receipts / "claim" / LA / f"{name}.receipt.json").exists() for name in sent.names)


def is_answered(bench: Bench, sent: Sent) -> dict[str, Any]:
    """The right answer has come: its text lies beside the spool, custody and the queue are empty of it."""
    home = bench.dwp.home
    wait_until(lambda: states(bench, sent) == {"receipted"}, 90, "the receipt")
    path = home.receipts / "claim" / LA / f"{sent.names[0]}.receipt.json"
    wait_until(path.exists, 90, path.name)
    transfers = [item["transfer"] for item in sent.manifest["items"]]
    wait_until(lambda: not any((home.custody / transfer).exists() for transfer in transfers), 90, "empty custody")
    wait_until(lambda: not (home.sealed_out / LA / f"{sent.id}.pgp").exists(), 90, "an empty queue")
    told: dict[str, Any] = json.loads(path.read_bytes())
    return told


Maker = Callable[[Bench, Sent], Parcel]


def saying(**changes: Any) -> Maker:
    """The right receipt but for what it says."""
    return lambda bench, sent: bench.la.receipt(sent.manifest, sent.sealed, **changes)


def items_saying(change: Callable[[list[dict[str, Any]]], object]) -> Maker:
    """The right receipt but for its items."""

    def make(bench: Bench, sent: Sent) -> Parcel:
        items = bench.la.receipt(sent.manifest, sent.sealed).document["items"]
        change(items)
        return bench.la.receipt(sent.manifest, sent.sealed, items=items)

    return make


def content(text: bytes) -> Maker:
    return lambda bench, sent: bench.la.sealed_receipt(sent.id, text, "DWP")


def sealed_bytes(change: Callable[[bytes], bytes]) -> Maker:
    def make(bench: Bench, sent: Sent) -> Parcel:
        parcel = bench.la.receipt(sent.manifest, sent.sealed)
        return replace(parcel, sealed=change(parcel.sealed))

    return make


def signed_by(who: str) -> Maker:
    """The right words, signed by somebody else."""

    def make(bench: Bench, sent: Sent) -> Parcel:
        parcel = bench.la.receipt(sent.manifest, sent.sealed)
        return replace(parcel, sealed=getattr(bench, who).seal(json.dumps(parcel.document).encode(), "DWP"))

    return make


def unsigned(bench: Bench, sent: Sent) -> Parcel:
    parcel = bench.la.receipt(sent.manifest, sent.sealed)
    return replace(parcel, sealed=bench.la.encrypt(json.dumps(parcel.document).encode(), "DWP"))


def of_another_consignment(bench: Bench, sent: Sent) -> Parcel:
    other = send(bench)
    parcel = bench.la.receipt(other.manifest, other.sealed)
    leave_receipt(bench.dwp, bench.la, parcel)
    is_answered(bench, other)
    return replace(parcel, id=sent.id)


CASES: dict[str, tuple[str, Maker]] = {
    "signed by somebody unknown": ("signer-unknown", signed_by("stranger")),
    "signed by another partner": ("signer-other-partner", signed_by("other")),
    "unsigned": ("signature-missing", unsigned),
    "truncated": ("envelope-truncated", sealed_bytes(lambda sealed: sealed[:-30])),
    "no OpenPGP at all": ("envelope-not-openpgp", sealed_bytes(lambda _sealed: b'{"version": 1}')),
    "for other bytes": ("receipt-other-bytes", saying(sealed_sha256="0" * 64)),
    "for another consignment inside": ("receipt-foreign", saying(consignment=uuid7())),
    "a true one of another consignment": ("receipt-foreign", of_another_consignment),
    "from another sender": ("receipt-foreign", saying(sender="E08000004")),
    "to another recipient": ("receipt-foreign", saying(recipient="E08000004")),
    "one item less": ("receipt-items", items_saying(lambda items: items.pop())),
    "one item more": (
        "receipt-items",
        items_saying(lambda items: items.append(items[0] | {"transfer": uuid7()})),
    ),
    "an item twice": ("receipt-items", items_saying(lambda items: items.append(items[0]))),
    "an item of another digest": ("receipt-items", items_saying(lambda items: items[0].update(sha256="0" * 64))),
    "no items": ("receipt-malformed", saying(items=[])),
    "an outcome that there is not": ("receipt-malformed", items_saying(lambda items: items[0].update(outcome="lost"))),
    "an outcome of another level": (
        "receipt-malformed",
        items_saying(lambda items: items[0].update(outcome="ingested")),
    ),
    "no time": ("receipt-malformed", saying(issued="yesterday")),
    "of another version": ("receipt-version", saying(version=2)),
    "no JSON": ("receipt-malformed", content(b"Yours sincerely")),
    "a list": ("receipt-malformed", content(b"[]")),
    "too deep": ("receipt-malformed", content(b'{"version":1,"x":' + b"[" * 50_000)),
}


@pytest.mark.parametrize("case", CASES)
def test_receipt_that_does_not_answer_is_quarantined_and_the_right_one_still_counts(bench: Bench, case: str) -> None:
    code, make = CASES[case]
    sent = send(bench, files=2 if code == "receipt-items" else 1)
    parcel = make(bench, sent)
    leave_receipt(bench.dwp, bench.la, parcel)
    entry = quarantined(bench.dwp, sha256(parcel.sealed), sent.id)
    assert entry["code"] == code, entry["reason"]
    assert (entry["partner"], entry["kind"], entry["consignment"]) == (LA, "receipt", sent.id)
    assert (bench.dwp.home.quarantine / f"{entry['id']}.sealed").read_bytes() == parcel.sealed
    still_waits(bench, sent)
    right = bench.la.receipt(sent.manifest, sent.sealed)
    leave_receipt(bench.dwp, bench.la, right)
    told = is_answered(bench, sent)
    assert [item["outcome"] for item in told["items"]] == ["delivered"]
    assert (bench.dwp.home.evidence / LA / f"{sent.id}.receipt.pgp").read_bytes() == right.sealed


def test_receipt_that_another_partner_gives_for_us_is_quarantined(bench: Bench) -> None:
    sent = send(bench)
    for words in ({}, {"sender": bench.other.code}):
        honest = bench.la.receipt(sent.manifest, sent.sealed, **words)
        parcel = bench.other.sealed_receipt(sent.id, json.dumps(honest.document).encode(), "DWP")
        leave_receipt(bench.dwp, bench.other, parcel)
        entry = quarantined(bench.dwp, sha256(parcel.sealed))
        assert (entry["code"], entry["partner"]) == ("receipt-foreign", bench.other.code)
        still_waits(bench, sent)


def test_receipt_for_what_was_never_sent_is_quarantined(bench: Bench) -> None:
    sent = send(bench)
    unknown = {**sent.manifest, "consignment": uuid7()}
    parcel = bench.la.receipt(unknown, sent.sealed)
    leave_receipt(bench.dwp, bench.la, parcel)
    assert quarantined(bench.dwp, sha256(parcel.sealed))["code"] == "receipt-foreign"
    still_waits(bench, sent)


def test_second_receipt_changes_nothing_whatever_it_says(bench: Bench) -> None:
    sent = send(bench)
    leave_receipt(bench.dwp, bench.la, bench.la.receipt(sent.manifest, sent.sealed))
    is_answered(bench, sent)
    for outcome in ("delivered", "rejected"):
        leave_receipt(bench.dwp, bench.la, bench.la.receipt(sent.manifest, sent.sealed, outcome))

    def read() -> bool:
        found = rows(bench.dwp, "SELECT state FROM receipts WHERE consignment = ? AND direction = 'in'", sent.id)
        return len(found) >= 2 and all(row["state"] != "landed" for row in found)

    wait_until(read, 90, "reading the second receipt")
    assert states(bench, sent) == {"receipted"}
    assert not (bench.dwp.home.returned / "claim" / LA / sent.names[0]).exists()


def _is_gone(path: Path) -> bool:
    return not path.exists()


def test_many_receipts_of_one_name_are_each_judged_and_the_right_one_is_found(bench: Bench) -> None:
    sent = send(bench)
    wrong = [make(bench, sent) for _, make in (CASES["no JSON"], CASES["for other bytes"], CASES["unsigned"])]
    for parcel in (*wrong, bench.la.receipt(sent.manifest, sent.sealed)):
        path = bench.dwp.home.landing_in(LA) / f"{sent.id}.receipt.pgp"
        # A partner's server refuses to rename over a file that is still there; a new one comes when it is gone.
        wait_until(functools.partial(_is_gone, path), 90, "room in the landing")
        place(path.parent, path.name, parcel.sealed)
    is_answered(bench, sent)
    codes = [quarantined(bench.dwp, sha256(parcel.sealed), sent.id)["code"] for parcel in wrong]
    assert codes == ["receipt-malformed", "receipt-other-bytes", "signature-missing"]


@pytest.mark.parametrize("outcome", ["rejected", "quarantined"])
def test_file_that_the_partner_refuses_comes_back_with_the_partners_reason(bench: Bench, outcome: str) -> None:
    sent = send(bench)
    leave_receipt(bench.dwp, bench.la, bench.la.receipt(sent.manifest, sent.sealed, outcome))
    home = bench.dwp.home
    returned = home.returned / "claim" / LA / sent.names[0]
    wait_until(returned.exists, 90, "the file, whose letter is there before it")
    assert returned.read_bytes() == sent.contents[0]
    assert "The forger does not like it." in returned.with_name(f"{returned.name}.why.txt").read_text()
    assert states(bench, sent) == {outcome}
    transfer = sent.manifest["items"][0]["transfer"]
    wait_until(lambda: not (home.custody / transfer).exists(), 90, "empty custody")
    assert not (home.receipts / "claim" / LA / f"{returned.name}.receipt.json").exists()


def test_consignment_answered_in_part_gives_each_file_its_own_fate(bench: Bench) -> None:
    sent = send(bench, files=2)
    items = bench.la.receipt(sent.manifest, sent.sealed).document["items"]
    items[1].update(outcome="rejected", code="made-up", reason="Only this one.")
    leave_receipt(bench.dwp, bench.la, bench.la.receipt(sent.manifest, sent.sealed, items=items))
    good, bad = (item["name"] for item in sent.manifest["items"])
    home = bench.dwp.home
    wait_until((home.returned / "claim" / LA / f"{bad}.why.txt").exists, 90, "the one")
    wait_until((home.receipts / "claim" / LA / f"{good}.receipt.json").exists, 90, "the other")
    assert states(bench, sent) == {"receipted", "rejected"}
    assert not (home.returned / "claim" / LA / good).exists()


def test_receipt_of_a_duplicate_counts_as_delivered(bench: Bench) -> None:
    sent = send(bench)
    leave_receipt(bench.dwp, bench.la, bench.la.receipt(sent.manifest, sent.sealed, "duplicate"))
    assert [item["outcome"] for item in is_answered(bench, sent)["items"]] == ["duplicate"]


AS_STOCK_TOOLS_WRITE_THEM: dict[str, tuple[Callable[[dict[str, Any]], bytes], tuple[str, ...]]] = {
    "on one line": (lambda document: json.dumps(document, separators=(",", ":")).encode(), ()),
    "with a line feed and in order of the alphabet": (
        lambda document: json.dumps(document, indent=4, sort_keys=True).encode() + b"\n",
        (),
    ),
    "compressed, with a file name": (
        lambda document: json.dumps(document).encode(),
        ("-z", "6", "--set-filename", "receipt.json"),
    ),
    "signed over SHA-512": (lambda document: json.dumps(document).encode(), ("--digest-algo", "SHA512")),
    "without codes and reasons": (
        lambda document: json.dumps(
            document
            | {"items": [{key: item[key] for key in ("transfer", "sha256", "outcome")} for item in document["items"]]}
        ).encode(),
        (),
    ),
    "with fields of a later version": (lambda document: json.dumps(document | {"colour": "blue"}).encode(), ()),
}


@pytest.mark.parametrize("kind", AS_STOCK_TOOLS_WRITE_THEM)
def test_receipt_as_stock_tools_write_it_counts(bench: Bench, kind: str) -> None:
    write, options = AS_STOCK_TOOLS_WRITE_THEM[kind]
    sent = send(bench)
    content = write(bench.la.receipt(sent.manifest, sent.sealed).document)
    leave_receipt(bench.dwp, bench.la, Parcel(sent.id, bench.la.seal(content, "DWP", *options), {}))
    assert [item["outcome"] for item in is_answered(bench, sent)["items"]] == ["delivered"]


def test_answer_of_the_back_office_that_denies_the_one_before_is_quarantined(bench: Bench) -> None:
    sent = send(bench)
    leave_receipt(bench.dwp, bench.la, bench.la.receipt(sent.manifest, sent.sealed))
    is_answered(bench, sent)
    taken = bench.la.receipt(sent.manifest, sent.sealed, "ingested", level="ingested")
    leave_receipt(bench.dwp, bench.la, taken)
    wait_until(lambda: states(bench, sent) == {"ingested"}, 90, "the answer")
    denied = bench.la.receipt(sent.manifest, sent.sealed, "refused", level="ingested")
    leave_receipt(bench.dwp, bench.la, denied)
    assert quarantined(bench.dwp, sha256(denied.sealed))["code"] == "receipt-contrary"
    assert states(bench, sent) == {"ingested"}


# -- sites of their own: these tests stop the gateway, or change its timeouts


def test_receipt_after_expiry_is_the_truth_and_a_forged_one_is_not(tmp_path: Path) -> None:
    with made_bench(tmp_path) as bench:
        # Expiry is looked for twice a minute and at every start.
        bench.dwp.edit_config("flows.claim", expires_hours=2.0 / 3600)
        bench.dwp.edit_config("link", receipt_overdue_hours=0.5 / 3600)
        bench.dwp.start()
        sent = send(bench)
        bench.dwp.stop()
        expires = rows(bench.dwp, "SELECT expires FROM consignments WHERE id = ?", sent.id)[0]["expires"]
        wait_until(lambda: time.time() > expires + 1, 90, "the expiry")
        bench.dwp.start()
        wait_until(lambda: states(bench, sent) == {"expired"}, 90, "the expiry")
        returned = bench.dwp.home.returned / "claim" / LA / sent.names[0]
        wait_until(returned.exists, 90, "the file's return")
        assert returned.read_bytes() == sent.contents[0]
        notice = returned.with_name(f"{returned.name}.undelivered.txt")
        wait_until(notice.exists, 90, "the notice")
        assert "was not delivered in time: no receipt came" in notice.read_text()
        assert not returned.with_name(f"{returned.name}.why.txt").exists()
        forged = saying(sealed_sha256="1" * 64)(bench, sent)
        leave_receipt(bench.dwp, bench.la, forged)
        assert quarantined(bench.dwp, sha256(forged.sealed))["code"] == "receipt-other-bytes"
        assert states(bench, sent) == {"expired"}
        leave_receipt(bench.dwp, bench.la, bench.la.receipt(sent.manifest, sent.sealed))
        wait_until(lambda: states(bench, sent) == {"receipted"}, 90, "the late receipt")
        told = bench.dwp.home.receipts / "claim" / LA / f"{sent.names[0]}.receipt.json"
        wait_until(told.exists, 90, "the receipt beside the spool")
        assert json.loads(told.read_bytes())["items"][0]["outcome"] == "delivered"
        bench.dwp.gateway("audit", "verify")


def ends(site: Site) -> int:
    """The exit status of a gateway that ends by itself."""
    daemon = site.daemon
    assert daemon is not None
    status = daemon.wait(90)
    site.daemon = None
    return status


@pytest.mark.parametrize(
    ("head", "starts"),
    [pytest.param("later than the chain's end", 3, marks=pytest.mark.torture), ("of another chain", 0)],
)
def test_receipt_that_remembers_more_than_the_ledger_halts_the_gateway_for_good(
    tmp_path: Path, head: str, starts: int
) -> None:
    with made_bench(tmp_path) as bench:
        dwp = bench.dwp
        dwp.start()
        sent = send(bench)
        sequence = sent.manifest["audit_head"]["sequence"]
        seen = {"sequence": sequence + (1_000_000 if "later" in head else 0), "sha256": "e" * 64}
        parcel = bench.la.receipt(sent.manifest, sent.sealed, seen_head=seen)
        leave_receipt(dwp, bench.la, parcel)
        assert ends(dwp) == 70
        assert [event["code"] for event in dwp.events("role.halted") if "code" in event] == ["ledger-rolled-back"]
        name, content = claim(5, seed=99)
        dwp.drop("claim", LA, name, content)
        # Started again and again it halts again: the receipt is no poison file.
        for _ in range(starts):
            assert dwp.gateway("run", "--role", "vault", check=False).returncode == 70
        if starts:
            dwp.start("--until-idle")
            assert ends(dwp) == 70
        assert states(bench, sent) == {"sent"}
        assert list(files_below(dwp.home.landing_out(LA))) == []
        found = rows(dwp, "SELECT state, claims FROM receipts WHERE consignment = ? AND direction = 'in'", sent.id)
        assert found == [{"state": "landed", "claims": 0}]
        assert (dwp.home.custody / sent.manifest["items"][0]["transfer"]).read_bytes() == sent.contents[0]
        dwp.gateway("audit", "verify")


def test_receipt_with_the_head_that_we_told_is_accepted(bench: Bench) -> None:
    sent = send(bench)
    parcel = bench.la.receipt(sent.manifest, sent.sealed, seen_head=sent.manifest["audit_head"], issued=moment())
    leave_receipt(bench.dwp, bench.la, parcel)
    is_answered(bench, sent)
