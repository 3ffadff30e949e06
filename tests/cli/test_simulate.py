"""`simulate` as a real process: a TMF656 server for anybody's use."""

import re
import signal
import socket
from typing import Any

import aiohttp
import orjson
import pytest

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("version", ["2", "3", "r18.5", "4", "5"])
async def test_it_serves_every_version_says_where_and_stops_on_a_signal(
    start: Any, get: Any, version: str, family_of: Any, living: Any
) -> None:
    async with start("simulate", "--port", "0", "--version", version, "--population", "7", "--rate", "0") as program:
        url = re.findall(r"http://\S+", await program.said("TMF656 version"))[0]
        status, text, _ = await get(f"{url}/serviceProblem")
        assert status == 200
        assert len(orjson.loads(text)) == 7
        family = family_of(program.pid)
        assert await program.stopped(signal.SIGINT if version == "4" else signal.SIGTERM) == 0
        assert living(family) == set()


async def test_faults_are_options(start: Any, get: Any) -> None:
    options = ["--token", "a-token-of-some-length", "--error-rate", "1", "--no-hub", "--seed", "1"]
    async with start("simulate", "--port", "0", *options) as program:
        url = re.findall(r"http://\S+", await program.said("TMF656 version"))[0]
        assert (await get(f"{url}/serviceProblem"))[0] in (401, 500)


async def test_a_port_that_is_taken_is_said_with_the_option(call: Any, held_port: socket.socket) -> None:
    held_port.listen()
    answer = await call("simulate", "--port", str(held_port.getsockname()[1]))
    assert answer.status == 1
    assert "--port" in answer.err
    assert "Traceback" not in answer.err


async def test_a_servicenow_instance_is_another_kind(start: Any, get: Any) -> None:
    options = ["--kind", "servicenow", "--population", "7", "--rate", "0"]
    async with start("simulate", "--port", "0", *options) as program:
        url = re.findall(r"http://\S+", await program.said("ServiceNow instance"))[0]
        status, text, _ = await get(f"{url}/api/now/table/incident")
        assert (status, len(orjson.loads(text)["result"])) == (200, 7)


async def test_an_option_of_another_kind_is_refused(call: Any) -> None:
    answer = await call("simulate", "--kind", "servicenow", "--no-hub")
    assert answer.status == 2
    assert "--no-hub is an option of --kind tmf656" in " ".join(answer.err.split())


@pytest.mark.parametrize("kind", ["dataminer", "dataminer-api"])
async def test_a_dataminer_is_another_kind_and_its_tickets_are_synchronised(
    start: Any, call: Any, configured: Any, dsn: str, kind: str
) -> None:
    login = {"token": "dataminer-t0ken"} if kind == "dataminer-api" else {"username": "u", "password": "passw0rd-dma"}
    options = [part for name, value in login.items() for part in (f"--{name}", value)]
    options += ["--population", "7", "--rate", "0", "--refuse", "severity", "--normalise", "--lose-answers", "0.1"]
    async with start("simulate", "--kind", kind, "--port", "0", *options) as program:
        url = re.findall(r"http://\S+", await program.said("DataMiner System"))[0]
        config = configured(dsn=dsn, sources={"dma": {"kind": kind, "url": url, **login}})
        checked = await call("check", "--config", config)
        assert checked.status == 0, checked.out
        assert "7 problems on the first page" in " ".join(checked.out.split())
        full = await call("sync", "dma", "--full", "--config", config)
        assert full.status == 0, full.err
        assert "7 new" in full.out
        assert await program.stopped(signal.SIGTERM) == 0


async def test_an_option_of_another_kind_is_refused_with_the_kinds_that_have_it(call: Any) -> None:
    answer = await call("simulate", "--kind", "dataminer", "--token", "x")
    assert answer.status == 2
    assert "--token is an option of --kind tmf656 or dataminer-api" in " ".join(answer.err.replace("│", " ").split())


async def test_a_tmf656_server_may_do_writes_and_never_answer(start: Any) -> None:
    options = ("--port", "0", "--rate", "0", "--population", "1", "--lose-answers", "1")
    async with start("simulate", *options) as program, aiohttp.ClientSession() as session:
        url = re.findall(r"http://\S+", await program.said("TMF656 version"))[0]
        async with session.get(f"{url}/serviceProblem") as answer:
            [problem] = await answer.json()
        with pytest.raises(aiohttp.ClientError):
            await session.patch(f"{url}/serviceProblem/{problem['id']}", json={"reason": "written"})
        async with session.get(f"{url}/serviceProblem/{problem['id']}") as answer:
            assert (await answer.json())["reason"] == "written"
