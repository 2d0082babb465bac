"""`gateway sample`: made-up but lifelike files, whole or with a named defect. Needs no site."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

import click

from gateway.cli import output
from gateway.cli.site import settings_of
from gateway.errors import SiteMissing, UsageWrong
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


@click.command()
@click.argument("flow", required=False, metavar="FLOW")
@click.option("--to", "recipient", metavar="CODE", help="The site that the files are for.  [what goes to DWP: DWP]")
@click.option("--count", type=click.IntRange(1, 1_000_000), default=1, show_default=True, metavar="N")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Made if it is not there.")
@click.option("--seed", type=int, metavar="S", help="The same seed makes the same files.  [default: a new one]")
@click.option("--defect", metavar="KIND", help="Put this defect into every file.")
@click.option(
    "--from",
    "sender",
    metavar="CODE",
    help="The site that sends.  [default: DWP; from an authority: this site, or E09000030]",
)
@click.option("--date", "today", type=click.DateTime(["%Y-%m-%d"]), help="The day of the files.  [default: today]")
@click.option(
    "--schema", "version", metavar="VERSION", help="The version of the schema, such as 1.0.  [default: the newest]"
)
@click.option(
    "--answers",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIR",
    help="Of outcome and extract: answer the referrals and scan results below DIR, all but a few.",
)
@click.option("--force", is_flag=True, help="Overwrite files that are there.")
@click.option("--list-defects", is_flag=True, help="List the defects that there are, of one flow or of all.")
@output.as_json
@click.pass_context
def sample(
    ctx: click.Context,
    flow: str | None,
    recipient: str | None,
    count: int,
    out: Path | None,
    seed: int | None,
    defect: str | None,
    sender: str | None,
    today: datetime | None,
    version: str | None,
    answers: Path | None,
    *,
    force: bool,
    list_defects: bool,
    as_json: bool,
) -> None:
    """Make N files of a FLOW with invented people in them, and print their paths.

    No National Insurance number in them was ever issued. With --defect each file has that one thing wrong, to see how
    it comes back, or travels with exceptions: --list-defects says which there are, and which may be faults of a record.

    With --answers the files name referrals that exist: one outcome for each document below DIR that is for the sending
    authority, or one extract for all of them. One match in eight is left without an answer.

    \b
    Example:
      gateway sample claim --to E09000030 --count 50 --out /tmp/claims --seed 7
      gateway sample laid --to E09000030 --out /tmp/laids --defect javascript
      gateway sample etd --to E09000030 --out /tmp/notices --schema 1.0
      gateway --home /srv/gateway sample outcome --answers /srv/gateway/spool/inbound/referral/DWP --out /tmp/answers
      gateway sample --list-defects --json
    """
    makers = samplers()
    if flow is not None and flow not in makers:
        raise UsageWrong(f"There is no flow {flow!r} to make samples of: there are {', '.join(makers)}.")
    if version is not None:
        if flow is None:
            raise UsageWrong("Say which FLOW --schema is about.")
        makers = {flow: _of_version(flow, version)}
    if list_defects:
        _list(makers if flow is None else {flow: makers[flow]}, as_json=as_json)
        return
    if flow is None or out is None:
        raise UsageWrong("Say which FLOW, and with --out where the files go.")
    maker = makers[flow]
    if defect is not None and defect not in maker.defects:
        raise UsageWrong(f"{flow} has no defect {defect!r}: there are {', '.join(maker.defects)}.")
    source, target = _ends(ctx, flow, sender, recipient)
    if seed is None:
        seed = random.SystemRandom().randrange(10**9)
        output.say(f"seed {seed}")
    day = today.date() if today else _today()
    if answers is not None:
        if not isinstance(maker, AnsweringSampler) or defect is not None or count != 1:
            raise UsageWrong("--answers is for outcome and extract, without --count and --defect.")
        made: Iterable[Sample] = _answering(maker, answers, sender=source, seed=seed, today=day)
    else:
        made = series(maker, sender=source, recipient=target, count=count, seed=seed, today=day, defect=defect)
    paths = _write(made, out, force=force)
    if as_json:
        output.show_json([str(path) for path in paths])
    else:
        for path in paths:
            click.echo(str(path))


def _answering(maker: AnsweringSampler, directory: Path, *, sender: str, seed: int, today: date) -> Iterator[Sample]:
    try:
        asked = asked_below(directory, sender)
    except OSError as error:
        raise disk_error(error, f"reading {directory}") from error
    if not asked:
        raise UsageWrong(f"There is no referral and no scan result for {sender} below {directory}.")
    return answering(maker, asked, sender=sender, seed=seed, today=today)


def _of_version(flow: str, version: str) -> Sampler:
    known = versions().get(flow)
    if known is None:
        raise UsageWrong(f"{flow} has one version only: leave --schema out.")
    if version not in known:
        raise UsageWrong(f"There are no samples of {flow} version {version[:20]!r}: there is {' and '.join(known)}.")
    return known[version]


def _today() -> date:
    return datetime.now(UTC).date()


def _list(makers: Mapping[str, Sampler], *, as_json: bool) -> None:
    found = [
        {"flow": flow, "defect": name, "code": code, "of": "record" if code in OF_RECORD else "file"}
        for flow, maker in makers.items()
        for name, code in maker.defects.items()
    ]
    if as_json:
        output.show_json(found)
    else:
        headings = ("FLOW", "DEFECT", "FOUND AS", "A FAULT OF THE")
        output.show_table(headings, [tuple(defect.values()) for defect in found])


def _ends(ctx: click.Context, flow: str, sender: str | None, recipient: str | None) -> tuple[str, str]:
    """The sending and the receiving site's codes."""
    from_kind, to_kind = FLOWS[flow].ends
    source = sender or (_DWP if from_kind is SiteKind.DWP else _own_code(ctx) or _ANY_AUTHORITY)
    target = recipient or (_DWP if to_kind is SiteKind.DWP else None)
    if target is None:
        raise UsageWrong("Say with --to which authority the files are for.")
    if source == target:
        raise UsageWrong(f"{source} does not send such files to itself: say others with --from and --to.")
    for code in (source, target):
        if not _CODE.fullmatch(code):
            raise UsageWrong(f"{code[:40]!r} is no site's code: 2 to 16 capital letters, digits and `-`.")
    return source, target


def _own_code(ctx: click.Context) -> str | None:
    """The authority whose site was named, if one was."""
    try:
        site = settings_of(ctx).site
    except SiteMissing:
        return None
    return site.code if site.kind is SiteKind.LA else None


def _write(made: Iterable[Sample], out: Path, *, force: bool) -> list[Path]:
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
