"""The body of an answer → its rows, and the object that the server put around them.

A bare list in strict JSON is cut up by `wire.row.rows_in`. Any other body is searched for its list first: rows wrapped
in an object, also one with an id of its own; an object alone; another charset; NaN or half a surrogate pair in one row.
Members that are not needed are never made into objects, and rows and members are bounded, so that memory is bounded by
the bytes of the answer. Nothing here waits: a large body is read in a thread (`read_page` releases the interpreter
between rows).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from msgspec import DecodeError, Raw, Struct
from msgspec.json import Decoder
from multidict import CIMultiDict, CIMultiDictProxy

from bridge.http.charset import to_utf8
from bridge.http.json_spans import NotJsonError, children, trimmed
from bridge.http.lenient_json import lenient
from bridge.http.row import Row, bounded, rows_in, rows_of
from bridge.tmf656.page_claims import claims_of
from bridge.tmf656.row_wrapper import PROBLEM, unwrapped

MAX_ROWS: Final = 250_000
"""Rows of one answer."""
MAX_PROBLEM_BYTES: Final = 8 * 1024**2
"""Bytes of one row, where nothing else is set."""
MAX_MEMBERS: Final = 1_000_000
"""Members and elements of one row; 13,000 affected services have some 100,000."""
_MAX_NAMES: Final = 50_000
"""Members of an object around the rows."""
_MAX_OTHERS: Final = 10_000
"""Elements of a list that are no objects."""
_SURELY_FEW_BYTES: Final = 1 << 20
"""In a body, or row, of this size the members need not be counted."""
_ENVELOPE_BYTES: Final = 65_536
"""A larger member of the object around the rows says nothing about pages."""
_ENVELOPE_MEMBERS: Final = 200
_DEPTH: Final = 3
"""Objects around the list, at most."""
_NO_HEADERS: Final = CIMultiDictProxy(CIMultiDict[str]())
_WRAPPERS: Final = frozenset(
    {"items", "item", "data", "serviceproblem", "serviceproblems", "serviceproblemlist", "result", "results", "content"}
    | {
        "value",
        "values",
        "records",
        "entries",
        "entry",
        "rows",
        "list",
        "elements",
        "resources",
        "problems",
        "response",
        "edges",
        "nodes",
    }
    | {"payload", "body", "embedded", "d", "hits", "collection", "objects", "members", "member", "page", "resultset"}
)
"""Attributes under which servers put the list, or the problem, in lower case and without signs."""
_ERROR: Final = frozenset({"error", "errors", "fault", "exception", "errorcode", "errormessage", "faultstring"})


class NoProblemsError(ValueError):
    """An answer without a list of problems; the text says what it contains instead."""


class TooManyError(ValueError):
    """An answer beyond a limit on rows or members; the text says which."""


class ReadPage(Struct, frozen=True):
    """The rows of an answer. `envelope`: the small members of the object around them; empty for a bare list.
    `left_out`: elements of the list that are no objects, such as null.
    """

    rows: list[Row]
    envelope: Mapping[str, Any]
    left_out: int = 0


class _EnoughError(BaseException):
    """Ends the decoder early; not an `Exception`, which the decoder would replace by its own error."""


_ROW: Final = Decoder(Row)
_MEMBERS: Final = Decoder(dict[str, Raw])
_NAMES: Final = {"id": "id", "href": "href", "lastUpdate": "last_update", "timeChanged": "time_changed"}


def read_page(body: bytearray, charset: str | None = None, most_bytes: int = MAX_PROBLEM_BYTES) -> ReadPage:
    """Find the rows in an answer, however it wraps them.

    No body, `null`, and an object that says it holds none are an empty list. Raises NoProblemsError, also for an error
    object that was sent with status 200, and TooManyError. A row of more than `most_bytes` is cut.
    """
    if body[:64].lstrip()[:1] == b"[" and (rows := _strict_rows(body)) is not None:
        page = ReadPage(rows, {})
        usual = not rows or rows[0].last_update is not None or rows[0].time_changed is not None
        return page if usual and len(body) <= most_bytes else _finished(page, len(body), most_bytes)
    text = to_utf8(body, charset)
    try:
        page = _read(text, 0, len(text), _DEPTH)
    except NotJsonError as error:
        page = _read_lines(text, error)
    return _finished(page, len(text), most_bytes)


def _read_lines(text: bytes | bytearray, error: NotJsonError) -> ReadPage:
    """Read objects of which each has a line of its own (NDJSON); NoProblemsError for anything else."""
    lines = [line for each in bytes(text).rstrip(b"\0").splitlines() if (line := each.strip())]
    if not lines or any(line[:1] != b"{" or line[-1:] != b"}" for line in lines):
        raise NoProblemsError(str(error)) from error
    listed = bytearray(b"[" + b",".join(lines) + b"]")
    try:
        return _list(listed, 0, len(listed))
    except NotJsonError:
        raise NoProblemsError(str(error)) from error


def _finished(page: ReadPage, size: int, most_bytes: int) -> ReadPage:
    """Cut what is too large, and take rows out of what wraps each of them."""
    rows = bounded(page.rows, most_bytes) if size > most_bytes else page.rows
    return ReadPage(unwrapped(rows), page.envelope, page.left_out)


def _strict_rows(text: bytes | bytearray, start: int = 0, stop: int | None = None) -> list[Row] | None:
    """Cut up a bare list of objects in strict JSON; None when it is something else. The rows are views of `text`."""
    large = len(text) > _SURELY_FEW_BYTES
    if large and text.count(b"{", start, stop) > MAX_ROWS:
        _refuse_many_rows(memoryview(text)[start:stop])
    rows = rows_in(text, start, stop)
    if rows is not None and large:
        for row in rows:
            _bound(row)
    return rows


def _refuse_many_rows(text: memoryview) -> None:
    """Raise TooManyError where the list has more rows than are read; nothing of a row is kept for that."""
    counted = 0

    class CountedRow(Struct, gc=False):
        def __post_init__(self) -> None:
            nonlocal counted
            counted += 1
            if counted > MAX_ROWS:
                raise _EnoughError

    try:
        Decoder(list[CountedRow]).decode(text)
    except _EnoughError:
        raise TooManyError(f"more than {MAX_ROWS:,} problems") from None
    except (DecodeError, RecursionError):
        return


def _bound(row: Row) -> None:
    """Replace the text of a row that would take hundreds of megabytes once read; it becomes a dead letter."""
    text = memoryview(row.text)
    if len(text) > _SURELY_FEW_BYTES and _members_at_most(text) > MAX_MEMBERS:
        row.text = Raw(bytes(text[:_SURELY_FEW_BYTES]))


def _members_at_most(text: memoryview) -> int:
    """Count the signs in front of members and elements, those in texts too."""
    parts = (bytes(text[at : at + _SURELY_FEW_BYTES]) for at in range(0, len(text), _SURELY_FEW_BYTES))
    return sum(part.count(b",") + part.count(b"{") + part.count(b"[") for part in parts)


def _read(text: bytes | bytearray, start: int, stop: int, depth: int) -> ReadPage:
    start, stop = trimmed(text, start, stop)
    match text[start : start + 1]:
        case b"[":
            return _list(text, start, stop)
        case b"{":
            return _object(text, start, stop, depth)
    if stop - start <= len(b"null") and bytes(text[start:stop]) in {b"", b"null", b'""'}:
        return ReadPage([], {})
    raise NoProblemsError("something that is not JSON")


def _list(
    text: bytes | bytearray, start: int, stop: int, envelope: Mapping[str, Any] = MappingProxyType({})
) -> ReadPage:
    """Read a list row by row, each as far as it can be read. What is no object is left out, unless nothing is one."""
    if (rows := _strict_rows(text, start, stop)) is not None:
        return ReadPage(rows, envelope)
    rows, others = [], 0
    for _, *span in children(text, start, stop):
        begin, end = trimmed(text, *span)
        if text[begin : begin + 1] == b"{":
            rows.append(_row(text, begin, end))
        else:
            others += 1
        if len(rows) > MAX_ROWS:
            raise TooManyError(f"more than {MAX_ROWS:,} problems")
        if others > _MAX_OTHERS:
            raise NoProblemsError("a list that holds no problems")
    if others and not rows:
        raise NoProblemsError("a list that holds no problems")
    return ReadPage(rows, envelope, others)


def _row(text: bytes | bytearray, start: int, stop: int) -> Row:
    """Read one object, a view of `text`. What cannot be read keeps its text, and its id where that can be read."""
    view = memoryview(text)[start:stop]
    try:
        row = _ROW.decode(view)
        row.text = Raw(view)
    except (DecodeError, RecursionError):
        row = _lenient_row(text, start, stop)
    _bound(row)
    return row


def _lenient_row(text: bytes | bytearray, start: int, stop: int) -> Row:
    view = memoryview(text)[start:stop]
    row = Row(text=Raw(view))
    try:
        for name, begin, end in children(text, start, stop):
            if name in _NAMES:
                setattr(row, _NAMES[name], lenient(text[begin:end]))
    except (ValueError, RecursionError):
        return row
    if len(view) <= _SURELY_FEW_BYTES or text.count(b",", start, stop) <= MAX_MEMBERS:
        try:
            (written,) = rows_of([lenient(view)])
        except (ValueError, TypeError, AttributeError, RecursionError):
            return row
        return written
    return row


def _object(text: bytes | bytearray, start: int, stop: int, depth: int) -> ReadPage:
    """Find the list in an object, or take the object for the only problem."""
    if _is_problem(text, start, stop):
        return ReadPage([_row(text, start, stop)], {})
    members: dict[str, tuple[int, int]] = {}
    for number, (name, begin, end) in enumerate(children(text, start, stop)):
        if number > _MAX_NAMES:
            raise TooManyError(f"an object of more than {_MAX_NAMES:,} members")
        members[name or ""] = trimmed(text, begin, end)
    first = {name: text[begin : begin + 1] for name, (begin, _) in members.items()}
    problem = not PROBLEM.isdisjoint(members)
    envelope = _envelope(text, members)
    wrappers = [] if problem else [name for name in members if _plain(name) in _WRAPPERS]
    lists = [name for name in wrappers if first[name] == b"["]
    for name in lists:
        page = _list(text, *members[name], {each: value for each, value in envelope.items() if each != name})
        if page.rows or len(lists) == 1:
            return page
    for name in wrappers if depth else ():
        if first[name] == b"{" and (inner := _inner(text, *members[name], depth - 1)) is not None:
            return ReadPage(inner.rows, {**envelope, **inner.envelope}, inner.left_out)
    if not problem and (error := _error(envelope)) is not None:
        raise NoProblemsError(error)
    if problem or "id" in members or "href" in members:
        return ReadPage([_row(text, start, stop)], {})
    unknown = [name for name in members if first[name] == b"[" and _holds_objects(text, members[name][0])]
    if len(unknown) == 1:
        return _list(text, *members[unknown[0]], envelope)
    if not members or _states_none(members, envelope, lists):
        return ReadPage([], envelope)
    raise NoProblemsError("JSON without problems")


def _is_problem(text: bytes | bytearray, start: int, stop: int) -> bool:
    """Is an object in strict JSON a problem by the names of its members? Most answers to a request by id are: they are
    not searched for a list, sign by sign. False: it is not known.
    """
    try:
        members = _MEMBERS.decode(memoryview(text)[start:stop])
    except (DecodeError, RecursionError):
        return False
    return len(members) <= _MAX_NAMES and not PROBLEM.isdisjoint(members)


def _inner(text: bytes | bytearray, start: int, stop: int, depth: int) -> ReadPage | None:
    """Read what an object wraps; None when there are no problems in it."""
    try:
        return _read(text, start, stop, depth)
    except NoProblemsError:
        return None


def _states_none(members: Mapping[str, Any], envelope: Mapping[str, Any], lists: list[str]) -> bool:
    """Whether an object without rows says that there are none: an empty or null list, a total of 0, or one list that is
    empty, under whatever name.
    """
    nulls = [name for name in members if _plain(name) in _WRAPPERS and envelope.get(name, "") is None]
    unknown = [value for value in envelope.values() if isinstance(value, list)]
    return bool(lists or nulls) or unknown == [[]] or claims_of(_NO_HEADERS, envelope, 0).total == 0


def _error(envelope: Mapping[str, Any]) -> str | None:
    """Return what is wrong where the object is an error in spite of its status; None when it is none."""
    named = {name.lower(): value for name, value in envelope.items()}
    status = named.get("status", named.get("statuscode"))
    failed = isinstance(status, int) and not isinstance(status, bool) and status >= 400
    explained = ("code" in named or failed) and bool(named.get("reason") or named.get("message") or named.get("detail"))
    if failed or explained or any(named.get(name) for name in _ERROR):
        return "an error object"
    return None


def _envelope(text: bytes | bytearray, members: Mapping[str, tuple[int, int]]) -> dict[str, Any]:
    """Read the small members of an object."""
    small: dict[str, Any] = {}
    for name, (begin, end) in members.items():
        if end - begin <= _ENVELOPE_BYTES and len(small) < _ENVELOPE_MEMBERS:
            try:
                small[name] = lenient(bytes(text[begin:end]))
            except (ValueError, RecursionError):
                continue
    return small


def _holds_objects(text: bytes | bytearray, start: int) -> bool:
    return bytes(text[start + 1 : start + 1 + 256]).lstrip()[:1] == b"{"


def _plain(name: str) -> str:
    return "".join(one for one in name.rpartition(":")[2].lower() if one.isalnum())
