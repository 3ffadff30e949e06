"""The web console's table of the configuration."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr

from bridge.settings.section import Section
from bridge.settings.values import OptionalBaseUrl, OptionalFile, OptionalUrl, Tokens, Whole, Words, pairs_of

RoleOfGroup = Annotated[dict[str, Literal["viewer", "operator", "admin"]], BeforeValidator(pairs_of)]


class OidcSettings(Section):
    """A login provider that speaks OpenID Connect; what its groups may do says console.roles."""

    issuer: OptionalBaseUrl = None
    """https address of the login provider, below which /.well-known/openid-configuration is; empty: no such login"""
    client_id: str = ""
    """id that the login provider knows this console by"""
    client_secret: SecretStr = SecretStr("")
    """secret that belongs to client_id; empty: it has none, PKCE alone protects the login; or client_secret_file"""
    scopes: Annotated[tuple[str, ...], Words] = ("openid", "profile")
    """list of scopes that are asked for, openid among them"""
    user_claim: str = "preferred_username"
    """claim with the name of the user, as the audit has it"""
    groups_claim: str = "groups"
    """claim with the user's groups or roles, a list; dots lead into it: realm_access.roles"""
    ca_file: OptionalFile = None
    """a readable PEM file with authorities to trust instead of the system's; empty: the system's"""
    proxy: OptionalUrl = Field(default=None, repr=False)
    """http://[user:password@]host:port of the proxy to the login provider; empty: that of the environment, if any"""


class ConsoleSettings(Section):
    """The web console, in a process and on a port of its own."""

    enabled: bool = False
    """true: serve the console"""
    host: str = "127.0.0.1"
    """address to listen on; any but loopback needs TLS: http.tls_cert_file, or an https public_url and \
http.trusted_proxies"""
    port: Whole = Field(default=8657, ge=0, le=65535)
    """TCP port to listen on, 0 to 65535 (0: any free one)"""
    public_url: OptionalBaseUrl = None
    """how a browser reaches the console, as http(s)://host[:port][/path]; empty: at host and port"""
    admin_token: Tokens = SecretStr("")
    """token that logs in as admin, 16 characters or more, for the first minute; empty: none; or admin_token_file"""
    secret_key_file: OptionalFile = None
    """a readable file with keys that encrypt secrets set in the console, a line of base64 of 32 bytes each; empty: \
secrets cannot be set there"""
    locked: Annotated[tuple[str, ...], Words] = ()
    """list of keys that cannot be set in the console, ["sources.*.url"]"""
    proxy_user_header: str = ""
    """header with the name of the user, believed from http.trusted_proxies only; empty: none"""
    proxy_groups_header: str = ""
    """header with the user's groups, separated by commas; empty: only the group * in roles counts"""
    oidc: OidcSettings = OidcSettings()
    """a table"""
    search: Literal["all", "open", "off"] = "all"
    """problems whose words are kept for fast searches, 1 kB each: all, open, or off (searches read each problem)"""
    roles: RoleOfGroup = Field(default_factory=dict)
    """table from a group to viewer, operator or admin, {noc = "operator"}; * stands for everybody named"""
