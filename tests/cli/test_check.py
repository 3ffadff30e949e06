"""`check`: for the database and each source what works, what does not, and what to do about it."""

import socket
from typing import Any

import asyncpg
import orjson
import pytest

from bridge.simulator import Simulator

pytestmark = pytest.mark.anyio


async def findings(call: Any, config: Any) -> tuple[int, dict[tuple[str, str], dict[str, Any]]]:
    answer = await call("check", "--json", "--config", config)
    said = orjson.loads(answer.out)
    assert said["ok"] is (answer.status == 0)
    return answer.status, {(one["subject"], one["aspect"]): one for one in said["findings"]}


async def test_a_good_configuration_works_in_every_aspect_and_leaves_no_registration(
    dsn: str, call: Any, configured: Any
) -> None:
    async with Simulator(population=3) as sim:
        status, found = await findings(call, configured(dsn=dsn, sources={"snow": {"url": sim.url}}))
        assert status == 0
        assert {key: one["works"] for key, one in found.items()} == {
            ("configuration", "read"): True,
            ("database", "reach"): True,
            ("database", "schema"): True,
            ("database", "connections"): True,
            ("journal", "directory"): True,
            ("listener", "port"): True,
            ("callback", "address"): None,
            ("snow", "reach"): True,
            ("snow", "list"): True,
            ("snow", "get by id"): True,
            ("snow", "hub"): True,
        }
        assert sim.subscriptions == {}


async def test_two_sources_are_told_apart_and_one_that_fails_makes_status_1(
    dsn: str, call: Any, configured: Any, held_port: socket.socket
) -> None:
    down = f"http://127.0.0.1:{held_port.getsockname()[1]}/v4"
    async with Simulator(population=1) as sim:
        status, found = await findings(
            call, configured(dsn=dsn, sources={"down": {"url": down}, "up": {"url": sim.url}})
        )
    assert status == 1
    assert found["down", "reach"]["works"] is False
    assert "sources.down" in found["down", "reach"]["remedy"]
    assert found["up", "hub"]["works"] is True
    assert next(subject for subject, _ in found if subject in ("down", "up")) == "down", "in the order of the file"


async def test_a_wrong_password_is_found_and_never_shown(dsn: str, call: Any, configured: Any) -> None:
    async with Simulator(username="bridge", password="right-password") as sim:
        source = {"url": sim.url, "username": "bridge", "password": "wrong-password"}
        answer = await call("check", "--config", configured(dsn=dsn, sources={"snow": source}))
    assert answer.status == 1
    assert "401" in answer.out
    assert "wrong-password" not in answer.out + answer.err


async def test_a_database_that_cannot_be_reached_is_named_without_its_password(
    call: Any, configured: Any, held_port: socket.socket
) -> None:
    dsn = f"postgresql://bridge:secret-password@127.0.0.1:{held_port.getsockname()[1]}/bridge"
    async with Simulator(population=1) as sim:
        answer = await call("check", "--config", configured(dsn=dsn, sources={"snow": {"url": sim.url}}))
    assert answer.status == 1
    assert "database.dsn" in answer.out
    assert "get by id" in answer.out, "the sources are tried all the same"
    assert "secret-password" not in answer.out + answer.err


@pytest.mark.parametrize(
    ("change", "found_text"),
    [
        ("drop schema bridge_migration cascade", "not made yet"),
        (
            "insert into bridge_migration.applied (version, name, checksum, breaking) values (9999, 'x', 'x', true)",
            "9999",
        ),
    ],
    ids=["missing", "newer"],
)
async def test_a_schema_that_is_not_current_fails_with_what_to_do(
    dsn: str, call: Any, configured: Any, change: str, found_text: str
) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute(change)
    await connection.close()
    async with Simulator(population=1) as sim:
        status, found = await findings(call, configured(dsn=dsn, sources={"snow": {"url": sim.url}}))
    assert status == 1
    assert found["database", "schema"]["works"] is False
    assert found_text in found["database", "schema"]["found"]


async def test_what_it_says_is_never_taken_for_markup_and_fits_into_80_columns(
    call: Any, configured: Any, dsn: str
) -> None:
    answer = await call("check", "--config", configured(dsn=dsn), env={"COLUMNS": "80"})
    assert answer.status == 1
    assert "[sources.NAME]" in answer.out
    assert max(len(line) for line in answer.out.splitlines()) <= 80


async def test_b1_f9_what_the_last_passes_may_have_missed_is_shown(dsn: str, call: Any, configured: Any) -> None:
    async with Simulator(population=20) as sim:
        config = configured(dsn=dsn, sources={"snow": {"url": sim.url, "page_size": 10, "push": False}})
        sim.faults.page_cap, sim.faults.no_total, sim.faults.no_link = 1, True, True
        answer = await call("sync", "snow", "--full", "--config", config)
        assert answer.status == 1
        assert "incomplete" in answer.out
        assert "nothing was looked for as deleted" in answer.out
        status, found = await findings(call, config)
        assert status == 0
        assert found["snow", "last reconcile"]["found"].startswith("incomplete")
        answer = await call("status", "--config", config)
        assert "not read completely" in answer.out.replace("\n", " ")


async def test_f6_b8_sync_says_what_it_deleted_saw_missing_and_held_back(dsn: str, call: Any, configured: Any) -> None:
    async with Simulator(population=60) as sim:
        config = configured(dsn=dsn, sources={"snow": {"url": sim.url, "push": False}})
        assert (await call("sync", "snow", "--full", "--config", config)).status == 0
        for problem_id in list(sim.problems)[:2]:
            await sim.delete(problem_id)
        first = await call("sync", "snow", "--full", "--config", config)
        assert "2 problems are missing from the list, 2 of them for the first time: 0 deleted" in first.out
        second = await call("sync", "snow", "--full", "--config", config)
        assert "2 deleted, 0 still there by id, 0 held back" in second.out
        sim.faults.collection_missing = sim.faults.by_id_missing = lambda _: True
        for _ in range(2):
            held = await call("sync", "snow", "--full", "--config", config)
        assert "0 deleted, 0 still there by id, 58 held back" in held.out
        assert "--accept-deletions" in held.out
        _, found = await findings(call, config)
        assert "58 problems are missing" in found["snow", "deletions"]["found"]
        accepted = await call("sync", "snow", "--accept-deletions", "--config", config)
        assert "58 deleted, 0 still there by id, 0 held back" in accepted.out
