"""`dead-letters`: list, show, replay and discard what could not be understood."""

from pathlib import Path
from typing import Any

import asyncpg
import orjson
import pytest

pytestmark = pytest.mark.anyio

UNDERSTOOD = orjson.dumps(
    {
        "eventType": "ServiceProblemCreateEvent",
        "eventTime": "2026-06-01T12:00:00Z",
        "event": {"serviceProblem": {"id": "SP-1", "status": "held", "lastUpdate": "2026-06-01T12:00:00Z"}},
    }
)
BROKEN = b'{"eventType": \xff'


@pytest.fixture
async def letters(dsn: str, configured: Any) -> Path:
    """A configuration on a database with two letters: 1 is understood by now, 2 is not."""
    connection = await asyncpg.connect(dsn)
    await connection.execute("insert into bridge.source (name) values ('snow')")
    for raw in (UNDERSTOOD, BROKEN):
        await connection.execute(
            "insert into bridge.dead_letter (source_id, received_at, last_received_at, reason, detail, hint, digest, "
            "raw, via) select id, '2026-06-01', '2026-06-01', 'not_json', 'no', '', $1, $1, 'push' from bridge.source",
            raw,
        )
    await connection.close()
    config: Path = configured(dsn=dsn)
    return config


async def test_a_letter_is_shown_with_its_bytes_and_written_as_it_came(
    letters: Path, call: Any, tmp_path: Path
) -> None:
    shown = await call("dead-letters", "show", "2", "--config", letters)
    assert (shown.status, "not_json" in shown.out) == (0, True)
    assert '{"eventType": \\xff' in shown.out
    raw = tmp_path / "letter"
    assert (await call("dead-letters", "show", "2", "--raw", raw, "--config", letters)).status == 0
    assert raw.read_bytes() == BROKEN
    missing = await call("dead-letters", "show", "9", "--config", letters)
    assert (missing.status, "no dead letter 9" in missing.err) == (1, True)


async def test_what_is_understood_now_is_stored_and_the_rest_keeps_waiting(letters: Path, dsn: str, call: Any) -> None:
    replayed = await call("dead-letters", "replay", "--all", "--config", letters)
    assert replayed.status == 1
    assert replayed.out.splitlines()[0] == "1: replayed"
    assert replayed.out.splitlines()[1].startswith("2: still not understood: ")
    connection = await asyncpg.connect(dsn)
    assert await connection.fetchval("select id from report.service_problem") == "SP-1"
    await connection.close()
    waiting = orjson.loads((await call("dead-letters", "list", "--json", "--config", letters)).out)
    assert [each["id"] for each in waiting] == [2]


async def test_discarding_is_done_once_and_of_those_that_are_named(letters: Path, call: Any) -> None:
    unnamed = await call("dead-letters", "discard", "--config", letters)
    assert (unnamed.status, "--all" in unnamed.err) == (2, True)
    assert (await call("dead-letters", "discard", "1", "--config", letters)).out.strip() == "1: discarded"
    assert (await call("dead-letters", "discard", "1", "--config", letters)).out.strip() == "1: was not waiting"
