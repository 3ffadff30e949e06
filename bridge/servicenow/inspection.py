"""What an instance does not say by itself: a query that filters nothing, journals that may not be read, a column for
keys that there is not. An instance answers such requests as if all were well.
"""

import re
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

from bridge.domain.notice import Notice
from bridge.errors import BridgeError
from bridge.servicenow.client import TableClient

_LEAVING: Final = re.compile(r"(?:^|\^(?:OR)?)(active|state|closed_at|resolved_at)(?=[=!<>]|IN|NOT|IS)")
"""A condition on what changes when a ticket ends."""


async def inspect(client: TableClient) -> list[Notice]:
    """Look at what the settings of a source rely on."""
    notices = list(_without_requests(client))
    for aspect, look, remedy in _LOOKS:
        try:
            found = await look(client)
        except BridgeError as error:
            found = Notice(aspect, False, str(error), remedy)
        notices += [] if found is None else [found]
    return notices


def _without_requests(client: TableClient) -> Iterator[Notice]:
    settings = client.settings
    leaving = sorted({found[1] for found in _LEAVING.finditer(settings.query)})
    if leaving:
        yield Notice(
            "query",
            None,
            f"a ticket that ends no longer meets it ({', '.join(leaving)}): its end is found by id, two passes later",
            f"take {' and '.join(leaving)} out of sources.{client.http.name}.query",
        )
    if settings.write and settings.table == "problem" and not settings.state_path:
        yield Notice(
            "state",
            None,
            "the Table API does not move the state of a problem",
            f"set sources.{client.http.name}.state_path to a scripted endpoint that does",
        )


async def _query(client: TableClient) -> Notice | None:
    """Compare how many tickets meet the query with how many there are."""
    if not client.settings.query:
        return None
    whole = await client.count("")
    chosen = await client.count(client.settings.query)
    if chosen < whole:
        return Notice("query", True, f"{chosen:,} of {whole:,} tickets meet it")
    remedy = "see whether each column in it exists and may be read: a condition on another one is left out silently"
    return Notice("query", None, f"all {whole:,} tickets meet it", remedy)


async def _journals(client: TableClient) -> Notice | None:
    """Try to read the journals, where they are to be read."""
    if client.settings.journals != "sys_journal_field":
        return None
    await client.notes("0" * 32)
    return Notice("journals", True, "sys_journal_field can be read")


async def _key_column(client: TableClient) -> Notice | None:
    """See whether the column for keys is there, where tickets may be written."""
    if not client.settings.write:
        return None
    columns = await client.columns()
    column = client.key_column
    if column in columns:
        return Notice("key", True, f"{column} takes the keys of links; an index on it is advised")
    if not columns:
        return Notice("key", None, f"{client.settings.table} is empty: it is not known whether it has {column}")
    remedy = f"make the column, or set sources.{client.http.name}.key_field to one that the account may read and write"
    return Notice("key", False, f"{client.settings.table} has no column {column}", remedy)


_LOOKS: Final[tuple[tuple[str, Callable[[TableClient], Awaitable[Notice | None]], str], ...]] = (
    ("query", _query, ""),
    ("journals", _journals, 'give the account the right to read sys_journal_field, or set journals = "display"'),
    ("key", _key_column, ""),
)
"""What is looked at, and what to do where that fails."""
