"""Signatures after Standard Webhooks 1.0: HMAC-SHA256 over `id.timestamp.body`, in the headers `webhook-id`,
`webhook-timestamp` and `webhook-signature`.

The body is signed as it was sent, byte by byte. Several secrets are valid at a time, and a header may carry several
signatures, so that secrets change without a refused event. Timestamps further away than the tolerance are refused.

A request that was accepted once is refused when it comes again within the tolerance. It is recognised by its id *and*
its timestamp: a sender that did not get our answer sends the same id with a new timestamp and a new signature, and that
must be accepted, or its event would be lost (it is stored as a duplicate when it is one). A request that was not
accepted is forgotten. The memory is this process's own and bounded; what it forgets too early is a duplicate.
"""

import binascii
import hmac
import re
from base64 import b64decode
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import blake2b, sha256

from bridge.web.refusal import Refusal

_ID, _TIMESTAMP, _SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
_WHOLE_SECONDS = re.compile(r"[0-9]{1,12}")
_MOST_REMEMBERED = 200_000
_MOST_SIGNATURES = 16


class Verifier:
    """Checks the signatures of one source. `secrets`: `whsec_` and base64, several separated by blanks; `clock` gives
    seconds since 1970.
    """

    def __init__(self, secrets: str, *, clock: Callable[[], float], tolerance_seconds: float = 300) -> None:
        """Keep the keys."""
        self._keys = [b64decode(secret.removeprefix("whsec_") + "==") for secret in secrets.split()]
        self._clock = clock
        self._tolerance_seconds = tolerance_seconds
        self._accepted: set[bytes] = set()
        self._order: deque[tuple[float, bytes]] = deque()

    @contextmanager
    def verified(self, headers: Mapping[str, str], body: bytes) -> Iterator[None]:
        """Run the block for a request that is genuine, timely and new; Refusal otherwise. A block that fails leaves the
        request unaccepted.
        """
        message_id, timestamp = self._genuine(headers, body)
        one = blake2b(f"{message_id}.{timestamp}".encode("utf-8", "surrogateescape"), digest_size=16).digest()
        self._forget()
        if one in self._accepted:
            raise Refusal(409, "replayed", "this request has been accepted before: sign a new one")
        self._accepted.add(one)
        try:
            yield
        except BaseException:
            self._accepted.discard(one)
            raise
        self._order.append((self._clock() + 2 * self._tolerance_seconds, one))

    def _genuine(self, headers: Mapping[str, str], body: bytes) -> tuple[str, str]:
        message_id, timestamp, given = (headers.get(name, "") for name in (_ID, _TIMESTAMP, _SIGNATURE))
        if not (message_id and timestamp and given):
            raise Refusal(403, "signature", f"a signature is missing: send {_ID}, {_TIMESTAMP} and {_SIGNATURE}")
        if not _WHOLE_SECONDS.fullmatch(timestamp):
            raise Refusal(403, "signature", f"{_TIMESTAMP} is not a number of seconds since 1970")
        if abs(self._clock() - int(timestamp)) > self._tolerance_seconds:
            raise Refusal(403, "signature", f"{_TIMESTAMP} is too far from our clock: set the clocks of both systems")
        signed = f"{message_id}.{timestamp}.".encode("utf-8", "surrogateescape") + body
        candidates = _signatures(given)
        genuine = False
        for key in self._keys:
            expected = hmac.digest(key, signed, sha256)
            for candidate in candidates:
                genuine |= hmac.compare_digest(expected, candidate)
        if not genuine:
            raise Refusal(403, "signature", "no signature is valid: compare the secrets of both systems")
        return message_id, timestamp

    def _forget(self) -> None:
        """Drop what is too old to be accepted anyway, and the oldest when there are too many."""
        while self._order and (self._order[0][0] < self._clock() or len(self._order) > _MOST_REMEMBERED):
            self._accepted.discard(self._order.popleft()[1])


def _signatures(header: str) -> list[bytes]:
    """The signatures of version 1; others are passed over."""
    found = []
    for word in header.split(" ")[:_MOST_SIGNATURES]:
        version, _, text = word.partition(",")
        if version == "v1":
            try:
                found.append(b64decode(text, validate=True))
            except (binascii.Error, ValueError):
                continue
    return found
