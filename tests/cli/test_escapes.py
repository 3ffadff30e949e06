"""Nothing that a source sent reaches a terminal as it is, whichever command shows it."""

from typing import Any

import asyncpg
import orjson
import pytest

pytestmark = pytest.mark.anyio

EVIL = "a\x1b[2J\x1b]0;owned\x07\r\x9b31m\u202eb"
COMMANDS = [
    ["status"],
    ["status", "--json"],
    ["dead-letters", "list"],
    ["dead-letters", "list", "--json"],
    ["dead-letters", "show", "1"],
    ["dead-letters", "replay", "1"],
    ["report", "backlog"],
]


@pytest.fixture
async def evil(dsn: str) -> str:
    """The DSN of a database in which every text of a source holds escape sequences."""
    connection = await asyncpg.connect(dsn)
    await connection.execute(
        "insert into bridge.source (name, url, mode, mode_since, fallback_reason, last_error, last_error_at) "
        "values ('snow', 'http://h/v4', 'fallback', now(), $1, $1, now())",
        EVIL,
    )
    await connection.execute(
        "insert into bridge.dead_letter (source_id, received_at, last_received_at, reason, detail, hint, problem_id, "
        "digest, raw) select id, now(), now(), 'not_json', $1, $1, $1, 'x', $2 from bridge.source",
        EVIL,
        EVIL.encode(),
    )
    await connection.close()
    return dsn


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
async def test_e2_no_command_lets_an_escape_sequence_through(
    evil: str, call: Any, configured: Any, command: list[str]
) -> None:
    answer = await call(*command, "--config", configured(dsn=evil, sources={"snow": {"url": "http://127.0.0.1:9/v4"}}))
    for text in (answer.out, answer.err):
        assert [one for one in "\x1b\x07\r\x9b\u202e" if one in text] == []
    if command[:2] != ["dead-letters", "replay"] and command[0] != "report":
        assert "x1b[2J" in answer.out or "u001b[2J" in answer.out, "it is shown, escaped"


async def test_e2_json_says_the_same_as_was_stored(evil: str, call: Any, configured: Any) -> None:
    answer = await call("dead-letters", "list", "--json", "--config", configured(dsn=evil))
    assert orjson.loads(answer.out)[0]["detail"] == EVIL
