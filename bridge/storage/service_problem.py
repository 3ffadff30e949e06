"""Figures about the current problems, for the metrics page."""

from bridge.storage.database import Connection
from bridge.storage.queries import queries


async def count_by_status(connection: Connection) -> list[tuple[int, str, int]]:
    """(source id, status, living problems)."""
    return [
        (row["source_id"], row["status"], row["problems"])
        for row in await connection.fetch(queries("service_problem")["count_by_status"])
    ]
