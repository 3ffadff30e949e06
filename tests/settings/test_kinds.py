"""The kind of a source chooses what can be set of it."""

from bridge.settings import ServiceNowSettings, Tmf656Settings
from tests.settings.conftest import Faults, Load

INSTANCE = 'url = "https://acme.service-now.com"'


def test_without_a_kind_it_is_a_tmf656_server(configured: Load) -> None:
    settings = configured(f'[sources.a]\n{INSTANCE}\n[sources.b]\nkind = "servicenow"\n{INSTANCE}\ntable = "problem"')
    assert type(settings.sources["a"]) is Tmf656Settings
    assert settings.sources["b"].model_dump()["table"] == "problem"
    assert settings.describe()["sources"]["b"]["journals"] == "none"
    assert not settings.sources["b"].hub.push
    assert settings.sources["b"].model_version == "4"
    assert settings.sources["a"].model_version is None


def test_a_kind_can_come_from_a_variable(configured: Load) -> None:
    found = configured(
        f"[sources.a]\n{INSTANCE}", BRIDGE_SOURCES__A__KIND="servicenow", BRIDGE_SOURCES__A__TABLE="problem"
    )
    source = found.sources["a"]
    assert isinstance(source, ServiceNowSettings)
    assert source.table == "problem"


def test_a_kind_that_there_is_not_is_named_with_those_there_are(faults: Faults) -> None:
    [fault] = faults(f'[sources.a]\n{INSTANCE}\nkind = "jira"')
    assert fault.startswith('sources.a.kind = "jira": should be one of tmf656, servicenow')


def test_a_key_of_another_kind_says_whose_it_is(faults: Faults) -> None:
    [one] = faults(f'[sources.a]\n{INSTANCE}\ntable = "problem"')
    assert one == "sources.a.table: is not a key this program knows; it is a key of kind = servicenow"
    [other] = faults(f'[sources.a]\nkind = "servicenow"\n{INSTANCE}\nhub_query = "x"')
    assert other == "sources.a.hub_query: is not a key this program knows; it is a key of kind = tmf656"
