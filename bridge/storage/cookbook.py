"""The ready-made queries of `sql/reports`: what each answers, its parameters, and its answer.

A file begins with comments: a title, the question it answers, then a line `name = default: meaning` for each
parameter. A query reads a parameter with `report.parameter(name, default)`, which looks at the setting `report.name`.
"""

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from bridge.storage.database import Connection
from bridge.storage.queries import sql_dir

_PARAMETER = re.compile(r"(?:parameter:? +)?(?P<name>[a-z_]+) *= *(?P<default>.*?) *: +(?P<meaning>.+)")


@dataclass(frozen=True, slots=True)
class Parameter:
    """What can be set for a query."""

    name: str
    default: str
    meaning: str

    @property
    def needed(self) -> bool:
        """Has the query no answer without it?"""
        return self.meaning.endswith("; needed")


@dataclass(frozen=True, slots=True)
class CookbookQuery:
    """One file of the cookbook."""

    name: str
    title: str
    question: str
    parameters: tuple[Parameter, ...]
    sql: str


@cache
def cookbook() -> dict[str, CookbookQuery]:
    """Every query by its name."""
    paths = sorted((sql_dir() / "reports").glob("*.sql"))
    return {path.stem: _read(path.stem, path.read_text(encoding="utf-8")) for path in paths}


def _read(name: str, text: str) -> CookbookQuery:
    title, question, parameters = "", "", []
    for line in text.splitlines():
        if not line.startswith("--"):
            break
        comment = line.removeprefix("--").strip()
        found = _PARAMETER.fullmatch(comment)
        if found is not None:
            parameters.append(Parameter(found["name"], found["default"], found["meaning"]))
        elif not title:
            title = comment
        elif not question:
            question = comment
    return CookbookQuery(name, title, question, tuple(parameters), text.strip().rstrip(";"))


async def answer(connection: Connection, query: CookbookQuery, values: Mapping[str, str]) -> str:
    """Run a query with these values of its parameters; return its rows as CSV with a head, as Postgres writes it."""
    written = io.BytesIO()
    async with connection.transaction(readonly=True):
        for name, value in values.items():
            await connection.execute("select set_config('report.' || $1, $2, true)", name, value)
        await connection.copy_from_query(query.sql, output=written, format="csv", header=True)
    return written.getvalue().decode()


def rows_of(text: str) -> list[list[str]]:
    """The rows of such an answer, its head first."""
    return list(csv.reader(io.StringIO(text)))
