"""What a sender posted → the JSON in it: unpacked, out of a form or a multipart body, in UTF-8.

Whatever does not hold what its headers say is taken as it came, so nothing is lost; only what is too large is refused.
CloudEvents' binary mode has the event's id, type and time in headers and only its data in the body: the two are put
together in the structured form, which is read, journalled and kept.
"""

from base64 import b64decode
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator, Mapping
from email.message import Message
from json import detect_encoding
from typing import Final
from urllib.parse import unquote, unquote_to_bytes
from zlib import MAX_WBITS, decompressobj
from zlib import error as ZlibError  # noqa: N812 -- an exception by its kind

import orjson
from aiohttp import web
from anyio import to_thread

from bridge.http.charset import known_charset, to_utf8
from bridge.web.listener.fast_path import UTF8_NAMES
from bridge.web.refusal import Refusal

_LARGE_BYTES: Final = 64 * 1024
_GZIP: Final = b"\x1f\x8b"
_PACKED: Final = {"gzip": (MAX_WBITS | 16,), "x-gzip": (MAX_WBITS | 16,), "deflate": (MAX_WBITS, -MAX_WBITS)}
"""Content coding → forms to try; `deflate` is sent with and without zlib's header."""
_CODINGS: Final = 3
_REPLACED: Final = "\N{REPLACEMENT CHARACTER}".encode()
_PARTS: Final = 100
"""Fields of a form, or parts of a multipart body, that are looked at."""
_CLOUD_EVENT: Final = ("id", "type", "source", "time", "subject")


async def json_of(request: web.BaseRequest, sent: bytes, most_bytes: int) -> bytes:
    """Return the JSON in a body, `sent` itself where there is nothing to do. Refusal (413) where it unpacks to more
    than `most_bytes`.
    """
    body = taken_out(request.headers, unpacked(request.headers.get("Content-Encoding", ""), sent, most_bytes))
    return with_attributes(request.headers, await _in_utf8(request, body))


def unpacked(content_encoding: str, body: bytes, most_bytes: int) -> bytes:
    """Return what `body` unpacks to, or `body` itself when it is not, or not wholly, in its declared codings. JSON does
    not begin as gzip does: what does is unpacked, whatever was declared.
    """
    codings = [name for each in content_encoding.split(",") if (name := each.strip().lower()) not in {"", "identity"}]
    if not codings and body[:2] == _GZIP:
        codings = ["gzip"]
    inner = body
    for coding in reversed(codings) if len(codings) <= _CODINGS else ():
        tried = (_inflated(inner, form, most_bytes) for form in _PACKED.get(coding, ()))
        found = next((each for each in tried if each is not None), None)
        if found is None:
            return body
        inner = found
    return inner


def _inflated(body: bytes, form: int, most_bytes: int) -> bytes | None:
    """Unpack all members that were put one behind the other, as gzip allows; None where it is anything else."""
    found, rest = b"", body
    while rest:
        unpacking = decompressobj(form)
        try:
            found += unpacking.decompress(rest, most_bytes + 1 - len(found))
        except ZlibError:
            return None
        if len(found) > most_bytes:
            raise too_large(most_bytes)
        if not unpacking.eof:
            return None
        rest = unpacking.unused_data
        if rest and rest[:2] != _GZIP:
            return None
    return found


def taken_out(headers: Mapping[str, str], body: bytes) -> bytes:
    """Return the JSON that a form or a multipart body holds; `body` itself where it holds none, or not surely."""
    declared = headers.get("Content-Type", "")
    kind = declared.partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        found = list(_json_in_form(body))
    elif kind.startswith("multipart/"):
        found = list(_json_in_parts(declared, body))
    else:
        return body
    if len(found) > 1:
        return b"[" + b",".join(found) + b"]" if all(map(_is_json, found)) else body
    return found[0] if found else body


def _json_in_form(body: bytes) -> Iterator[bytes]:
    """Yield the fields, or names, that hold JSON; a body that is JSON itself was only declared so (`curl -d`)."""
    if _looks_like_json(body):
        return
    for field in body.split(b"&", _PARTS):
        for text in field.split(b"=", 1):
            plain = unquote_to_bytes(text.replace(b"+", b" "))
            if _looks_like_json(plain):
                yield plain


def _json_in_parts(content_type: str, body: bytes) -> Iterator[bytes]:
    message = Message()
    message["Content-Type"] = content_type
    boundary = message.get_param("boundary")
    if not isinstance(boundary, str) or not boundary.isascii():
        return
    for part in (b"\r\n" + body).split(b"\r\n--" + boundary.encode(), _PARTS)[1:]:
        head, blank, content = part.partition(b"\r\n\r\n")
        if not blank:
            continue
        if b"base64" in head.lower():
            try:
                content = b64decode(content)
            except ValueError:
                continue
        if _looks_like_json(content):
            yield content.strip()


def with_attributes(headers: Mapping[str, str], body: bytes) -> bytes:
    """Put the attributes that CloudEvents' binary mode has in headers around a body that is JSON."""
    if "ce-id" not in headers or "ce-type" not in headers or not _looks_like_json(body):
        return body
    event = {name: unquote(headers[f"ce-{name}"]) for name in _CLOUD_EVENT if f"ce-{name}" in headers}
    try:
        head = orjson.dumps({"specversion": headers.get("ce-specversion", "1.0"), **event})
    except TypeError:  # bytes that are no text
        return body
    return head[:-1] + b',"data":' + body + b"}"


async def _in_utf8(request: web.BaseRequest, body: bytes) -> bytes:
    """Return `body` in UTF-8, which is what is read, journalled and kept: by its first bytes, else by the charset that
    it declares; as it came when it is not of that charset. A large one is not decoded on the event loop.
    """
    charset = detect_encoding(body) if _is_wide(body) else request.charset
    if charset is None or charset.lower() in UTF8_NAMES or known_charset(charset) is None:
        return body
    try:
        if len(body) > _LARGE_BYTES:
            decoded = await to_thread.run_sync(to_utf8, body, charset)
        else:
            decoded = to_utf8(body, charset)
    except UnicodeError:
        return body
    return body if _REPLACED in decoded else bytes(decoded)


def _is_wide(body: bytes) -> bool:
    """Does it begin like JSON in UTF-16 or UTF-32?"""
    return b"\0" in body[:4] or body[:2] in (BOM_UTF16_LE, BOM_UTF16_BE)


def _looks_like_json(text: bytes) -> bool:
    return text[:64].lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in {b"{", b"["}


def _is_json(text: bytes) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def too_large(most_bytes: int) -> Refusal:
    """Return the refusal of a body that is larger than that."""
    return Refusal(413, "too_large", f"the body is larger than {most_bytes} bytes (http.max_body_bytes)")
