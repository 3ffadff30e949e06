"""What a callback demands of its caller besides the secret in its path; all that is set must hold.

    where   the address it calls from, the certificate it shows
    who     HTTP basic or a bearer token (either, where both are set); then how often it calls
    what    a signature over the body (`web.listener.signature`)

A `Gate` is made when settings are read; a source without demands has none. The secret is checked first: only a caller
that knows it learns from a refusal what else is demanded.
"""

import base64
import hmac
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from aiohttp import web

from bridge.settings import SourceSettings
from bridge.web.listener.signature import Verifier
from bridge.web.refusal import Refusal

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Check = Callable[[web.BaseRequest], None]
"""Returns when the request may pass, raises Refusal otherwise."""

_LONGEST_TOKEN_CHARACTERS = 2048
_CHALLENGES = ("hub.challenge", "challenge")


@dataclass(frozen=True, slots=True)
class Gate:
    """The demands of one source."""

    where: tuple[Check, ...] = ()
    who: tuple[Check, ...] = ()
    what: Verifier | None = None
    handshakes: tuple[str, ...] = ()

    def enter(self, request: web.BaseRequest) -> web.Response | None:
        """Check everything but the body; Refusal. Return the response when this was a validation request."""
        for check in self.where:
            check(request)
        if "graph" in self.handshakes and "validationToken" in request.query:
            return _echoed(request.query["validationToken"])
        for check in self.who:
            check(request)
        return None

    def handshake(self, request: web.BaseRequest) -> web.Response:
        """Answer OPTIONS after CloudEvents' HTTP web hooks 1.0: allow callers that pass; Refusal where it is off."""
        if "cloudevents" not in self.handshakes:
            raise Refusal(
                405, "malformed", "only POST is allowed here (callback_handshakes)", headers={"Allow": "POST"}
            )
        for check in self.where:
            check(request)
        origin = request.headers.get("WebHook-Request-Origin", "")
        if not origin:
            raise Refusal(400, "malformed", "the header WebHook-Request-Origin is missing: send it")
        headers = {"Allow": "POST", "WebHook-Allowed-Origin": origin}
        if "WebHook-Request-Rate" in request.headers:
            headers["WebHook-Allowed-Rate"] = "*"
        return web.Response(headers=headers)

    def probe(self, request: web.BaseRequest) -> web.Response:
        """Answer GET or HEAD, by which some hubs try a callback: with the challenge that they send (WebSub's
        `hub.challenge`), else with nothing; Refusal where it is off.
        """
        if "get" not in self.handshakes:
            allowed = "OPTIONS,POST" if "cloudevents" in self.handshakes else "POST"
            message = f"only {allowed} is allowed here (callback_handshakes)"
            raise Refusal(405, "malformed", message, headers={"Allow": allowed})
        for check in self.where:
            check(request)
        return _echoed(next((request.query[name] for name in _CHALLENGES if name in request.query), ""))

    @contextmanager
    def verified(self, headers: Mapping[str, str], body: bytes) -> Iterator[None]:
        """Run the block for a body that is signed as demanded; Refusal. A failed block leaves its request unseen."""
        if self.what is None:
            yield
            return
        with self.what.verified(headers, body):
            yield


def gates(sources: Mapping[str, SourceSettings], trusted_proxies: Sequence[str]) -> dict[str, Gate]:
    """Make the gates of the sources that have any demands."""
    made = {name: _gate(settings, trusted_proxies) for name, settings in sources.items()}
    return {name: gate for name, gate in made.items() if gate != Gate()}


def _gate(settings: SourceSettings, trusted_proxies: Sequence[str]) -> Gate:
    where: list[Check] = []
    if settings.callback_allow_from:
        where.append(allowed_from(settings.callback_allow_from, trusted_proxies))
    if settings.callback_tls_subjects:
        where.append(certified(settings.callback_tls_subjects))
    username, password = settings.callback_username, settings.callback_password.get_secret_value()
    tokens = settings.callback_token.get_secret_value().split()
    accepted = [_basic(username, password)] if username else []
    accepted += [f"Bearer {token}".encode() for token in tokens]
    who = [authorised(accepted, basic=bool(username), bearer=bool(tokens))] if accepted else []
    if settings.callback_rate_per_second:  # last, so that nobody else uses the source's share up
        who.append(Bucket(settings.callback_rate_per_second).check)
    secrets = settings.callback_signing_secret.get_secret_value()
    return Gate(
        where=tuple(where),
        who=tuple(who),
        what=Verifier(secrets, clock=time.time) if secrets else None,
        handshakes=settings.callback_handshakes,
    )


