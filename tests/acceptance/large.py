"""A file that travels in the lane of large ones."""

from __future__ import annotations

import io
import random
from datetime import date

import pikepdf

from gateway.sample.laid import LaidSampler


def large_laid(authority: str) -> tuple[str, bytes]:
    """A LAID with a picture of noise on its first page: 6 MB, which do not shrink."""
    rng = random.Random(5)
    sample = LaidSampler().make(sender="DWP", recipient=authority, index=5, random=rng, today=date(2026, 11, 22))
    with pikepdf.open(io.BytesIO(sample.content)) as document:
        picture = pikepdf.Stream(document, rng.randbytes(6_000_000))
        picture.Type, picture.Subtype = pikepdf.Name.XObject, pikepdf.Name.Image
        picture.Width, picture.Height, picture.BitsPerComponent = 2000, 1000, 8
        picture.ColorSpace = pikepdf.Name.DeviceRGB
        document.pages[0].add_resource(picture, pikepdf.Name.XObject)
        output = io.BytesIO()
        document.save(output)
    return sample.name, output.getvalue()
