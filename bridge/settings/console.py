"""The web console's table of the configuration."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr

from bridge.settings.section import Section
from bridge.settings.values import OptionalBaseUrl, OptionalFile, Tokens, Whole, Words, pairs_of

RoleOfGroup = Annotated[dict[str, Literal["viewer", "operator", "admin"]], BeforeValidator(pairs_of)]


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
    roles: RoleOfGroup = Field(default_factory=dict)
    """table from a group to viewer, operator or admin, {noc = "operator"}; * stands for everybody named"""
