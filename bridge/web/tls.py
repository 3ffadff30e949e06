"""TLS served by ourselves: 1.2 or later, client certificates where an authority for them is set, and new certificates
loaded without a restart.

The files are looked at every other second. They are read into a context of their own first: half a file, or a
certificate without its key, is logged and leaves the one in use as it is. Open connections are not touched. An
authority for client certificates that is removed from its file is trusted until the next start.
"""

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import structlog

from bridge.errors import ConfigurationError

log = structlog.get_logger(__name__)

_LOOK_EVERY_SECONDS = 2.0


@dataclass(slots=True)
class Certificates:
    """Our certificate and the context that serves it."""

    cert_file: Path
    key_file: Path | None = None
    client_ca_file: Path | None = None
    look_every_seconds: float = _LOOK_EVERY_SECONDS
    context: ssl.SSLContext = field(init=False)
    _seen: tuple[tuple[int, int, int], ...] = field(init=False, default=())

    def __post_init__(self) -> None:
        """Load; ConfigurationError naming the key when the files cannot be used."""
        self._seen = self._stamps()
        self.context = self._loaded(_fresh(wants_clients=self.client_ca_file is not None))

    def reload(self) -> bool:
        """Load what is in the files now; False, and a warning, when it cannot be used."""
        self._seen = self._stamps()
        try:
            self._loaded(_fresh(wants_clients=self.client_ca_file is not None))
            self._loaded(self.context)
        except ConfigurationError as error:
            log.warning(
                "certificate not loaded",
                error=str(error),
                remedy="correct both files",
            )
            return False
        log.info("certificate loaded", file=str(self.cert_file))
        return True

    async def watch(self, on_reload: Callable[[], None] = lambda: None) -> None:
        """Reload whenever a file has changed."""
        while True:
            await anyio.sleep(self.look_every_seconds)
            if self._stamps() != self._seen and self.reload():
                on_reload()

    def _loaded(self, context: ssl.SSLContext) -> ssl.SSLContext:
        key = "http.tls_cert_file"
        try:
            context.load_cert_chain(self.cert_file, self.key_file)
            key = "http.tls_client_ca_file"
            if self.client_ca_file is not None:
                context.load_verify_locations(self.client_ca_file)
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError([f"{key}: cannot be used with its key ({error})"]) from error
        return context

    def _stamps(self) -> tuple[tuple[int, int, int], ...]:
        """Return what changes when a file does. A file that is missing for a moment has changed."""
        found = []
        for path in filter(None, (self.cert_file, self.key_file, self.client_ca_file)):
            try:
                status = path.stat()
            except OSError:
                found.append((0, 0, 0))
            else:
                found.append((status.st_mtime_ns, status.st_size, status.st_ino))
        return tuple(found)


def _fresh(*, wants_clients: bool) -> ssl.SSLContext:
    """A context for a server. Client certificates are asked for, not demanded: which source must show one is set with
    the source; one that is not of a trusted authority ends the handshake.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.verify_mode = ssl.CERT_OPTIONAL if wants_clients else ssl.CERT_NONE
    return context
