"""What can be set: one class a table, one field a key.

The docstring of a field is what an operator reads when its value is wrong.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from bridge.settings.values import (
    AnyPath,
    ApiBaseUrl,
    BaseUrl,
    CallbackSecret,
    Dsn,
    Lower,
    Networks,
    NumberAsText,
    OptionalDirectory,
    OptionalFile,
    OptionalPort,
    OptionalUrl,
    Seconds,
    SigningSecrets,
    SourceName,
    Subjects,
    Tokens,
    Whole,
    Words,
    local_url,
)
from bridge.telemetry.redaction import mask

Key = tuple[str, ...]
"""Where a value stands: `("sources", "snow", "url")`."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, hide_input_in_errors=True)


class DatabaseSettings(_Section):
    """Postgres: the one of a DSN, or one of our own in the data directory."""

    dsn: Dsn = SecretStr("")
    """postgresql://user:password@host:5432/database; empty: an embedded Postgres in data_dir"""
    bin_dir: OptionalDirectory = None
    """directory with the binaries (initdb, postgres) of the embedded Postgres; empty: found by itself"""
    pool_min_size: Whole = Field(default=1, ge=0, le=1000)
    """connections kept open, 0 to 1000"""
    pool_max_size: Whole = Field(default=10, ge=2, le=1000)
    """connections at most, 2 to 1000"""


class HttpSettings(_Section):
    """The listener that sources call, and the pages for metrics and probes."""

    host: str = Field(default="127.0.0.1", min_length=1)
    """address to listen on; 0.0.0.0 for all"""
    port: Whole = Field(default=8656, ge=0, le=65535)
    """TCP port to listen on, 0 to 65535 (0: any free one)"""
    workers: Whole = Field(default=1, ge=1, le=64)
    """processes that share the port and the database, 1 to 64; each takes a core when there is much to do"""
    tls_cert_file: OptionalFile = None
    """a readable PEM file with our certificate and those between it and its authority; empty: plain http"""
    tls_key_file: OptionalFile = None
    """a readable PEM file with the key to tls_cert_file; empty: it stands in tls_cert_file"""
    tls_client_ca_file: OptionalFile = None
    """a readable PEM file with the authorities whose client certificates are believed; empty: none is asked for"""
    public_url: BaseUrl = Field(default_factory=local_url)
    """how a source reaches us, as http(s)://host[:port][/path]; callbacks are built from it"""
    max_body_bytes: Whole = Field(default=2 * 1024**2, ge=1024, le=1024**3)
    """largest notification taken, 1024 to 1073741824 bytes"""
    max_waiting_bytes: Whole = Field(default=64 * 1024**2, ge=1024, le=1024**4)
    """bytes of notifications being received or waiting, 1024 to 1099511627776; further ones are told 503"""
    body_timeout_seconds: Seconds = Field(default=10, ge=0.1, le=300)
    """time for the body of a notification to arrive, 0.1 to 300"""
    answer_timeout_seconds: Seconds = Field(default=1, ge=0.05, le=60)
    """time in which a notification is answered, 0.05 to 60; senders give up after 3 to 10"""
    keepalive_timeout_seconds: Seconds = Field(default=15, ge=0, le=3600)
    """time that an idle connection is kept open, 0 to 3600"""
    max_connections: Whole = Field(default=4096, ge=1, le=100_000)
    """connections open at a time, 1 to 100000; further ones are told 503"""
    max_connections_per_peer: Whole = Field(default=2048, ge=1, le=100_000)
    """connections open at a time from one address, 1 to 100000; trusted_proxies may have more"""
    trusted_proxies: Networks = ()
    """list of addresses or networks whose X-Forwarded-For is believed, ["10.0.0.7"]"""
    metrics_port: OptionalPort = None
    """TCP port for /metrics, /livez, /readyz and /openapi.json, 0 to 65535; empty: the same as for callbacks"""
    metrics_token: Tokens = SecretStr("")
    """bearer token that /metrics demands, 16 characters or more; empty: none; or metrics_token_file"""
    metrics_exemplars: bool = False
    """true: scrapes in OpenMetrics find a problem, and its trace, behind each bucket of event_age_seconds"""
    stream_token: Tokens = SecretStr("")
    """bearer token that /stream demands, 16 characters or more; empty: there is no /stream; or stream_token_file"""


