"""What writing to a server costs without everything else: GET and PATCH of one ticket after the other, nothing kept.

    python -m tests.bench.peers.pairs aiohttp URL --connections 8 --seconds 3
    python -m tests.bench.peers.pairs pysnow URL --seconds 3

aiohttp: bare, over several connections, a TMF656 server. pysnow: in sequence, as its users write, ServiceNow.
"""

import argparse
import asyncio
import warnings
from time import perf_counter
from urllib.parse import urlsplit

import aiohttp
import orjson
import uvloop

_TICKETS = 500


async def _aiohttp(url: str, connections: int, seconds: float) -> tuple[int, float]:
    connector = aiohttp.TCPConnector(limit=connections)
    async with aiohttp.ClientSession(connector=connector) as session:
        async with session.get(f"{url}/serviceProblem?limit={_TICKETS}&fields=id") as answer:
            ids = [row["id"] for row in orjson.loads(await answer.read())]
        began, done = perf_counter(), 0

        async def write() -> None:
            nonlocal done
            while perf_counter() < began + seconds:
                done += 1
                number = done
                address = f"{url}/serviceProblem/{ids[number % len(ids)]}"
                async with session.get(address) as answer:
                    orjson.loads(await answer.read())
                body = orjson.dumps({"description": f"pair {number}"})
                headers = {"Content-Type": "application/merge-patch+json"}
                async with session.patch(address, data=body, headers=headers) as answer:
                    answer.raise_for_status()
                    orjson.loads(await answer.read())

        async with asyncio.TaskGroup() as group:
            for _ in range(connections):
                group.create_task(write())
        return done, perf_counter() - began


def _pysnow(url: str, seconds: float) -> tuple[int, float]:
    warnings.simplefilter("ignore")
    import pysnow  # noqa: PLC0415 -- only where it is measured

    client = pysnow.Client(host=urlsplit(url).netloc, user="bench", password="bench", use_ssl=False)
    incidents = client.resource(api_path="/table/incident")
    ids = [row["sys_id"] for row in incidents.get(query={}, fields=["sys_id"], limit=_TICKETS).all()]
    began, done = perf_counter(), 0
    while perf_counter() < began + seconds:
        wanted = {"sys_id": ids[done % len(ids)]}
        incidents.get(query=wanted).one()
        incidents.update(query=wanted, payload={"description": f"pair {done}"}).one()
        done += 1
    return done, perf_counter() - began


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("client", choices=("aiohttp", "pysnow"))
    arguments.add_argument("url")
    arguments.add_argument("--connections", type=int, default=8)
    arguments.add_argument("--seconds", type=float, default=3.0)
    chosen = arguments.parse_args()
    if chosen.client == "aiohttp":
        pairs, took = uvloop.run(_aiohttp(chosen.url, chosen.connections, chosen.seconds))
    else:
        pairs, took = _pysnow(chosen.url, chosen.seconds)
    print(f"wrote {pairs} in {took}")  # noqa: T201 -- the bench reads it
