"""What is stored of a source, read again with other words for its statuses and priorities.

The words of the source stand beside what they were read as, so nothing is asked of the source. Each step takes some
problems, in the caller's transaction: it looks, and only where a word means something else now it locks the problems
and writes. The position moves with what was written, so a crash repeats a step or nothing. Writers that read a row
before notice its new revision and decide again.
"""

from dataclasses import dataclass
from typing import Any

import orjson

from bridge.domain.service_problem import columns_of
from bridge.domain.vocabulary import SourceVocabulary
from bridge.storage.database import Connection
from bridge.storage.queries import queries
from bridge.storage.row_builder import columns


@dataclass(frozen=True, slots=True)
class VocabularyWalk:
    """A walk over the problems of a source. `changed`: of how many problems something changed so far."""

    digest: bytes
    walked_id: str
    changed: int
    finished: bool


@dataclass(slots=True)
class _Words:
    """The words whose meaning changed, with what they mean now."""

    texts: dict[str, str]
    statuses: dict[bytes, str]
    priorities: dict[bytes, int | None]


async def read(connection: Connection, source_id: int) -> VocabularyWalk | None:
    """Return the last walk; None: the source never had words of its own."""
    row = await connection.fetchrow(queries("vocabulary_walk")["read"], source_id)
    return None if row is None else VocabularyWalk(row["digest"], row["walked_id"], row["changed"], row["finished"])


async def begin(connection: Connection, source_id: int, digest: bytes) -> None:
    """Start at the first problem, with other words."""
    await connection.execute(queries("vocabulary_walk")["begin"], source_id, digest)


async def step(
    connection: Connection, source_id: int, walk: VocabularyWalk, vocabulary: SourceVocabulary, *, problems: int
) -> int | None:
    """Read the next problems again. Return how many problems changed since the walk began, once it is at its end."""
    rows = await connection.fetch(queries("vocabulary_walk")["problems"], source_id, walk.walked_id, problems)
    ids = [row["id"] for row in rows]
    changed = await _read_again(connection, source_id, ids, vocabulary) if ids else set()
    reached = ids[-1] if len(ids) == problems else None
    total = await connection.fetchval(
        queries("vocabulary_walk")["write"], source_id, walk.digest, reached, len(changed)
    )
    return None if reached is not None or total is None else int(total)


async def _read_again(connection: Connection, source_id: int, ids: list[str], vocabulary: SourceVocabulary) -> set[str]:
    """Write what the words of these problems mean now; return those that changed."""
    found = await connection.fetch(queries("vocabulary_walk")["words"], source_id, ids)
    if not _any(_changed_words(found, vocabulary)):
        return set()
    await connection.execute(queries("service_problem")["lock"], [source_id] * len(ids), ids)
    found = await connection.fetch(queries("vocabulary_walk")["words"], source_id, ids)
    words = _changed_words(found, vocabulary)
    texts, statuses, priorities = (list(words.texts), list(words.texts.values())), words.statuses, words.priorities
    changed = await _ids(connection, "statuses", source_id, ids, *texts)
    changed |= await _ids(connection, "priorities", source_id, ids, list(priorities), list(priorities.values()))
    changed |= await _ids(connection, "versions", source_id, ids, list(statuses), list(statuses.values()))
    changed |= await _move_status_changes(connection, source_id, ids, *texts)
    if changed:
        await connection.execute(queries("vocabulary_walk")["log"], source_id, sorted(changed))
    return changed


async def _ids(connection: Connection, query: str, *arguments: object) -> set[str]:
    return {row[0] for row in await connection.fetch(queries("vocabulary_walk")[query], *arguments)}


async def _move_status_changes(
    connection: Connection, source_id: int, ids: list[str], words: list[str], statuses: list[str]
) -> set[str]:
    """Write status changes under the status that they mean now."""
    taken = await connection.fetch(queries("vocabulary_walk")["take_status_changes"], source_id, ids, words, statuses)
    merged: dict[tuple[object, ...], dict[str, Any]] = {}
    for row in taken:
        key = (row["problem_id"], row["effective_at"], row["status"])
        merged[key] = _merged(merged[key], dict(row)) if key in merged else dict(row)
    if merged:
        rows = [tuple(merged[key].values()) for key in sorted(merged)]
        await connection.execute(queries("vocabulary_walk")["add_status_changes"], source_id, *columns(rows))
    return {row["problem_id"] for row in taken}


def _merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Two statements of one status at one moment, as one."""
    confirmed = [at for at in (one["confirmed_at"], other["confirmed_at"]) if at is not None]
    return one | {
        "stated_at": min(one["stated_at"], other["stated_at"]),
        "observed_at": min(one["observed_at"], other["observed_at"]),
        "confirmed_at": max(confirmed, default=None),
        "partial": one["partial"] and other["partial"],
        "superseded": one["superseded"] and other["superseded"],
    }


def _changed_words(rows: list[Any], vocabulary: SourceVocabulary) -> _Words:
    words = _Words({}, {}, {})
    for row in rows:
        word = orjson.loads(row["word"])
        if row["kind"] == "priority":
            priority = columns_of({"priority": word}, vocabulary).priority
            if (None if priority is None else str(priority)) != row["meaning"]:
                words.priorities[row["word"]] = priority
            continue
        status = columns_of({"status": _value_of(word) if row["kind"] == "text" else word}, vocabulary).status
        if status.value == row["meaning"]:
            continue
        if row["kind"] == "text":
            words.texts[word] = status.value
        else:
            words.statuses[row["word"]] = status.value
    return words


def _any(words: _Words) -> bool:
    return bool(words.texts or words.statuses or words.priorities)


def _value_of(text: str) -> Any:
    """What the source wrote, from its text (`bridge.domain.service_problem.status_text`)."""
    try:
        return orjson.loads(text) if text[:1] in "{[" else text
    except orjson.JSONDecodeError:
        return text
