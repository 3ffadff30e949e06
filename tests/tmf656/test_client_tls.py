"""TLS to a source, with real handshakes: whom the client believes, and as whom it shows itself."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import web

from bridge.errors import TransientError
from bridge.settings import Tmf656Settings
from bridge.tmf656.client import Client

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def authority(tmp_path: Path) -> trustme.CA:
    made = trustme.CA()
    made.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return made


@pytest.fixture
def shown(authority: trustme.CA, tmp_path: Path) -> dict[str, Path]:
    """Our certificate and its key, as options of the client."""
    made = authority.issue_cert("bridge.example", common_name="tmf656-bridge")
    cert, key = tmp_path / "client.pem", tmp_path / "client.key"
    for blob in made.cert_chain_pems:
        blob.write_to_path(str(cert), append=True)
    made.private_key_pem.write_to_path(str(key))
    return {"client_cert_file": cert, "client_key_file": key}


@asynccontextmanager
async def source(authority: trustme.CA, name: str, *, mutual: bool = False) -> AsyncIterator[tuple[str, list[Any]]]:
    """A source whose certificate is for `name`; yields its address, and whose certificates were shown."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    if mutual:
        context.verify_mode = ssl.CERT_REQUIRED
        authority.configure_trust(context)
    peers: list[Any] = []

    async def handle(request: web.Request) -> web.Response:
        peers.append((request.get_extra_info("peercert") or {}).get("subject"))
        return web.json_response([])

    app = web.Application()
    app.router.add_route("*", "/{anything:.*}", handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        yield f"https://127.0.0.1:{runner.addresses[0][1]}/v4", peers
    finally:
        await runner.cleanup()


async def listed(url: str, **options: Any) -> None:
    async with Client("snow", Tmf656Settings(url=url, request_timeout_seconds=5.0, **options)) as client:
        await anext(client.pages())


async def test_an_authority_of_the_configuration_is_believed_and_no_other(
    authority: trustme.CA, tmp_path: Path
) -> None:
    async with source(authority, "127.0.0.1") as (url, peers):
        await listed(url, ca_file=tmp_path / "ca.pem")
        with pytest.raises(TransientError, match=r"certificate"):
            await listed(url)
        trustme.CA().cert_pem.write_to_path(str(tmp_path / "other.pem"))
        with pytest.raises(TransientError, match=r"certificate"):
            await listed(url, ca_file=tmp_path / "other.pem")
        assert len(peers) == 1


async def test_a_certificate_for_another_name_is_refused(authority: trustme.CA, tmp_path: Path) -> None:
    async with source(authority, "elsewhere.example") as (url, peers):
        with pytest.raises(TransientError, match=r"certificate"):
            await listed(url, ca_file=tmp_path / "ca.pem")
        assert peers == []


async def test_a_source_that_wants_our_certificate_is_shown_it(
    authority: trustme.CA, tmp_path: Path, shown: dict[str, Path]
) -> None:
    async with source(authority, "127.0.0.1", mutual=True) as (url, peers):
        await listed(url, ca_file=tmp_path / "ca.pem", **shown)
        assert [("commonName", "tmf656-bridge")] in [
            [pair for rdn in subject for pair in rdn][-1:] for subject in peers
        ]
        with pytest.raises(TransientError):
            await listed(url, ca_file=tmp_path / "ca.pem")
        assert len(peers) == 1
