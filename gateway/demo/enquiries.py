"""The demonstration's third act: sites ask each other and answer, and DWP tells everybody of a known fault.

Played with the commands that officers use; each document is judged like the files of the script, and stands in the same
table. Raises DemoFailed where a command fails.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

from gateway.demo.loop import row_of, wait_for
from gateway.demo.play import Result
from gateway.demo.script import SEED, Ending
from gateway.demo.sites import AUTHORITIES, DWP, DemoSite, gateway
from gateway.domain.states import Direction
from gateway.sample.contract import Sampler

_QUESTION: Final = "The attached form was sent on Monday. Which award does it belong to?\n"
_ANSWER: Final = "To the one that ended in October; nothing is to be done.\n"
_BETWEEN: Final = "A claimant says that she moved to your area on the first. Has she claimed?\n"
_FAULT: Final = ("DEMO-1", "Notices of one run came twice.", "Ignore those with a message id that you have.")


def enquire(laids: Sampler, sites: Sequence[DemoSite], today: date, seconds: float) -> list[Result]:
    """Play both, and say how each document came out; at most so long for each step."""
    first, second = AUTHORITIES
    by_code = {site.code: site for site in sites}
    folder = by_code[DWP].home.root / "letters"
    folder.mkdir(exist_ok=True)
    made = laids.make(
        sender=DWP, recipient=first, index=960, random=random.Random(f"{SEED}/enquiry"), today=today, defect=None
    )
    attached = folder / made.name
    attached.write_bytes(made.content)
    results = _asked_and_answered(by_code[DWP], by_code[first], (_QUESTION, _ANSWER), folder, seconds, attached)
    results += _asked_and_answered(by_code[first], by_code[second], (_BETWEEN, _ANSWER), folder, seconds)
    results.append(_published(by_code[DWP], by_code[first], today, seconds))
    return results


def _asked_and_answered(
    asker: DemoSite, asked: DemoSite, words: tuple[str, str], folder: Path, seconds: float, attached: Path | None = None
) -> list[Result]:
    """An enquiry and its reply; nothing may be outstanding between the two afterwards."""
    question, answer = folder / "question.txt", folder / "answer.txt"
    for path, text in zip((question, answer), words, strict=True):
        path.write_text(text, encoding="utf-8")
    with_it = ("--attach", attached) if attached is not None else ()
    sent = _command(asker, "send", "general", asked.code, "--text", question, *with_it)
    results = [_arrived(asker, asked, sent, seconds)]
    if not results[0].as_expected:
        return results
    replied = _command(asked, "reply", sent["reference"], "--text", answer)
    deadline = time.monotonic() + seconds

    def settled() -> bool:
        waiting = [line for site in (asker, asked) for line in _outstanding(site)]
        return sent["reference"] not in waiting

    results.append(_arrived(asked, asker, replied, seconds, lambda: wait_for(settled, deadline, [asker, asked])))
    return results


def _command(site: DemoSite, *arguments: str | Path) -> dict[str, Any]:
    said = json.loads(gateway("enquiry", *arguments, "--json", home=site.home.root))
    if not isinstance(said, dict):
        raise TypeError("the command said something else")
    return said


def _outstanding(site: DemoSite) -> list[str]:
    lines = json.loads(gateway("enquiries", "--outstanding", "--json", home=site.home.root))
    return [line["reference"] for line in lines]


def _published(dwp: DemoSite, authority: DemoSite, today: date, seconds: float) -> Result:
    """A fault that DWP puts on its board; the authority's `status` has to show it."""
    identity, what, workaround = _FAULT
    order = ("add", identity, "--what", what, "--since", today.isoformat(), "--workaround", workaround, "--json")
    said = json.loads(gateway("faults", *order, home=dwp.home.root))
    with_id = {"transfer": said["transfers"][authority.code], "document": f"faults-{said['issue']:05d}.xml"}
    deadline = time.monotonic() + seconds

    def shown() -> bool:
        board = json.loads(gateway("faults", "--json", home=authority.home.root))
        return identity in [fault["id"] for fault in board["faults"]]

    return _arrived(
        dwp, authority, {**with_id, "flow": "faults"}, seconds, lambda: wait_for(shown, deadline, [dwp, authority])
    )


def _arrived(
    sender: DemoSite,
    recipient: DemoSite,
    told: dict[str, Any],
    seconds: float,
    holds: Callable[[], bool] = lambda: True,
) -> Result:
    """How a document came out: receipted, delivered, and what else has to hold then."""
    began, deadline = time.time(), time.monotonic() + seconds
    name, flow = told["document"], told["flow"]
    delivered = recipient.home.inbound / flow / sender.code / name

    def receipted() -> bool:
        return bool(row_of(sender, Direction.OUT, name, recipient.code)["state"] == "receipted")

    failed = []
    if not wait_for(receipted, deadline, [sender, recipient]):
        failed.append("it is not receipted")
    if not delivered.is_file():
        failed.append("it is not in the partner's inbound directory")
    if not failed and not holds():
        failed.append("it arrived, and nothing came of it")
    row = row_of(sender, Direction.OUT, name, recipient.code)
    return Result(
        file=name,
        flow=flow,
        sender=sender.code,
        recipient=recipient.code,
        size=row["size"],
        state=row["state"],
        seconds=round(max(row["updated"] - began, 0.0), 2),
        code=row["code"],
        reason=row["reason"],
        expected=Ending.DELIVERED,
        as_expected=not failed,
        why_not="; ".join(failed) or None,
        schema=row["schema"],
    )
