"""Changes without a change of any problem: what the door notes of a batch, and nothing else of it."""

from collections.abc import Sequence

from bridge.storage.database import Connection
from bridge.storage.queries import queries


async def changed(connection: Connection, problems: Sequence[tuple[int, str]]) -> None:
    """Note (source id, problem id) as changed by the caller's transaction, and tell listeners once it commits."""
    ids = [one[0] for one in problems], [one[1] for one in problems]
    await connection.fetch(queries("observation")["write"], [], [], [], [], *ids, [], 0)
