"""What can be set: one class a table, one field a key.

The docstring of a field is what an operator reads when its value is wrong.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, Field, SecretStr
from pydantic.fields import FieldInfo

from bridge.settings.console import ConsoleSettings
from bridge.settings.dsn import read_dsn
from bridge.settings.kinds import SourceOfKind, any_kind
from bridge.settings.links import LinkFieldSettings, LinkSettings
from bridge.settings.section import Key, Section, secret_names, section_of, text_of
from bridge.settings.values import (
    AnyPath,
    BaseUrl,
    Dsn,
    Lower,
    Networks,
    OptionalDirectory,
    OptionalFile,
    OptionalPort,
    Seconds,
    SourceName,
    Tokens,
    Whole,
    local_url,
)
from bridge.telemetry.redaction import mask


class DatabaseSettings(Section):
    """Postgres: the one of a DSN, or one of our own in the data directory."""

    dsn: Dsn = SecretStr("")
    """postgresql://user:password@host:5432/database; empty: an embedded Postgres in data_dir"""
    bin_dir: OptionalDirectory = None
    """directory with the binaries (initdb, postgres) of the embedded Postgres; empty: found by itself"""
    pool_min_size: Whole = Field(default=1, ge=0, le=1000)
    """connections kept open, 0 to 1000"""
    pool_max_size: Whole = Field(default=10, ge=2, le=1000)
    """connections at most, 2 to 1000"""


class HttpSettings(Section):
    """The listener that sources call, and the pages for metrics and probes."""

    host: str = "127.0.0.1"
    """address to listen on; 0.0.0.0 for all of IPv4, :: or empty for all"""
    port: Whole = Field(default=8656, ge=0, le=65535)
    """TCP port to listen on, 0 to 65535 (0: any free one)"""
    workers: Whole = Field(default=1, ge=1, le=64)
    """processes that share the port and the database, 1 to 64; each takes a core when there is much to do"""
    tls_cert_file: OptionalFile = None
    """a readable PEM file with our certificate and those between it and its authority; empty: plain http"""
    tls_key_file: OptionalFile = None
    """a readable PEM file with the key to tls_cert_file; empty: it stands in tls_cert_file"""
    tls_client_ca_file: OptionalFile = None
    """a readable PEM file with the authorities whose client certificates are trusted; empty: none is asked for"""
    public_url: BaseUrl = Field(default_factory=local_url)
    """how a source reaches us, as http(s)://host[:port][/path]; callbacks are built from it"""
    max_body_bytes: Whole = Field(default=2 * 1024**2, ge=1024, le=1024**3)
    """largest notification taken, 1024 to 1073741824 bytes"""
    max_waiting_bytes: Whole = Field(default=64 * 1024**2, ge=1024, le=1024**4)
    """bytes of notifications being received or waiting, 1024 to 1099511627776; further ones are answered 503"""
    body_timeout_seconds: Seconds = Field(default=10, ge=0.1, le=300)
    """time for the body of a notification to arrive, 0.1 to 300"""
    answer_timeout_seconds: Seconds = Field(default=1, ge=0.05, le=60)
    """time in which a notification is answered, 0.05 to 60; senders give up after 3 to 10"""
    keepalive_timeout_seconds: Seconds = Field(default=15, ge=0, le=3600)
    """time that an idle connection is kept open, 0 to 3600"""
    max_connections: Whole = Field(default=4096, ge=1, le=100_000)
    """connections open at a time, 1 to 100000; further ones are answered 503"""
    max_connections_per_peer: Whole = Field(default=2048, ge=1, le=100_000)
    """connections open at a time from one address, 1 to 100000; trusted_proxies may have more"""
    trusted_proxies: Networks = ()
    """list of addresses or networks whose X-Forwarded-For is trusted, ["10.0.0.7"]"""
    fast_path: bool = True
    """true: notifications with a usual head are read without the web framework, which is faster"""
    metrics_port: OptionalPort = None
    """TCP port for /metrics, /livez, /readyz and /openapi.json, 0 to 65535; empty: the same as for callbacks"""
    metrics_token: Tokens = SecretStr("")
    """bearer token that /metrics demands, 16 characters or more; empty: none; or metrics_token_file"""
    metrics_exemplars: bool = False
    """true: scrapes in OpenMetrics find a problem, and its trace, behind each bucket of event_age_seconds"""
    stream_token: Tokens = SecretStr("")
    """bearer token that /stream demands, 16 characters or more; empty: there is no /stream; or stream_token_file"""


class LogSettings(Section):
    """What is logged, and how; always to standard error."""

    level: Annotated[Literal["debug", "info", "warning", "error"], Lower] = "info"
    """debug, info, warning or error"""
    format: Annotated[Literal["auto", "json", "console"], Lower] = "auto"
    """json, console, or auto (console on a terminal, else json)"""


class RetentionSettings(Section):
    """How long what is kept; 0 keeps it for ever. Current rows of living problems always stay."""

    notifications_days: Whole = Field(default=30, ge=7, le=3650)
    """days of the log of notifications, 7 to 3650; repeats are recognised within them"""
    versions_days: Whole = Field(default=0, ge=0, le=36500)
    """days of versions and statuses, 0 (for ever) to 36500"""
    deleted_days: Whole = Field(default=0, ge=0, le=36500)
    """days that a problem deleted at its source stays, 0 (for ever) to 36500"""
    dead_letters_days: Whole = Field(default=90, ge=0, le=36500)
    """days of dead letters, 0 (for ever) to 36500"""
    writes_days: Whole = Field(default=90, ge=0, le=36500)
    """days of the record of what links wrote, 0 (for ever) to 36500"""
    conflicts_days: Whole = Field(default=365, ge=0, le=36500)
    """days of conflicts of links after they were settled, 0 (for ever) to 36500"""
    ended_links_days: Whole = Field(default=0, ge=0, le=36500)
    """days of links after both tickets have ended, 0 (for ever) to 36500"""


