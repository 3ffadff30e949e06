"""`check --push`: does a notification arrive, all the way through the hub?

Where no bridge runs, a listener is opened in its place and a callback of the test's own is registered; where one runs,
its registration is what is tested. A server is not made to send anything: when nothing comes within the time, one
request of our own to the callback says whether its address leads here.
"""

import secrets

import anyio

from bridge.bootstrap import OpenDatabase, client_for, open_database
from bridge.cli.check_listener import callback_base
from bridge.cli.finding import Finding
from bridge.domain.hub import HubAbsentError, HubConflictError
from bridge.errors import BridgeError, TransientError
from bridge.settings import Settings
from bridge.sources.client import hub_of
from bridge.storage import source as source_table
from bridge.storage import subscription
from bridge.storage.database import Connection
from bridge.telemetry.metrics import Metrics
from bridge.web.callback_probe import CallbackProbe, probing, status_of
from bridge.web.server import ServerOptions
from bridge.web.tls import Certificates

_LOOK_SECONDS = 0.2
_REMEDY = "set http.public_url to how {} reaches this machine, and look at firewalls and proxies between"


async def check_push(settings: Settings, names: list[str], *, running: bool, wait_seconds: float) -> list[Finding]:
    """Test the push of these sources at the same time. `running`: a bridge leads on this database."""
    if not names:
        return []
    findings: dict[str, Finding] = {}
    try:
        if running:
            async with open_database(settings, join=True, wait=False) as postgres, anyio.create_task_group() as group:
                for name in names:
                    group.start_soon(_through_bridge, name, postgres, wait_seconds, findings)
        else:
            async with probing(_options(settings)) as probe, anyio.create_task_group() as group:
                for name in names:
                    group.start_soon(_through_probe, name, settings, probe, wait_seconds, findings)
    except BridgeError as error:
        return [Finding("listener", "push", False, str(error))]
    return [findings[name] for name in names]


def _options(settings: Settings) -> ServerOptions:
    http = settings.http
    tls = None
    if http.tls_cert_file is not None:
        tls = Certificates(http.tls_cert_file, http.tls_key_file, http.tls_client_ca_file).context
    return ServerOptions(http.host, http.port, tls=tls)


async def _through_probe(
    name: str, settings: Settings, probe: CallbackProbe, wait_seconds: float, findings: dict[str, Finding]
) -> None:
    source = settings.sources[name]
    secret = f"check-{secrets.token_urlsafe(16)}"
    callback = f"{callback_base(settings) or probe.url}/listener/{name}/{secret}"
    try:
        async with client_for(name, source, Metrics()) as client:
            hub = hub_of(name, client)
            registration = await hub.register(callback, source.hub.hub_query, version=source.model_version)
            try:
                arrived = await probe.posted(secret, within_seconds=wait_seconds)
            finally:
                if registration.hub_id is not None:
                    with anyio.CancelScope(shield=True):
                        await hub.deregister(registration.hub_id)
    except HubAbsentError as error:
        findings[name] = Finding(name, "push", None, f"no hub ({error})", "the source is polled")
        return
    except HubConflictError:
        found = "the hub takes one registration only, and has one"
        findings[name] = Finding(name, "push", None, found, "start `tmf656-bridge run`, then check again")
        return
    except BridgeError as error:
        findings[name] = Finding(name, "push", False, str(error), f"look at sources.{name}.version and http.public_url")
        return
    if arrived:
        findings[name] = Finding(name, "push", True, f"a notification of {name} arrived at {_shown(callback)}")
        return
    nothing = f"nothing came within {wait_seconds:.0f} s"
    try:
        status = await status_of("POST", callback)
    except TransientError as error:
        findings[name] = _unreached(name, f"{nothing}; our own POST to {_shown(callback)} failed: {error}")
        return
    if await probe.posted(secret, within_seconds=0):
        findings[name] = _only_ours(name, nothing, callback)
    else:
        found = f"{nothing}; our own POST to {_shown(callback)} was answered {status} by something else"
        findings[name] = _unreached(name, found)


async def _through_bridge(name: str, postgres: OpenDatabase, wait_seconds: float, findings: dict[str, Finding]) -> None:
    try:
        async with postgres.database.connection() as connection:
            source_id = await source_table.find(connection, name)
            held = None if source_id is None else await subscription.active(connection, source_id)
        if held is None:
            found = "the running bridge has no registration: `tmf656-bridge status` says why"
            findings[name] = Finding(name, "push", False, found)
            return
        if await _answered(name, postgres, wait_seconds):
            findings[name] = Finding(name, "push", True, f"a notification of {name} arrived at the running bridge")
            return
        nothing = f"nothing came to the running bridge within {wait_seconds:.0f} s"
        status = await status_of("GET", held.callback)
    except TransientError as error:
        findings[name] = _unreached(name, f"our own request to {_shown(held.callback if held else '')} failed: {error}")
        return
    if status == 405:
        findings[name] = _only_ours(name, nothing, held.callback)
    else:
        found = f"{nothing}; a request of our own to {_shown(held.callback)} was answered {status} by something else"
        findings[name] = _unreached(name, found)


async def _answered(name: str, postgres: OpenDatabase, wait_seconds: float) -> bool:
    """Does the running bridge receive something of the source within the time?"""
    async with postgres.database.connection() as connection:
        before = await _last_push(connection, name)
        with anyio.move_on_after(wait_seconds):
            while await _last_push(connection, name) == before:  # noqa: ASYNC110 - another process changes it
                await anyio.sleep(_LOOK_SECONDS)
            return True
    return False


async def _last_push(connection: Connection, name: str) -> object:
    return next((row["last_push_at"] for row in await source_table.status(connection) if row["name"] == name), None)


def _only_ours(name: str, nothing: str, callback: str) -> Finding:
    found = f"{nothing}; our own request to {_shown(callback)} arrived"
    remedy = f"the address leads here from this machine; change a problem in {name} and check again"
    return Finding(name, "push", None, found, remedy)


def _unreached(name: str, found: str) -> Finding:
    return Finding(name, "push", False, found, _REMEDY.format(name))


def _shown(callback: str) -> str:
    """The callback without its secret."""
    return f"{callback.rpartition('/')[0]}/…"
