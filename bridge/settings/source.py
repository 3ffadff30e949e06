"""What can be set of one source: a section a purpose; in the file the keys of all sections stand in one table.

`SourceSettings` is what every kind of system has; its `kind` chooses the class of a section. Another kind is another
class below it, a line in `bridge.settings.kinds`, and its client in `bridge.bootstrap`.
"""

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, SecretStr

from bridge.settings.section import Section
from bridge.settings.values import (
    ApiBaseUrl,
    BearerToken,
    CallbackSecret,
    Columns,
    Headers,
    Instant,
    LoginName,
    Networks,
    NumberAsText,
    OptionalFile,
    OptionalUrl,
    Parameters,
    PriorityMap,
    ResourcePath,
    Seconds,
    SigningSecrets,
    StatusMap,
    StatusWord,
    Subjects,
    Tokens,
    Whole,
    Words,
)

DEFAULT_KIND: Final = "tmf656"


class ConnectionSettings(Section):
    """How a remote system is reached, and what of its answers is read at most."""

    url: ApiBaseUrl
    """the API base path, https://host/…/serviceProblemManagement/v4; /serviceProblem and /hub hang below"""
    bypass_proxy: bool = True
    """true: go straight to the source; false: HTTPS_PROXY and friends are honoured"""
    proxy: OptionalUrl = Field(default=None, repr=False)
    """http://[user:password@]host:port of the proxy for this source; wins over bypass_proxy"""
    headers: Headers = Field(default_factory=dict)
    """table of headers sent with every request, {"X-API-Key" = "…"}; or headers_file, a line `name: value` for each"""
    request_timeout_seconds: Seconds = Field(default=30, ge=0.1, le=3600)
    """time for one request to the source, 0.1 to 3600"""
    concurrency: Whole = Field(default=8, ge=1, le=64)
    """requests to the source at a time, 1 to 64; further ones wait"""
    max_response_bytes: Whole = Field(default=64 * 1024**2, ge=1024, le=4 * 1024**3)
    """largest answer taken, 1024 to 4294967296 bytes"""
    max_header_bytes: Whole = Field(default=64 * 1024, ge=1024, le=1024**2)
    """largest header field of an answer that is read, 1024 to 1048576 bytes"""
    max_header_fields: Whole = Field(default=500, ge=10, le=10_000)
    """most header fields of an answer that are read, 10 to 10000"""


class TlsSettings(Section):
    """Whose certificates are trusted, and our own."""

    verify_tls: bool = True
    """true or false: refuse a certificate that is not trusted"""
    ca_file: OptionalFile = None
    """a readable PEM file with the authorities to trust instead of the system's"""
    client_cert_file: OptionalFile = None
    """a readable PEM file with our certificate (mutual TLS)"""
    client_key_file: OptionalFile = None
    """a readable PEM file with the key to client_cert_file"""


class AuthorisationSettings(Section):
    """How we log in: HTTP basic, a bearer token, or OAuth2 client credentials; one of them at most."""

    username: LoginName = ""
    """for HTTP basic, with password"""
    password: SecretStr = SecretStr("")
    """text, for HTTP basic, with username; or password_file"""
    token: BearerToken = SecretStr("")
    """text, for bearer authorisation; or token_file"""
    oauth2_token_url: OptionalUrl = None
    """http(s) address of the token endpoint (client credentials grant)"""
    oauth2_client_id: str = ""
    """text, with oauth2_token_url and oauth2_client_secret"""
    oauth2_client_secret: SecretStr = SecretStr("")
    """text, with oauth2_token_url and oauth2_client_id; or oauth2_client_secret_file"""
    oauth2_scope: str = ""
    """scopes asked for at the token endpoint, separated by blanks; empty: none"""
    oauth2_parameters: Parameters = Field(default_factory=dict)
    """table of further form fields sent to the token endpoint, {audience = "…"}; or oauth2_parameters_file, a line
    `name: value` for each"""


