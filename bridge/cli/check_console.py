"""`check` of the console: can its login provider be reached, and does it offer what a login needs?"""

from bridge.cli.finding import Finding, tried
from bridge.settings import Settings


async def check_console(settings: Settings) -> list[Finding]:
    """Try the discovery of the login provider, where one is configured."""
    console = settings.console
    if not console.enabled or not console.oidc.issuer:
        return []
    from bridge.web.console.oidc import CALLBACK, OidcClient  # noqa: PLC0415 -- imports what few commands need

    async def discovered() -> str:
        provider = await OidcClient(console.oidc).provider()
        base = console.public_url or f"http://{console.host}:{console.port}"
        return f"{provider.issuer}; it has to know the address {base}{CALLBACK}"

    remedy = "people log in with a password or the admin token meanwhile; check console.oidc.issuer, ca_file and proxy"
    return [await tried("console", "login provider", discovered, remedy)]
