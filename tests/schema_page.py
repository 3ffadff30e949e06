"""The whole schema on one page, for readers: what the migrations add up to, as `sql/schema.sql`.

`make schema` (`python -m tests.schema_page FILE`) writes it: a Postgres that lives for a few seconds is migrated
and dumped, and what only a restore needs is left out. Nothing reads the page at run time; a test proves that it makes
the same database as the migrations do. The file is written last, in one go: a failure leaves the old one.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio

from bridge.postgres.embedded import embedded
from bridge.storage import migrations
from bridge.storage.database import opened

_HEAD = """\
-- The whole schema on one page, to be read: made by `make schema` out of sql/migrations, which is what is applied.
-- Roles bridge_reader and bridge_writer, to whom the last lines grant, are made by the migrations.
"""
_ENTRY = re.compile(r"^--\n-- Name: .*?; Type: (?P<type>[^;]+); Schema: .*\n--\n", re.MULTILINE)
_SESSION = re.compile(
    r"^(SET default_\w+ = .*;|--\n-- PostgreSQL database dump complete\n--|\\unrestrict .*)$", re.MULTILINE
)
_PARTS = ("SEQUENCE", "CONSTRAINT", "INDEX")
_PART = re.compile(r"(?:ALTER TABLE|CREATE (?:UNIQUE )?INDEX \S+ ON) (?:ONLY )?(\w+\.\w+)")
_TABLE = re.compile(r"^CREATE (?:UNLOGGED )?TABLE (\w+\.\w+)", re.MULTILINE)
_GRANTOR = re.compile(r"(?<=^ALTER DEFAULT PRIVILEGES) FOR ROLE \S+", re.MULTILINE)


async def page(bin_dir: Path, dsn: str) -> str:
    """Return the schema of the database at `dsn`, comments and grants included, without owners, as one SQL script.

    The same schema gives the same text, for any owner and time of creation, for one version of pg_dump.
    """
    dumped = await anyio.run_process([bin_dir / "pg_dump", "--schema-only", "--no-owner", dsn], stderr=None)
    kinds = _ENTRY.split(dumped.stdout.decode())
    entries = [(kind, _SESSION.sub("", text).strip()) for kind, text in zip(kinds[1::2], kinds[2::2], strict=True)]
    return f"{_HEAD}\n{_GRANTOR.sub('', ''.join(_laid_out(entries)).lstrip())}"


def _laid_out(entries: list[tuple[str, str]]) -> Iterator[str]:
    """Yield the entries in pg_dump's order, but identities, keys and indexes with their table, and remarks close to
    their object.
    """
    tables = {table for _, text in entries for table in _TABLE.findall(text)}
    owners = [_owner(kind, text, tables) for kind, text in entries]
    before = ""
    for (kind, text), owner in zip(entries, owners, strict=True):
        if owner is not None:
            continue
        yield f"{text}\n" if kind in ("COMMENT", before) else f"\n{text}\n"
        before = kind
        for table in _TABLE.findall(text):
            yield from (f"{part}\n" for (_, part), whose in zip(entries, owners, strict=True) if whose == table)


def _owner(kind: str, text: str, tables: set[str]) -> str | None:
    """Return the table to show this with, None for what stands by itself."""
    found = _PART.match(text) if kind in _PARTS else None
    return found[1] if found and found[1] in tables else None


async def _write(path: Path) -> None:
    with TemporaryDirectory() as data_dir:
        async with embedded(Path(data_dir)) as own:
            async with opened(own.dsn, wait=False) as database, database.connection() as connection:
                await migrations.migrate(connection)
            text = await page(own.bin_dir, own.dsn)
    await anyio.Path(path).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    anyio.run(_write, Path(sys.argv[1]))