class CallbackSettings(Section):
    """What a source has to show when it calls us, besides the secret in the path."""

    callback_secret: CallbackSecret = SecretStr("")
    """part of the callback URL; empty: made once and kept in the database"""
    callback_username: LoginName = ""
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
    """notifications taken each second, 0 (any number) to 1000000; more are answered 429"""
    callback_handshakes: Annotated[tuple[Literal["cloudevents", "graph", "get"], ...], Words] = ()
    """list of the validation handshakes answered: cloudevents (OPTIONS), graph (validationToken), get (GET and HEAD,
    with hub.challenge or challenge sent back)"""


class PushSettings(Section):
    """The registration at the hub, and when its silence is doubted."""

    push: bool = True
    """true or false: register at the hub"""
    subscription_renew_seconds: Seconds = Field(default=86_400, ge=10, le=2_592_000)
    """age at which the registration at the hub is renewed, 10 to 2592000"""
    silence_min_seconds: Seconds = Field(default=30, ge=1, le=86_400)
    """shortest silence of a busy source that is polled at, 1 to 86400"""
    silence_max_seconds: Seconds = Field(default=3600, ge=1, le=604_800)
    """longest silence of a source that is to push without a poll, 1 to 604800"""
    hub_query: str = ""
    """the query sent when registering at the hub; empty: everything"""


class FilterSettings(Section):
    """Which problems of a source are kept. All conditions that are set must hold; an empty one always holds."""

    status: Annotated[tuple[StatusWord, ...], Words] = ()
    """list of statuses, ["acknowledged", "inProgress"]; empty: any"""
    category: Annotated[tuple[str, ...], Words] = ()
    """list of categories as the source writes them, in any case; empty: any"""
    party: Annotated[tuple[str, ...], Words] = ()
    """list of ids or names of related parties, of which one is needed; empty: any"""
    max_age_days: Whole = Field(default=0, ge=0, le=36_500)
    """days since the last change, 0 (any) to 36500; older problems are not kept"""
    ask_server: bool = True
    """true: a reconcile pass asks the server for these statuses and categories where a trial shows that it leaves none
    out, and reads everything once a day; false: the filter is only applied here"""


class PullSettings(Section):
    """What is asked of a source, and how often."""

    poll_interval_seconds: Seconds = Field(default=60, ge=1, le=86_400)
    """1 to 86400; 10 or more is advised for real servers"""
    reconcile_interval_seconds: Seconds = Field(default=3600, ge=1, le=604_800)
    """1 to 604800"""
    poll_overlap_seconds: Seconds = Field(default=120, ge=0, le=86_400)
    """how far behind the watermark a poll begins, 0 to 86400"""
    page_size: Whole = Field(default=500, ge=1, le=10_000)
    """problems asked for in one page, 1 to 10000"""
    filter: FilterSettings = FilterSettings()
    """a table: which problems are kept; without it all are"""
    since: Instant = None
    """instant of the oldest change that the first pass asks for, 2026-01-31T00:00:00Z; empty: everything there is"""
    backfill_rate_per_second: Seconds = Field(default=0, ge=0, le=1_000_000)
    """problems taken each second by the first pass over a source, 0 (any number) to 1000000"""
    by_id_rate_per_second: Seconds = Field(default=50, ge=0, le=1_000_000)
    """problems asked for by id each second, 0 (any number) to 1000000"""
    max_loss_share: Seconds = Field(default=0.2, ge=0, le=1)
    """share of the known problems, 0 to 1, that may be missing from a list; a pass that misses more (and more than
    20) is held back: GET by id has to confirm each deletion, or `sync SOURCE --accept-deletions`"""


