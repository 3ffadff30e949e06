"""Addresses: the configured ones, and those that a server returns in a header or a body.

The text that a server returns may not be an address, and yarl detects that only when a part of it is read (a port
beyond 65535, a host that IDNA does not allow). No function here raises for such a text.
"""

import re
from urllib.parse import quote

from yarl import URL

from bridge.errors import ConfigurationError

_LONGEST = 16_384
"""Characters of an address that a server returns; cursors of some kilobytes exist."""
_HOST = re.compile(r"^(?:[a-zA-Z][a-zA-Z0-9+.-]*:)?//([^/?#]*)")
_LONGEST_HOST = 300
"""Decoding an international name takes time with the square of its length; DNS allows 253 characters."""


def read_address(text: str, key: str) -> URL:
    """Read a configured address; raises ConfigurationError."""
    try:
        url = URL(text)
        usable = url.scheme in {"http", "https"} and bool(url.host) and bool(url.origin())
    except ValueError:
        usable = False
    if not usable:
        raise ConfigurationError([f"{key}: not an address of the form https://host/path"])
    if url.user is not None or url.password is not None:
        raise ConfigurationError([f"{key}: credentials do not belong into the address, use username and password"])
    return url.with_fragment(None)


def below(url: URL, *segments: str) -> URL:
    """Append path segments, whatever they contain; the query stays."""
    return with_path(url, "/".join([url.raw_path.rstrip("/"), *(quote(segment, safe="") for segment in segments)]))


def with_path(url: URL, path: str) -> URL:
    """Replace the path by one that is percent-encoded already."""
    return URL.build(
        scheme=url.scheme, authority=url.raw_authority, path=path, query_string=url.raw_query_string, encoded=True
    )


def with_query(url: URL, *parts: str) -> URL:
    """Add to the query what is percent-encoded already."""
    query = "&".join(part for part in (url.raw_query_string, *parts) if part)
    return URL.build(
        scheme=url.scheme, authority=url.raw_authority, path=url.raw_path, query_string=query, encoded=True
    )


def resolve(base: URL, reference: str) -> URL | None:
    """Return a reference from a server as an absolute address; None when it is not one, or not http(s)."""
    host = _HOST.match(reference)
    if not reference or len(reference) > _LONGEST or (host is not None and len(host[1]) > _LONGEST_HOST):
        return None
    if not reference.isprintable() or " " in reference:
        return None
    try:
        target = base.join(URL(quote(reference, safe="%/:=&?~#+!$,;'@()*[]"), encoded=True)).with_fragment(None)
        usable = target.scheme in {"http", "https"} and bool(target.host) and bool(target.origin())
        usable = usable and target.user is None and target.password is None
    except ValueError:
        return None
    return target if usable else None


def same_origin(one: URL, other: URL) -> bool:
    """Whether both have the same scheme, host and port."""
    return one.origin() == other.origin()


def on_origin(target: URL, base: URL) -> URL:
    """Return the path and query of `target` on the scheme, host and port of `base`."""
    return URL.build(
        scheme=base.scheme,
        authority=base.raw_authority,
        path=target.raw_path,
        query_string=target.raw_query_string,
        encoded=True,
    )
