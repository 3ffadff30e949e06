"""What a callback can demand besides its secret: each demand alone, together, and what each sender is answered."""

import base64
import ssl
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import anyio
import orjson
import pytest
import trustme
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict
from standardwebhooks import Webhook
from yarl import URL

from bridge.app import RunningBridge
from bridge.errors import ConfigurationError
from bridge.settings import Settings
from bridge.web.connections import ConnectionLimit
from bridge.web.listener.admission import Bucket, Gate, allowed_from, caller, certified, gates
from bridge.web.listener.signature import Verifier
from bridge.web.refusal import Refusal
from bridge.web.tls import Certificates

pytestmark = pytest.mark.anyio

SECRET = "admission-C4nary-012345678"
TOKEN = "admission-t0ken-0123456789"
OLD_TOKEN = "admission-t0ken-before-012"
KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OLD_KEY = "whsec_" + base64.b64encode(b"the key before, 24 bytes").decode()
QUIET = {
    "push": False,
    "poll_interval_seconds": 86_400,
    "reconcile_interval_seconds": 604_800,
    "callback_secret": SECRET,
}
BASIC = {"callback_username": "snow", "callback_password": "admission-p4ss"}
DEMANDS: dict[str, dict[str, Any]] = {
    "basic": BASIC,
    "bearer": {"callback_token": f"{TOKEN} {OLD_TOKEN}"},
    "either": BASIC | {"callback_token": TOKEN},
    "signed": {"callback_signing_secret": f"{KEY} {OLD_KEY}"},
    "elsewhere": {"callback_allow_from": ["192.0.2.0/24"]},
    "here": {"callback_allow_from": "127.0.0.0/8, ::1"},
    "proxied": {"callback_allow_from": ["203.0.113.9"]},
    "slow": {"callback_rate_per_second": 0.01},
    "greeted": {"callback_handshakes": ["cloudevents", "graph", "get"], "callback_token": TOKEN},
    "all": {"callback_token": TOKEN, "callback_signing_secret": KEY, "callback_allow_from": ["127.0.0.1"]},
    "none": {},
}


@pytest.fixture(scope="module")
async def bridge(shared_dsn: str, upstream: Any, open_bridge: Callable[..., Any]) -> AsyncIterator[RunningBridge]:
    sources = {name: {"url": f"{upstream.url}/{name}"} | QUIET | more for name, more in DEMANDS.items()}
    configuration = {"database": {"dsn": shared_dsn}, "http": {"port": 0, "max_body_bytes": 65536}, "sources": sources}
    async with open_bridge(configuration) as running:
        yield running


@pytest.fixture
def send(bridge: RunningBridge, post: Callable[..., Any]) -> Callable[..., Any]:
    """Post an event about `problem_id` to a source; returns the status."""

    async def sending(source: str, problem_id: str = "p", secret: str = SECRET, **headers: str) -> int:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = await post(f"{bridge.url}/listener/{source}/{secret}", event(problem_id), **named)
        return int(answer.status)

    return sending


def event(problem_id: str) -> bytes:
    problem = {"id": problem_id, "status": "acknowledged", "lastUpdate": "2026-06-01T12:00:00Z", "priority": 1}
    return orjson.dumps({"eventType": "ServiceProblemCreateEvent", "event": {"serviceProblem": problem}})


def basic(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def signed(key: str, body: bytes, message_id: str, at: datetime | None = None) -> dict[str, str]:
    """Headers as the public library makes them."""
    at = at or datetime.now(UTC)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(key).sign(message_id, at, body.decode()),
    }


# Who ---------------------------------------------------------------------------------------------------------------


