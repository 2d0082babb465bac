"""Log lines: one JSON object a line, events of the one table, a closed list of keys, nothing personal in any value.

`configure` makes a logger and changes nothing global. A line that cannot be written is counted, never raised; the next one
tells how many were lost. Keys that are not on the list are dropped. Every text is bounded, masked and free of control
characters. A traceback has places only: no values, and no message unless the error is our own.

Long because whoever judges that nothing personal gets out reads what may be said, how it is made safe and how it is written.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import get_ident
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Literal, Protocol, cast

import orjson

from gateway.errors import GatewayError
from gateway.events import BY_NAME, Event

if TYPE_CHECKING:
    from structlog.typing import EventDict

Format = Literal["auto", "json", "lines"]

MOST_FOREIGN: Final = 100
"""Lines of libraries that a minute of a role has."""
MAX_TEXT: Final = 1000
"""Characters of one value at most; longer ones end in an ellipsis."""


KEYS: Final = frozenset(
    {
        *("timestamp", "level", "event", "site", "role"),
        *("transfer", "consignment", "receipt", "partner", "flow", "name", "direction", "state", "sequence"),
        *("bytes", "free_bytes", "seconds", "count", "attempt", "days", "files", "items", "findings", "total"),
        *("exceptions", "faulty_records", "repeats", "superseded", "out_of_date"),
        *("code", "reason", "remedy", "disposition", "outcome", "error", "trace", "stage", "schema"),
        *("pid", "signal", "exit_status", "version", "library", "path", "host", "port", "address", "user", "actor"),
        *("fingerprint", "sha256", "due", "day", "until", "hour", "dropped", "lost", "measures", "taken", "stopped"),
        *("channel", "passed_to", "passed_as", "came_from", "came_as", "account", "known_by", "act", "decided_by"),
        *("second", "source", "right", "request", "node", "epoch"),
    }
)
"""The keys that a line may have. Whoever adds one makes sure that it can hold nothing personal."""

_LEVELS: Final = {name: logging.getLevelNamesMapping()[name.upper()] for name in ("debug", "info", "warning", "error")}
_FIRST: Final = ("timestamp", "level", "event", "site", "role")
_LARGEST: Final = 2**63 - 1
_COLOURS: Final[Mapping[str, str]] = MappingProxyType(
    {"debug": "\x1b[2m", "info": "\x1b[32m", "warning": "\x1b[33m", "error": "\x1b[31;1m", "end": "\x1b[0m"}
)

# Ids and digests are kept whole: hexadecimal digits would else now and then look like a number. A number is found
# with or without separators, and also glued to other words of a file name; where it is written apart from its letters
# these must be a word of their own, so that "than 123456 bytes" stays readable.
_BETWEEN: Final = r"(?:[\s._+\-\u00ad\u200b-\u200d\u2010-\u2015\u2060\u2212\ufeff]|%20)"
_SEPARATOR: Final = _BETWEEN + r"{0,3}"
_DIGITS: Final = rf"\d{{2}}{_SEPARATOR}\d{{2}}{_SEPARATOR}\d{{2}}"
_SENSITIVE: Final = re.compile(
    r"(?P<kept>\b[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\b"
    r"|\b[0-9a-f]{64}\b|\b[0-9A-F]{40}\b)"
    rf"|(?:[A-Za-z]{{2}}{_DIGITS}|(?<![A-Za-z])[A-CEGHJ-TW-Za-ceghj-tw-z][A-CEGHJ-NP-TW-Za-ceghj-np-tw-z]"
    rf"{_BETWEEN}{{1,3}}{_DIGITS}(?!\d))(?:{_SEPARATOR}[A-Da-d](?![A-Za-z]))?"
)
_DIGIT_PAIR: Final = re.compile(r"\d\d")


def as_logged(said: Mapping[str, Any]) -> dict[str, Any]:
    """Of these keys those that a line may have, their values as it would say them; without lists, as the ledger announces."""
    return {key: _plain(value) for key, value in said.items() if key in KEYS and not isinstance(value, list | tuple)}


class LogLineRefused(ValueError):
    """A line with an event or a key that is not on the lists (strict mode, as tests use it)."""


def mask(text: str) -> str:
    """The text with anything like a National Insurance number replaced by `[masked]`."""
    if _DIGIT_PAIR.search(text) is None:
        return text
    return _SENSITIVE.sub(lambda found: found["kept"] or "[masked]", text)


def safe_text(text: str) -> str:
    """The text masked, with everything escaped that cannot be seen as what it is, at most MAX_TEXT long."""
    cut = mask(text[: 2 * MAX_TEXT])
    if not cut.isprintable():
        cut = "".join(each if each.isprintable() else ascii(each)[1:-1] for each in cut)
    return cut if len(cut) <= MAX_TEXT else cut[: MAX_TEXT - 1] + "…"


def places(error: BaseException, limit: int = 20) -> list[str]:
    """Where an error came from, as `file:line:function`, innermost last; a cause stands before what it caused."""
    frames: list[str] = []
    seen: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in seen:
        seen.append(current)
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    for each in reversed(seen):
        for frame, line in traceback.walk_tb(each.__traceback__):
            name = "/".join(Path(frame.f_code.co_filename).parts[-2:])
            frames.append(f"{name}:{line}:{frame.f_code.co_name}")
        frames.append(type(each).__name__)
    return frames[-limit:]


class _Writer:
    """Writes whole lines; counts those that could not be written instead of raising. `together` writes many at once."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._held: dict[int, list[bytes]] = {}
        self.lost = 0

    def msg(self, line: bytes) -> None:
        held = self._held.get(get_ident())
        if held is None:
            self._write([line])
        else:
            held.append(line)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Lines that this thread says while it is open are written at its end, in their order. Not nested."""
        lines = self._held[get_ident()] = []
        try:
            yield
        finally:
            del self._held[get_ident()]
            self._write(lines)

    def _write(self, lines: Sequence[bytes]) -> None:
        try:
            self._stream.write(b"".join(lines))
            self._stream.flush()
        except (OSError, ValueError):  # a full disk, a reader gone, a stream closed: the work goes on
            self.lost += len(lines)
        else:
            self.lost = 0

    debug = info = warning = error = critical = exception = msg


class Logger(Protocol):
    """What the gateway asks of a structlog logger: `log.info("transfer.admitted", flow="claim", bytes=5120)`."""

    def debug(self, event: str, **said: Any) -> Any: ...
    def info(self, event: str, **said: Any) -> Any: ...
    def warning(self, event: str, **said: Any) -> Any: ...
    def error(self, event: str, **said: Any) -> Any: ...
    def exception(self, event: str, **said: Any) -> Any: ...
    def together(self) -> AbstractContextManager[None]: ...


def configure(
    site: str,
    role: str,
    *,
    node: str = "",
    stream: BinaryIO,
    format: Format = "auto",  # noqa: A002  # the name that the setting has
    level: str = "info",
    strict: bool = False,
    clock: Callable[[], float] = time.time,
) -> Logger:
    """A logger that writes to `stream` with `site` and `role` on every line, and with `node` where the site has several.

    `auto` is readable lines on a terminal and JSON elsewhere. `strict` raises LogLineRefused for an event or key that
    is not on the lists; otherwise such keys are dropped and counted under `dropped`.
    """
    readable = format == "lines" or (format == "auto" and stream.isatty())
    writer = _Writer(stream)
    render = _Lines(colour=stream.isatty() and "NO_COLOR" not in os.environ) if readable else _render_json
    import structlog  # noqa: PLC0415 - it loads rich as well: a command that only masks a text does not wait for that

    class Together(structlog.make_filtering_bound_logger(_LEVELS[level])):  # type: ignore[misc]
        """A logger that can also write several lines at once."""

        def together(self) -> AbstractContextManager[None]:
            return writer.together()

    logger = structlog.wrap_logger(
        writer,
        processors=[_Line(strict=strict, clock=clock, writer=writer), render],
        wrapper_class=Together,
        context_class=dict,
        cache_logger_on_first_use=True,
    )
    return cast("Logger", logger.bind(site=site, role=role, **({"node": node} if node else {})))


def announcer(log: Logger) -> Callable[..., None]:
    """`announce(event, **keys)`: writes the line at the level that the table of events gives it."""
    methods = {"info": log.info, "warning": log.warning, "error": log.error}

    def announce(event: str, **keys: Any) -> None:
        methods[BY_NAME.get(event, Event.LOG_EVENT_UNKNOWN).level](event, **keys)

    return announce


def announcer_of_all(log: Logger) -> Callable[[Iterable[tuple[str, Mapping[str, Any]]]], None]:
    """The same for many events with their keys: their lines are written at once."""
    announce = announcer(log)

    def announce_all(told: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
        with log.together():
            for event, keys in told:
                announce(event, **keys)

    return announce_all


class _Line:
    """The processor that turns what a caller said into what may be written."""

    def __init__(self, *, strict: bool, clock: Callable[[], float], writer: _Writer) -> None:
        self._strict = strict
        self._clock = clock
        self._writer = writer

    def __call__(self, _logger: object, method: str, said: EventDict) -> dict[str, Any]:
        event = said.pop("event", "")
        if event not in BY_NAME:
            if self._strict:
                raise LogLineRefused(f"{event!r} is not an event")
            event = Event.LOG_EVENT_UNKNOWN.value
        moment = datetime.fromtimestamp(self._clock(), UTC).isoformat(timespec="milliseconds")
        line: dict[str, Any] = {
            "timestamp": f"{moment[:-6]}Z",
            "level": "error" if method in ("exception", "critical") else method,
            "event": str(event),
        }
        failure = said.pop("exc_info", None)
        dropped = 0
        for key, value in said.items():
            if key in KEYS:
                line[key] = _plain(value)
            elif self._strict:
                raise LogLineRefused(f"{key!r} is not a key of log lines")
            else:
                dropped += 1
        if failure:
            line |= _failure(failure)
        if dropped:
            line["dropped"] = dropped
        if self._writer.lost:
            line["lost"] = self._writer.lost
        return line


def _plain(value: object) -> object:
    """A value as it may be written: numbers as they are, texts made safe, lists of them item by item."""
    match value:
        case str():
            return safe_text(value)
        case bool() | None:
            return value
        case int():
            return value if -_LARGEST <= value <= _LARGEST else str(value)
        case float():
            return round(value, 6)
        case list() | tuple():
            return [_plain(item) for item in value[:50]]
        case _:
            return safe_text(str(value))


def _failure(exc_info: object) -> dict[str, Any]:
    """What a line says of an exception: its class, its places, and its reason where that is known to be clean."""
    match exc_info:
        case BaseException():
            error: BaseException | None = exc_info
        case (_, BaseException() as raised, _):
            error = raised
        case _:
            error = sys.exception()
    if error is None:
        return {}
    said: dict[str, Any] = {"error": type(error).__name__, "trace": [safe_text(place) for place in places(error)]}
    if isinstance(error, GatewayError):
        said |= {"code": error.code, "reason": safe_text(error.reason)}
    return said


def _render_json(_logger: object, _method: str, line: EventDict) -> bytes:
    return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


class _Lines:
    """The processor that writes a line for people: time, level, role, event, then what else there is."""

    def __init__(self, *, colour: bool) -> None:
        self._colours = _COLOURS if colour else {}

    def __call__(self, _logger: object, _method: str, line: EventDict) -> bytes:
        start, end = self._colours.get(line["level"], ""), self._colours.get("end", "")
        rest = " ".join(f"{key}={_word(value)}" for key, value in line.items() if key not in _FIRST)
        who = f"{line.get('site', '-')}/{line.get('role', '-')}"
        head = f"{line['timestamp'][11:-1]} {start}{line['level']:<7}{end} {who:<16} {start}{line['event']:<24}{end}"
        return f"{head} {rest}".rstrip().encode("utf-8", "backslashreplace") + b"\n"


def _word(value: object) -> str:
    text = " < ".join(map(str, reversed(value))) if isinstance(value, list) else str(value)
    return f'"{text}"' if " " in text or not text else text


@contextmanager
def library_lines(log: Logger) -> Iterator[None]:
    """While open, what libraries say through `logging` at warning or above becomes `log.line-foreign` lines."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    root.handlers[:] = [_Foreign(log)]
    root.setLevel(logging.WARNING)
    try:
        yield
    finally:
        root.handlers[:] = before
        root.setLevel(level)


class _Foreign(logging.Handler):
    """Passes a library's record on: its text, masked, and the places of its exception. Strangers make libraries talk, so a minute has a most."""

    def __init__(self, log: Logger) -> None:
        super().__init__(logging.WARNING)
        self._log = log
        self._minute, self._told = 0, 0

    def emit(self, record: logging.LogRecord) -> None:
        minute = int(record.created // 60)
        self._told = self._told + 1 if minute == self._minute else 1
        self._minute = minute
        if self._told > MOST_FOREIGN:
            return
        try:
            text = record.getMessage()
        except (TypeError, ValueError, KeyError):  # the library's own mistake in its format
            text = "a line that could not be put together"
        if self._told == MOST_FOREIGN:
            text = f"{text} (what libraries say more in this minute is not told)"
        say = self._log.error if record.levelno >= logging.ERROR else self._log.warning
        failure = record.exc_info[1] if record.exc_info else None
        say(Event.LOG_LINE_FOREIGN, library=record.name, reason=text, exc_info=failure)
