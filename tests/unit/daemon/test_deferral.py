"""Work that has to wait is told once, however often it is looked at, and once that it goes on."""

from __future__ import annotations

import io

import orjson
import pytest

from gateway.daemon.role_frame import Deferral
from gateway.errors import DiskFull, LedgerBusy, UsageWrong
from gateway.logs import configure

BUSY, FULL = LedgerBusy("it is busy"), DiskFull("it is full")


def test_each_trouble_is_told_once_and_once_that_the_work_goes_on() -> None:
    stream = io.BytesIO()
    deferral = Deferral(configure("DWP", "load", stream=stream, strict=True))
    waited = []
    for trouble in (None, BUSY, BUSY, FULL, BUSY, None, None, BUSY):
        with deferral.told():
            if trouble is not None:
                raise trouble
        waited.append(deferral.waits)
    assert waited == [False, True, True, True, True, False, False, True]
    told = [(line["event"], line.get("code")) for line in map(orjson.loads, stream.getvalue().splitlines())]
    put_off = "work.deferred"
    assert told == [
        *((put_off, BUSY.code), (put_off, FULL.code), (put_off, BUSY.code)),
        ("work.resumed", None),
        (put_off, BUSY.code),
    ]


def test_what_does_not_pass_is_not_put_off() -> None:
    deferral = Deferral(configure("DWP", "load", stream=io.BytesIO(), strict=True))
    with pytest.raises(UsageWrong), deferral.told():
        raise UsageWrong("this does not pass")
    assert not deferral.waits
