"""A key that was revoked at one node of a site is worth nothing at the others, whose own files do not have it yet."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.errors import OwnKeyUnusable, PartnerKeyRevoked, SignerRevoked
from gateway.ledger.queries.keys import OWN, subject
from gateway.stages.chain_trust import ChainTrust, trusted
from tests.fakes.two_ledgers import FINGERPRINTS, Pair, PretendedPgp, two_ledgers

LA = "E09000030"


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with two_ledgers(tmp_path / "sites") as made:
        yield made


def revoke(pair: Pair, owner: str, fingerprint: str) -> None:
    """As `gateway partner revoke` or `gateway keys revoke` does at another node."""
    with pair.la.ledger.write() as transaction:
        transaction.record("key.revoked", "key", subject(owner, fingerprint), None, fingerprint=fingerprint)


def test_what_a_revoked_key_has_signed_is_refused_and_nothing_of_it_is_left(pair: Pair, tmp_path: Path) -> None:
    theirs, ours = PretendedPgp("DWP"), ChainTrust(pair.la.context, PretendedPgp(LA))
    sealed, plain = tmp_path / "sealed", tmp_path / "plain"
    theirs.seal(io.BytesIO(b"a claim"), LA, sealed)
    signed = theirs.sign(b"a statement")
    assert ours.open(sealed, "DWP", plain, 100).signer == FINGERPRINTS["DWP"]
    assert ours.verify(signed, "DWP") == FINGERPRINTS["DWP"]
    plain.unlink()
    revoke(pair, "DWP", FINGERPRINTS[LA])
    revoke(pair, "E09000031", FINGERPRINTS["DWP"])
    assert ours.verify(signed, "DWP") == FINGERPRINTS["DWP"], "another one's"
    revoke(pair, "DWP", FINGERPRINTS["DWP"])
    with pytest.raises(SignerRevoked):
        ours.open(sealed, "DWP", plain, 100)
    assert not plain.exists()
    with pytest.raises(SignerRevoked):
        ours.verify(signed, "DWP")


def test_nothing_is_sealed_to_a_revoked_key_or_signed_by_one(pair: Pair, tmp_path: Path) -> None:
    ours = ChainTrust(pair.la.context, PretendedPgp(LA))
    ours.seal(io.BytesIO(b"an extract"), "DWP", tmp_path / "first")
    revoke(pair, "DWP", FINGERPRINTS["DWP"])
    with pytest.raises(PartnerKeyRevoked, match="at another node"):
        ours.seal(io.BytesIO(b"an extract"), "DWP", tmp_path / "second")
    assert ours.sign(b"a statement")
    revoke(pair, OWN, FINGERPRINTS[LA])
    for use in (lambda: ours.sign(b"a statement"), lambda: ours.seal(io.BytesIO(b"x"), "DWP", tmp_path / "third")):
        with pytest.raises(OwnKeyUnusable, match="at another node"):
            use()
    assert not (tmp_path / "second").exists()
    assert not (tmp_path / "third").exists()
    assert ours.sign(b"a statement", "C" * 40), "the one before, which stays good towards who knows no other"


def test_a_site_of_one_machine_goes_by_its_own_files(pair: Pair) -> None:
    engine = PretendedPgp(LA)
    assert trusted(pair.la.context, engine) is engine
