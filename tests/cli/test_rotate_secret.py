"""`rotate-secret` beside a running bridge: nothing is refused meanwhile, and what is retired is gone."""

from typing import Any

import aiohttp
import asyncpg
import pytest

from bridge.simulator import Simulator

pytestmark = pytest.mark.anyio

BODY = b'{"eventType":"ServiceProblemCreateEvent","event":{"serviceProblem":{"id":"1"}}}'


async def test_a_running_bridge_registers_the_new_callback_and_retires_the_oldest(
    dsn: str, start: Any, call: Any, configured: Any, eventually: Any
) -> None:
    async with Simulator(population=2, seed=1) as sim, aiohttp.ClientSession() as session:

        async def only_callback() -> str | None:
            callbacks = [one.callback for one in sim.subscriptions.values()]
            return callbacks[0] if len(callbacks) == 1 else None

        async def answered(callback: str) -> int:
            async with session.post(callback, data=BODY) as answer:
                return answer.status

        config = configured(dsn=dsn, sources={"snow": {"url": sim.url}})
        async with start("run", "--config", config) as running, start("run", "--config", config) as other:
            await running.logged("ready")
            port = (await other.logged("listening"))["url"].rpartition(":")[2]
            known: list[str] = [await eventually(only_callback)]
            for _ in range(2):
                said = await call("rotate-secret", "snow", "--config", config)
                assert (said.status, "accepted until the next rotation" in said.out) == (0, True), said.err

                async def renewed() -> str | None:
                    callback = await only_callback()
                    return callback if callback not in known else None

                known.append(await eventually(renewed))
                assert not {secret for one in known if (secret := one.rpartition("/")[2]) in said.out + said.err}

            for base in ("", port):

                async def settled(base: str = base) -> bool:
                    wanted = [410, 201, 201]
                    addresses = [moved(one, base) if base else one for one in known]
                    return [await answered(one) for one in addresses] == wanted

                assert await eventually(settled)
        assert len({one.rpartition("/")[2] for one in known}) == 3
        everything = "\n".join(running.err + other.err)
        assert not [one for one in known if one.rpartition("/")[2] in everything]

        connection = await asyncpg.connect(dsn)
        try:
            assert await connection.fetchval("select cardinality(retired_secrets) from bridge.source") == 1
        finally:
            await connection.close()


async def test_a_configured_secret_is_changed_in_the_configuration(dsn: str, call: Any, configured: Any) -> None:
    source = {"url": "http://127.0.0.1:9/v4", "callback_secret": "c" * 32}
    config = configured(dsn=dsn, sources={"snow": source})
    said = await call("rotate-secret", "snow", "--config", config)
    assert (said.status, "sources.snow.callback_secret" in said.err) == (1, True)
    said = await call("rotate-secret", "nobody", "--config", config)
    assert (said.status, "no source 'nobody'" in said.err) == (1, True)
    config = configured(dsn=dsn, sources={"snow": {"url": "http://127.0.0.1:9/v4"}})
    said = await call("rotate-secret", "snow", "--config", config)
    assert (said.status, "no callback yet" in said.err) == (1, True)


def moved(callback: str, port: str) -> str:
    """The same callback at the other process."""
    return callback.replace(callback.split("/")[2].rpartition(":")[2], port, 1)