class JournalSettings(Section):
    """The local journal in data_dir, where notifications are kept while Postgres cannot take them."""

    max_bytes: Whole = Field(default=256 * 1024**2, ge=0, le=1024**4)
    """most bytes kept, 0 (no journal) to 1099511627776"""


class Settings(Section):
    """Everything that can be set. Frozen; secrets print as stars."""

    data_dir: AnyPath = Field(default=Path(".bridge"), validate_default=True)
    """directory for the embedded Postgres and the local journal"""
    database: DatabaseSettings = DatabaseSettings()
    """a table"""
    http: HttpSettings = HttpSettings()
    """a table"""
    log: LogSettings = LogSettings()
    """a table"""
    retention: RetentionSettings = RetentionSettings()
    """a table"""
    journal: JournalSettings = JournalSettings()
    """a table"""
    console: ConsoleSettings = ConsoleSettings()
    """a table"""
    sources: dict[SourceName, SourceOfKind] = Field(default_factory=dict)
    """a table of tables, [sources.NAME]"""
    links: dict[SourceName, LinkSettings] = Field(default_factory=dict)
    """a table of tables, [links.NAME]"""

    def describe(self) -> dict[str, Any]:
        """Everything as JSON values for logs, secrets and passwords within URLs as stars."""
        plain: dict[str, Any] = self.model_dump(mode="json")
        plain["links"] = {name: rule.describe() for name, rule in self.links.items()}
        plain["database"]["dsn"] = mask(self.database.dsn.get_secret_value())
        plain["console"]["oidc"]["proxy"] = mask(self.console.oidc.proxy or "") or None
        for source in plain["sources"].values():
            source["proxy"] = mask(source["proxy"] or "") or None
            source["oauth2_token_url"] = mask(source["oauth2_token_url"] or "") or None
        return plain

    def secrets(self) -> Iterator[str]:
        """Every secret value that is set, for `bridge.telemetry.logs.hide`; of a URL with a login, its password."""
        dsn = read_dsn(self.database.dsn.get_secret_value() or "postgresql://")
        if dsn.password:
            yield dsn.password
        urls = [self.console.oidc.proxy or ""]
        for section in (self.http, self.console, self.console.oidc):
            for name in secret_names(type(section)):
                yield from getattr(section, name).get_secret_value().split()
        for source in self.sources.values():
            for name in secret_names(type(source)):
                for value in _values(getattr(source, name)):
                    yield from filter(None, (value, *value.split()))
            urls += [source.proxy or "", source.oauth2_token_url or ""]
        for url in urls:
            password = urlsplit(url).password
            if password:
                yield password
                yield unquote(password)


SECTIONS: dict[str, type[BaseModel]] = {
    "database": DatabaseSettings,
    "http": HttpSettings,
    "log": LogSettings,
    "retention": RetentionSettings,
    "journal": JournalSettings,
    "console": ConsoleSettings,
}


def _values(secret: SecretStr | dict[str, SecretStr]) -> list[str]:
    """What is secret in a field: its value, or those of its table."""
    return [one.get_secret_value() for one in (secret.values() if isinstance(secret, dict) else [secret])]


def model_at(key: Key) -> type[BaseModel] | None:
    """The class of the table at `key`, None where there is no such table or its keys are the operator's choice."""
    model: type[BaseModel] = Settings
    rest = key
    while rest:
        name, *below = rest
        if model is Settings and name == "links":
            return _link_model_at(tuple(below))
        if model is Settings and name == "sources":
            if len(rest) == 1:
                return None
            model, rest = any_kind(), tuple(below[1:])
            continue
        field = model.model_fields.get(name)
        section = section_of(field) if field is not None else None
        if section is None:
            return None
        model, rest = section, tuple(below)
    return model


def _link_model_at(key: Key) -> type[BaseModel] | None:
    """The class of a table below [links]: of a rule, one of its tables, or one of its fields."""
    if len(key) < 2:
        return LinkSettings if key else None
    if key[1] == "fields":
        return LinkFieldSettings if len(key) == 3 else None
    field = LinkSettings.model_fields.get("companions" if key[1] == "with" else key[1])
    return section_of(field) if field is not None and len(key) == 2 else None


def field_at(key: Key) -> FieldInfo | None:
    """The field that a value at `key` belongs to: of an element of a list or table, that of the whole."""
    place = _place_of(key)
    return None if place is None else place[0].model_fields[place[1]]


def text_at(key: Key) -> str | None:
    """What an operator reads about the field at `key` (`field_at`)."""
    place = _place_of(key)
    return None if place is None else text_of(*place)


def _place_of(key: Key) -> tuple[type[BaseModel], str] | None:
    for end in range(len(key), 2 if key[:1] in (("sources",), ("links",)) else 0, -1):
        model = model_at(key[: end - 1])
        if model is not None and key[end - 1] in model.model_fields:
            return model, key[end - 1]
    return None
