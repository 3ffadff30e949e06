"""A refusal keeps what its answer will say."""

from bridge.web.answer import error_response
from bridge.web.refusal import Refusal


def test_what_is_raised_is_what_is_answered() -> None:
    wanted = {"WWW-Authenticate": "Bearer"}
    refusal = Refusal(401, "credentials", "send a token", headers=wanted)
    wanted["WWW-Authenticate"] = "Basic"
    answer = error_response(refusal)
    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert (refusal.reason, str(refusal), refusal.retry_after_seconds) == ("credentials", "send a token", None)
