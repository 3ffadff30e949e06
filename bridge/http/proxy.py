"""Which proxy a request goes through: the configured one, else that of the environment, else none."""

from urllib.request import getproxies, proxy_bypass

from yarl import URL

from bridge.settings import SystemSettings


def proxy_for(url: URL, settings: SystemSettings) -> URL | None:
    """Return the proxy for `url`.

    The HTTP library's `trust_env` would read the environment too, but it also sends passwords out of a netrc file.
    """
    if settings.proxy:
        return URL(settings.proxy)
    if settings.bypass_proxy or proxy_bypass(url.host or ""):
        return None
    found = getproxies()
    chosen = found.get(url.scheme) or found.get("all")
    return URL(chosen) if chosen else None
