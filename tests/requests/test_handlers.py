"""Each kind of request does what its command does, and says what came of it."""

from typing import Any

import orjson
import pytest

from bridge.simulator import Simulator

pytestmark = pytest.mark.anyio

KNOWN = orjson.dumps({"event": {"serviceProblem": {"id": "SP-1", "status": "held"}}})
LETTER = """
    insert into bridge.dead_letter (source_id, received_at, last_received_at, reason, detail, digest, raw)
    select s.id, now(), now(), $1, 'no', $2, $2 from bridge.source as s where s.name = 'sim'
"""


async def keep(rig: Any, reason: str, raw: bytes) -> None:
    async with rig.database.connection() as connection:
        await connection.execute(LETTER, reason, raw)


async def waiting(rig: Any) -> list[int]:
    async with rig.database.connection() as connection:
        return [
            row["id"] for row in await connection.fetch("select id from bridge.dead_letter where state = 'waiting'")
        ]


async def test_a_poll_stores_what_the_source_has(rig_for: Any, worker_for: Any, ask: Any, state_of: Any) -> None:
    async with Simulator(population=7, seed=1) as sim:
        rig = await rig_for(sim)
        number = await ask("poll")
        await worker_for(rig).run_once()
        ended = await state_of(number)
    assert (ended.state, ended.progress_done, ended.progress_total) == ("done", 7, 7)
    assert (ended.detail or "").startswith("7 rows on ")
    assert len(await rig.rows()) == 7
    assert rig.source.first_pass.is_set()


async def test_a_reconcile_says_what_is_missing(rig_for: Any, worker_for: Any, ask: Any, state_of: Any) -> None:
    async with Simulator(population=5, seed=1) as sim:
        rig = await rig_for(sim)
        await rig.reconciler.run_once()
        await sim.delete(next(iter(sim.problems)))
        number = await ask("reconcile")
        await worker_for(rig).run_once()
        ended = await state_of(number)
    assert ended.state == "done"
    assert "1 problems are missing from the list, 1 of them for the first time" in (ended.detail or "")


async def test_a_source_that_cannot_be_reached_fails_with_the_cause(
    rig_for: Any, worker_for: Any, ask: Any, state_of: Any
) -> None:
    rig = await rig_for("http://127.0.0.1:9", request_timeout_seconds=1)
    number = await ask("poll")
    await worker_for(rig).run_once()
    ended = await state_of(number)
    assert ended.state == "failed"
    assert "127.0.0.1:9" in (ended.detail or "")


@pytest.mark.parametrize("kind", ["poll", "reconcile", "register"])
async def test_a_source_that_is_off_is_not_asked(
    rig_for: Any, worker_for: Any, ask: Any, state_of: Any, kind: str
) -> None:
    async with Simulator(population=1, seed=1) as sim:
        rig = await rig_for(sim, enabled=False)
        number = await ask(kind)
        await worker_for(rig).run_once()
        assert sim.subscriptions == {}
    ended = await state_of(number)
    assert (ended.state, "sources.sim.enabled" in (ended.detail or "")) == ("failed", True)
    assert await rig.rows() == {}


async def test_registering_makes_a_new_registration_and_deletes_the_one_before(
    rig_for: Any, worker_for: Any, ask: Any, state_of: Any
) -> None:
    async with Simulator(population=1, seed=1) as sim:
        rig = await rig_for(sim)
        await rig.subscriber.run_once("start")
        [before] = sim.subscriptions
        number = await ask("register")
        await worker_for(rig).run_once()
        [after] = sim.subscriptions
    assert after != before
    assert (await state_of(number)).detail == "registered at its hub"


async def test_a_secret_is_rotated_once_however_often_the_request_is_taken(
    rig_for: Any, worker_for: Any, ask: Any, state_of: Any
) -> None:
    """The end of the request and the secret are one transaction: what breaks off before leaves neither."""
    rig = await rig_for("http://127.0.0.1:9", callback_secret="")
    before = rig.source.secrets[0]
    number = await ask("rotate_secret")
    worker = worker_for(rig)
    await rig.execute(
        "create function bridge.refuse() returns trigger language plpgsql as "
        "$$ begin raise exception 'not now'; end $$; create trigger refuse before update of current_secret on "
        "bridge.source for each row execute function bridge.refuse()"
    )
    await worker.run_once()
    assert (await state_of(number)).state == "running"
    await rig.execute("drop trigger refuse on bridge.source")
    await worker.run_once()
    await worker.run_once()
    assert (await state_of(number)).state == "done"
    assert await rig.value("select previous_secret from bridge.source") == before
    assert await rig.value("select cardinality(retired_secrets) from bridge.source") == 0


async def test_a_configured_secret_is_not_rotated(rig_for: Any, worker_for: Any, ask: Any, state_of: Any) -> None:
    rig = await rig_for("http://127.0.0.1:9")
    number = await ask("rotate_secret")
    await worker_for(rig).run_once()
    ended = await state_of(number)
    assert (ended.state, "sources.sim.callback_secret" in (ended.detail or "")) == ("failed", True)


async def test_letters_of_a_reason_are_replayed_up_to_the_number_that_was_confirmed(
    rig_for: Any, worker_for: Any, ask: Any, state_of: Any
) -> None:
    rig = await rig_for("http://127.0.0.1:9")
    for reason, raw in (("not_json", KNOWN), ("not_json", b"{"), ("no_id", KNOWN + b" "), ("not_json", KNOWN + b"  ")):
        await keep(rig, reason, raw)
    number = await ask("replay", reason="not_json", up_to=3)
    await worker_for(rig).run_once()
    ended = await state_of(number)
    assert (ended.state, ended.progress_done, ended.progress_total) == ("incomplete", 2, 2)
    assert (ended.detail or "").startswith("1 of 2 replayed; 2: still not understood")
    assert await waiting(rig) == [2, 3, 4]
    assert set(await rig.rows()) == {"SP-1"}


async def test_named_letters_of_any_source_are_discarded(
    rig_for: Any, worker_for: Any, ask: Any, state_of: Any
) -> None:
    rig = await rig_for("http://127.0.0.1:9")
    for raw in (b"1", b"2", b"3"):
        await keep(rig, "not_json", raw)
    number = await ask("discard", source=None, numbers=[1, 3, 99])
    await worker_for(rig).run_once()
    assert (await state_of(number)).detail == "2 discarded"
    assert await waiting(rig) == [2]
