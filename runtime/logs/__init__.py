"""Logging: structlog on top, the standard library's loggers bridged into the same stream.

An event is named ``noun.past_verb`` and is static text; what varies stands in keys.  A terminal gets lines
for people, everything else gets one JSON object a line: ``timestamp level event logger`` and the bound keys.

    log = get_logger("supervisor").bind(session_id=spec.session_id)
    log.info("worker.started", pid=pid)

This module alone calls ``structlog.configure``.  A worker writes JSON lines to the pipe it was given
(`configure_worker`); the front reads them and adds what it knows of the session.
"""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TextIO, cast

from runtime.logs.line import cut_text, to_json
from runtime.wire.text import CONTROLS_SHOWN

if TYPE_CHECKING:  # a zygote needs none of the settings
    from runtime.settings import LogSettings

# structlog imports these wherever they are installed: 80 ms and 6 MB in each zygote for features that are not
# used here.  A None in sys.modules makes an import fail the way an absent package does.
_HIDDEN = {"rich", "colorama"} - sys.modules.keys() if "structlog" not in sys.modules else set()
sys.modules |= dict.fromkeys(_HIDDEN)  # type: ignore[arg-type]
try:
    import structlog
finally:
    for _name in _HIDDEN:
        del sys.modules[_name]

MAX_VALUE_CHARS: Final = 16_384
"""Longest text of one key in a log of our own; the rest is cut and counted.  A worker bounds its lines."""

_MAX_TRACEBACK_LINE_CHARS: Final = 2000  # such as an error whose text is a body of a megabyte

_QUIET: Final = (
    "asyncio",
    "hypercorn",
    "hypercorn.error",
    "hypercorn.access",
    "quart",
    "httpx",
)
_NEVER_DEBUG: Final = ("aiosqlite", "httpcore", "watchfiles")
_RECORD_KEYS: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

_worker_line_bytes = 16_384  # until `bound_lines` says it
_hide: Callable[[Any], Any] | None = None
_marks: Callable[[], Mapping[str, str]] | None = None
_also: Callable[[Mapping[str, Any]], None] | None = None
_OWN_WORDS = frozenset({"event", "level", "logger", "timestamp", "session_id"})
"""Whose values this server makes itself: nobody can take a line away by keeping its event as a secret."""

Event = MutableMapping[str, Any]
Render = Callable[[Event], str]


def configure(settings: LogSettings, *, stream: TextIO | None = None) -> None:
    """Set up logging for a process of Bulkhead itself; may be called again, the last call holds.

    Args:
        stream: Where lines go; standard output when None.  With ``format="auto"`` a terminal gets the
            console form and everything else JSON.
    """
    stream = stream or sys.stdout
    wanted = settings.format.lower()
    is_console = wanted == "console" or (wanted == "auto" and stream.isatty())
    render = _console(colors=is_console and _has_colors(stream)) if is_console else to_json
    level = settings.level.lower()
    _install(_Sink(stream, render), level, {})
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.DEBUG if level == "debug" else logging.WARNING)
    for name in _NEVER_DEBUG:  # whole statements, each step of a request, each write to our own log
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(True)


def configure_worker(
    stream: TextIO | None = None, *, level: str = "info", line_bytes: int | None = None, **bound: Any
) -> None:
    """Set up logging in a worker: JSON lines, the user's own ``logging`` calls included.

    Args:
        stream: The log pipe; standard error when None.
        line_bytes: What its reader takes of a line, for `bound_lines`'s when None.
        bound: Keys that every line carries, from whichever thread it comes.
    """
    render = partial(to_json, most_bytes=line_bytes or _worker_line_bytes)
    _install(_Sink(stream or sys.stderr, render), level.lower(), bound, cut_values=False)


def bound_lines(most_bytes: int) -> None:
    """Tell how long a line the reader of this process's log pipe takes; before `configure_worker`."""
    global _worker_line_bytes
    _worker_line_bytes = most_bytes


def hide_by(hide: Callable[[Any], Any] | None) -> None:
    """Have each value of each line of this process go through `hide`, which must be quick; None for none."""
    global _hide
    _hide = hide


def mark_by(marks: Callable[[], Mapping[str, str]] | None) -> None:
    """Have each line of this process say besides what `marks` knows now; None for nothing."""
    global _marks
    _marks = marks


def also_to(tell: Callable[[Mapping[str, Any]], None] | None) -> None:
    """Have each line of this process told to `tell`, too, which must not wait; None for nobody."""
    global _also
    _also = tell


def get_logger(name: str, **bound: Any) -> structlog.stdlib.BoundLogger:
    """A logger whose lines say ``logger=name``; it may be made before logging is configured."""
    return cast("structlog.stdlib.BoundLogger", structlog.get_logger(name, **bound))


