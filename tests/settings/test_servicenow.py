"""What can be set of a ServiceNow instance."""

import pytest

from tests.settings.conftest import Faults, Load

HEAD = '[sources.snow]\nkind = "servicenow"\nurl = "https://acme.service-now.com"\n'


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("table = 'Incident!'", "should be a name as ServiceNow has them"),
        ("fields = ['state', 'u source']", "should be a name as ServiceNow has them"),
        ("query = 'active=true^ORDERBYnumber'", "should have no ORDERBY and no ^NQ"),
        ("query = 'active=true^NQstate=1'", "should have no ORDERBY and no ^NQ"),
        ("query = '^active=true'", "without ^ at its ends"),
        ("table = 'problem'\nstate_path = '/api/x/{number}'", "should be a path such as"),
        ("journals = 'all'", "should be"),
        ("concurrency = 0", "should be greater than or equal to 1"),
    ],
)
def test_wrong_values_are_named(faults: Faults, line: str, wrong: str) -> None:
    [fault] = faults(HEAD + line)
    assert fault.startswith("sources.snow.")
    assert wrong in fault


def test_right_ones_are_taken(configured: Load) -> None:
    lines = 'table = "problem"\nstate_path = "/api/x_acme/problem/{number}/new_state/{state}"\n'
    lines += 'query = "active=true^u_source=tmf"\n'
    source = configured(HEAD + lines + 'fields = "u_source, location"').sources["snow"].model_dump()
    assert source["fields"] == ("u_source", "location")
    assert (source["concurrency"], source["settle_seconds"], source["write"]) == (4, 90, False)
