"""Callbacks by their path: `/listener/{source}/{secret}` and everything below."""

from msgspec import Struct

_LISTENER = "/listener/"


class Callback(Struct, frozen=True):
    """The parts of the path of a callback; `tail`: what the source has appended."""

    source: str
    secret: str
    tail: str = ""


def callback_of(path: str) -> Callback | None:
    """Return the parts of a callback's path (with `%2F` and `%25` for what is no separator and no escape), or None.

    >>> callback_of("/listener/snow/s3cr3t//listener/createEvent")
    Callback(source='snow', secret='s3cr3t', tail='/listener/createEvent')
    """
    if not path.startswith(_LISTENER):
        return None
    source, _, rest = path[len(_LISTENER) :].partition("/")
    secret, _, tail = rest.partition("/")
    if not source or not secret:
        return None
    return Callback(_unescaped(source), _unescaped(secret), _unescaped(tail))


def _unescaped(part: str) -> str:
    return part.replace("%2F", "/").replace("%25", "%") if "%" in part else part
