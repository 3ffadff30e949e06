"""Secrets are encrypted with a key outside the database, bound to the setting they belong to."""

from base64 import b64encode
from pathlib import Path

import pytest

from bridge.errors import PermanentError
from bridge.settings.secret_seal import SecretSeal

ONE, TWO = bytes(range(32)), bytes(32)


def test_what_is_sealed_opens_and_never_looks_the_same() -> None:
    seal = SecretSeal((ONE,))
    first, second = seal.seal("a.b", "s3cret ü"), seal.seal("a.b", "s3cret ü")
    assert first != second
    assert seal.open("a.b", first) == seal.open("a.b", second) == "s3cret ü"
    assert "00010203" not in repr(seal)
    assert ONE.hex() not in repr(seal)


def test_a_secret_that_was_moved_to_another_setting_is_refused() -> None:
    with pytest.raises(PermanentError, match=r"x\.y was changed in the database"):
        SecretSeal((ONE,)).open("x.y", SecretSeal((ONE,)).seal("a.b", "s3cret"))


@pytest.mark.parametrize("sealed", ["", "1", "2.00000000.AAAA", "1.x.AAAA", "1..", "no"])
def test_what_was_never_sealed_is_refused(sealed: str) -> None:
    with pytest.raises(PermanentError, match=r"console\.secret_key_file"):
        SecretSeal((ONE,)).open("a.b", sealed)


def test_a_changed_text_is_refused() -> None:
    head, _, text = SecretSeal((ONE,)).seal("a.b", "s3cret").rpartition(".")
    for changed in (text[:-4], "A" * len(text), "!"):
        with pytest.raises(PermanentError, match="was changed"):
            SecretSeal((ONE,)).open("a.b", f"{head}.{changed}")


def test_a_key_is_replaced_by_a_line_above_it(tmp_path: Path) -> None:
    old = SecretSeal((ONE,)).seal("a.b", "s3cret")
    (tmp_path / "key").write_bytes(b64encode(TWO) + b"\n" + b64encode(ONE) + b"\n")
    seal = SecretSeal.read(tmp_path / "key")
    assert seal.open("a.b", old) == "s3cret"
    assert SecretSeal((TWO,)).open("a.b", seal.seal("a.b", "n3w")) == "n3w"
    with pytest.raises(PermanentError, match=r"not in console\.secret_key_file"):
        SecretSeal((TWO,)).open("a.b", old)


@pytest.mark.parametrize("text", ["", "short", b64encode(bytes(31)).decode(), "é"])
def test_a_file_without_keys_says_how_to_make_one(tmp_path: Path, text: str) -> None:
    (tmp_path / "key").write_text(text)
    with pytest.raises(PermanentError, match="openssl rand -base64 32"):
        SecretSeal.read(tmp_path / "key")
