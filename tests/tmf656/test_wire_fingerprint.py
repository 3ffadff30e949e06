"""The fingerprint of the code that reads rows changes with that code."""

from pathlib import Path

import pytest

from bridge.tmf656 import wire_fingerprint as module
from bridge.tmf656.wire_fingerprint import wire_fingerprint


def test_it_is_of_the_release_and_of_the_text_of_the_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = wire_fingerprint.__wrapped__
    ours = fresh()
    assert (len(ours), fresh()) == (16, ours)
    monkeypatch.setattr(module, "files", lambda _: tmp_path)
    (tmp_path / "row.py").write_text("one = 1\n")
    one = fresh()
    (tmp_path / "notes.txt").write_text("no code")
    assert fresh() == one
    (tmp_path / "row.py").write_text("one = 2\n")
    assert fresh() != one
    monkeypatch.setattr(module, "__version__", "0.0.0")
    assert len({ours, one, fresh()}) == 3
