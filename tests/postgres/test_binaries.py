"""The programs of Postgres are found, asked for their version, and refused with what is wrong with them."""

from pathlib import Path

import pytest

from bridge.errors import PermanentError
from bridge.postgres.binaries import OLDEST_MAJOR, find_binaries, major_version, reachable


def fake(place: Path, answer: str) -> Path:
    """Programs that say `answer` when asked for their version."""
    for name in ("postgres", "initdb", "psql", "pg_dump"):
        (place / name).write_text(f"#!/bin/sh\necho '{answer}'\n")
        (place / name).chmod(0o755)
    return place


def test_what_is_found_is_new_enough_and_complete() -> None:
    found = find_binaries()
    assert major_version(found) >= OLDEST_MAJOR
    assert all((found / name).is_file() for name in ("postgres", "initdb", "psql", "pg_dump"))


def test_an_explicit_directory_is_taken_when_it_is_good(tmp_path: Path) -> None:
    assert find_binaries(fake(tmp_path, "postgres (PostgreSQL) 17.2")) == tmp_path
    assert reachable(tmp_path, None) == tmp_path


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        ("postgres (PostgreSQL) 14.9", "version 14 is too old"),
        ("something else", "postgres --version failed: unexpected answer"),
    ],
)
def test_an_explicit_directory_is_refused_and_never_replaced(tmp_path: Path, answer: str, fault: str) -> None:
    with pytest.raises(PermanentError, match=fault) as caught:
        find_binaries(fake(tmp_path, answer))
    assert "database.dsn" in str(caught.value)


def test_programs_that_are_missing_are_named(tmp_path: Path) -> None:
    fake(tmp_path, "postgres (PostgreSQL) 17.2")
    (tmp_path / "initdb").unlink()
    (tmp_path / "psql").chmod(0o644)
    with pytest.raises(PermanentError, match="no executable initdb, psql"):
        find_binaries(tmp_path)
