"""Decides when which channel is told what, and sends it: errors at once, everything else collected, through quiet hours none of that.

The ledger's chain is the queue. What a notice is about is written down before it is first sent, so whatever ends this process, the same
notice goes again and no event is left out or told in two. A channel that fails is tried again with the pauses of `[link]`, for ever; meanwhile events gather, and its next notice has them all, by kinds. Where the
site has several nodes, the one that has the site's own work tells what is in the chain, and each tells what is the matter with its machine; the
others stay behind by so much that whoever takes over tells rather twice than not at all. Raises what the ledger raises, DiskFull, DiskFailed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from gateway.administration.notify.gathering import events_for, first_after, gather
from gateway.administration.notify.memory import Damaged, Memory, Stream, recall, remember
from gateway.administration.notify.notice import Line, Notice
from gateway.domain.identity import RANDOM_BYTES, from_text, new_id, to_text
from gateway.domain.retry import delay, is_due
from gateway.domain.windows import Window
from gateway.errors import GatewayError
from gateway.events import Event
from gateway.ledger.queries.events import last_before
from gateway.ledger.queries.figures import last_sequence
from gateway.ledger.store import Connection, Ledger
from gateway.logs import Logger
from gateway.settings.model import Settings
from gateway.settings.notify import Channel

_BEHIND: Final = 120.0
_DAY: Final = 86_400.0
_SAVE_EVERY: Final = 60.0
"""Seconds after which it is written down that there was nothing to tell: a restart reads those events again."""

Deliver = Callable[[Channel, str, Notice, float], int]
"""Sends a notice through the channel of that name at that moment, as `channels.send` does."""


@dataclass(frozen=True)
class Means:
    """What telling takes besides the site: how notices are sent, what is the matter now, randomness, and whether this is the one that tells what
    is in the chain.
    """

    deliver: Deliver
    matters: Callable[[], Iterable[tuple[str, str]]]
    random_bytes: Callable[[int], bytes]
    random_float: Callable[[], float]
    leads: Callable[[Connection], bool] = lambda _connection: True


@dataclass(frozen=True)
class _Channel:
    name: str
    settings: Channel
    urgent: tuple[str, ...]
    other: tuple[str, ...]


class Teller:
    """Tells the channels of one site. `memory` is what each was told."""

    def __init__(self, settings: Settings, ledger: Ledger, means: Means, log: Logger) -> None:
        self._settings, self._ledger, self._means, self._log = settings, ledger, means, log
        self._channels = [
            _Channel(name, channel, events_for(channel, urgent=True), events_for(channel, urgent=False))
            for name, channel in settings.notify.channels.items()
        ]
        self._quiet = tuple(map(Window.parse, settings.notify.quiet_hours))
        self._saved_at = ledger.clock()
        recalled = recall(settings.home.notify)
        if isinstance(recalled, Damaged):
            log.warning(Event.NOTICE_FORGOTTEN, reason="the note of what was told is damaged")
            recalled = {}
        with ledger.read() as connection:
            head = last_sequence(connection)
        self.memory = {each.name: self._taken_up(recalled.get(each.name), each.name, head) for each in self._channels}
        self._save()

    def _taken_up(self, memory: Memory | None, name: str, head: int) -> Memory:
        if memory is None:
            return Memory.beginning(head)
        if memory.newest > head:
            self._log.warning(Event.NOTICE_FORGOTTEN, channel=name, reason="the chain ends before what was told")
            return Memory.beginning(head)
        return memory

    def look(self) -> None:
        """Tell what is due now."""
        now, before = self._ledger.clock(), dict(self.memory)
        matter = {f"{event} {about}" for event, about in self._means.matters()}
        with self._ledger.read() as connection:
            head = last_sequence(connection)
            leads = self._means.leads(connection)
            for each in self._channels:
                self._plan(connection, each, matter, head, now, leads=leads)
        if self.memory != before and not 0 <= now - self._saved_at < _SAVE_EVERY:
            self._save()
        for each in self._channels:
            for urgent in (True, False):
                if self._may_go(each.name, urgent=urgent, now=now):
                    self._tell(each, urgent=urgent, now=now)

    def close(self) -> None:
        """Write down how far the events were looked through."""
        self._save()

    # -- when

    def _plan(
        self, connection: Connection, each: _Channel, matter: set[str], head: int, now: float, *, leads: bool
    ) -> None:
        """Begin a notice where one is due; else note that there is nothing to tell up to the chain's end."""
        memory = self.memory[each.name]
        told = {key for key in memory.matter if key in matter}
        new = {key for key in matter - told if key.partition(" ")[0] in each.urgent}
        rests = not is_due(memory.last + self._least, now, self._least)
        urgent = memory.urgent
        if urgent.until is None:
            if not leads:
                urgent = self._behind(connection, urgent, now - _BEHIND)
            until = head if leads else urgent.after
            first = first_after(connection, each.urgent, urgent.after) if leads else None
            if first is None and not new:
                urgent = urgent.model_copy(update={"after": until})
            elif not rests:
                urgent = self._begun(urgent, until, now, found=dict.fromkeys(sorted(new), to_text(now)))
                told |= new
        digest = memory.digest
        if digest.until is None:
            first = first_after(connection, each.other, digest.after) if leads else None
            if not leads:
                digest = self._behind(
                    connection, digest, now - _BEHIND - self._collect - (_DAY if self._quiet else 0.0)
                )
            elif first is None:
                digest = digest.model_copy(update={"after": head})
            elif not rests and not self._is_quiet(now) and is_due(from_text(first) + self._collect, now, self._collect):
                digest = self._begun(digest, head, now)
        self.memory[each.name] = memory.model_copy(
            update={"urgent": urgent, "digest": digest, "matter": tuple(sorted(told))}
        )

    def _behind(self, connection: Connection, stream: Stream, since: float) -> Stream:
        """What was before that moment, somebody else has told."""
        return stream.model_copy(update={"after": max(stream.after, last_before(connection, to_text(since)))})

    def _begun(self, stream: Stream, head: int, now: float, found: dict[str, str] | None = None) -> Stream:
        identity = new_id(now, self._means.random_bytes(RANDOM_BYTES))
        return Stream(after=stream.after, until=head, found=found or {}, id=identity, created=now)

    def _may_go(self, name: str, *, urgent: bool, now: float) -> bool:
        """Whether a notice is under way in the stream, and may be sent now."""
        memory = self.memory[name]
        stream = memory.urgent if urgent else memory.digest
        return (
            stream.until is not None
            and is_due(stream.due, now, self._settings.link.retry_cap_seconds)
            and is_due(memory.last + self._least, now, self._least)
            and (urgent or not self._is_quiet(now))
        )

    @property
    def _least(self) -> float:
        return self._settings.notify.least_minutes * 60

    @property
    def _collect(self) -> float:
        return self._settings.notify.digest_minutes * 60

    def _is_quiet(self, now: float) -> bool:
        local = datetime.fromtimestamp(now, ZoneInfo(self._settings.site.time_zone))
        return any(window.holds(60 * local.hour + local.minute) for window in self._quiet)

    # -- what

    def _tell(self, each: _Channel, *, urgent: bool, now: float) -> None:
        memory = self.memory[each.name]
        stream = memory.urgent if urgent else memory.digest
        attempt = stream.attempts + 1
        retry = self._settings.link
        pause = delay(
            attempt,
            base=retry.retry_base_seconds,
            cap=retry.retry_cap_seconds,
            random_float=self._means.random_float(),
        )
        # Counted before it is tried, so that a notice that ends this process does not end it again and again at once.
        stream = stream.model_copy(update={"attempts": attempt, "due": now + pause})
        self._note(each.name, memory, stream, urgent=urgent)
        try:
            refused = self._means.deliver(each.settings, each.name, self._notice(each, stream, urgent=urgent), now)
        except GatewayError as error:
            self._note(each.name, memory, stream.model_copy(update={"code": error.code}), urgent=urgent)
            self._log.warning(
                Event.NOTICE_DEFERRED, channel=each.name, code=error.code, reason=error.reason, attempt=attempt
            )
            return
        told = memory.model_copy(update={"last": now, "sent": memory.sent + 1})
        self._note(each.name, told, Stream(after=stream.until or stream.after), urgent=urgent)
        self._log.info(Event.NOTICE_SENT, channel=each.name, attempt=attempt)
        if refused:
            self._log.warning(Event.NOTICE_REFUSED, channel=each.name, count=refused)

    def _notice(self, each: _Channel, stream: Stream, *, urgent: bool) -> Notice:
        names = each.urgent if urgent else each.other
        until = stream.after if stream.until is None else stream.until
        with self._ledger.read() as connection:
            told = gather(connection, names, self._settings.codes, stream.after, until)
        return Notice(
            id=stream.id,
            site=self._settings.site.code,
            kind="urgent" if urgent else "digest",
            created=to_text(stream.created),
            lines=(*self._matter(stream), *told.lines),
            more=told.more,
        )

    def _matter(self, stream: Stream) -> list[Line]:
        """What is the matter and no event: a line for each kind, or for each partner."""
        lines: dict[tuple[str, str | None], Line] = {}
        for key, since in stream.found.items():
            event, _, about = key.partition(" ")
            partner = about if about in self._settings.codes else None
            before = lines.get((event, partner))
            count = 1 if before is None else before.count + 1
            lines[event, partner] = Line(event, partner, None, count, (), since, since)
        return list(lines.values())

    def _note(self, name: str, memory: Memory, stream: Stream, *, urgent: bool) -> None:
        self.memory[name] = memory.model_copy(update={"urgent" if urgent else "digest": stream})
        self._save()

    def _save(self) -> None:
        remember(self._settings.home.notify, self.memory)
        self._saved_at = self._ledger.clock()
