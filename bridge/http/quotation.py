"""Text of a remote system made fit for a log and a terminal: short, without secrets, and without control characters."""

from typing import Final

from bridge.telemetry.redaction import mask

CHARACTERS: Final = 200
"""Length of a quotation, at most."""
_READ_CHARACTERS: Final = 4096
"""So much of the text is searched for secrets; the rest is cut off before."""


def quoted(text: str) -> str:
    """Shorten `text`, mask secrets in it, and escape what could forge a line of a log or steer a terminal.

    The text is cut before it is searched for secrets, since that takes time with its length. A secret that the cut
    splits is not recognised, so the last word is dropped where masking moved it into the quotation.
    """
    masked = mask(" ".join(text[:_READ_CHARACTERS].split()))
    if len(text) > _READ_CHARACTERS and len(masked) <= CHARACTERS:
        masked = masked.rpartition(" ")[0]
    short = masked[:CHARACTERS]
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in short)
