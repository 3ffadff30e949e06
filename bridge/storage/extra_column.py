"""Columns of `report.service_problem_extra`: attributes of a source's own, as configured (`sources.NAME.columns`)."""

from collections.abc import Mapping

import orjson

from bridge.storage.database import Connection
from bridge.storage.queries import queries


async def write(connection: Connection, columns: Mapping[str, Mapping[str, str]]) -> bool:
    """Make the view have these columns (source → name → path), in the caller's transaction; return whether it changed.

    Columns that stay keep their place, so that views of others on this one stay too. A column that is taken away, or
    whose type changes, needs the view to be made anew; Postgres refuses that while another view uses it.
    """
    return bool(await connection.fetchval(queries("extra_column")["write"], orjson.dumps(columns)))
