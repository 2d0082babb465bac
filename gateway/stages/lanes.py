"""Lanes: what one thread of `outbound.send` does for one partner, over one session.

Safe beside the role's other threads: it touches its own session, sealed files and the landing, and never the ledger. An
error ends the lane's work and becomes its result; only a defect comes out of `LaneWork.run`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, NamedTuple

from gateway.errors import Disposition, GatewayError, MailTooLarge, MailUnreadable, NameTaken, StoreFileLost
from gateway.ledger import units
from gateway.ledger.units import required
from gateway.settings.home import Home
from gateway.settings.model import LandingQuota
from gateway.stages.kept_files import needed, sealed_file
from gateway.stages.landing_quota import landing_usage
from gateway.stages.sessions import Sessions
from gateway.storage.payloads import Payloads
from gateway.transport.contract import Parcel, Session

LARGE: Final = 4 * 1024 * 1024
"""Bytes from which on a sealed file is large. The lane of the small ones sends at most so much in one go, so that what
becomes urgent meanwhile does not wait.
"""


_NO_NAMES: Final[Mapping[int, str]] = MappingProxyType({})


class SizeLane(NamedTuple):
    """What goes to one partner: its large parcels, or all others."""

    partner: str
    large: bool


@dataclass(frozen=True)
class Sent:
    """A parcel that lies at the partner under its final name."""

    row: units.Parcel


@dataclass(frozen=True)
class Deferred:
    """A parcel that waits by itself, whatever becomes of its lane."""

    row: units.Parcel
    error: GatewayError


@dataclass(frozen=True)
class Ended:
    """A lane's work is over: well, with an error of the lane's, or (neither) with a parcel deferred. `fetched` counts the
    files that were fetched; `more` says that large ones wait at the partner.
    """

    lane: SizeLane
    well: bool
    error: GatewayError | None = None
    fetched: int = 0
    more: bool = False


Result = Sent | Deferred | Ended


def lane_of(parcel: units.Parcel) -> SizeLane:
    """The lane that carries a parcel."""
    return SizeLane(parcel.partner, large=required(parcel.sealed_size) > LARGE)


def in_one_go(parcels: Sequence[units.Parcel]) -> list[units.Parcel]:
    """The first of these parcels, not more than LARGE together; at least one."""
    total = 0
    for number, parcel in enumerate(parcels):
        total += required(parcel.sealed_size)
        if number and total > LARGE:
            return list(parcels[:number])
    return list(parcels)


class LaneWork:
    """Sends and fetches. `put` takes results, from any thread; each call of it wakes the role. `quota` is the most that may lie in a
    partner's landing: nothing is fetched into one that has it.
    """

    def __init__(
        self,
        home: Home,
        payloads: Payloads,
        sessions: Sessions,
        put: Callable[[Sequence[Result]], None],
        quota: Callable[[str], LandingQuota],
    ) -> None:
        self._home = home
        self._payloads = payloads
        self._sessions = sessions
        self._put = put
        self._quota = quota

    def run(
        self, lane: SizeLane, parcels: Sequence[units.Parcel], *, collect: bool, names: Mapping[int, str] = _NO_NAMES
    ) -> None:
        """Send the parcels, then fetch what waits at the partner where `collect` says so. The last result is Ended.

        `names` are those that consignments get at the partner, by their keys, where they get others than a gateway expects.
        """
        ended = Ended(lane, well=False)
        session: Session | None = None
        under_way: units.Parcel | None = None
        last: list[Result] = []  # goes with the end of the work where that follows at once
        try:
            session = self._sessions.take(lane.partner)
            for number, under_way in enumerate(parcels, 1):
                sent = self._send(session, under_way, names)
                if number == len(parcels) and not collect:
                    last.append(sent)
                else:
                    self._put([sent])
            under_way = None
            fetched, more = self._fetch(lane, session) if collect else (0, False)
            ended = Ended(lane, well=True, fetched=fetched, more=more)
            self._sessions.release(lane.partner, session)
        except GatewayError as error:
            if session is not None:
                self._sessions.drop(session)
            if lane.large and under_way is not None and error.disposition is Disposition.DEFER:
                last.append(Deferred(under_way, error))
            else:
                ended = Ended(lane, well=False, error=error)
        finally:
            self._put([*last, ended])

    def _send(self, session: Session, row: units.Parcel, names: Mapping[int, str]) -> Sent | Deferred:
        if isinstance(row, units.Consignment):
            name = names.get(row.key, f"{row.id}.pgp")
        else:
            name = f"{row.consignment}.receipt.pgp"
        try:
            parcel = Parcel(needed(self._payloads, sealed_file(self._home, row)), name, required(row.sealed_size))
            for _ in session.send([parcel]):
                pass
        except (NameTaken, MailTooLarge, StoreFileLost) as error:
            return Deferred(row, error)
        return Sent(row)

    def _fetch(self, lane: SizeLane, session: Session) -> tuple[int, bool]:
        """Fetch the small files that wait at the partner, or the large ones: how many, and whether large ones are left."""
        landing = self._home.landing_in(lane.partner)
        waiting = session.waiting()
        mine = [remote for remote in waiting if (remote.size > LARGE) == lane.large]
        for number, remote in enumerate(mine):
            if self._is_full(lane.partner):
                return number, False  # what is left waits there until the landing is emptier
            target = landing / remote.name
            there = target.exists()
            if there and not session.trusts_names:
                continue  # it may be another: once the one that landed was taken, both are judged
            try:
                if not there:
                    session.fetch(remote, target)
            except MailUnreadable:
                continue
            session.remove(remote)
        return len(mine), not lane.large and len(mine) < len(waiting)

    def _is_full(self, partner: str) -> bool:
        lies = landing_usage(self._home.landing_in(partner))
        return lies is not None and lies.filled(self._quota(partner)) >= 1.0
