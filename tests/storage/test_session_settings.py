"""How Postgres treats our sessions."""

import pytest

from bridge.storage.database import opened
from bridge.storage.session_settings import BRIDGE, FRONT, SessionSettings

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("session", [BRIDGE, FRONT])
async def test_every_setting_is_made_and_made_again_after_a_reset(dsn: str, session: SessionSettings) -> None:
    async with opened(dsn, wait=False, min_size=1, max_size=1, session=session) as database:
        for _ in range(2):
            async with database.connection() as connection:
                known = {row["name"]: row["setting"] for row in await connection.fetch("select * from pg_settings")}
                for name, value in session.values.items():
                    if name in known:
                        same = await connection.fetchval("select set_config($1, $2, true) = $3", name, value, value)
                        assert same
                await connection.execute("set search_path = report")
            async with database.connection() as connection:
                for name, value in session.values.items():
                    if name in known:
                        assert await connection.fetchval(f"show {name}") == value
                assert await connection.fetchval("show search_path") != "report"
