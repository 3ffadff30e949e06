"""Whether a source's list shows whole problems or only summaries, learned by asking for one problem by id.

Many problems lack an attribute because they have none, so a short row alone proves nothing: a list is thin when GET by
id gives attributes that the row withholds, under the same update time. Then a row is a patch on what is known, and a
problem that is new or changed is fetched by id.
"""

from collections.abc import Sequence
from typing import Any

import structlog

from bridge.domain.service_problem import usable_id
from bridge.errors import PermanentError, TransientError, UnreadableError
from bridge.http.row import Row
from bridge.sources.state import SourceState

log = structlog.get_logger(__name__)

_SAMPLE = 8
"""Rows that are looked at to find one that may be a summary."""


async def learn_thin_rows(source: SourceState, rows: Sequence[Row], items: Sequence[Any]) -> bool | None:
    """Return whether these rows, which say `items`, are summaries; None: they do not tell. While the source does not
    answer by id, they are taken for summaries, which loses no attribute that is known.
    """
    reader = source.reader
    at = reader.first_summary(items[:_SAMPLE])
    problem_id = None if at is None else usable_id(rows[at].id)
    if at is None or problem_id is None:
        return None
    await source.by_id_pace.wait_turn()
    try:
        fetched = await source.client.get(problem_id)
        whole = Row(last_update=fetched.item.get("lastUpdate"), time_changed=fetched.item.get("timeChanged"))
        if reader.stamp(whole) != reader.stamp(rows[at]):
            return None  # it changed in between
        thin = bool(reader.withheld(items[at], fetched.item))
    except TransientError:
        return source.thin_rows is not False
    except (PermanentError, UnreadableError, RecursionError):
        thin = bool(source.thin_rows)
    if thin and not source.thin_rows:
        log.info("list rows are summaries, new and changed problems are fetched by id", source=source.name)
    source.thin_rows = thin
    return thin