class LogSettings(_Section):
    """What is logged, and how; always to standard error."""

    level: Annotated[Literal["debug", "info", "warning", "error"], Lower] = "info"
    """debug, info, warning or error"""
    format: Annotated[Literal["auto", "json", "console"], Lower] = "auto"
    """json, console, or auto (console on a terminal, else json)"""


class RetentionSettings(_Section):
    """How long what is kept; 0 keeps it for ever. Current rows of living problems always stay."""

    notifications_days: Whole = Field(default=30, ge=7, le=3650)
    """days of the log of notifications, 7 to 3650; repeats are told within them"""
    versions_days: Whole = Field(default=0, ge=0, le=36500)
    """days of versions and statuses, 0 (for ever) to 36500"""
    deleted_days: Whole = Field(default=0, ge=0, le=36500)
    """days that a problem deleted at its source stays, 0 (for ever) to 36500"""
    dead_letters_days: Whole = Field(default=90, ge=0, le=36500)
    """days of dead letters, 0 (for ever) to 36500"""


class JournalSettings(_Section):
    """The local journal in data_dir, where notifications are kept while Postgres cannot take them."""

    max_bytes: Whole = Field(default=256 * 1024**2, ge=0, le=1024**4)
    """most bytes kept, 0 (no journal) to 1099511627776"""


class SourceSettings(_Section):
    """One TMF656 server."""

    url: ApiBaseUrl
    """the API base path, https://host/…/serviceProblemManagement/v4; /serviceProblem and /hub hang below"""
    version: Annotated[Literal["auto", "2", "3", "4", "5"], NumberAsText] = "auto"
    """auto, 2, 3, 4 or 5"""
    enabled: bool = True
    """true or false: synchronise this source at all"""
    push: bool = True
    """true or false: register at the hub"""
    poll_interval_seconds: Seconds = Field(default=60, ge=1, le=86_400)
    """1 to 86400; 10 or more is advised for real servers"""
    reconcile_interval_seconds: Seconds = Field(default=3600, ge=1, le=604_800)
    """1 to 604800"""
    poll_overlap_seconds: Seconds = Field(default=120, ge=0, le=86_400)
    """how far behind the watermark a poll begins, 0 to 86400"""
    bypass_proxy: bool = True
    """true: go straight to the source; false: HTTPS_PROXY and friends are honoured"""
    proxy: OptionalUrl = Field(default=None, repr=False)
    """http://[user:password@]host:port of the proxy for this source; wins over bypass_proxy"""
    verify_tls: bool = True
    """true or false: refuse a certificate that is not trusted"""
    ca_file: OptionalFile = None
    """a readable PEM file with the authorities to trust instead of the system's"""
    client_cert_file: OptionalFile = None
    """a readable PEM file with our certificate (mutual TLS)"""
    client_key_file: OptionalFile = None
    """a readable PEM file with the key to client_cert_file"""
    username: str = ""
    """for HTTP basic, with password"""
    password: SecretStr = SecretStr("")
    """text, for HTTP basic, with username; or password_file"""
    token: SecretStr = SecretStr("")
    """text, for bearer authorisation; or token_file"""
    oauth2_token_url: OptionalUrl = None
    """http(s) address of the token endpoint (client credentials grant)"""
    oauth2_client_id: str = ""
    """text, with oauth2_token_url and oauth2_client_secret"""
    oauth2_client_secret: SecretStr = SecretStr("")
    """text, with oauth2_token_url and oauth2_client_id; or oauth2_client_secret_file"""
    callback_secret: CallbackSecret = SecretStr("")
    """part of the callback URL; empty: made once and kept in the database"""
    callback_username: str = ""
    """HTTP basic demanded of the source when it calls, with callback_password"""
    callback_password: SecretStr = SecretStr("")
    """text, with callback_username; or callback_password_file"""
    callback_token: Tokens = SecretStr("")
    """bearer token demanded of the source when it calls, 16 characters or more; several separated by blanks"""
    callback_signing_secret: SigningSecrets = SecretStr("")
    """demands signatures after Standard Webhooks: whsec_ and base64 of 16 bytes or more; several separated by blanks"""
    callback_allow_from: Networks = ()
    """list of addresses or networks the source calls from, ["192.0.2.0/24"]; empty: any"""
    callback_tls_subjects: Subjects = ()
    """list of the client certificates the source may call with, by common name, DNS name, or whole subject CN=…,O=…"""
    callback_rate_per_second: Seconds = Field(default=0, ge=0, le=1_000_000)
    """notifications taken each second, 0 (any number) to 1000000; more are told 429"""
    callback_handshakes: Annotated[tuple[Literal["cloudevents", "graph"], ...], Words] = ()
    """list of the validation handshakes answered: cloudevents (OPTIONS), graph (validationToken)"""
    subscription_renew_seconds: Seconds = Field(default=86_400, ge=10, le=2_592_000)
    """age at which the registration at the hub is made anew, 10 to 2592000"""
    silence_min_seconds: Seconds = Field(default=30, ge=1, le=86_400)
    """shortest silence of a busy source that is polled at, 1 to 86400"""
    silence_max_seconds: Seconds = Field(default=3600, ge=1, le=604_800)
    """longest silence of a source that is to push without a poll, 1 to 604800"""
    hub_query: str = ""
    """the query sent when registering at the hub; empty: everything"""
    page_size: Whole = Field(default=500, ge=1, le=10_000)
    """problems asked for in one page, 1 to 10000"""
    request_timeout_seconds: Seconds = Field(default=30, ge=0.1, le=3600)
    """time for one request to the source, 0.1 to 3600"""
    max_response_bytes: Whole = Field(default=64 * 1024**2, ge=1024, le=4 * 1024**3)
    """largest answer taken, 1024 to 4294967296 bytes"""


