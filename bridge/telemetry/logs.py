"""Logging: one line per change of state, on standard error, readable on a terminal and JSON otherwise.

Every line, those of libraries (aiohttp, asyncpg, asyncio) included, passes structlog, then stdlib `logging`, then one
handler, whose lock keeps lines of different threads apart. On the way secrets are masked, by the name of their key and
by `bridge.telemetry.redaction`, and control characters are escaped, so that text of a source can neither forge a line
nor control a terminal. A call below the level costs next to nothing. Lines are not buffered: a crash loses none.
"""

import logging
import os
import re
import sys
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, TextIO

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from bridge.telemetry.redaction import MASK, hide, mask

__all__ = ["configure", "hide"]

Level = Literal["debug", "info", "warning", "error"]
Style = Literal["auto", "json", "console"]

_SECRET_KEY = re.compile(r"passw|secret|token|authori[sz]ation|cookie|credential|callback|api_?key", re.IGNORECASE)
_UNSAFE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_UNSAFE_IN_A_LINE = re.compile(r"[\t\n]")
_INT64 = range(-(2**63), 2**64)
_DEEPEST = 8
_NOISY = ("aiohttp.access",)
"""Loggers with a line per request: shown at level debug only."""
_TWICE = ("asyncpg.pool",)
"""Loggers that report with a traceback what we log in one line: that Postgres is away."""


_threshold = logging.INFO


class _Logger(structlog.make_filtering_bound_logger(logging.NOTSET)):  # type: ignore[misc]  # a class made at run time
    """A logger whose level may change while it is in use; the library's is fixed when a logger is first used."""

    def debug(self, event: str, *args: Any, **facts: Any) -> Any:
        if _threshold <= logging.DEBUG:
            return super().debug(event, *args, **facts)
        return None

    def info(self, event: str, *args: Any, **facts: Any) -> Any:
        if _threshold <= logging.INFO:
            return super().info(event, *args, **facts)
        return None

    def warning(self, event: str, *args: Any, **facts: Any) -> Any:
        if _threshold <= logging.WARNING:
            return super().warning(event, *args, **facts)
        return None


def configure(level: Level = "info", style: Style = "auto", to: TextIO | None = None) -> None:
    """Send all logging of the process to `to` (standard error), from `level` on; call once, at start.

    `auto` is console on a terminal, JSON elsewhere. NO_COLOR is honoured. Calling again replaces what was before.
    """
    stream = sys.stderr if to is None else to
    console = style == "console" or (style == "auto" and stream.isatty())
    facts: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*facts, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=_Logger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=facts,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                *((_harmless_lines, _console(stream)) if console else (_harmless, _json)),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    set_level(level)


def set_level(level: Level) -> None:
    """Set the level, also for loggers that were used before."""
    global _threshold  # noqa: PLW0603 -- logging is one per process
    threshold = _threshold = logging.getLevelNamesMapping()[level.upper()]
    logging.getLogger().setLevel(threshold)
    for name in _TWICE:
        logging.getLogger(name).setLevel(max(threshold, logging.ERROR))
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.DEBUG if threshold <= logging.DEBUG else logging.WARNING)


def _console(stream: TextIO) -> Processor:
    return structlog.dev.ConsoleRenderer(
        colors=stream.isatty() and not os.environ.get("NO_COLOR"),
        exception_formatter=structlog.dev.plain_traceback,
        sort_keys=False,
        pad_event_to=40,
    )


def _json(_: WrappedLogger, __: str, event: EventDict) -> str:
    """One JSON object, the time, level and message first."""
    first = {key: event.pop(key) for key in ("timestamp", "level", "event") if key in event}
    return orjson.dumps({**first, **event}).decode()


def _harmless(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Mask and escape everything; line breaks stay, because JSON escapes them."""
    return {_text(key): _masked(key, value) for key, value in event.items()}


def _harmless_lines(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    """Mask and escape everything, line breaks too; a traceback is indented, so that no line of it looks like ours."""
    return {_on_a_line(key): _for_people(key, value) for key, value in _harmless(logger, name, event).items()}


def _for_people(key: str, value: Any) -> Any:
    if key in ("exception", "stack"):
        return "    " + str(value).replace("\n", "\n    ")
    if isinstance(value, str):
        return _on_a_line(value)
    return orjson.dumps(value).decode() if isinstance(value, dict | list) else value


def _on_a_line(text: str) -> str:
    return _UNSAFE_IN_A_LINE.sub(_escaped, text)


def _masked(key: object, value: object, depth: int = 0) -> Any:
    """Convert `value` to JSON types and mask secrets; a number or a flag is never a secret, whatever its key."""
    if value is None or isinstance(value, bool | float) or (isinstance(value, int) and value in _INT64):
        return value
    if value != "" and _SECRET_KEY.search(str(key)):
        return MASK
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping) and depth < _DEEPEST:
        return {_text(inner): _masked(inner, one, depth + 1) for inner, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset) and depth < _DEEPEST:
        return [_masked(key, one, depth + 1) for one in value]
    return _text(value)


def _text(value: object) -> str:
    return _UNSAFE.sub(_escaped, mask(str(value)))


def _escaped(found: re.Match[str]) -> str:
    return found.group().encode("unicode_escape").decode()
