"""Secrets that are used everywhere are seen nowhere: logs, metrics, answers, errors, dead letters, reports, `ps`.

Where they may stand: in the configuration; and, of all tables, a callback's secret in bridge.source (current, before,
made by us) and, as part of the registered address, in bridge.subscription. Both are read by the writer only.
"""

import signal
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest

from bridge.simulator import Simulator

pytestmark = pytest.mark.anyio

PASSWORD, CALLBACK, TOKEN, METRICS = (f"c4nary-{name}-0123456789abcd" for name in ("pass", "call", "bear", "metr"))
KEY = "whsec_YzRuYXJ5LXNpZ25pbmcta2V5LTAxMjM0"
DSN_PASSWORD = "c4nary-dsn-0123456789"
CANARIES = (PASSWORD, CALLBACK, TOKEN, METRICS, KEY, DSN_PASSWORD)
ALLOWED = {("source", "current_secret"), ("source", "callback_secret"), ("source", "previous_secret")} | {
    ("subscription", "callback")
}


def seen(text: str) -> list[str]:
    """The canaries in a text, also where it shows bytes as Postgres does."""
    return [canary for canary in CANARIES if canary in text or canary.encode().hex() in text]


async def test_no_secret_is_seen_where_it_should_not_be(
    dsn: str, start: Any, call: Any, configured: Any, tmp_path: Path
) -> None:
    async with Simulator(population=3, seed=1, username="bridge", password=PASSWORD) as sim:
        secret_file = tmp_path / "callback"
        secret_file.write_text(CALLBACK)
        login = {"url": sim.url, "username": "bridge", "password": PASSWORD, "poll_interval_seconds": 1}
        guarded = {"callback_token": TOKEN, "callback_signing_secret": KEY}
        sources = {
            "snow": login | {"callback_secret_file": str(secret_file)},
            "guarded": login | guarded | {"callback_secret": CALLBACK[::-1], "push": False},
            "locked": login | {"password": PASSWORD[:-1], "push": False},
            "away": login | {"url": "http://127.0.0.1:9/v4", "push": False},
        }
        config = configured(dsn=_with_password(dsn), sources=sources, metrics_token=METRICS)
        env = {"BRIDGE_LOG__LEVEL": "debug"}
        said: list[str] = []
        running = start("run", "--config", config, env=env, fresh=True)
        async with running as program, aiohttp.ClientSession() as session:
            url = (await program.logged("ready"))["url"]
            await program.logged("registered", source="snow")
            said.append(Path(f"/proc/{program.pid}/cmdline").read_text())
            for path, body, headers in (
                (f"snow/{CALLBACK}", b'{"event":{"serviceProblem":{"id":"1","status":"held"}}}', {}),
                (f"snow/{CALLBACK}", b"no json", {}),
                (f"snow/{CALLBACK}/listener/x", b"{}", {}),
                (f"snow/{CALLBACK}x", b"{}", {}),
                (f"guarded/{CALLBACK[::-1]}", b"{}", {"Authorization": f"Bearer {TOKEN}"}),
                (f"guarded/{CALLBACK[::-1]}", b"{}", {"Authorization": f"Basic {TOKEN}"}),
            ):
                async with session.post(f"{url}/listener/{path}", data=body, headers=headers) as answer:
                    said.append(str(answer.headers) + await answer.text())
            for path in ("/", "/readyz", "/metrics", "/openapi.json", f"/listener/snow/{CALLBACK}"):
                for headers in ({}, {"Authorization": f"Bearer {METRICS}"}):
                    async with session.get(f"{url}{path}", headers=headers) as answer:
                        said.append(str(answer.headers) + await answer.text())
            for command in (
                ("status",),
                ("status", "--json"),
                ("dead-letters", "list"),
                ("check",),
                ("sync", "locked"),
            ):
                ended = await call(*command, "--config", config, env=env)
                said.append(ended.out + ended.err)
            assert await program.stopped(signal.SIGTERM) == 0
            said += [*program.err, *program.out]
        config.write_text(config.read_text() + "unknown = 1\n")
        broken = await call("run", "--config", config, env=env | {"BRIDGE_SOURCES__SNOW__TOKEN": TOKEN})
        assert broken.status == 2
        said.append(broken.out + broken.err)
    assert not [(line, seen(line)) for line in said if seen(line)]
    assert await _columns_with_canaries(dsn) <= ALLOWED


async def _columns_with_canaries(dsn: str) -> set[tuple[str, str]]:
    """Every column of every table and view in which a canary stands."""
    connection = await asyncpg.connect(dsn)
    try:
        relations = await connection.fetch(
            "select schemaname as space, tablename as name from pg_tables where schemaname in ('bridge', 'report') "
            "union all select schemaname, viewname from pg_views where schemaname in ('bridge', 'report')"
        )
        found = set()
        for space, name in relations:
            columns = await connection.fetch(
                f"select distinct e.k, e.v::text from {space}.{name} as r, jsonb_each(to_jsonb(r)) as e (k, v)"  # noqa: S608 -- as above
            )
            found |= {(name, row["k"]) for row in columns if seen(row["v"] or "")}
        return found
    finally:
        await connection.close()


def _with_password(dsn: str) -> str:
    """The tests' Postgres trusts every connection through its socket; a password is sent along all the same."""
    return f"{dsn}&password={DSN_PASSWORD}"