async def test_basic_and_bearer_are_demanded_where_set_either_where_both_are(send: Callable[..., Any]) -> None:
    right, wrong = basic("snow", "admission-p4ss"), basic("snow", "admission-p4sS")
    assert [await send("basic"), await send("basic", Authorization=wrong)] == [401, 401]
    assert await send("basic", Authorization=right) == 201
    assert await send("basic", Authorization=right.replace("Basic", "bAsIc")) == 201
    assert [await send("bearer", Authorization=f"Bearer {one}") for one in (TOKEN, OLD_TOKEN)] == [201, 201]
    for given in ("", "Bearer", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x", right, TOKEN, "Bearer \xff"):
        assert await send("bearer", Authorization=given) == 401
    assert [await send("either", Authorization=one) for one in (right, f"Bearer {TOKEN}", wrong)] == [201, 201, 401]


async def test_a_401_says_what_is_wanted_and_nothing_else(bridge: RunningBridge, post: Callable[..., Any]) -> None:
    answer = await post(f"{bridge.url}/listener/either/{SECRET}", b"{}")
    assert answer.headers["www-authenticate"] == 'Basic realm="callback", charset="UTF-8", Bearer'
    assert answer.json() == {
        "code": "401",
        "reason": "credentials",
        "message": "the Authorization header is missing or wrong",
    }


async def test_who_does_not_know_the_path_learns_of_no_demand(send: Callable[..., Any]) -> None:
    assert {await send(name, secret="wrong-0123456789012345") for name in (*DEMANDS, "nobody")} == {404}


async def test_all_demands_of_a_source_have_to_be_met(send: Callable[..., Any]) -> None:
    headers = signed(KEY, event("p"), "together") | {"Authorization": f"Bearer {TOKEN}"}
    assert await send("all", **{name: value for name, value in headers.items() if name != "Authorization"}) == 401
    assert await send("all", Authorization=headers["Authorization"]) == 403
    assert await send("all", **headers) == 201


# Where -------------------------------------------------------------------------------------------------------------


async def test_an_address_that_is_not_on_the_list_is_refused_whatever_it_claims(send: Callable[..., Any]) -> None:
    assert [await send("elsewhere"), await send("here")] == [403, 201]
    assert await send("proxied", X_Forwarded_For="203.0.113.9") == 403, "nobody is trusted as a proxy"


@pytest.mark.parametrize(
    ("peer", "forwarded", "found"),
    [
        ("198.51.100.1", [], "198.51.100.1"),
        ("198.51.100.1", ["203.0.113.9"], "198.51.100.1"),
        ("10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["6.6.6.6, 203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["6.6.6.6", "203.0.113.9, 10.0.0.2"], "203.0.113.9"),
        ("10.0.0.1", ["203.0.113.9:4711"], "203.0.113.9"),
        ("10.0.0.1", ["[2001:db8::7]:4711"], "2001:db8::7"),
        ("10.0.0.1", ["::ffff:203.0.113.9"], "203.0.113.9"),
        ("::ffff:10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["unknown"], None),
        ("10.0.0.1", ["203.0.113.9, _hidden"], None),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["10.0.0.2"], "10.0.0.2"),
        ("", ["203.0.113.9"], None),
    ],
)
def test_forwarded_addresses_are_believed_from_trusted_proxies_only_and_from_the_right(
    peer: str, forwarded: list[str], found: str | None
) -> None:
    headers = CIMultiDict([("X-Forwarded-For", line) for line in forwarded])
    request = SimpleNamespace(remote=peer, headers=headers)
    at = caller(request, [ip_network("10.0.0.0/8")])
    assert (str(at) if at else None) == found
    check = allowed_from(["203.0.113.9", "2001:db8::/32"], ["10.0.0.0/8"])
    if found in ("203.0.113.9", "2001:db8::7"):
        check(request)
    else:
        with pytest.raises(Refusal, match="address"):
            check(request)


async def test_more_than_the_rate_of_a_source_is_told_when_to_come_again(
    bridge: RunningBridge, post: Callable[..., Any], send: Callable[..., Any]
) -> None:
    assert await send("slow") == 201
    answer = await post(f"{bridge.url}/listener/slow/{SECRET}", event("p"))
    assert (answer.status, 1 <= int(answer.headers["retry-after"]) <= 100) == (429, True)
    assert await send("none") == 201, "another source has a share of its own"


def test_a_bucket_holds_a_second_and_fills_with_time() -> None:
    at = [100.0]
    bucket = Bucket(2, clock=lambda: at[0])
    request = make_mocked_request("POST", "/")

    def passes() -> bool:
        try:
            bucket.check(request)
        except Refusal:
            return False
        return True

    def taken() -> int:
        return sum(1 for _ in iter(passes, False))

    assert taken() == 2
    with pytest.raises(Refusal) as refused:
        bucket.check(request)
    assert refused.value.retry_after_seconds == pytest.approx(0.5)
    at[0] += 0.5
    assert taken() == 1
    at[0] += 3600
    assert taken() == 2


# What --------------------------------------------------------------------------------------------------------------


def test_the_public_vector_of_standard_webhooks_is_accepted() -> None:
    """From the specification's reference libraries."""
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    verifier = Verifier("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", clock=lambda: 1614265330.0)
    with verifier.verified(headers, b'{"test": 2432232314}'):
        pass


async def test_signatures_of_the_public_library_are_accepted_with_either_secret(send: Callable[..., Any]) -> None:
    assert await send("signed") == 403
    assert await send("signed", **signed(KEY, event("p"), "new")) == 201
    assert await send("signed", **signed(OLD_KEY, event("p"), "old")) == 201
    two = signed(KEY, event("p"), "two")
    two["webhook-signature"] = f"v1a,AAAA v1,%%% v1,AAAA {two['webhook-signature']}"
    assert await send("signed", **two) == 201
    stranger = "whsec_" + base64.b64encode(b"somebody else's key 1234").decode()
    assert await send("signed", **signed(stranger, event("p"), "stranger")) == 403
    assert await send("signed", **signed(KEY, event("another body"), "body")) == 403


async def test_a_request_that_was_taken_is_refused_again_and_a_new_attempt_is_not(send: Callable[..., Any]) -> None:
    now = datetime.now(UTC)
    first = signed(KEY, event("p"), "again", now)
    assert [await send("signed", **first) for _ in range(3)] == [201, 409, 409]
    assert await send("signed", **signed(KEY, event("p"), "again", now + timedelta(seconds=5))) == 201


@pytest.mark.parametrize(("off", "accepted"), [(0, True), (300, True), (-300, True), (301, False), (-301, False)])
def test_the_tolerance_is_300_seconds_either_way(off: int, *, accepted: bool) -> None:
    at = datetime(2026, 6, 1, tzinfo=UTC)
    verifier = Verifier(KEY, clock=lambda: at.timestamp() + off)
    if accepted:
        with verifier.verified(signed(KEY, b"{}", "m", at), b"{}"):
            pass
    else:
        with pytest.raises(Refusal, match="clock"), verifier.verified(signed(KEY, b"{}", "m", at), b"{}"):
            pass


def test_no_bit_may_be_another() -> None:
    at = datetime(2026, 6, 1, tzinfo=UTC)
    body = b'{"event":{}}'
    good = signed(KEY, body, "m1", at)
    verifier = Verifier(KEY, clock=at.timestamp)
    for number in range(8 * len(body)):
        flipped = bytearray(body)
        flipped[number // 8] ^= 1 << number % 8
        with pytest.raises(Refusal, match="no signature"), verifier.verified(good, bytes(flipped)):
            pass
    for name, other in (("webhook-id", "m2"), ("webhook-timestamp", str(int(at.timestamp()) + 1))):
        with pytest.raises(Refusal, match="no signature"), verifier.verified(good | {name: other}, body):
            pass


@pytest.mark.parametrize("timestamp", ["", "x", "-1", "1e9", "9" * 40, "१७८०२७२०००", "1780272000.0"])
def test_odd_timestamps_are_refused(timestamp: str) -> None:
    headers = {"webhook-id": "m", "webhook-timestamp": timestamp, "webhook-signature": "v1,AAAA"}
    with pytest.raises(Refusal), Verifier(KEY, clock=lambda: 1780272000.0).verified(headers, b"{}"):
        pass


def test_what_was_not_taken_may_come_again_and_nothing_is_remembered_for_ever() -> None:
    at = datetime(2026, 6, 1, tzinfo=UTC)
    now = [at.timestamp()]
    verifier = Verifier(KEY, clock=lambda: now[0])
    headers = signed(KEY, b"{}", "m", at)
    with pytest.raises(RuntimeError), verifier.verified(headers, b"{}"):
        raise RuntimeError("Postgres is away")
    with verifier.verified(headers, b"{}"):
        pass
    for number in range(50):
        now[0] += 60
        with verifier.verified(signed(KEY, b"{}", str(number), datetime.fromtimestamp(now[0], UTC)), b"{}"):
            pass
    assert len(verifier._accepted) <= 12


# Handshakes --------------------------------------------------------------------------------------------------------


async def test_cloudevents_handshake_is_answered_where_wanted(bridge: RunningBridge) -> None:
    ask = {"WebHook-Request-Origin": "snow.example", "WebHook-Request-Rate": "120"}
    async with aiohttp.ClientSession() as session:

        async def options(source: str, secret: str = SECRET, **headers: str) -> Any:
            async with session.options(f"{bridge.url}/listener/{source}/{secret}", headers=headers) as answer:
                return answer.status, dict(answer.headers)

        status, headers = await options("greeted", **ask)
        assert status == 200
        assert (headers["WebHook-Allowed-Origin"], headers["WebHook-Allowed-Rate"]) == ("snow.example", "*")
        assert (await options("greeted"))[0] == 400
        assert (await options("none", **ask))[0] == 405
        assert (await options("greeted", "wrong", **ask))[0] == 404


@pytest.mark.parametrize(
    ("query", "body"),
    [("?hub.mode=subscribe&hub.challenge=%3Cb%3E%20c", b"<b> c"), ("?challenge=x", b"x"), ("", b"")],
)
async def test_a_callback_is_tried_by_get_and_head_where_wanted(bridge: RunningBridge, query: str, body: bytes) -> None:
    async with aiohttp.ClientSession() as session:

        async def ask(method: str, source: str, secret: str = SECRET) -> Any:
            url = URL(f"{bridge.url}/listener/{source}/{secret}{query}", encoded=True)
            async with session.request(method, url) as answer:
                return answer.status, await answer.read(), answer.headers

        status, got, headers = await ask("GET", "greeted")
        assert (status, got, headers["X-Content-Type-Options"]) == (200, body, "nosniff")
        assert headers["Content-Type"].startswith("text/plain")
        assert (await ask("HEAD", "greeted"))[:2] == (200, b"")
        status, _, headers = await ask("GET", "none")
        assert (status, headers["Allow"]) == (405, "POST")
        assert (await ask("GET", "greeted", "wrong"))[0] == 404


async def test_a_validation_token_is_echoed_where_wanted_as_plain_text(
    bridge: RunningBridge, post: Callable[..., Any]
) -> None:
    query = "?validationToken=%3Cscript%3E%20%26"
    answer = await post(f"{bridge.url}/listener/greeted/{SECRET}{query}", b"")
    assert (answer.status, answer.body) == (200, b"<script> &")
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert (await post(f"{bridge.url}/listener/none/{SECRET}{query}", event("p"))).status == 201, "taken as an event"
    assert (await post(f"{bridge.url}/listener/greeted/wrong{query}", b"")).status == 404
    assert (await post(f"{bridge.url}/listener/greeted/{SECRET}?validationToken={'x' * 3000}", b"")).status == 400


# TLS ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def put(authority: trustme.CA, directory: Path) -> tuple[Path, Path]:
    """Write a new certificate for this machine; return its file and that of its key."""
    issued = authority.issue_cert("127.0.0.1", "localhost")
    cert, key = directory / "cert.pem", directory / "key.pem"
    cert.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    key.write_bytes(issued.private_key_pem.bytes())
    return cert, key


def client_context(authority: trustme.CA, issued: trustme.LeafCert | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    if issued is not None:
        issued.configure_cert(context)
    return context


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
async def test_tls_is_served_with_client_certificates_by_subject(
    dsn: str, upstream: Any, open_bridge: Callable[..., Any], authority: trustme.CA, tmp_path: Path
) -> None:
    cert, key = put(authority, tmp_path)
    ca = tmp_path / "clients.pem"
    authority.cert_pem.write_to_path(str(ca))
    http = {"port": 0, "tls_cert_file": cert, "tls_key_file": key, "tls_client_ca_file": ca}
    certified_source = {"url": f"{upstream.url}/m"} | QUIET | {"callback_tls_subjects": ["snow.example"]}
    sources = {"mutual": certified_source, "plain": {"url": f"{upstream.url}/p"} | QUIET}
    async with open_bridge({"database": {"dsn": dsn}, "http": http, "sources": sources}) as bridge:
        assert bridge.url.startswith("https://")

        async def send(source: str, context: ssl.SSLContext) -> int | str:
            try:
                async with (
                    aiohttp.ClientSession() as session,
                    session.post(f"{bridge.url}/listener/{source}/{SECRET}", data=event("p"), ssl=context) as answer,
                ):
                    return answer.status
            except (aiohttp.ClientError, ssl.SSLError):
                return "refused"

        known = client_context(authority, authority.issue_cert("snow.example"))
        other = client_context(authority, authority.issue_cert("other.example"))
        stranger = client_context(authority, trustme.CA().issue_cert("snow.example"))
        without = client_context(authority)
        assert [await send("mutual", one) for one in (known, other, without)] == [201, 403, 403]
        assert await send("mutual", stranger) == "refused"
        assert [await send("plain", one) for one in (known, without)] == [201, 201]
        old = client_context(authority)
        old.set_ciphers("ALL:@SECLEVEL=0")
        old.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        old.maximum_version = ssl.TLSVersion.TLSv1_1
        assert await send("plain", old) == "refused"


@pytest.mark.parametrize(
    ("subject", "fits"),
    [
        ("snow", True),
        ("CN=snow,O=Carrier", True),
        ("O=Carrier,CN=snow", False),
        ("Carrier", False),
        ("a.example", True),
    ],
)
def test_subjects_are_compared_whole(subject: str, *, fits: bool) -> None:
    certificate = {
        "subject": ((("commonName", "snow"),), (("organizationName", "Carrier"),)),
        "subjectAltName": (("DNS", "a.example"), ("IP Address", "192.0.2.1")),
    }
    request = SimpleNamespace(get_extra_info=lambda _: certificate)
    if fits:
        certified([subject])(request)
    else:
        with pytest.raises(Refusal):
            certified([subject])(request)


async def test_a_new_certificate_is_taken_while_connections_stand(
    dsn: str, upstream: Any, open_bridge: Callable[..., Any], eventually: Callable[..., Any], tmp_path: Path
) -> None:
    before, after = trustme.CA(), trustme.CA()
    cert, key = put(before, tmp_path)
    http = {"port": 0, "tls_cert_file": cert, "tls_key_file": key}
    sources = {"plain": {"url": f"{upstream.url}/p"} | QUIET}
    async with open_bridge({"database": {"dsn": dsn}, "http": http, "sources": sources}) as bridge:
        address = f"{bridge.url}/listener/plain/{SECRET}"

        async def trusts(authority: trustme.CA) -> bool:
            try:
                async with (
                    aiohttp.ClientSession() as session,
                    session.get(f"{bridge.url}/livez", ssl=client_context(authority)) as answer,
                ):
                    return answer.status == 200
            except aiohttp.ClientError:
                return False

        assert [await trusts(before), await trusts(after)] == [True, False]
        connector = aiohttp.TCPConnector(limit=1, ssl=client_context(before), keepalive_timeout=60)
        async with aiohttp.ClientSession(connector=connector) as standing:
            assert (await standing.post(address, data=event("p"))).status == 201
            cert.write_bytes(b"-----BEGIN CERTIFICATE-----\nhalf a fi")
            with anyio.move_on_after(2.5):
                while True:
                    assert await trusts(before), "half a file leaves the old certificate"
                    await anyio.sleep(0.2)
            put(after, tmp_path)
            await eventually(lambda: trusts(after))
            assert (await standing.post(address, data=event("q"))).status == 201, "on the old connection"


def test_files_that_cannot_be_used_are_named(tmp_path: Path, authority: trustme.CA) -> None:
    cert, key = put(authority, tmp_path)
    key.write_bytes(authority.issue_cert("other").private_key_pem.bytes())
    with pytest.raises(ConfigurationError, match=r"http\.tls_cert_file"):
        Certificates(cert, key)


# Configuration -----------------------------------------------------------------------------------------------------


def test_a_source_without_demands_has_no_gate() -> None:
    sources = {name: {"url": "http://127.0.0.1:9/v4"} | more for name, more in DEMANDS.items()}
    made = gates(Settings.model_validate({"sources": sources}).sources, ())
    assert set(made) == set(DEMANDS) - {"none"}
    assert Gate() not in made.values()


def test_connections_are_counted_together_and_by_peer() -> None:
    refused: list[int] = []
    cap = ConnectionLimit(3, 2, ["10.0.0.0/8"], on_refusal=lambda: refused.append(1))
    assert [cap.enter("192.0.2.1") for _ in range(3)] == [True, True, False]
    assert [cap.enter("192.0.2.2"), cap.enter("192.0.2.3")] == [True, False]
    cap.leave("192.0.2.1")
    assert cap.enter("192.0.2.3")
    for peer in ("192.0.2.1", "192.0.2.2", "192.0.2.3"):
        cap.leave(peer)
    assert (cap.open, dict(cap.by_peer), len(refused)) == (0, {}, 2)
    assert [cap.enter("::ffff:10.0.0.1") for _ in range(4)] == [True, True, True, False], "a proxy speaks for many"
