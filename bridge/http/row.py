"""A list of problems as it came → its rows, of which no more is read than what tells one from another.

A pass goes over everything a source has, and nearly all of it is known word for word (`bridge.storage.list_digest`). Of
such a row nothing is needed but its text, what names it and the time of its last update. So a page is not made into
some 25 objects a row: its text is checked and cut (msgspec, which looks at all of it and keeps what it is asked for),
and a row is read when somebody wants to know what it says.

What only a lenient reader takes for a list is read as a whole and taken apart: another charset, a byte order mark, NaN,
half a surrogate pair, rows wrapped in an object, a row that is no object.
"""

import json
from collections.abc import Iterable
from typing import Any

import orjson
from msgspec import DecodeError, Raw, Struct, field
from msgspec.json import Decoder

from bridge.domain.service_problem import usable_id
from bridge.errors import UnreadableError
from bridge.http.charset import is_utf8
from bridge.http.lenient_json import lenient


class Row(Struct, gc=False):
    """One row: its JSON in UTF-8 (`text`), and what it holds under four of its names, whatever that is (an integer of
    any length, where `read` gives what orjson gives).
    """

    id: Any = None
    href: Any = None
    last_update: Any = field(default=None, name="lastUpdate")
    time_changed: Any = field(default=None, name="timeChanged")
    text: Raw = field(default=Raw(b"{}"), name="text of the row")  # set afterwards, whatever has that name

    def read(self) -> Any:
        """Return what it says. UnreadableError for numbers of thousands of digits, and what is nested too deeply."""
        text = memoryview(self.text)
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            return self._read_leniently(text)

    def _read_leniently(self, text: memoryview) -> Any:
        try:
            return lenient(text)
        except (ValueError, RecursionError) as error:
            raise UnreadableError(
                "unrepresentable", str(error), hint="correct the value at the source", problem_id=usable_id(self.id)
            ) from error

    def sorted(self) -> bytes:
        """Return what it says as JSON with sorted keys; of what cannot be read, or written by orjson (a number of
        any length, some hundred levels), the text.
        """
        try:
            return orjson.dumps(self.read(), option=orjson.OPT_SORT_KEYS)
        except (TypeError, UnreadableError):
            return bytes(self.text)


class CutRow(Row, gc=False):
    """A row that is larger than what is read; its text is the head of it."""

    size: int = 0
    most: int = 0

    def read(self) -> Any:
        """UnreadableError that says how large it is."""
        raise UnreadableError(
            "too_large",
            f"a problem of {self.size:,} bytes, of which {len(memoryview(self.text)):,} are kept here",
            hint=f"raise max_problem_bytes of the source above {self.most:,} to store it, or see what it holds",
            problem_id=usable_id(self.id),
        )


def bounded(rows: list[Row], most: int) -> list[Row]:
    """Cut rows of more than `most` bytes: each would take many times its size once it is read and stored."""
    return [row if len(memoryview(row.text)) <= most else _cut(row, most) for row in rows]


def _cut(row: Row, most: int) -> CutRow:
    text = memoryview(row.text)
    head = Raw(bytes(text[: min(most, _HEAD_BYTES)]))
    return CutRow(row.id, row.href, row.last_update, row.time_changed, head, size=len(text), most=most)


_HEAD_BYTES = 64 * 1024
"""What is kept of a row that is cut."""

_ROWS = Decoder(list[Row])
_TEXTS = Decoder(list[Raw])


def rows_in(body: bytes | bytearray, start: int = 0, stop: int | None = None) -> list[Row] | None:
    """Cut up a plain list of objects, which is `body` or a part of it; None: it is something else, or has to be read
    leniently. The texts are views of `body`, not copies.
    """
    try:
        if not is_utf8(body):  # msgspec does not look into texts that it passes over
            return None
        part = memoryview(body)[start:stop]
        rows, texts = _ROWS.decode(part), _TEXTS.decode(part)
    except (DecodeError, RecursionError):
        return None
    for row, text in zip(rows, texts, strict=True):
        row.text = text
    return rows


def read_rows(rows: Iterable[Row]) -> list[Any]:
    """Read rows; one that cannot be read gives its error in place of what it says, so that the others are read."""
    return [_read(row) for row in rows]


def _read(row: Row) -> Any:
    try:
        return row.read()
    except Exception as error:  # noqa: BLE001 -- the bulkhead of a row: who takes the item raises it again
        return error


def rows_of(items: Iterable[dict[str, Any]]) -> list[Row]:
    """Make rows of objects that were read; RecursionError where one is too deep to be written."""
    return [
        Row(item.get("id"), item.get("href"), item.get("lastUpdate"), item.get("timeChanged"), _written(item))
        for item in items
    ]


def _written(item: dict[str, Any]) -> Raw:
    """JSON, also of what holds what orjson does not write: numbers of any length."""
    try:
        return Raw(orjson.dumps(item))
    except TypeError:
        return Raw(json.dumps(item).encode())
