"""ID tokens: signature, claims, who they name."""

import time
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey

from bridge.settings.console import OidcSettings
from bridge.web.console.id_token import (
    IdTokenError,
    UnknownKeyError,
    groups_of,
    name_of,
    password_given_at,
    read_keys,
    verified_claims,
)
from tests.web.console.login_provider import signed_with_public_key

pytestmark = pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
ISSUER, CLIENT, NONCE = "https://login.example", "console", "n-0"
KEYS: dict[str, Any] = {
    "RS256": RSAKey.generate_key(2048),
    "ES256": ECKey.generate_key("P-256"),
    "EdDSA": OKPKey.generate_key("Ed25519"),
    "Ed25519": OKPKey.generate_key("Ed25519"),
}


def claims(**changes: Any) -> dict[str, Any]:
    at = int(time.time())
    plain = {"iss": ISSUER, "aud": CLIENT, "sub": "1", "nonce": NONCE, "iat": at, "exp": at + 60}
    return {name: value for name, value in (plain | changes).items() if value is not None}


def verified(token: str, *keys: Any) -> dict[str, Any]:
    published = read_keys({"keys": [key.as_dict(private=False) for key in keys]})
    return verified_claims(token, published, issuer=ISSUER, client_id=CLIENT, nonce=NONCE)


@pytest.mark.parametrize("algorithm", KEYS)
def test_the_three_kinds_of_signatures_are_taken_whichever_key_they_are_of(algorithm: str) -> None:
    key = KEYS[algorithm]
    for header in ({"alg": algorithm}, {"alg": algorithm, "kid": key.thumbprint()}):
        if "kid" in header:
            key.ensure_kid()
        token = jwt.encode(header, claims(), key, algorithms=[algorithm])
        assert verified(token, *(each for each in KEYS.values() if each is not key), key)["sub"] == "1"


@pytest.mark.parametrize("algorithm", ["HS256", "RS512", "PS256"])
def test_other_kinds_are_not_taken(algorithm: str) -> None:
    """HS256 with the public key as the secret is the classic of them."""
    key = KEYS["RS256"]
    if algorithm == "HS256":
        token = signed_with_public_key(claims(), key)
    else:
        token = jwt.encode({"alg": algorithm}, claims(), key, algorithms=[algorithm])
    with pytest.raises(IdTokenError, match="kind that is not accepted"):
        verified(token, KEYS["RS256"])


def test_a_key_that_is_not_published_is_said_to_be_unknown() -> None:
    token = jwt.encode({"alg": "RS256", "kid": "new"}, claims(), KEYS["RS256"], algorithms=["RS256"])
    with pytest.raises(UnknownKeyError):
        verified(token, KEYS["RS256"])


@pytest.mark.parametrize("text", ["", "a", "a.b.c", "ä.b.c", ".." * 40_000, "eyJhbGciOiJub25lIn0.e30."])
def test_what_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(IdTokenError):
        verified(text, *KEYS.values())


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://login.example/"},
        {"iss": None},
        {"aud": "other"},
        {"aud": ["other"]},
        {"aud": [CLIENT, "other"]},
        {"aud": None},
        {"nonce": None},
        {"nonce": "other"},
        {"exp": 1_000_000_000},
        {"exp": "tomorrow"},
        {"exp": None},
        {"iat": None},
        {"sub": None},
        {"azp": "other"},
        {"nbf": 4_000_000_000},
        {"iat": 4_000_000_000},
    ],
    ids=str,
)
def test_every_claim_has_to_be_of_this_login(changes: dict[str, Any]) -> None:
    token = jwt.encode({"alg": "RS256"}, claims(**changes), KEYS["RS256"], algorithms=["RS256"])
    with pytest.raises(IdTokenError, match="not for this login"):
        verified(token, KEYS["RS256"])


def test_several_audiences_need_us_as_the_one_that_asked() -> None:
    token = jwt.encode({"alg": "RS256"}, claims(aud=[CLIENT, "x"], azp=CLIENT), KEYS["RS256"], algorithms=["RS256"])
    assert verified(token, KEYS["RS256"])["azp"] == CLIENT


@pytest.mark.parametrize(
    "document",
    [None, [], {}, {"keys": None}, {"keys": [None, {}, {"kty": "oct", "k": "eA"}, {"kty": "RSA", "n": "x"}]}],
)
def test_what_is_no_key_set_has_no_keys(document: Any) -> None:
    assert read_keys(document) == []


def test_private_keys_and_keys_for_encryption_are_left_out() -> None:
    private = KEYS["RS256"].as_dict(private=True)
    assert read_keys({"keys": [private, KEYS["ES256"].as_dict(private=False) | {"use": "enc"}]}) == []


def test_groups_are_found_by_name_or_by_way() -> None:
    nested = {"realm_access": {"roles": ["noc"]}, "https://x.example/roles": "one", "groups": ["a", 1]}
    for claim, groups in (
        ("realm_access.roles", ["noc"]),
        ("https://x.example/roles", ["one"]),
        ("groups", ["a"]),
        ("nothing.at.all", []),
        ("realm_access", []),
    ):
        assert groups_of(nested, OidcSettings(groups_claim=claim)) == groups


def test_groups_that_had_no_room_are_no_empty_list() -> None:
    with pytest.raises(IdTokenError, match=r"console\.oidc\.groups_claim"):
        groups_of({"_claim_names": {"groups": "src1"}}, OidcSettings())


@pytest.mark.parametrize("at", [None, "now", 10**30, float("nan"), -(10**30), [1]])
def test_a_password_that_nobody_says_was_given_was_given_long_ago(at: Any) -> None:
    assert password_given_at({"auth_time": at}).year == 2000
    assert password_given_at({"auth_time": 1_796_021_587}).isoformat() == "2026-11-30T06:53:07+00:00"


@pytest.mark.parametrize("name", [None, "", " ", "x" * 101, "a\n", 7, ["anna"]])
def test_a_name_that_nobody_could_read_is_none(name: Any) -> None:
    with pytest.raises(IdTokenError, match=r"console\.oidc\.user_claim"):
        name_of({"preferred_username": name}, OidcSettings())
