"""`psql`: psql itself, on the right database, with the caller's arguments and psql's exit status."""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from bridge.postgres.embedded import embedded

pytestmark = pytest.mark.anyio


async def test_arguments_go_to_psql_and_its_exit_status_comes_back(dsn: str, call: Any, configured: Any) -> None:
    config = configured(dsn=dsn)
    good = await call("psql", "--config", config, "-XAt", "-c", "select 40 + 2")
    assert (good.status, good.out.strip()) == (0, "42")
    bad = await call("psql", "--config", config, "-X", "-v", "ON_ERROR_STOP=1", "-c", "select 1 / 0")
    assert bad.status == 1
    assert "division by zero" in bad.err
    missing = await call("psql", "--config", config, "-X", "-f", "/nowhere.sql")
    assert missing.status == 1
    usage = await call("psql", "--config", config, "--no-such-option")
    assert usage.status == 1
    assert "no-such-option" in usage.err


async def test_it_starts_the_embedded_postgres_or_joins_the_one_that_runs(
    call: Any, configured: Any, tmp_path: Path, processes_naming: Any
) -> None:
    config = configured()
    async with embedded(tmp_path / "data"):
        joined = await call("psql", "--config", config, "-XAtc", "create table t as select 7 as n")
        assert joined.status == 0, joined.err
    own = await call("psql", "--config", config, "-XAtc", "select n from t", fresh=True)
    assert (own.status, own.out.strip()) == (0, "7")
    assert processes_naming(tmp_path) == []


@pytest.mark.parametrize(
    "form", ["postgresql://postgres:{password}@", "postgresql:///?user=postgres&password={password}"]
)
async def test_d4_the_password_is_in_no_list_of_processes(form: str, dsn: str, call: Any, configured: Any) -> None:
    split = urlsplit(dsn)
    query = f"host={parse_qs(split.query)['host'][0]}&dbname={split.path[1:]}&connect_timeout=7&channel_binding=prefer"
    given = form.format(password="p%40ss-word") + ("&" if "?" in form else "/?") + query
    shell = "\\! tr '\\0' ' ' < /proc/$PPID/cmdline"
    answer = await call("psql", "--config", configured(dsn=given), "-X", "-c", shell)
    assert answer.status == 0, answer.err
    assert "connect_timeout='7'" in answer.out
    assert "ss-word" not in answer.out


async def test_a_database_that_is_away_is_said_in_words(call: Any, configured: Any, held_port: Any) -> None:
    dsn = f"postgresql://postgres@127.0.0.1:{held_port.getsockname()[1]}/x"
    answer = await call("psql", "--config", configured(dsn=dsn))
    assert answer.status == 1
    assert "database.dsn" in answer.err
    assert "Traceback" not in answer.err
