"""What the journal kept is stored in order of arrival, and no entry keeps back those behind it."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from bridge.errors import TransientError
from bridge.ingest.journal_replay import Replayer
from bridge.journal.directory import opened
from bridge.journal.post import Post
from bridge.tmf656 import wire

pytestmark = pytest.mark.anyio

RigFor = Callable[..., Awaitable[Any]]
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
MIB = 1024 * 1024


def post(number: int, *, source: str = "sim", **problem: Any) -> Post:
    held = {"id": f"SP-{number}", "status": "held", "description": "d", "category": "c", "priority": 1, "reason": "r"}
    envelope = {
        "eventType": "ServiceProblemCreateEvent",
        "eventId": str(number),
        "event": {"serviceProblem": held | problem},
    }
    return Post(source, NOON + timedelta(seconds=number), None, orjson.dumps(envelope))


async def replayed(rig: Any, place: Path, posts: list[Post]) -> Any:
    """Replay posts until nothing waits; return the journal's counts."""
    with opened(place, max_bytes=MIB) as journal:
        await journal.append(posts)
        replayer = Replayer(journal, rig.database, {"sim": rig.source}, rig.metrics)
        while await replayer.run_once():
            pass
        return journal.waiting, journal.aside


async def test_what_was_kept_is_stored_and_counted(rig_for: RigFor, tmp_path: Path) -> None:
    rig = await rig_for("http://127.0.0.1:9")
    assert await replayed(rig, tmp_path, [post(number) for number in range(7)]) == (0, 0)
    assert set(await rig.rows()) == {f"SP-{number}" for number in range(7)}
    assert rig.counted("notifications_total", event_type="ServiceProblemCreateEvent", outcome="applied") == 7
    assert rig.source.last_push_at == NOON + timedelta(seconds=6)


async def test_a3_times_that_overflow_keep_nothing_back(rig_for: RigFor, tmp_path: Path) -> None:
    rig = await rig_for("http://127.0.0.1:9")
    posts = [
        post(1),
        post(2, lastUpdate="9999-12-31T23:59:59.999999Z"),
        post(2, status="resolved"),
        post(3, lastUpdate="0001-01-01T00:00:00Z"),
        post(3, lastUpdate="9999-12-31T23:59:59.999999-14:00"),
        post(4),
    ]
    waiting, _ = await replayed(rig, tmp_path, posts)
    assert waiting == 0
    assert {"SP-1", "SP-2", "SP-3", "SP-4"} <= set(await rig.rows())


async def test_a3_a_defect_in_reading_one_entry_makes_it_a_dead_letter(
    rig_for: RigFor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = await rig_for("http://127.0.0.1:9")

    def with_defect(read: Callable[..., Any]) -> Callable[..., Any]:
        def defective(raw: bytes, **how: Any) -> Any:
            if b"SP-2" in raw:
                raise OverflowError("date value out of range")
            return read(raw, **how)

        return defective

    for name in ("read_notification", "read_notifications"):
        monkeypatch.setattr(wire, name, with_defect(getattr(wire, name)))
    assert await replayed(rig, tmp_path, [post(number) for number in (1, 2, 3)]) == (0, 0)
    assert set(await rig.rows()) == {"SP-1", "SP-3"}
    assert await rig.value("select raw from bridge.dead_letter") == post(2).raw


async def test_a3_an_entry_that_cannot_be_stored_is_set_aside_for_the_next_start(
    rig_for: RigFor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = await rig_for("http://127.0.0.1:9")
    posts = [post(1), post(2), Post("former", NOON, None, post(3).raw), post(4)]
    find = "bridge.ingest.journal_replay.source_table.find"

    async def defective(*_: Any) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr(find, defective)
    assert await replayed(rig, tmp_path, posts) == (0, 1)
    assert set(await rig.rows()) == {"SP-1", "SP-2", "SP-4"}
    monkeypatch.undo()
    assert await replayed(rig, tmp_path, []) == (0, 0)  # its source is not known: dropped


async def test_nothing_is_dropped_or_set_aside_while_postgres_is_away(
    rig_for: RigFor, tmp_path: Path, no_connections: Callable[[], Awaitable[None]]
) -> None:
    rig = await rig_for("http://127.0.0.1:9")
    await no_connections()
    with opened(tmp_path, max_bytes=MIB) as journal:
        await journal.append([post(1), Post("former", NOON, None, b"{}")])
        with pytest.raises(TransientError):
            await Replayer(journal, rig.database, {"sim": rig.source}, rig.metrics).run_once()
        assert (journal.waiting, journal.aside) == (2, 0)
