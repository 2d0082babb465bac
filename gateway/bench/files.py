"""The files that the bench carries: made up by the samplers, other ones in each round, so that nothing is a duplicate."""

from __future__ import annotations

import random as randomness
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Final

from gateway.bench.contract import BenchFile
from gateway.sample.catalog import samplers, series
from gateway.sample.extract import ExtractSampler
from gateway.settings.resources import resource
from gateway.storage.digest import file_digest

DWP: Final = "DWP"
AUTHORITY: Final = "E09000030"

DAY: Final[Mapping[str, int]] = {"claim": 60, "laid": 20, "etd": 15, "referral": 4, "scan": 1}
"""Of a hundred files to an authority on a working day, how many are of which flow: an assumption, no published figure."""

_ROW_BYTES: Final = 430


def make(
    shares: Mapping[str, int], count: int, seed: int, today: date, directory: Path, recipient: str = AUTHORITY
) -> list[BenchFile]:
    """`count` files from DWP to an authority, of the flows in `shares` by their weights, in random order."""
    whole = sum(shares.values())
    makers, files = samplers(), []
    for flow, share in shares.items():
        number = max(1, round(count * share / whole))
        made = series(makers[flow], sender=DWP, recipient=recipient, count=number, seed=seed, today=today)
        for sample in made:
            path = directory / sample.name
            path.write_bytes(sample.content)
            files.append(BenchFile(flow, path, len(sample.content), file_digest(path)))
    randomness.Random(seed).shuffle(files)
    return files


def claims(count: int, seed: int, today: date, directory: Path) -> list[BenchFile]:
    """`count` claims of 4 to 8 KB."""
    return make({"claim": 1}, count, seed, today, directory)


def claims_for(recipient: str, count: int, seed: int, today: date, directory: Path) -> list[BenchFile]:
    """`count` claims to an authority of that code."""
    return make({"claim": 1}, count, seed, today, directory, recipient)


def make_extract(size: int, seed: int, today: date, directory: Path) -> list[BenchFile]:
    """One extract of about `size` bytes, as the authority would send it to DWP."""
    drawn = randomness.Random(seed)
    sampler = ExtractSampler(resource("schemas"))
    path = directory / sampler.name(AUTHORITY, seed, drawn, today)
    with path.open("wb") as out:
        sampler.write(out, max(size // _ROW_BYTES, 1000), random=drawn, today=today)
    return [BenchFile("extract", path, path.stat().st_size, file_digest(path))]


def sums(files: Sequence[BenchFile]) -> tuple[int, int]:
    """How many files, and how many bytes."""
    return len(files), sum(file.size for file in files)


def names_of(directory: Path) -> Iterator[tuple[str, str]]:
    """The name and the SHA-256 of every file that lies in a directory."""
    for path in directory.iterdir():
        if path.is_file():
            yield path.name, file_digest(path)
