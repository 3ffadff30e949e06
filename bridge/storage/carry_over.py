"""A database of the last development version before the first release, carried over to the present schema.

That version had 19 migrations, which the release replaces by a few; `sql/carry_over/applied.txt` lists their numbers
and checksums. `migrate` recognises such a database and renames its tables and columns in place, in one transaction:
after a crash or a refusal it is what it was before. No row is copied, and views that others made on schema `report`
stay.

Any earlier state of the 19 migrations is refused with the way out. So is a database that a bridge still runs on.
"""

import re
from collections.abc import Mapping
from functools import cache

from bridge.errors import SchemaError
from bridge.storage.database import Connection
from bridge.storage.queries import sql_dir

LAST_COMMIT = "3e384b1"
"""The last commit with the 19 migrations."""
MADE = ("core", "summary", "reports", "roles")
"""Names of the migrations whose schema a database has once it is carried over."""
_COMMENT = re.compile(r"^comment on .*?';$", re.DOTALL | re.MULTILINE)
_DAY_FUNCTION = re.compile(
    r"^create (function bridge\.(?:make|drop)_notification_day.*?^\$\$;$)", re.DOTALL | re.MULTILINE
)
_RUNNING = """
    select l.holder from bridge.lease as l
    where l.expires_at > clock_timestamp()
"""


@cache
def checksums() -> Mapping[int, str]:
    """Return number → checksum of the 19 migrations."""
    lines = (sql_dir() / "carry_over/applied.txt").read_text(encoding="utf-8").split("\n")
    return {int(number): checksum for number, _, checksum in (line.partition(" ") for line in lines if line)}


def recognises(applied: Mapping[int, str]) -> bool:
    """Whether these migrations (number → checksum) are the 19; SchemaError when they are only some of them."""
    expected = checksums()
    if applied == expected:
        return True
    if applied and applied.items() <= expected.items():
        raise SchemaError(
            f"the schema was made by an older development version ({len(applied)} of {len(expected)} migrations): "
            f"run `migrate` of commit {LAST_COMMIT} first, then this one"
        )
    return False


async def rename(connection: Connection, definitions: Mapping[str, str]) -> None:
    """Carry the database over, inside the caller's transaction. `definitions`: the present migrations, name → SQL."""
    holder = await connection.fetchval(_RUNNING)
    if holder is not None:
        raise SchemaError(f"a bridge still runs on this database ({holder}): stop it, then run `tmf656-bridge migrate`")
    directory = sql_dir() / "carry_over"
    await connection.execute((directory / "tables.sql").read_text(encoding="utf-8"))
    await connection.execute(definitions["reports"])
    await connection.execute((directory / "leftovers.sql").read_text(encoding="utf-8"))
    for function in _DAY_FUNCTION.findall(definitions["core"]):
        await connection.execute(f"create or replace {function}")
    for name in ("core", "summary"):
        await connection.execute("\n".join(_COMMENT.findall(definitions[name])))
    await connection.execute(definitions["roles"])
    await connection.execute("delete from bridge_migration.applied")
