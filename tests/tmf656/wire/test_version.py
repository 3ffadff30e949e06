"""The version follows from the names of attributes, not from the path."""

from typing import Any

import pytest

from bridge.tmf656.wire.version import detect_version


@pytest.mark.parametrize(
    ("item", "version"),
    [
        ({"affectingServiceNumber": 2}, "2"),
        ({"comment": [{"user": "a", "comment": "b"}]}, "2"),
        ({"timeRaised": "2026-01-01T00:00:00Z"}, "3"),
        ({"correlationId": "7"}, "3"),
        ({"creationDate": "2026-01-01T00:00:00Z"}, "4"),
        ({"@type": "ServiceProblem", "note": [{"@type": "Note", "text": "x"}]}, "5"),
        ({"@type": "ServiceProblem", "relatedParty": [{"id": "1", "@type": "x"}], "note": []}, "4"),
        ({"relatedParty": [{"role": "owner", "partyOrPartyRole": {"id": "1"}}], "timeRaised": "x"}, "5"),
        ({"id": "1", "status": "held"}, None),
        ({}, None),
    ],
)
def test_attributes_tell_the_version(item: dict[str, Any], version: str | None) -> None:
    assert detect_version(item) == version
