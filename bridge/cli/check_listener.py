"""`check` of this machine: the directory of the journal, the port, and the address that sources are given."""

import os
from collections.abc import Iterable
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from bridge.cli.finding import Finding
from bridge.settings import Settings
from bridge.web.server import bind

_EVERY_ADDRESS = ("0.0.0.0", "::", "")  # noqa: S104 - compared, not bound
_DEFAULT_PORTS = {"http": 80, "https": 443}


def check_listener(settings: Settings, *, running: bool) -> list[Finding]:
    """`running`: a bridge leads on this database, so that the port may be its own."""
    findings = [_journal(settings), _port(settings, running=running)]
    if any(source.enabled and source.hub.push for source in settings.sources.values()):
        findings += _callback(settings)
    return findings


def callback_base(settings: Settings) -> str | None:
    """What callbacks begin with; None while it is not known: any free port."""
    http = settings.http
    return http.public_url if "public_url" in http.model_fields_set or http.port else None


def _journal(settings: Settings) -> Finding:
    if not settings.journal.max_bytes:
        found = "none (journal.max_bytes = 0): while Postgres is away senders are answered 503"
        return Finding("journal", "directory", None, found)
    there = _nearest(settings.data_dir)
    works = there.is_dir() and os.access(there, os.W_OK | os.X_OK)
    remedy = "" if works else f"let this user write there, or set data_dir (now {settings.data_dir})"
    return Finding("journal", "directory", works, f"{there} is {'' if works else 'not '}writable", remedy)


def _nearest(path: Path) -> Path:
    """The path, or what there is of it."""
    return next((one for one in (path, *path.parents) if one.exists()), path)


def _port(settings: Settings, *, running: bool) -> Finding:
    http = settings.http
    place = f"{http.host}:{http.port}"
    try:
        for one in bind(http.host, http.port):
            one.close()
    except OSError as error:
        if running:
            return Finding("listener", "port", True, f"{place} is in use, by the running bridge most likely")
        remedy = f"set http.port (now {http.port}) and http.host (now {http.host}), or stop what listens there"
        return Finding("listener", "port", False, f"cannot listen on {place}: {error.strerror or error}", remedy)
    return Finding("listener", "port", True, f"{place} is free")


def _callback(settings: Settings) -> list[Finding]:
    base = callback_base(settings)
    if base is None:
        remedy = "set http.port, and http.public_url to how sources reach this machine"
        found = "http.port = 0 is any free port: another one, and another registration, at each start"
        return [Finding("callback", "address", None, found, remedy)]
    doubts = list(_doubts(settings, base))
    if not doubts:
        return [Finding("callback", "address", True, base)]
    found, remedy = doubts[0]
    return [Finding("callback", "address", None, f"{base}: {found}", remedy)]


def _doubts(settings: Settings, base: str) -> Iterable[tuple[str, str]]:
    """What may keep a notification from arriving, and what to do."""
    http, parts = settings.http, urlsplit(base)
    host, port = parts.hostname or "", parts.port or _DEFAULT_PORTS[parts.scheme]
    far = [
        name
        for name, source in settings.sources.items()
        if source.enabled and source.hub.push and not _is_loopback(urlsplit(source.url).hostname or "")
    ]
    if _is_loopback(host) and far:
        yield (
            f"{', '.join(far)} cannot reach a loopback address",
            "set http.public_url to how sources reach this machine, and http.host to listen there",
        )
    if not _is_loopback(host) and _is_loopback(http.host):
        yield (
            f"the listener is on {http.host} only, which nothing but a proxy on this machine reaches",
            'without such a proxy set http.host = "0.0.0.0"',
        )
    if parts.scheme == "https" and http.tls_cert_file is None and not _is_loopback(host):
        yield "the listener speaks plain http", "right behind a proxy with TLS; else set http.tls_cert_file"
    if parts.scheme == "http" and http.tls_cert_file is not None:
        yield "the listener speaks TLS", "begin http.public_url with https://"
    if http.port and port != http.port and "public_url" in http.model_fields_set and (_is_loopback(host) or parts.port):
        yield (
            f"the listener is on port {http.port}",
            f"right behind a proxy; else set http.port = {port}, or the port in http.public_url",
        )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