class Settings(_Section):
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
    sources: dict[SourceName, SourceSettings] = Field(default_factory=dict)
    """a table of tables, [sources.NAME]"""

    def describe(self) -> dict[str, Any]:
        """Everything as JSON values for logs, secrets and passwords within URLs as stars."""
        plain: dict[str, Any] = self.model_dump(mode="json")
        plain["database"]["dsn"] = mask(self.database.dsn.get_secret_value())
        for source in plain["sources"].values():
            source["proxy"] = mask(source["proxy"] or "") or None
            source["oauth2_token_url"] = mask(source["oauth2_token_url"] or "") or None
        return plain

    def secrets(self) -> Iterator[str]:
        """Every secret value that is set, for `bridge.telemetry.logs.hide`; of a URL with a login, its password."""
        urls = [self.database.dsn.get_secret_value()]
        for name in secret_names(HttpSettings):
            yield from getattr(self.http, name).get_secret_value().split()
        for source in self.sources.values():
            for value in (getattr(source, name).get_secret_value() for name in secret_names(SourceSettings)):
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
}


def secret_names(model: type[BaseModel]) -> list[str]:
    """Names of the fields of `model` that hold secrets."""
    return [name for name, one in model.model_fields.items() if one.annotation is SecretStr]


def keys_of(model: type[BaseModel]) -> list[str]:
    """All keys that may stand in a table, the `…_file` of secrets included."""
    return [*model.model_fields, *(f"{name}_file" for name in secret_names(model))]


def model_at(key: Key) -> type[BaseModel] | None:
    """The model of the table at `key`."""
    if not key:
        return Settings
    if key[0] == "sources":
        return SourceSettings if len(key) == 2 else None
    return SECTIONS.get(key[0]) if len(key) == 1 else None
