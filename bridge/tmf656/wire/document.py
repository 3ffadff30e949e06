"""Bytes → one JSON document that Postgres can keep, and objects → canonical bytes.

What is refused here is refused before it can spoil a batch: Postgres's jsonb takes no NUL (`\\u0000`), and names no
row when a batch fails for it. The checks are ordered by price: a count over the bytes proves most documents harmless,
only the others are walked.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import orjson

from bridge.errors import UnreadableError

_BOM = b"\xef\xbb\xbf"
_ESCAPED_NUL = b"\\u0000"
_NUL = re.compile(rb"((?<!\\)(?:\\\\)*)\\u0000")
"""The escape, and not its text: an escaped backslash before it leaves five plain characters."""

_DECODER = json.JSONDecoder()
_DOCUMENTS_MOST = 10_000

Naming = Callable[[object], str | None]
"""Finds the id of the service problem in a document that cannot be kept."""


@dataclass(frozen=True, slots=True)
class DocumentLimits:
    """What a document may be at most: containers within each other, characters of one string, members of all objects
    together. What is within `http.max_body_bytes` and `max_response_bytes` is not held up by the last two: they bound
    the memory that a few bytes can take.
    """

    depth: int = 64
    string_characters: int = 1 << 26
    members: int = 1_000_000


DEFAULT = DocumentLimits()


def read_document(raw: bytes, limits: DocumentLimits, naming: Naming) -> dict[str, Any] | list[Any]:
    """Return the JSON object or list in `raw` (UTF-8, a byte order mark is tolerated; of equal keys the last wins).

    A text that holds JSON is read once more; objects one after the other (a line each, or without anything between) are
    a list; zeros behind the end are left out. Raises UnreadableError: `not_utf8`, `not_json`, `not_object` (these are
    malformed), `unrepresentable` (a lone surrogate, a number beyond a double), `nul`, `too_deep`, `too_long`,
    `too_many`. `naming` is asked for the problem's id whenever a document could be read at all.
    """
    try:
        document = orjson.loads(raw.removeprefix(_BOM))
        if isinstance(document, str) and document.lstrip().startswith(("{", "[")):
            raw = document.encode()
            document = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        several = _one_after_the_other(raw)
        if several is None:
            raise _diagnosis(raw, str(error), naming) from error
        document, raw = several, orjson.dumps(several)
    if not isinstance(document, dict | list):
        raise not_object(document)
    if has_nul(raw):
        raise UnreadableError(
            "nul",
            "a text holds the character U+0000",
            hint="Postgres cannot keep it; correct the text at the source",
            problem_id=naming(document),
        )
    check(document, raw, limits, naming)
    return document


def _one_after_the_other(raw: bytes) -> list[Any] | dict[str, Any] | None:
    """Read objects that stand one after the other, as brokers batch them; None when it is anything else."""
    text = raw.removeprefix(_BOM).rstrip(b"\0 \t\r\n")
    read: list[dict[str, Any]] = []
    position = 0
    try:
        decoded = text.decode()
        while position < len(decoded):
            if decoded[position] != "{" or len(read) >= _DOCUMENTS_MOST:
                return None
            end = _DECODER.raw_decode(decoded, position)[1]
            read.append(orjson.loads(decoded[position:end]))
            position = end
            while decoded[position : position + 1].isspace():
                position += 1
    except (ValueError, RecursionError):
        return None
    return read if len(read) > 1 else read[0] if read else None


def not_object(document: object) -> UnreadableError:
    """Return the error for an event that is no object."""
    return UnreadableError(
        "not_object",
        f"a JSON {_kind(document)}, not an object",
        hint="an event is an object; several may come in one list",
        malformed=True,
    )


def canonical(document: object) -> bytes:
    """Return JSON with sorted keys: equal content, equal bytes. Raises UnreadableError for what JSON cannot hold
    (only parsed input is safe).
    """
    try:
        return orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
    except TypeError as error:
        raise UnreadableError("unrepresentable", str(error), hint="correct the value at the source") from error


def digest(content: bytes) -> bytes:
    """Return the 16-byte BLAKE2b of `content`."""
    return blake2b(content, digest_size=16).digest()


def has_nul(encoded: bytes) -> bool:
    """Does any text or key of this JSON hold U+0000?"""
    return _ESCAPED_NUL in encoded and _NUL.search(encoded) is not None


def without_nul(encoded: bytes) -> Any:
    """Return the document in `encoded` with U+FFFD for every U+0000."""
    return orjson.loads(_NUL.sub(rb"\1\\ufffd", encoded))


def check(document: object, encoded: bytes, limits: DocumentLimits, naming: Naming) -> None:
    """Raise UnreadableError when `document`, of which `encoded` is the JSON, is beyond `limits`."""
    if (
        encoded.count(b"{") + encoded.count(b"[") <= limits.depth
        and (len(encoded) <= limits.members or encoded.count(b":") <= limits.members)
        and len(encoded) <= limits.string_characters
    ):
        return
    fault = next(_faults(document, limits), None)
    if fault:
        reason, detail = fault
        raise UnreadableError(
            reason,
            detail,
            hint="no service problem looks like this; see what the source sends",
            problem_id=naming(document),
        )


def _faults(document: object, limits: DocumentLimits) -> Iterator[tuple[str, str]]:
    """Walk level by level, without recursion; yield what is beyond the limits."""
    level, depth, members = [document], 0, 0
    while level:
        depth += 1
        below: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                members += len(value)
                below += value
                below += value.values()
            elif isinstance(value, list):
                below += value
            elif isinstance(value, str) and len(value) > limits.string_characters:
                yield "too_long", f"a text of more than {limits.string_characters} characters"
        if below and depth > limits.depth:
            yield "too_deep", f"more than {limits.depth} containers within each other"
        if members > limits.members:
            yield "too_many", f"more than {limits.members} attributes"
        level = below


def _diagnosis(raw: bytes, detail: str, naming: Naming) -> UnreadableError:
    """Tell broken bytes from JSON that is fine but cannot be kept, and find the problem's id if any reader can."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return UnreadableError("not_utf8", str(error), hint="JSON is UTF-8", malformed=True)
    try:
        document = json.loads(text, parse_int=_whole, parse_constant=float)
    except RecursionError:
        return UnreadableError("too_deep", detail, hint="no service problem looks like this; see what the source sends")
    except ValueError:
        return UnreadableError("not_json", detail, hint="see the bytes: cut off, or no JSON at all", malformed=True)
    if not isinstance(document, dict) and not (isinstance(document, list) and any(map(_is_object, document))):
        return not_object(document)
    return UnreadableError(
        "unrepresentable",
        detail,
        hint="a number beyond a double, or half of a surrogate pair",
        problem_id=naming(document),
    )


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


def _whole(digits: str) -> int | float:
    """Python limits how many digits an int may be read from; an id has never so many."""
    return int(digits) if len(digits) < 20 else float(digits)


def _kind(value: object) -> str:
    return {list: "array", str: "string", bool: "boolean", type(None): "null"}.get(type(value), "number")
