"""A wire to Postgres with a delay on it, as to a server in another city.

    python -m tests.bench.proxy SOCKET --delay SECONDS

Listens on loopback, passes everything on to the Unix socket after the delay, and back after the same. Bandwidth is not
limited: what was sent together arrives together.
"""

import argparse
import asyncio
from contextlib import suppress

_CHUNK_BYTES = 65536


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_seconds: float) -> None:
    """Pass on what comes, in order, each piece when its time has come; then the end."""
    loop = asyncio.get_running_loop()
    on_its_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def take() -> None:
        data = b"-"
        while data:
            try:
                data = await reader.read(_CHUNK_BYTES)
            except ConnectionError:
                data = b""
            on_its_way.put_nowait((loop.time() + delay_seconds, data))

    async with asyncio.TaskGroup() as group:
        group.create_task(take())
        while (item := await on_its_way.get())[1]:
            await asyncio.sleep(max(0.0, item[0] - loop.time()))
            writer.write(item[1])
            with suppress(ConnectionError):
                await writer.drain()
    writer.close()


async def _serve(socket_path: str, delay_seconds: float) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_unix_connection(socket_path)
        async with asyncio.TaskGroup() as group:
            group.create_task(_carry(reader, far_writer, delay_seconds))
            group.create_task(_carry(far_reader, writer, delay_seconds))

    async with await asyncio.start_server(connected, "127.0.0.1", 0) as server:
        print(f"listening {server.sockets[0].getsockname()[1]}", flush=True)  # noqa: T201 -- the bench reads it
        await server.serve_forever()


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("socket")
    arguments.add_argument("--delay", type=float, required=True)
    chosen = arguments.parse_args()
    asyncio.run(_serve(chosen.socket, chosen.delay))
