"""Names that are computed, not drawn, so that they are the same after a crash and after a restored backup."""

from base64 import b32encode
from hashlib import blake2b
from typing import Final

_SEPARATOR: Final = b"\x1f"
_KEY_CHARACTERS: Final = 26
_CODE_BYTES: Final = 5


def link_key(rule: str, source: str, ticket_id: str, generation: int = 0) -> str:
    """Return the key of the counterpart of a ticket: `tb-` and 26 letters and digits.

    A counterpart is looked up by its key before it is made a second time. `generation` counts counterparts that were
    made on purpose after the first.
    """
    return "tb-" + _letters(16, rule, source, ticket_id, str(generation))[:_KEY_CHARACTERS]


def note_code(key: str, side: str, note: str) -> str:
    """Return the code in the first line of a copied note: `n:` and 8 letters and digits."""
    return "n:" + _letters(_CODE_BYTES, key, side, note)


def _letters(size_bytes: int, *parts: str) -> str:
    """Base32 in lower case: the characters a to z and 2 to 7, which no query language treats specially."""
    digest = blake2b(_SEPARATOR.join(part.encode() for part in parts), digest_size=size_bytes).digest()
    return b32encode(digest).decode().rstrip("=").lower()
