"""Signed requests, made by the standard's own library: genuine, timely and new, or refused."""

import base64
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook

from bridge.web.listener.signature import Verifier
from bridge.web.refusal import Refusal

NOW = 1_780_000_000
KEY, OLD_KEY, OTHER_KEY = ("whsec_" + base64.b64encode(name * 8).decode() for name in (b"key", b"old", b"foe"))
BODY = b'{"eventId": "1"}'


class Clock:
    at = float(NOW)

    def __call__(self) -> float:
        return self.at


def signed(key: str = KEY, body: bytes = BODY, at: int = NOW, message_id: str = "msg_1") -> dict[str, str]:
    text = Webhook(key).sign(message_id, datetime.fromtimestamp(at, UTC), body.decode())
    return {"webhook-id": message_id, "webhook-timestamp": str(at), "webhook-signature": text}


def refused(verifier: Verifier, headers: dict[str, str], body: bytes = BODY) -> tuple[int, str]:
    with pytest.raises(Refusal) as caught, verifier.verified(headers, body):
        pass
    return caught.value.status, caught.value.reason


def test_either_of_two_secrets_is_genuine_and_a_third_is_not() -> None:
    verifier = Verifier(f"{KEY} {OLD_KEY}", clock=Clock())
    for number, key in enumerate((KEY, OLD_KEY)):
        with verifier.verified(signed(key, message_id=f"msg_{number}"), BODY):
            pass
    assert refused(verifier, signed(OTHER_KEY)) == (403, "signature")
    assert refused(verifier, signed(), BODY + b" ") == (403, "signature")


def test_of_several_signatures_one_has_to_be_right() -> None:
    headers = signed()
    headers["webhook-signature"] = f"v1,AAAA v2,x v1,*** {headers['webhook-signature']}"
    with Verifier(KEY, clock=Clock()).verified(headers, BODY):
        pass
    headers["webhook-signature"] = f"{'v1,AAAA ' * 16}{signed()['webhook-signature']}"
    assert refused(Verifier(KEY, clock=Clock()), headers) == (403, "signature"), "no more than 16 are looked at"


@pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_part_that_is_missing_is_a_missing_signature(missing: str) -> None:
    assert refused(Verifier(KEY, clock=Clock()), signed() | {missing: ""}) == (403, "signature")


@pytest.mark.parametrize("away", [-301, 301])
def test_what_is_too_far_from_our_clock_is_refused(away: int) -> None:
    assert refused(Verifier(KEY, clock=Clock()), signed(at=NOW + away)) == (403, "signature")
    assert refused(Verifier(KEY, clock=Clock()), signed() | {"webhook-timestamp": f"{NOW}.5"}) == (403, "signature")


def test_the_same_request_is_accepted_once_and_with_a_new_timestamp_again() -> None:
    verifier = Verifier(KEY, clock=Clock())
    with verifier.verified(signed(), BODY):
        pass
    assert refused(verifier, signed()) == (409, "replayed")
    with verifier.verified(signed(at=NOW + 1), BODY):
        pass


def test_a_request_that_was_not_stored_may_come_again() -> None:
    verifier = Verifier(KEY, clock=Clock())

    def store() -> None:
        with verifier.verified(signed(), BODY):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store()
    with verifier.verified(signed(), BODY):
        pass


def test_what_is_too_old_to_be_accepted_anyway_is_forgotten() -> None:
    clock = Clock()
    verifier = Verifier(KEY, clock=clock)
    with verifier.verified(signed(), BODY):
        pass
    clock.at += 601
    with verifier.verified(signed(at=NOW + 601, message_id="msg_2"), BODY):
        pass
    assert len(verifier._accepted) == 1
