"""Columns of `report.service_problem_extra`: attributes of a source's own, as configured (`sources.NAME.columns`)."""

from collections.abc import Mapping

import orjson

from bridge.storage.database import Connection
from bridge.storage.queries import queries


async def write(connection: Connection, columns: Mapping[str, Mapping[str, str]]) -> bool:
    """Make the view have these columns (source → name → path), in the caller's transaction; return whether it changed.

    Existing columns keep their place, so that other views on this one stay valid. When a column is removed or its type
    changes, the view is dropped and created again; Postgres refuses that while another view uses it.
    """
    return bool(await connection.fetchval(queries("extra_column")["write"], orjson.dumps(columns)))
