"""Named SQL statements, read once from `sql/queries/*.sql`.

A file holds the statements of one table, each under a line `-- name: the_name`; comments between that line and the
statement say what it is for. Nothing is ever pasted into a statement: values go as parameters.
"""

import re
from functools import cache
from pathlib import Path

import bridge

_NAME = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)


def sql_dir() -> Path:
    """Where `migrations/` and `queries/` lie: inside the installed package, or beside it in a checkout."""
    package = Path(bridge.__file__).parent
    inside = package / "sql"
    return inside if inside.is_dir() else package.parent / "sql"


@cache
def queries(table: str) -> dict[str, str]:
    """Return the statements of `sql/queries/<table>.sql` by name."""
    text = (sql_dir() / "queries" / f"{table}.sql").read_text(encoding="utf-8")
    parts = _NAME.split(text)
    return {name: statement.strip().rstrip(";") for name, statement in zip(parts[1::2], parts[2::2], strict=True)}
