"""The demonstration's second act: what came is acted upon. Referrals are answered, and a claim finds its right authority.
With them go notices that say again what came before.

Played after the files of the script have come to their end, with the commands that officers use; each result is judged
like those of the script, and stands in the same table. Raises DemoFailed where a command fails.
"""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, Final

from gateway.demo.play import Result, play
from gateway.demo.repeats import repeats
from gateway.demo.script import SEED, Act, Ending
from gateway.demo.sites import AUTHORITIES, DWP, DemoSite, check_alive, gateway
from gateway.domain.states import Direction
from gateway.ledger.queries import overview
from gateway.ledger.store import Ledger
from gateway.sample.answers import asked_below
from gateway.sample.catalog import answering
from gateway.sample.contract import AnsweringSampler, Sampler

_INDEX: Final = 950
"""Beyond those of the script, so that no two files have one name."""
_LOOK_EVERY: Final = 0.25


def close_the_loop(
    samplers: Mapping[str, Sampler], sites: Sequence[DemoSite], today: date, seconds: float
) -> list[Result]:
    """Play both, and say how each file came out; at most so long for each step."""
    first, second = AUTHORITIES
    homes = {site.code: site for site in sites}
    referral, claim = (_from_dwp(samplers, flow, first, today) for flow in ("referral", "claim"))
    results = play([referral, claim, *repeats(samplers, first, today)], sites, _silent, seconds)
    if not all(result.as_expected for result in results):
        return results
    answers = [act for code in AUTHORITIES for act in _answers(samplers, homes[code], today)]
    results += _matched(play(answers, sites, _silent, seconds), answers, homes[DWP])
    results.append(_redirected(claim, homes, second, seconds))
    return results


def _answers(samplers: Mapping[str, Sampler], authority: DemoSite, today: date) -> Iterator[Act]:
    """As `gateway sample FLOW --answers DIR` makes them: referrals by outcomes, scan results by the extract; all but a few."""
    for flow, by in (("referral", "outcome"), ("scan", "extract")):
        asked = asked_below(authority.home.inbound / flow / DWP, authority.code)
        sampler = samplers[by]
        if isinstance(sampler, AnsweringSampler):
            for sample in answering(sampler, asked, sender=authority.code, seed=SEED, today=today):
                yield Act(by, authority.code, DWP, sample, Ending.DELIVERED)


def _from_dwp(samplers: Mapping[str, Sampler], flow: str, authority: str, today: date) -> Act:
    sample = samplers[flow].make(
        sender=DWP, recipient=authority, index=_INDEX, random=_drawn(flow), today=today, defect=None
    )
    return Act(flow, DWP, authority, sample, Ending.DELIVERED)


def _drawn(what: str) -> random.Random:
    return random.Random(f"{SEED}/loop/{what}")


def _silent(_done: int, _total: int) -> None:
    """Two or three files more need no bar."""


def delivered(site: DemoSite, act: Act) -> Path:
    return site.home.inbound / act.flow / act.sender / act.name


def _matched(results: Sequence[Result], answers: Sequence[Act], dwp: DemoSite) -> list[Result]:
    """The answers' results: DWP has to know by each of them that something is answered, and of a few that nothing is."""
    told = json.loads(gateway("referrals", "--json", home=dwp.home.root))
    answered = Counter(line["answer_transfer"] for line in told["referrals"])
    totals = told["totals"]
    most = 0 < totals["outstanding"] < totals["answered"]
    judged = []
    for result, act in zip(results, answers, strict=True):
        if not most:
            why_not = (
                f"{totals['answered']} referrals are answered, {totals['outstanding']} outstanding: not most of them"
            )
        elif not answered[row_of(dwp, Direction.IN, act.name, act.sender)["id"]]:
            why_not = "no referral is answered by it"
        else:
            judged.append(result)
            continue
        judged.append(replace(result, as_expected=False, why_not=result.why_not or why_not))
    return judged


def _redirected(claim: Act, homes: Mapping[str, DemoSite], right: str, seconds: float) -> Result:
    """The claim is passed on from the authority that it reached to the right one, which opens it."""
    wrong, began = homes[claim.recipient], time.time()
    came = row_of(wrong, Direction.IN, claim.name)
    order = ("redirect", came["id"], "--to", right, "--reason", "address-elsewhere", "--opened", "by-officer", "--json")
    passed = json.loads(gateway(*order, home=wrong.home.root))
    document = homes[right].home.inbound / "redirect" / claim.recipient / passed["document"]
    deadline = time.monotonic() + seconds

    def receipted() -> bool:
        return bool(row_of(wrong, Direction.OUT, passed["document"])["state"] == "receipted")

    def told() -> bool:
        return bool(row_of(homes[DWP], Direction.OUT, claim.name)["code"] == "redirected")

    steps: list[tuple[Callable[[], bool], str]] = [
        (receipted, "the right authority has not receipted it"),
        (document.exists, "it is receipted, and not in the right authority's inbound directory"),
        (told, "DWP was not told that it was passed on"),
        (lambda: not delivered(wrong, claim).exists(), "it still lies at the wrong authority"),
    ]
    failed = [why for holds, why in steps if not wait_for(holds, deadline, list(homes.values()))]
    row = row_of(wrong, Direction.OUT, passed["document"])
    seconds_taken = max(row["updated"] - began, 0.0)
    if not failed and _unpacked(document, homes[right]) != claim.sample.content:
        failed.append("what the right authority unpacks is not the claim that DWP sent")
    return Result(
        file=passed["document"],
        flow="redirect",
        sender=claim.recipient,
        recipient=right,
        size=passed["document_size"],
        state=row["state"],
        seconds=round(seconds_taken, 2),
        code=row["code"],
        reason=row["reason"],
        expected=Ending.DELIVERED,
        as_expected=not failed,
        why_not="; ".join(failed) or None,
    )


def _unpacked(document: Path, site: DemoSite) -> bytes:
    """The original, as the right authority's officer takes it out of the document."""
    out = site.home.root / "unpacked"
    told = json.loads(gateway("redirect", "unpack", document, "--out", out, "--json", home=site.home.root))
    return Path(told["file"]).read_bytes()


def row_of(site: DemoSite, direction: Direction, name: str, partner: str | None = None) -> Mapping[str, Any]:
    """The site's transfer of that name, with that partner where it matters."""
    with closing(Ledger(site.home.ledger, clock=time.time, role="demo")) as ledger, ledger.read() as connection:
        rows = overview.transfers(connection, direction=str(direction))
    found = (row for row in rows if row.name == name and partner in (None, row.partner))
    return next(found)._asdict()


def wait_for(holds: Callable[[], bool], deadline: float, sites: Sequence[DemoSite]) -> bool:
    """Whether it holds before the deadline, by the monotonic clock."""
    while not holds():
        if time.monotonic() > deadline:
            return False
        check_alive(sites)
        time.sleep(_LOOK_EVERY)
    return True
