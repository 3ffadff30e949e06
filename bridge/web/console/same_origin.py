"""Requests that change something must come from our own pages: two independent checks.

The browser says where a request comes from: `Sec-Fetch-Site`, else `Origin`. A request without either is from no
browser, and has no cookie that somebody could have borrowed; it passes this check. And a form carries a token that only
a page of this session holds. Each page has another mask over it, so that compression tells nothing about it.
"""

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from urllib.parse import urlsplit

from aiohttp import hdrs, web

FIELD = "form_token"
_BYTES = 16


def is_same_origin(request: web.BaseRequest, origin: str) -> bool:
    """Did our own page send this? `origin`: ours as browsers see it, `https://bridge.example`."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site == "same-origin"
    sent = request.headers.get(hdrs.ORIGIN)
    return sent is None or sent == origin


def origin_of(url: str) -> str:
    """Return scheme, host and port of a URL as browsers write an origin.

    >>> origin_of("https://bridge.example:443/noc")
    'https://bridge.example'
    """
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    return f"{parts.scheme}://{host}" + ("" if parts.port in (None, usual) else f":{parts.port}")


def form_token(key: bytes) -> str:
    """Return a token for a form of the session with this key."""
    mask = secrets.token_bytes(_BYTES)
    return urlsafe_b64encode(mask + _xor(mask, _tag(key))).decode()


def is_form_token(text: str, key: bytes) -> bool:
    """Was it made with this key?"""
    try:
        raw = urlsafe_b64decode(text.encode("ascii"))
    except ValueError:
        return False
    if len(raw) != 2 * _BYTES:
        return False
    return hmac.compare_digest(_xor(raw[:_BYTES], raw[_BYTES:]), _tag(key))


def _tag(key: bytes) -> bytes:
    return hmac.digest(key, b"tmf656-bridge form", hashlib.sha256)[:_BYTES]


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))
