"""ID tokens of a login provider: whether one was made by it, for us, for this login, and who it names.

The algorithm is one of three with public keys, whatever the token says: a token without a signature, or one signed with
a secret that is no secret (a public key taken for one), is none.
"""

import warnings
from base64 import urlsafe_b64decode
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

import orjson
from joserfc import jwt
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import ECKey, OKPKey, RSAKey, import_key

from bridge.errors import PermanentError
from bridge.settings.console import OidcSettings

PublicKey: TypeAlias = RSAKey | ECKey | OKPKey
ALGORITHMS: Final[Mapping[str, type[Any]]] = {"RS256": RSAKey, "ES256": ECKey, "EdDSA": OKPKey, "Ed25519": OKPKey}
_KINDS: Final = ("RSA", "EC", "OKP")
LEEWAY_SECONDS: Final = 60
_LONG_AGO: Final = datetime(2000, 1, 1, tzinfo=UTC)
_LONGEST_TOKEN: Final = 64 * 1024
_LONGEST_NAME: Final = 100
_MOST_GROUPS: Final = 1000


class IdTokenError(PermanentError):
    """The login provider's answer logs nobody in; the text may be shown, and names the key to look at."""


class UnknownKeyError(IdTokenError):
    """The token was signed with a key that is not known (yet)."""


def read_keys(document: Any) -> list[PublicKey]:
    """Return the public keys for signatures of a key set; others are left out."""
    listed = document.get("keys") if isinstance(document, dict) else None
    found = []
    for one in listed if isinstance(listed, list) else []:
        if not isinstance(one, dict) or one.get("use", "sig") != "sig" or one.get("kty") not in _KINDS or "d" in one:
            continue
        try:
            key = import_key(one)
        except (JoseError, ValueError, TypeError, KeyError):
            continue
        if isinstance(key, RSAKey | ECKey | OKPKey):
            found.append(key)
    return found


def verified_claims(
    token: str, keys: Sequence[PublicKey], *, issuer: str, client_id: str, nonce: str
) -> dict[str, Any]:
    """Return the claims of a token; IdTokenError for one that is not to be believed."""
    if len(token) > _LONGEST_TOKEN or not token.isascii():
        raise IdTokenError("the login provider sent no token that could be read")
    claims = _signed_claims(token, keys)
    registry = jwt.JWTClaimsRegistry(
        leeway=LEEWAY_SECONDS,
        iss={"essential": True, "value": issuer},
        aud={"essential": True, "value": client_id},
        exp={"essential": True},
        iat={"essential": True},
        sub={"essential": True},
        nonce={"essential": True, "value": nonce},
    )
    try:
        registry.validate(claims)
    except (JoseError, ValueError, TypeError) as error:
        claim = getattr(error, "claim", None) or "a claim"
        raise IdTokenError(f"the login provider's token is not for this login ({claim})") from error
    audience = claims["aud"]
    several = isinstance(audience, list) and len(audience) > 1
    if (several or "azp" in claims) and claims.get("azp") != client_id:
        raise IdTokenError("the login provider's token is not for this login (azp)")
    return claims


def _signed_claims(token: str, keys: Sequence[PublicKey]) -> dict[str, Any]:
    """Return what a token says, of whatever age, for whomever. The key is of the kind that the algorithm takes, and of
    the id that the token names; where it names none, one of them has to fit.
    """
    try:
        header = orjson.loads(urlsafe_b64decode(token.partition(".")[0] + "=="))
        algorithm, key_id = str(header.get("alg")), header.get("kid")
    except (ValueError, AttributeError) as error:
        raise IdTokenError("the login provider sent no token that could be read") from error
    kind = ALGORITHMS.get(algorithm)
    if kind is None:
        raise IdTokenError("the signature of the login provider's token is of a kind that is not accepted")
    fitting = [key for key in keys if isinstance(key, kind) and key_id in (None, key.kid)]
    if not fitting:
        raise UnknownKeyError("the login provider's token was signed with a key that it does not publish")
    for key in fitting:
        with suppress(JoseError, ValueError, TypeError, KeyError), warnings.catch_warnings():
            warnings.simplefilter("ignore", SecurityWarning)  # "EdDSA" is what providers still call it
            return dict(jwt.decode(token, key, algorithms=[algorithm]).claims)
    raise IdTokenError("the signature of the login provider's token is wrong")


def name_of(claims: Mapping[str, Any], settings: OidcSettings) -> str:
    """Return the name of the user that a token is about; IdTokenError where there is none."""
    name = _claim(claims, settings.user_claim)
    if isinstance(name, str) and 0 < len(name.strip()) <= _LONGEST_NAME and name.isprintable():
        return name.strip()
    raise IdTokenError(
        f"the login provider does not say who you are: its token has no claim {settings.user_claim} "
        "(console.oidc.user_claim, console.oidc.scopes)"
    )


def groups_of(claims: Mapping[str, Any], settings: OidcSettings) -> list[str]:
    """Return the groups that a token names; IdTokenError where they were too many to be in it."""
    groups = _claim(claims, settings.groups_claim)
    if groups is None and settings.groups_claim in (claims.get("_claim_names") or {}):
        raise IdTokenError(
            "you are in more groups than a token has room for: have the login provider send the roles of this "
            "application, and set console.oidc.groups_claim to that claim"
        )
    listed = [groups] if isinstance(groups, str) else groups
    return [one for one in listed if isinstance(one, str)][:_MOST_GROUPS] if isinstance(listed, list) else []


def password_given_at(claims: Mapping[str, Any]) -> datetime:
    """Return when the login provider last asked for the password; long ago where it does not say so, because somebody
    who is logged in there comes here without one.
    """
    at = claims.get("auth_time")
    try:
        return datetime.fromtimestamp(at, UTC) if isinstance(at, int | float) else _LONG_AGO
    except (ValueError, OverflowError, OSError):
        return _LONG_AGO


def _claim(claims: Mapping[str, Any], name: str) -> Any:
    """A claim of that name, else the one that the dots in the name lead to."""
    if name in claims:
        return claims[name]
    value: Any = claims
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
