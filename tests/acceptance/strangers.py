"""Made-up correspondents as partners of a real site: their sealed files are carried by hand, without a network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.acceptance.sites import Site, wait_until
from tests.fakes.forger import Forger, Parcel, place


def meet(site: Site, forger: Forger) -> None:
    """Make the forger a partner of the site, with link `none`, and let it learn the site's card."""
    card = forger.root / f"{forger.code}.card.json"
    card.write_text(forger.card(), encoding="utf-8")
    site.gateway("partner", "add", card, "--fingerprint", forger.fingerprint, "--link", "none")
    forger.learn(site.gateway("card").stdout)


def leave(site: Site, forger: Forger, parcel: Parcel) -> Path:
    """Leave a consignment in the forger's landing directory at the site."""
    return place(site.home.landing_in(forger.code), parcel.name, parcel.sealed)


def leave_receipt(site: Site, forger: Forger, parcel: Parcel) -> Path:
    """Leave a receipt there."""
    return place(site.home.landing_in(forger.code), f"{parcel.id}.receipt.pgp", parcel.sealed)


def carry(site: Site, forger: Forger, name: str, seconds: float = 90.0) -> bytes:
    """Take what the site put out for the forger, once it is there."""
    path = site.home.landing_out(forger.code) / name
    wait_until(path.exists, seconds, name)
    content = path.read_bytes()
    path.unlink()
    return content


def answer(site: Site, forger: Forger, consignment: str) -> dict[str, Any]:
    """The site's receipt for a consignment of the forger's."""
    return forger.read_receipt(carry(site, forger, f"{consignment}.receipt.pgp"))
