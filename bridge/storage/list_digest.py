"""Rows of a source's list that are known word for word: a pass over everything need neither read nor weigh them.

Each current row keeps a memo: the digest of a row as it came, followed by the hash of the content it was read as. It is
never wrong, only useless once the content is another, so nobody has to take it back. A row of the list whose digest is
in the memo *of what is current* would be weighed as unchanged and leave nothing behind, unless something speaks against
the problem (patches, a deletion, a doubt, a pass that missed it, a request to fetch it): then it goes through the door
like any other. The digest is salted with the code that reads rows, so that one that reads otherwise reads everything
once.

What is current is asked for when the page has come, a page at a time: the ids go there as one text, the digests of all
that may be passed over come back as one array, and the rows are compared here, by digest alone, for the id is in it.
A notification that is stored meanwhile comes before or after that question, as it would with the door. Before: the
digest is not among the answers any more, the row goes through the door, which finds it older than what we know, for the
page was asked for before. After: the row said what was current when it was compared, and the notification stands on
top of it. Nothing is read before the page was asked for, so no row is passed over for what was known earlier.

Where the time goes, in µs of CPU a row of 1 kB (a million unchanged ones, 500 on a page, each part by itself on a core
that is warm; a whole pass takes 7 to 8): 1.6 checking the page and cutting it into rows, 1.6 the digests, nearly all of
it BLAKE2b; 1.0 proving that none is missing (`bridge.tmf656.paging`); 0.4 this question, and 0.5 in Postgres where the
ids of a page are neighbours in the index, 2.5 where they are strewn over it; 0.3 finding what is missing at the end,
and 0.5 in Postgres; the rest is asking for the page. Of a row that is looked up by itself, with its digest as a
parameter, it was 0.8 here and 2.3 there; arrays as parameters cost 0.3 an element, since the driver looks whether each
is an array itself.

A row is compared as it stands in the answer. It used to be read, and written anew with sorted keys: a pass took 0.71 of
that (CPU; 0.86 of the time; 200,000 rows, seven pairs). Where a server writes the attributes of the same problem in
another order each time that is noticed, and done as before (`bridge.pull.page_import`).

Tried and left: SHA-256 takes 0.3 to 0.6 less than BLAKE2b, but only where the processor has instructions for it; XXH3
takes 1.2 less, but is not made to withstand who would have two texts look the same. A digest of the whole page would
save nearly all of it, until one problem is added in front and all pages shift.

The door writes the memo with the row, or, where the content was known otherwise (from a notification, mostly), in an
update of its own, once.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from bridge.storage import row_builder
from bridge.storage.database import Connection
from bridge.storage.queries import queries

_SEPARATOR = "\x1f"
"""Between the ids: chr(31) in the statement."""


async def current_digests(
    connection: Connection, source_id: int, problem_ids: Iterable[str]
) -> tuple[frozenset[bytes], datetime | None]:
    """Return the digests of rows that say what is current of these problems, and the newest time of change of what they
    say (the source's clock).

    An id that holds the separator is taken for other ids: its row is read, and theirs are not passed over for it, for
    no other row has their digest.
    """
    (found,) = await connection.fetch(queries("listed")["current"], source_id, _SEPARATOR.join(problem_ids))
    return frozenset(found["digests"] or ()), found["newest"]


async def remember(connection: Connection, rows: Sequence[row_builder.Row]) -> None:
    """Keep the memos (source id, problem id, memo) of problems whose current row is not written."""
    if rows:
        await connection.execute(queries("listed")["remember"], *row_builder.columns(rows))