class MappingSettings(Section):
    """How what a source writes is understood."""

    status_map: StatusMap = Field(default_factory=dict)
    """table from the source's words to a status: {"Awaiting vendor" = "pending"}; submitted, acknowledged, rejected,
    pending, held, inProgress, resolved, cancelled or closed"""
    priority_map: PriorityMap = Field(default_factory=dict)
    """table from the source's words to a whole number, 1 the most urgent: {"Critical" = 1}"""
    columns: Columns = Field(default_factory=dict)
    """table from the name of a column of report.service_problem_extra to the path of its value, {region =
    "location.region"}; a path may end in ::numeric, ::boolean, ::timestamptz or ::jsonb, else it is text"""


class WriteSettings(Section):
    """What may be written to a source, and what has to be known of it for that."""

    write: bool = False
    """true or false: may tickets be created and changed there; without it only what reads, and the hub, is requested"""
    settle_seconds: Seconds = Field(default=90, ge=1, le=86_400)
    """longest time that the source may still work on a request we gave up, 1 to 86400; more than its own limit"""
    key_field: str = ""
    """field of a ticket that keeps the key of its link; empty: the usual one of the kind"""


class SystemSettings(AuthorisationSettings, TlsSettings, ConnectionSettings):
    """What a client needs to reach a remote system. (Fields are listed from the last base to the first.)"""

    enabled: bool = True
    """true or false: synchronise this source at all"""


class SourceSettings(CallbackSettings, WriteSettings, MappingSettings, PullSettings, SystemSettings):
    """What every kind of source has."""

    kind: str = DEFAULT_KIND
    """kind of system: tmf656, servicenow, dataminer (legacy Ticketing) or dataminer-api (Ticketing 2)"""

    @property
    def hub(self) -> PushSettings:
        """How the hub is used; a kind of system that has none is polled."""
        return PushSettings(push=False)

    @property
    def lists_by_query(self) -> bool:
        """Does a query of these settings choose what its list has? What is pushed may not meet it."""
        return False

    @property
    def model_version(self) -> str | None:
        """Version of the TMF656 model in which problems come, None: found out from what comes."""
        return "4"

    @property
    def untimed_filter(self) -> str:
        """The filter of a poll where no time is known to ask from; `none` reads everything."""
        return "none"


def _encoded_query(query: str) -> str:
    if not query.isprintable() or query.strip("^") != query:
        raise ValueError("should be an encoded query without line breaks and without ^ at its ends")
    return query


class Tmf656Settings(PushSettings, SourceSettings):
    """A TMF656 server."""

    kind: Literal["tmf656"] = "tmf656"
    """kind of system: tmf656"""
    version: Annotated[Literal["auto", "2", "3", "4", "5"], NumberAsText] = "auto"
    """auto, 2, 3, 4 or 5"""
    resource_path: ResourcePath = "/serviceProblem"
    """path of the list of problems below url, as the server spells it"""
    max_problem_bytes: Whole = Field(default=8 * 1024**2, ge=1024, le=1024**3)
    """largest problem that is stored, 1024 to 1073741824 bytes; of a larger one a dead letter keeps the head"""
    profile: Literal["standard", "servicenow-facade"] = "standard"
    """standard (TMF630), or servicenow-facade: a gateway before ServiceNow, which filters by sysparm_query, adds notes
    to a journal, and has no hub"""
    query: Annotated[str, AfterValidator(_encoded_query)] = ""
    """encoded query that problems of a servicenow-facade must meet, "u_source=dataminer"; empty: all"""
    status_steps: bool = False
    """true: a status is moved by the steps that the life cycle of TMF656 has, one request each, for a server that
    refuses to leave any out; false: by one request"""
    propose_id: bool = False
    """true: a new problem of version 5 is given the key of its link as its id, so that the server makes no second one;
    false: the server chooses the id"""

    @property
    def is_facade(self) -> bool:
        """Is it a gateway before ServiceNow?"""
        return self.profile == "servicenow-facade"

    @property
    def hub(self) -> PushSettings:
        """How the hub is used; a gateway before ServiceNow has none."""
        return PushSettings(push=False) if self.is_facade else self

    @property
    def model_version(self) -> str | None:
        """Version of the model, as configured."""
        return None if self.version == "auto" else self.version
