"""The web console's table of the configuration."""

from pydantic import Field, SecretStr

from bridge.settings.section import Section
from bridge.settings.values import OptionalBaseUrl, Tokens, Whole


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
