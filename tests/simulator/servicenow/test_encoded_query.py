"""Encoded queries as an instance understands them; what it does not understand is dropped."""

import pytest

from bridge.simulator.servicenow.encoded_query import parse
from bridge.simulator.servicenow.tables import TABLES

COLUMNS = TABLES["incident"]
RECORDS = [
    {"number": "INC1", "state": "1", "impact": "10", "short_description": "Line down", "sys_created_on": "2026-01-02"},
    {"number": "INC2", "state": "2", "impact": "9", "short_description": "line noise", "sys_created_on": "2026-01-01"},
    {"number": "INC3", "state": "3", "impact": "", "short_description": "Rain", "sys_created_on": "2026-01-03"},
]


def found(text: str) -> list[str]:
    query = parse(text, COLUMNS)
    return [record["number"] for record in query.sorted([each for each in RECORDS if query.meets(each)], COLUMNS)]


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("", ["INC2", "INC1", "INC3"]),
        ("state=1", ["INC1"]),
        ("state!=1^ORDERBYDESCnumber", ["INC3", "INC2"]),
        ("state=1^ORstate=3^ORDERBYnumber", ["INC1", "INC3"]),
        ("state=1^NQstate=2^ORDERBYnumber", ["INC1", "INC2"]),
        ("stateIN1,2^impact>9", ["INC1"]),
        ("impact<=9", ["INC2", "INC3"]),
        ("short_descriptionLIKELINE^ORDERBYnumber", ["INC1", "INC2"]),
        ("short_descriptionSTARTSWITHra", ["INC3"]),
        ("short_descriptionENDSWITHnoise^EQ", ["INC2"]),
        ("impactISEMPTY", ["INC3"]),
        ("impactISNOTEMPTY^stateNOT IN1", ["INC2"]),
        ("ORDERBYimpact", ["INC3", "INC2", "INC1"]),
        ("sys_created_on>javascript:gs.dateGenerate('2026-01-02','00:00:00')", ["INC3"]),
    ],
)
def test_what_is_understood_is_answered(text: str, numbers: list[str]) -> None:
    assert found(text) == numbers


@pytest.mark.parametrize("text", ["u_nothing=1", "state~1", "nonsense", "ORDERBYu_nothing"])
def test_what_is_not_understood_is_dropped(text: str) -> None:
    assert parse(text, COLUMNS).dropped == [text]
    assert len(found(text)) == 3
    assert found(f"state=1^{text}") == ["INC1"]
