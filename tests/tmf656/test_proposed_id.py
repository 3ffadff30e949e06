"""A new problem of version 5 may have the key of its link as its id: then a second POST makes no second one."""

import pytest

from bridge.domain.ticket_system import WriteRefusedError
from tests.tmf656.test_problem_writer import KEY, new, writing

pytestmark = pytest.mark.anyio


async def test_a_second_post_makes_no_second_problem() -> None:
    async with writing("5", 0, propose_id=True) as (sim, writer):
        made = await writer.create(new("5"), KEY)
        assert made.id == KEY
        assert writer.capabilities.keys_unique
        again = await writer.create(new("5", description="again"), KEY)
        assert (again.id, again.record["description"]) == (KEY, "no light")
        assert list(sim.problems) == [KEY]


async def test_a_server_that_takes_no_id_chooses_one_and_is_not_asked_again() -> None:
    async with writing("5", 0, propose_id=True) as (sim, writer):
        tried = []

        def refuse(_operation: str, attributes: object) -> tuple[int, str] | None:
            assert isinstance(attributes, dict)
            tried.append("id" in attributes)
            return (400, "id is set by the server") if "id" in attributes else None

        sim.faults.writes.refuse = refuse
        made = await writer.create(new("5"), KEY)
        assert made.id != KEY
        assert [each.id for each in await writer.find(KEY)] == [made.id]
        assert not writer.capabilities.keys_unique
        await writer.create(new("5"), KEY[:-1] + "b")
        assert tried == [True, False, False]


async def test_what_is_refused_for_another_reason_is_refused() -> None:
    async with writing("5", 0, propose_id=True) as (sim, writer):
        sim.faults.writes.refuse = lambda *_: (403, "aborted by rule 7")
        with pytest.raises(WriteRefusedError, match="aborted by rule 7"):
            await writer.create(new("5"), KEY)
        assert sim.problems == {}


@pytest.mark.parametrize(("version", "settings"), [("4", {"propose_id": True}), ("5", {})])
async def test_elsewhere_the_server_chooses(version: str, settings: dict[str, bool]) -> None:
    async with writing(version, 0, **settings) as (sim, writer):
        made = await writer.create(new(version), KEY)
        assert made.id != KEY
        assert not writer.capabilities.keys_unique
        assert list(sim.problems) == [made.id]