class _Sink:
    """Renders events onto one stream.  A reader who went away is no reason to fail."""

    def __init__(self, stream: TextIO, render: Render) -> None:
        self._stream = stream
        self._render = render

    def write(self, event: Event) -> None:
        # One write call a line, so that lines of several threads or processes do not mix.
        if _also is not None:
            _also(event)
        line = self._render(event) + "\n"
        with suppress(OSError, ValueError):
            try:
                self._stream.write(line)
            except UnicodeEncodeError:
                encoding = getattr(self._stream, "encoding", None) or "ascii"
                self._stream.write(line.encode(encoding, "backslashreplace").decode(encoding))
            self._stream.flush()


class _Named:
    """What structlog wraps: the sink under a logger's name, with a method per level."""

    def __init__(self, sink: _Sink, name: str) -> None:
        self._sink = sink
        self.name = name

    def msg(self, **event: Any) -> None:
        self._sink.write(event)

    log = debug = info = warning = error = critical = exception = fatal = warn = msg


class _Bridge(logging.Handler):
    """Turns records of the standard library's loggers into events on the same sink."""

    def __init__(self, sink: _Sink, chain: list[Any]) -> None:
        super().__init__()
        self._sink = sink
        self._chain = chain

    def emit(self, record: logging.LogRecord) -> None:
        try:
            event: Event = {"event": record.getMessage(), "logger": record.name}
            event.update((key, value) for key, value in vars(record).items() if key not in _RECORD_KEYS)
            if record.exc_info:
                event["exc_info"] = record.exc_info
            for processor in self._chain:
                event = cast("Event", processor(None, record.levelname.lower(), event))
            self._sink.write(event)
        except Exception:  # noqa: BLE001 - the edge: user objects may fail to format themselves
            self.handleError(record)


def _install(sink: _Sink, level: str, bound: dict[str, Any], *, cut_values: bool = True) -> None:
    chain = [*_chain(bound), *((_cut_values,) if cut_values else ())]
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[_name_logger, *chain, _as_keywords],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda name="", *_: _Named(sink, name),
        cache_logger_on_first_use=False,  # module-level loggers must follow a later `configure`
    )
    root = logging.getLogger()
    root.handlers[:] = [_Bridge(sink, chain)]
    root.setLevel(number)


def _chain(bound: dict[str, Any]) -> list[Any]:
    def bind(_: Any, __: str, event: Event) -> Event:
        return {**bound, **event} if _marks is None else {**bound, **_marks(), **event}

    return [
        structlog.contextvars.merge_contextvars,
        bind,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _describe_exception,
        _hidden,
    ]


def _name_logger(logger: Any, _: str, event: Event) -> Event:
    return {"logger": logger.name, **event} if logger.name else event


def _describe_exception(_: Any, __: str, event: Event) -> Event:
    found = event.pop("exc_info", None)
    if found is True:
        found = sys.exc_info()
    if isinstance(found, BaseException):
        found = (type(found), found, found.__traceback__)
    if isinstance(found, tuple) and found[0] is not None:
        text = "".join(traceback.format_exception(*found)).rstrip()
        event["exception"] = "\n".join(cut_text(line, _MAX_TRACEBACK_LINE_CHARS) for line in text.split("\n"))
    return event


def _hidden(_: Any, __: str, event: Event) -> Event:
    if _hide is None:
        return event
    return {key: value if key in _OWN_WORDS else _hide(value) for key, value in event.items()}


def _cut_values(_: Any, __: str, event: Event) -> Event:
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = cut_text(value, MAX_VALUE_CHARS)
    return event


def _as_keywords(_: Any, __: str, event: Event) -> tuple[tuple[()], dict[str, Any]]:
    return (), dict(event)


def _console(*, colors: bool) -> Render:
    renderer = structlog.dev.ConsoleRenderer(
        colors=colors, pad_event_to=26, exception_formatter=structlog.dev.plain_traceback
    )

    def render(event: Event) -> str:
        # Names and texts come from strangers: no escape sequence of theirs may reach the terminal.
        clean = {key: _printable(value) for key, value in event.items()}
        clean["timestamp"] = str(clean.get("timestamp", ""))[11:23]
        return str(renderer(None, "", clean))

    return render


def _printable(value: object) -> object:
    return value if isinstance(value, int | float) else str(value).translate(CONTROLS_SHOWN)


def _has_colors(stream: TextIO) -> bool:
    plain = os.environ.get("NO_COLOR") or os.environ.get("CI") or os.environ.get("TERM") == "dumb"
    return stream.isatty() and not plain
