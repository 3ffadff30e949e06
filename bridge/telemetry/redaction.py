"""Masks secrets within text before it is shown or logged.

Masked are the values given to `hide`, passwords within URLs and connection strings, and the secret part of a callback
address. `hide` and `mask` may be called from any thread: the pattern is replaced as a whole, under a lock.
"""

import re
import threading
from urllib.parse import quote

MASK = "**********"
"""Shown in place of a secret."""

_SHORTEST_HIDDEN = 4
"""Shorter values occur in ordinary words by chance; only the name of their key masks them."""

_URL_PASSWORD = re.compile(r"(?<=://)([^/?#@\s:]*):\S*@")
_NAMED_PASSWORD = re.compile(r"((?:^|[?&\s])(?:ssl)?password=)[^&\s]*", re.IGNORECASE)
_CALLBACK = re.compile(r"(/listener/[^/\s\"']+/)[^/\s?#\"']+")

_hiding = threading.Lock()
_hidden: frozenset[str] = frozenset()
_hidden_pattern: re.Pattern[str] | None = None


def hide(value: str) -> None:
    """Mask `value` for the life of the process, also where it is percent-encoded."""
    global _hidden, _hidden_pattern  # noqa: PLW0603 -- logging is one per process, and so are its secrets
    if len(value) < _SHORTEST_HIDDEN or value in _hidden:
        return
    with _hiding:
        _hidden |= {value, quote(value), quote(value, safe="")}
        _hidden_pattern = re.compile("|".join(re.escape(one) for one in sorted(_hidden, key=len, reverse=True)))


def mask(text: str) -> str:
    """Return `text` with everything secret in it replaced by stars."""
    if "=" in text:  # before the hidden values: one of them may be the word "password"
        text = _NAMED_PASSWORD.sub(rf"\g<1>{MASK}", text)
    if "://" in text:
        text = _URL_PASSWORD.sub(rf"\g<1>:{MASK}@", text)
    if "/listener/" in text:
        text = _CALLBACK.sub(rf"\g<1>{MASK}", text)
    return text if _hidden_pattern is None else _hidden_pattern.sub(MASK, text)
