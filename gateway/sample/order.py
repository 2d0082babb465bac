"""Making the sample files that somebody asks for.

Raises UsageWrong for an order that cannot be carried out, and DiskFailed or DiskFull for the disk.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from gateway.errors import UsageWrong
from gateway.flows.catalog import FLOWS
from gateway.sample.answers import asked_below
from gateway.sample.catalog import answering, samplers, series, versions
from gateway.sample.contract import AnsweringSampler, Sample, Sampler
from gateway.settings.model import SiteKind
from gateway.settings.values import SITE_CODE
from gateway.storage.durable import disk_error
from gateway.validation.exceptions import OF_RECORD

_DWP: Final = "DWP"
_ANY_AUTHORITY: Final = "E09000030"
_CODE: Final = re.compile(SITE_CODE)


@dataclass(frozen=True)
class DefectView:
    """A defect that samples of a flow may have, the code of its finding, and whether it is of a record or of the file."""

    flow: str
    defect: str
    code: str
    of: str


def makers_of(flow: str | None, version: str | None) -> Mapping[str, Sampler]:
    """What makes samples of each flow, of one in the version of its schema that is named."""
    makers = samplers()
    if flow is not None and flow not in makers:
        raise UsageWrong(f"There is no flow {flow!r} to make samples of: there are {', '.join(makers)}.")
    if version is not None:
        if flow is None:
            raise UsageWrong("Say which FLOW --schema is about.")
        return {flow: _of_version(flow, version)}
    return makers if flow is None else {flow: makers[flow]}


def defects(makers: Mapping[str, Sampler]) -> Sequence[DefectView]:
    """The defects that there are."""
    return [
        DefectView(flow, name, code, "record" if code in OF_RECORD else "file")
        for flow, maker in makers.items()
        for name, code in maker.defects.items()
    ]


@dataclass(frozen=True)
class Order:
    """Which files are wanted. `own` is the code of the authority whose site was named, if one was."""

    flow: str
    count: int
    today: date
    defect: str | None = None
    sender: str | None = None
    recipient: str | None = None
    own: str | None = None
    answers: Path | None = None


def make(maker: Sampler, order: Order, seed: int) -> Iterable[Sample]:
    """The files; the same seed makes the same."""
    sender, recipient = ends(order)
    if order.answers is None:
        return series(
            maker,
            sender=sender,
            recipient=recipient,
            count=order.count,
            seed=seed,
            today=order.today,
            defect=order.defect,
        )
    if not isinstance(maker, AnsweringSampler) or order.defect is not None or order.count != 1:
        raise UsageWrong("--answers is for outcome and extract, without --count and --defect.")
    try:
        asked = asked_below(order.answers, sender)
    except OSError as error:
        raise disk_error(error, f"reading {order.answers}") from error
    if not asked:
        raise UsageWrong(f"There is no referral and no scan result for {sender} below {order.answers}.")
    return answering(maker, asked, sender=sender, seed=seed, today=order.today)


def require_order(maker: Sampler, order: Order) -> None:
    """UsageWrong for a defect that samples of the flow do not have, and for ends between which no such file goes."""
    if order.defect is not None and order.defect not in maker.defects:
        raise UsageWrong(f"{order.flow} has no defect {order.defect!r}: there are {', '.join(maker.defects)}.")
    ends(order)


def ends(order: Order) -> tuple[str, str]:
    """The sending and the receiving site's codes."""
    from_kind, to_kind = FLOWS[order.flow].ends
    source = order.sender or (_DWP if from_kind is SiteKind.DWP else order.own or _ANY_AUTHORITY)
    target = order.recipient or (_DWP if to_kind is SiteKind.DWP else None)
    if target is None:
        raise UsageWrong("Say with --to which authority the files are for.")
    if source == target:
        raise UsageWrong(f"{source} does not send such files to itself: say others with --from and --to.")
    for code in (source, target):
        if not _CODE.fullmatch(code):
            raise UsageWrong(f"{code[:40]!r} is no site's code: 2 to 16 capital letters, digits and `-`.")
    return source, target


def _of_version(flow: str, version: str) -> Sampler:
    known = versions().get(flow)
    if known is None:
        raise UsageWrong(f"{flow} has one version only: leave --schema out.")
    if version not in known:
        raise UsageWrong(f"There are no samples of {flow} version {version[:20]!r}: there is {' and '.join(known)}.")
    return known[version]


def write(made: Iterable[Sample], out: Path, *, force: bool) -> list[Path]:
    """Write each file; without `force` a name that is taken ends the run, and that file stays as it is."""
    paths: list[Path] = []
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | (os.O_TRUNC if force else os.O_EXCL)
    try:
        out.mkdir(parents=True, exist_ok=True)
        for each in made:
            path = out / each.name
            with os.fdopen(os.open(path, flags, 0o644), "wb") as file:
                file.write(each.content)
            paths.append(path)
    except FileExistsError as error:
        raise UsageWrong(
            f"{error.filename} is there already: choose another directory, or overwrite with --force."
        ) from error
    except OSError as error:
        raise disk_error(error, f"writing samples to {out}") from error
    return paths
