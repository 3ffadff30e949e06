"""Bytes → UTF-8 or text, by the charset that a remote system declares.

Only charsets of text are accepted: Python also has codecs that are none (base64, rot13) and codecs whose decoding takes
quadratic time (punycode, idna). Bodies are decoded in portions, because a large body as text can take four times its
bytes.
"""

import codecs
from collections.abc import Iterator
from typing import Final

_CHUNK: Final = 1 << 20
_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_WIDE: Final = frozenset({"utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"})
_UNORDERED: Final = frozenset({"utf-16", "utf-32"})
_KNOWN: Final = (
    _WIDE
    | {"utf-8", "ascii", "koi8-r", "koi8-u", "gbk", "gb2312", "gb18030", "big5", "shift_jis", "euc_jp", "euc_kr"}
    | {"cp437", "cp850", "cp852", "cp932", "cp949", "mac-roman", "tis-620"}
    | {f"iso8859-{number}" for number in range(1, 17)}
    | {f"cp{number}" for number in range(1250, 1259)}
)


def known_charset(name: str) -> str | None:
    """Return Python's name of a charset that is decoded here; None for any other name."""
    try:
        found = codecs.lookup(name[:40]).name if name.isascii() else ""
    except (LookupError, ValueError):
        return None
    found = {"utf-8-sig": "utf-8"}.get(found, found)
    return found if found in _KNOWN else None


def is_utf8(raw: bytes | bytearray) -> bool:
    """Whether the bytes are UTF-8."""
    if raw.isascii():
        return True
    try:
        for _ in _decoded(raw, "utf-8", "strict"):
            pass
    except UnicodeDecodeError:
        return False
    return True


def to_utf8(raw: bytes | bytearray, charset: str | None = None) -> bytes | bytearray:
    """Return `raw` in UTF-8, without a byte order mark. What cannot be decoded becomes U+FFFD.

    A byte order mark decides, then a declared charset of two or four bytes, then whether it is UTF-8 already, then the
    declared charset. An unknown one counts as UTF-8, unless zeros show that it is not. Where UTF-16 or UTF-32 is
    declared without a mark, the zeros of JSON's first character say the byte order; without a zero it is neither.
    """
    for mark, name in _BOMS:
        if raw.startswith(mark):
            raw = raw[len(mark) :]
            return _encoded(raw, name) if name in _WIDE or not is_utf8(raw) else raw
    declared = known_charset(charset) if charset else None
    if declared is None or declared == "utf-8":
        declared = _by_zeros(raw) or declared
    if declared in _UNORDERED:  # Python's decoders of these raise where there is no mark
        declared = f"{declared}-{'be' if raw[0] == 0 else 'le'}" if b"\0" in raw[:4] else None
    if declared in _WIDE:
        return _encoded(raw, declared)
    return raw if is_utf8(raw) else _encoded(raw, declared or "utf-8")


def _by_zeros(raw: bytes | bytearray) -> str | None:
    """Return the charset that zeros in the first character of a JSON text show (RFC 4627, 3); JSON itself has none."""
    zeros = tuple(byte == 0 for byte in raw[:4])
    match zeros:
        case (False, True, True, True):
            return "utf-32-le"
        case (True, True, True, False):
            return "utf-32-be"
        case (False, True, *_):
            return "utf-16-le"
        case (True, False, *_):
            return "utf-16-be"
    return None


def _encoded(raw: bytes | bytearray, charset: str) -> bytearray:
    written = bytearray()
    for text in _decoded(raw, charset, "replace"):
        written += text.encode("utf-8", "replace")
    return written


def _decoded(raw: bytes | bytearray, charset: str, errors: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(charset)(errors)
    with memoryview(raw) as view:
        for start in range(0, len(raw), _CHUNK):
            yield decoder.decode(view[start : start + _CHUNK], start + _CHUNK >= len(raw))
