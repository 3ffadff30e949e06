"""What a source asks of its client."""

from typing import Any

import pytest

from bridge.bootstrap import client_for
from bridge.domain.hub import HubAbsentError
from bridge.settings import Tmf656Settings
from bridge.sources.client import hub_of
from bridge.telemetry.metrics import Metrics


class _Polled:
    hub = None


def test_a_kind_without_a_hub_says_so() -> None:
    polled: Any = _Polled()
    with pytest.raises(HubAbsentError, match="source snow: this kind of system has no hub"):
        hub_of("snow", polled)


def test_a_tmf656_server_is_its_hub() -> None:
    client = client_for("snow", Tmf656Settings(url="http://127.0.0.1:9/v4"), Metrics())
    assert hub_of("snow", client) is client