def caller(request: web.BaseRequest, trusted: Sequence[Network]) -> Address | None:
    """The address a request comes from: the peer's, or, behind proxies that are trusted, the last one in
    X-Forwarded-For that is none of theirs. None when a trusted proxy names none that can be read.
    """
    at = address_of(request.remote or "")
    if at is None or not _within(at, trusted):
        return at
    named = [word for line in request.headers.getall("X-Forwarded-For", ()) for word in line.split(",")]
    for word in reversed(named):
        at = address_of(word.strip())
        if at is None or not _within(at, trusted):
            return at
    return at


def allowed_from(networks: Sequence[str], trusted_proxies: Sequence[str] = ()) -> Check:
    """Admit callers from one of these networks."""
    allowed = [ip_network(network) for network in networks]
    trusted = [ip_network(network) for network in trusted_proxies]

    def check(request: web.BaseRequest) -> None:
        at = caller(request, trusted)
        if at is None or not _within(at, allowed):
            raise Refusal(
                403,
                "address",
                "this callback is not served to your address (callback_allow_from)",
            )

    return check


def certified(subjects: Sequence[str]) -> Check:
    """Admit callers that show a client certificate, of an authority we trust, with one of these subjects."""
    wanted = frozenset(subjects)

    def check(request: web.BaseRequest) -> None:
        certificate = request.get_extra_info("peercert")
        if not certificate or wanted.isdisjoint(_subjects(certificate)):
            raise Refusal(403, "certificate", "this callback needs another client certificate (callback_tls_subjects)")

    return check


def authorised(accepted: Sequence[bytes], *, basic: bool, bearer: bool) -> Check:
    """Admit callers that send one of these Authorization headers; each is compared, in constant time."""
    ways = [way for way, offered in (('Basic realm="callback", charset="UTF-8"', basic), ("Bearer", bearer)) if offered]
    headers = {"WWW-Authenticate": ", ".join(ways)}

    def check(request: web.BaseRequest) -> None:
        scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
        given = f"{scheme.capitalize()} {credentials.strip()}".encode("utf-8", "surrogateescape")
        known = False
        for each in accepted:
            known |= hmac.compare_digest(each, given)
        if not known:
            raise Refusal(401, "credentials", "the Authorization header is missing or wrong", headers=headers)

    return check


class Bucket:
    """Token bucket: admits `rate` requests a second, and a second's worth at once."""

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Start full."""
        self._rate, self._clock = rate, clock
        self._most = max(1.0, rate)
        self._tokens, self._at = self._most, clock()

    def check(self, _: web.BaseRequest) -> None:
        """Take one; Refusal (429) says when the next will be there."""
        now = self._clock()
        self._tokens = min(self._most, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens < 1:
            seconds = (1 - self._tokens) / self._rate
            raise Refusal(
                429,
                "rate",
                "too many notifications: send it again later",
                retry_after_seconds=seconds,
            )
        self._tokens -= 1


def _basic(username: str, password: str) -> bytes:
    return b"Basic " + base64.b64encode(f"{username}:{password}".encode())


def address_of(text: str) -> Address | None:
    """Read an address as proxies write them, with or without a port; v4 within v6 is v4."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        at = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = at.ipv4_mapped if isinstance(at, IPv6Address) else None
    return mapped or at


def _within(at: Address, networks: Sequence[Network]) -> bool:
    return any(at in network for network in networks)


def _subjects(certificate: Mapping[str, Any]) -> set[str]:
    """The names a certificate goes by: its whole subject as `CN=…,O=…`, its common names, its DNS names."""
    parts = [(key, value) for rdn in certificate.get("subject", ()) for key, value in rdn]
    names = {value for key, value in parts if key == "commonName"}
    names |= {value for kind, value in certificate.get("subjectAltName", ()) if kind == "DNS"}
    return names | {",".join(f"{_SHORT.get(key, key)}={value}" for key, value in parts)}


_SHORT = {
    "commonName": "CN",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "countryName": "C",
    "localityName": "L",
    "stateOrProvinceName": "ST",
}


def _echoed(token: str) -> web.Response:
    """Send a validation token back, as text that no browser takes for a page."""
    if len(token) > _LONGEST_TOKEN_CHARACTERS:
        raise Refusal(400, "malformed", f"the token to send back is longer than {_LONGEST_TOKEN_CHARACTERS} characters")
    return web.Response(text=token, content_type="text/plain")
