"""TLS to a remote system: trusted authorities, our client certificate, and whether a port speaks TLS."""

import ssl
from contextlib import suppress

import anyio
from yarl import URL

from bridge.errors import ConfigurationError
from bridge.settings import SystemSettings


def tls_context(settings: SystemSettings, key: str) -> ssl.SSLContext | bool:
    """Create the TLS context; raises ConfigurationError with the name of a file that cannot be used."""
    if settings.verify_tls and settings.ca_file is None and settings.client_cert_file is None:
        return True
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError([f"{key}.ca_file: {settings.ca_file} cannot be used ({error})"]) from error
    if not settings.verify_tls:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if settings.client_cert_file is not None:
        try:
            context.load_cert_chain(settings.client_cert_file, settings.client_key_file)
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(
                [f"{key}.client_cert_file: {settings.client_cert_file} cannot be used ({error})"]
            ) from error
    return context


async def speaks_tls(url: URL, seconds: float) -> bool:
    """Find out whether the port of an http address answers a TLS handshake. Nothing is sent but the handshake."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        anyio.move_on_after(seconds),
        suppress(OSError, anyio.EndOfStream, anyio.BrokenResourceError),
    ):
        stream = await anyio.connect_tcp(
            url.host or "", url.port or 80, ssl_context=context, tls_standard_compatible=False
        )
        await anyio.aclose_forcefully(stream)
        return True
    return False
