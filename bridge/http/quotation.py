"""Quotes text of a remote system for logs and terminals: short, without secrets, without control characters."""

from typing import Final

from bridge.telemetry.redaction import MASK, mask

CHARACTERS: Final = 200
"""Length of a quotation, at most."""
_READ_CHARACTERS: Final = 8192
"""So much of the text is searched for secrets; the rest is cut off before."""


def quoted(text: str) -> str:
    """Shorten `text`, mask secrets in it, and escape what could forge a log line or control a terminal.

    The text is cut before it is searched for secrets, since that takes time with its length. What stands at the cut may
    be the beginning of a secret, which is then not recognised: the last word is dropped, or the part behind a mask.
    """
    masked = mask(" ".join(text[:_READ_CHARACTERS].split()))
    if len(text) > _READ_CHARACTERS:
        before, _, last = masked.rpartition(" ")
        masked = f"{before} {last[: last.rfind(MASK) + len(MASK)]}" if MASK in last else before or masked
    short = masked[:CHARACTERS]
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in short)
