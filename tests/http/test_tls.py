"""TLS to a remote system: what it is made of, and whether a port speaks it, found out by a real handshake."""

import ssl
from pathlib import Path

import anyio
import pytest
import trustme
from anyio.abc import SocketStream
from yarl import URL

from bridge.errors import ConfigurationError
from bridge.http.tls import speaks_tls, tls_context
from bridge.settings import SystemSettings

pytestmark = pytest.mark.anyio

LIMIT_SECONDS = 30.0


def settings(**keys: object) -> SystemSettings:
    return SystemSettings.model_validate({"url": "https://snow.example/v4", **keys})


def test_without_anything_set_the_library_decides() -> None:
    assert tls_context(settings(), "sources.snow") is True


def test_where_it_is_not_to_be_verified_any_certificate_will_do() -> None:
    context = tls_context(settings(verify_tls=False), "sources.snow")
    assert isinstance(context, ssl.SSLContext)
    assert (context.check_hostname, context.verify_mode) == (False, ssl.CERT_NONE)


@pytest.mark.parametrize("key", ["ca_file", "client_cert_file"])
def test_a_file_that_cannot_be_used_is_named_by_its_key(key: str, tmp_path: Path) -> None:
    broken = tmp_path / "broken.pem"
    broken.write_text("no certificate")
    with pytest.raises(ConfigurationError, match=rf"^sources\.snow\.{key}: .*broken\.pem cannot be used"):
        tls_context(settings(**{key: broken}), "sources.snow")


async def test_a_port_that_speaks_tls_is_told_from_one_that_does_not() -> None:
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("elsewhere.example").configure_cert(served)

    async def plain(stream: SocketStream) -> None:
        async with stream:
            await stream.receive()
            await stream.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async def secure(stream: SocketStream) -> None:
        async with stream:
            try:
                await anyio.streams.tls.TLSStream.wrap(stream, ssl_context=served, standard_compatible=False)
            except (ssl.SSLError, anyio.EndOfStream, anyio.BrokenResourceError):
                return

    found = {}
    for handle in (plain, secure):
        async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
            port = listener.listeners[0].extra_attributes[anyio.abc.SocketAttribute.local_port]()
            async with anyio.create_task_group() as group:
                group.start_soon(listener.serve, handle)
                found[handle.__name__] = await speaks_tls(URL(f"http://127.0.0.1:{port}/v4"), LIMIT_SECONDS)
                group.cancel_scope.cancel()
    assert found == {"plain": False, "secure": True}
    assert not await speaks_tls(URL(f"http://127.0.0.1:{port}/v4"), LIMIT_SECONDS), "nobody listens there now"
