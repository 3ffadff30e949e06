"""Asking a source for single problems by id, a few at once; nothing is written here."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import anyio

from bridge.domain.observation import TOMBSTONE_HASH, Kind, Observation, Via
from bridge.errors import BridgeError, PermanentError, TransientError, UnreadableError
from bridge.http.errors import NotFoundError
from bridge.schedule import now
from bridge.sources.state import SourceState

_AT_ONCE = 8


@dataclass(slots=True)
class ByIdAnswer:
    """What GET by id answered for one problem: it is given (`observation`), gone (404 or 410), or neither (`error`).
    `chosen`: the list of the source would have it.
    """

    problem_id: str
    asked_at: datetime
    observation: Observation | None = None
    gone: bool = False
    error: BridgeError | None = None
    chosen: bool = True

    def tombstone(self) -> Observation:
        """Return that the source no longer has this problem."""
        return Observation(
            problem_id=self.problem_id,
            kind=Kind.TOMBSTONE,
            via=Via.REFETCH,
            observed_at=self.asked_at,
            effective_at=self.asked_at,
            stamped=False,
            body=b"{}",
            content_hash=TOMBSTONE_HASH,
        )


async def ask_by_id(source: SourceState, problem_ids: Sequence[str]) -> list[ByIdAnswer]:
    """Ask for each problem, at the source's pace; in the order of the ids. After the first TransientError no further
    request starts, and what was not asked for is left out.
    """
    answers: dict[int, ByIdAnswer] = {}
    limiter = anyio.CapacityLimiter(_AT_ONCE)

    async def ask(place: int, problem_id: str) -> None:
        async with limiter:
            if not any(isinstance(answer.error, TransientError) for answer in answers.values()):
                answers[place] = await ask_one(source, problem_id)

    async with anyio.create_task_group() as group:
        for place, problem_id in enumerate(problem_ids):
            group.start_soon(ask, place, problem_id)
    return [answers[place] for place in sorted(answers)]


async def ask_one(source: SourceState, problem_id: str) -> ByIdAnswer:
    """Ask for one problem."""
    await source.by_id_pace.wait_turn()
    asked_at = now()
    try:
        fetched = await source.client.get(problem_id)
        seen = source.reader.read_problem(
            fetched.item, asked_at=fetched.asked_at, via=Via.REFETCH, vocabulary=source.vocabulary
        )
        source.unmapped.add(seen.unmapped)
    except NotFoundError:
        return ByIdAnswer(problem_id, asked_at, gone=True)
    except (TransientError, PermanentError, UnreadableError) as error:
        return ByIdAnswer(problem_id, asked_at, error=error)
    if seen.problem_id != problem_id:
        other = PermanentError(f"source {source.name}: asked for one problem, another one was answered")
        return ByIdAnswer(problem_id, asked_at, error=other)
    return ByIdAnswer(problem_id, asked_at, observation=seen, chosen=fetched.chosen)
