"""Clients that others wrote for ServiceNow take the simulated instance for one: pysnow, aiosnow and snowloader."""

import json
import os
import ssl
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest
import trustme

from bridge.simulator.servicenow.simulator import ServiceNowSimulator

pytestmark = pytest.mark.anyio
WORK = Path(__file__).with_name("servicenow_clients.py")
LOGIN = {"username": "judge", "password": "k"}


async def at_work(client: str, url: str, **environment: str) -> dict[str, Any]:
    ran = await anyio.run_process([sys.executable, str(WORK), client, url], check=False, env=os.environ | environment)
    assert ran.returncode == 0, ran.stderr.decode()[-3000:]
    seen: dict[str, Any] = json.loads(ran.stdout)
    return seen


async def test_pysnow_creates_finds_changes_and_deletes() -> None:
    async with ServiceNowSimulator(population=3, seed=1, **LOGIN) as sim:
        seen = await at_work("pysnow", sim.url)
        assert "403" in seen.pop("refused")
        assert seen == {
            "made": "INC0010004",
            "states": ["1", "2"],
            "found": ["INC0010004"],
            "newest": 2,
            "deleted": "record deleted",
            "gone": True,
        }
        assert len(sim.incidents) == 3


async def test_aiosnow_reads_typed_states_and_the_journal_over_tls(tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trusted = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(trusted))
    async with ServiceNowSimulator(population=3, seed=1, tls=context, **LOGIN) as sim:
        seen = await at_work("aiosnow", sim.url, SSL_CERT_FILE=str(trusted))
        assert seen == {"made": "INC0010004", "impact": 1, "state": 2, "listed": 1, "notes": ["a note"]}


async def test_snowloader_sees_every_record_by_offset_by_keyset_and_in_parallel() -> None:
    async with ServiceNowSimulator(population=50, seed=1, **LOGIN) as sim:
        seen = await at_work("snowloader", sim.url)
        everything = sorted(sim.incidents)
        assert seen["count"] == 50
        assert all(seen[way] == everything for way in ("offset", "keyset", "since", "threads"))
        assert seen["active"] == sum(each["impact"] == "1" for each in sim.incidents.values())
