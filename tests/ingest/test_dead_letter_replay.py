"""A dead letter is read again in the words of its source and by its filter, as what comes from it now is."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from bridge.errors import UnreadableError
from bridge.ingest.dead_letter_replay import replay
from bridge.ingest.receiver import dead_letter
from bridge.settings import Tmf656Settings
from bridge.storage.observation_store import store_items

pytestmark = pytest.mark.anyio

RigFor = Callable[..., Awaitable[Any]]
URL = "https://sim.example/v4"


def body(number: str, status: str, category: str) -> bytes:
    problem = {"id": number, "status": status, "category": category, "lastUpdate": "2026-06-01T12:00:00Z"}
    event = {"eventType": "ServiceProblemCreateEvent", "event": {"serviceProblem": problem}}
    return orjson.dumps(event)


async def test_its_words_and_its_filter_are_those_of_the_source(rig_for: RigFor) -> None:
    rig = await rig_for(URL)
    defect = UnreadableError("defect", "reading it failed", hint="replay it")
    raw = [body("1", "Dauert", "mine"), body("2", "Dauert", "others")]
    await store_items(
        rig.database, [dead_letter(rig.source.source_id, each, None, datetime.now(UTC), defect) for each in raw]
    )
    settings = Tmf656Settings.model_validate(
        {"url": URL, "status_map": {"Dauert": "pending"}, "filter": {"category": ["mine"]}}
    )
    numbers = [1, 2]
    assert [await replay(rig.database, number, {"sim": settings}) for number in numbers] == [None, None]
    assert list(await rig.rows()) == ["1"]
    assert await rig.value("select status from bridge.service_problem") == "pending"


async def test_a_letter_of_a_source_that_is_not_configured_is_read_as_it_is(rig_for: RigFor) -> None:
    rig = await rig_for(URL)
    defect = UnreadableError("defect", "reading it failed", hint="replay it")
    letter = dead_letter(rig.source.source_id, body("1", "held", "x"), None, datetime.now(UTC), defect)
    await store_items(rig.database, [letter])
    assert await replay(rig.database, 1, {}) is None
    assert list(await rig.rows()) == ["1"]
