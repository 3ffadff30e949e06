"""A login provider on this machine: oidc-provider-mock, whose tokens can be spoilt before they are sent."""

import hmac
import threading
import time
import warnings
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import flask
import orjson
import werkzeug.serving
from joserfc import jwt
from joserfc.jwk import RSAKey

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of a library below it, about what will be moved
    import oidc_provider_mock
    from oidc_provider_mock._storage import storage

CLIENT = {"client_id": "console", "client_secret": "canary-client-secret"}
ANNA = {"preferred_username": "anna", "groups": ["staff", "noc"]}
Claims = dict[str, Any]


@dataclass
class LoginProvider:
    """Where it is, and what it does to the claims of a token, and to its header, before it signs it again."""

    url: str
    claims: Callable[[Claims], Claims] = lambda claims: claims | ANNA
    header: dict[str, Any] = field(default_factory=dict)
    unsigned: bool = False
    other_key: bool = False
    challenges: list[str] = field(default_factory=list)
    verifiers: list[str] = field(default_factory=list)

    def spoil(self, response: flask.Response) -> flask.Response:
        """Sign another token in the place of the one that the provider made."""
        if "code_challenge" in flask.request.args:
            self.challenges.append(flask.request.args["code_challenge"])
        if "code_verifier" in flask.request.form:
            self.verifiers.append(flask.request.form["code_verifier"])
        if not flask.request.path.endswith("/token") or response.status_code != 200:
            return response
        body = orjson.loads(response.get_data())
        key = RSAKey.import_key(storage.jwk.as_dict(is_private=True))
        claims = jwt.decode(body["id_token"], key, algorithms=["RS256"]).claims
        claims = self.claims(claims | {"auth_time": int(time.time())})
        algorithm = self.header.get("alg", "RS256")
        if self.other_key:
            key = RSAKey.generate_key(2048)
        header = {"alg": algorithm, **self.header}
        if algorithm == "HS256":
            body["id_token"] = signed_with_public_key(claims, key)
        elif self.unsigned:
            head, payload = (urlsafe_b64encode(part).rstrip(b"=") for part in (b'{"alg":"none"}', orjson.dumps(claims)))
            body["id_token"] = f"{head.decode()}.{payload.decode()}."
        else:
            body["id_token"] = jwt.encode(header, claims, key, algorithms=["RS256"])
        response.set_data(orjson.dumps(body))
        return response


def signed_with_public_key(claims: Claims, key: Any) -> str:
    """A token whose secret everybody can read: taken for real where the algorithm is the token's to choose."""
    parts = (b'{"alg":"HS256"}', orjson.dumps(claims))
    text = b".".join(urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    tag = hmac.digest(key.as_pem(private=False), text, "sha256")
    return f"{text.decode()}.{urlsafe_b64encode(tag).rstrip(b'=').decode()}"


@contextmanager
def login_provider() -> Iterator[LoginProvider]:
    """Run one, until the end of the block."""
    app = oidc_provider_mock.app(require_nonce=True)
    provider = LoginProvider("")
    app.after_request(provider.spoil)
    server = werkzeug.serving.make_server("127.0.0.1", 0, app, threaded=True)
    provider.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join(30)
        server.server_close()
