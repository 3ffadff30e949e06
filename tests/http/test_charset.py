"""Bytes are decoded by what a remote system declares, if that is a charset of text."""

import codecs

import pytest

from bridge.http.charset import _KNOWN, is_utf8, known_charset, to_utf8


@pytest.mark.parametrize(
    ("raw", "charset", "text"),
    [
        (b"B\xc3\xbccher", None, "Bücher"),
        (b"B\xc3\xbccher", "iso-8859-1", "Bücher"),
        (b"B\xfccher", "ISO-8859-1", "Bücher"),
        (b"B\xfccher", "latin1", "Bücher"),
        (b"\x80", "windows-1252", "€"),
        (b"B\xfccher", "nonsense", "B\ufffdcher"),
        (b"B\xfccher", None, "B\ufffdcher"),
        ("Bü".encode("utf-16"), None, "Bü"),
        ("Bü".encode("utf-16-be"), "utf-16be", "Bü"),
        (codecs.BOM_UTF8 + b"x", None, "x"),
        (b"", "utf-16", ""),
        ("Bü".encode("utf-16-le"), "utf-16", "Bü"),
        ("Bü".encode("utf-16-be"), "utf-16", "Bü"),
        ("Bü".encode("utf-32-le"), "utf-32", "Bü"),
        ("Bü".encode("utf-32-be"), "UTF-32", "Bü"),
        ('["ü"]'.encode("utf-16-le"), None, '["ü"]'),
        ('["ü"]'.encode("utf-16-be"), None, '["ü"]'),
        ('{"a":1}'.encode("utf-16-le"), "utf-8", '{"a":1}'),
        ('["ü"]'.encode("utf-32-le"), "nonsense", '["ü"]'),
        ('["ü"]'.encode("utf-32-be"), None, '["ü"]'),
    ],
)
def test_a_declared_charset_is_heeded_where_it_is_one(raw: bytes, charset: str | None, text: str) -> None:
    assert bytes(to_utf8(raw, charset)) == text.encode()


@pytest.mark.parametrize(
    "name", ["punycode", "idna", "rot13", "base64", "zlib", "unicode_escape", "\udcff", "x" * 500, ""]
)
def test_a4_codecs_that_are_slow_or_no_charset_are_unknown(name: str) -> None:
    assert known_charset(name) is None


@pytest.mark.parametrize("raw", [b"\0", b"\xff", b"x", b"[]x", b"\xd8\0\xd8\0", b"\0\xd8\0\xd8", b"\xff" * 7])
def test_a2_no_bytes_make_any_charset_raise(raw: bytes) -> None:
    for charset in sorted(_KNOWN):
        to_utf8(raw, charset).decode()


def test_a_character_that_two_portions_share_is_read() -> None:
    raw = b"x" * ((1 << 20) - 1) + "ü".encode() * 10
    assert is_utf8(raw)
    assert to_utf8(raw[:-1]).endswith("ü\ufffd".encode())
