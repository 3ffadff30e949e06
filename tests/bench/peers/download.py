"""Only what every reader of a list must do: ask for its pages in turn and parse them. aiohttp, orjson, uvloop."""

import argparse

import aiohttp
import orjson
import uvloop


async def _read(url: str, page_size: int) -> int:
    problems = 0
    async with aiohttp.ClientSession() as session:
        while True:
            async with session.get(f"{url}/serviceProblem?limit={page_size}&offset={problems}") as answer:
                page = orjson.loads(await answer.read())
            if not page:
                return problems
            problems += len(page)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("url")
    arguments.add_argument("--page-size", type=int, default=500)
    chosen = arguments.parse_args()
    print(f"read {uvloop.run(_read(chosen.url, chosen.page_size))}")  # noqa: T201 -- the bench reads it
