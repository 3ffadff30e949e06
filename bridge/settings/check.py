"""What is wrong between keys: found by which of them are given, since their values need not be valid yet."""

from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from bridge.settings.check_effect import check_effect
from bridge.settings.console import ConsoleSettings, OidcSettings
from bridge.settings.draft import Draft
from bridge.settings.kinds import any_kind
from bridge.settings.model import DatabaseSettings, HttpSettings
from bridge.settings.section import Key, keys_of
from bridge.settings.source import SourceSettings, Tmf656Settings


def check_shape(draft: Draft) -> None:
    """Find keys of a source that stand in [sources] itself, and sources that are no tables; take them out."""
    sources = draft.tree.get("sources")
    if sources is None or isinstance(sources, dict):
        own = [name for name, value in (sources or {}).items() if not isinstance(value, dict)]
        for name in own:
            if name in keys_of(any_kind()):
                wrong = "stands in [sources] itself; a source has a name: write [sources.NAME] above it, [sources.snow]"
            else:
                wrong = f'should be a table; write [sources.{name}] with url = "…" below it'
            draft.fault(("sources", name), wrong)
            draft.tree["sources"].pop(name)
    else:
        draft.fault(("sources",), "should be tables with a name each; write [sources.NAME], [sources.snow] for example")
        draft.tree.pop("sources")


def check_together(draft: Draft) -> None:
    """Find logins that are not whole, or more than one, and what one key needs of another."""
    for key, table, model in draft.tables():
        if issubclass(model, SourceSettings):
            given = {name for name, value in table.items() if value not in ("", None, {})}
            _check_authorisation(draft, key, given)
            if "client_key_file" in given and "client_cert_file" not in given:
                draft.fault((*key, "client_key_file"), "needs client_cert_file beside it")
            _check_callback(draft, key, table, given)
            if model is Tmf656Settings and "query" in given and table.get("profile") != "servicenow-facade":
                draft.fault(
                    (*key, "query"), 'needs profile = "servicenow-facade" beside it; see filter for other servers'
                )
            check_effect(draft, key, table, model)
        if model is HttpSettings and not table.get("tls_cert_file"):
            for name in ("tls_key_file", "tls_client_ca_file"):
                if table.get(name):
                    draft.fault((*key, name), "needs tls_cert_file beside it")
        if model is ConsoleSettings:
            _check_console(draft, key, table)
        if model is OidcSettings:
            _check_oidc(draft, key, table)
        if model is DatabaseSettings:
            least, most = (
                table.get(name, model.model_fields[name].default) for name in ("pool_min_size", "pool_max_size")
            )
            if isinstance(least, int) and isinstance(most, int) and least > most:
                draft.fault((*key, "pool_min_size"), f"should not be more than pool_max_size, which is {most}", least)


def _check_console(draft: Draft, key: Key, table: dict[str, Any]) -> None:
    """Passwords and sessions must not travel in the clear: beyond loopback it takes TLS, ours or that of a proxy."""
    http = draft.tree.get("http")
    proxies = http.get("trusted_proxies") if isinstance(http, dict) else None
    if table.get("proxy_user_header") and not proxies:
        draft.fault((*key, "proxy_user_header"), "needs http.trusted_proxies: only those addresses are believed")
    host = table.get("host", ConsoleSettings.model_fields["host"].default)
    if table.get("enabled") is not True or not isinstance(host, str) or _is_loopback(host):
        return
    behind_proxy = str(table.get("public_url") or "").startswith("https://") and proxies
    own_tls = isinstance(http, dict) and http.get("tls_cert_file")
    if not own_tls and not behind_proxy:
        draft.fault(
            (*key, "host"),
            "is not loopback, and passwords would travel in the clear: set http.tls_cert_file; or, where a proxy ends "
            "TLS, http.trusted_proxies and an https console.public_url; or listen on 127.0.0.1",
            host,
        )


def _check_oidc(draft: Draft, key: Key, table: dict[str, Any]) -> None:
    """A login provider needs our id there, and roles for its groups; tokens must not travel in the clear."""
    issuer = table.get("issuer")
    if not isinstance(issuer, str) or not issuer:
        if table.get("client_id") or table.get("client_secret"):
            draft.fault((*key, "issuer"), "is missing; give the https address of the login provider")
        return
    if not table.get("client_id"):
        draft.fault((*key, "client_id"), "is missing; give the id that the login provider knows this console by")
    if issuer.startswith("http://") and not _is_loopback(urlsplit(issuer).hostname or ""):
        draft.fault(
            (*key, "issuer"), "should begin with https://: passwords and tokens would travel in the clear", issuer
        )
    scopes = table.get("scopes")
    if isinstance(scopes, str | list) and "openid" not in scopes:
        draft.fault((*key, "scopes"), "should have openid among them", scopes)
    console = draft.tree.get("console")
    if not (isinstance(console, dict) and console.get("roles")):
        draft.fault(
            ("console", "roles"), 'is missing; the login provider\'s groups need roles here, {noc = "operator"}'
        )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _check_callback(draft: Draft, key: Key, table: dict[str, Any], given: set[str]) -> None:
    both = {"callback_username", "callback_password"}
    if len(both & given) == 1:
        (missing,), (present,) = both - given, both & given
        draft.fault((*key, missing), f"is missing; {present} needs {missing} beside it")
    http = draft.tree.get("http")
    if table.get("callback_tls_subjects") and not (isinstance(http, dict) and http.get("tls_client_ca_file")):
        draft.fault((*key, "callback_tls_subjects"), "needs http.tls_client_ca_file: who is to have signed them?")


def _check_authorisation(draft: Draft, key: Key, given: set[str]) -> None:
    oauth2 = ("oauth2_token_url", "oauth2_client_id", "oauth2_client_secret")
    ways = {
        "username and password": {"username", "password"} & given,
        "token": {"token"} & given,
        "oauth2_…": {*oauth2} & given,
    }
    used = [way for way, names in ways.items() if names]
    if len(used) > 1:
        draft.fault(key, f"has more than one way to log in ({', '.join(used)}); keep one")
    for together in (("username", "password"), oauth2):
        missing = [name for name in together if name not in given]
        if missing and len(missing) < len(together):
            present = next(name for name in together if name in given)
            draft.fault((*key, missing[0]), f"is missing; {present} needs {' and '.join(missing)} beside it")
    for extra in ("oauth2_scope", "oauth2_parameters"):
        if extra in given and "oauth2_token_url" not in given:
            draft.fault((*key, extra), "needs oauth2_token_url beside it")
