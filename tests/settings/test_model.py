"""The tables of the configuration: bounds, defaults, and secrets that show nowhere."""

import pytest
from pydantic import SecretStr, ValidationError

from bridge.settings import Settings, Tmf656Settings
from tests.settings.conftest import HEADERS, SECRET, URL, Faults, Load, source


def test_settings_cannot_be_changed(configured: Load) -> None:
    with pytest.raises(ValidationError):
        configured().http.port = 1


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "0.999", "86400.1"])
def test_intervals_are_bounded(faults: Faults, text: str) -> None:
    [fault] = faults(source(f"poll_interval_seconds = {text}"))
    assert fault.startswith("sources.snow.poll_interval_seconds = ")


@pytest.mark.usefixtures("nothing_hidden")
def test_secrets_are_shown_nowhere(configured: Load) -> None:
    settings = configured(
        f'[database]\ndsn = "postgresql://u:{SECRET}@h:1/d?sslpassword={SECRET}"\n'
        + source(f'token = "{SECRET}"\ncallback_secret = "{SECRET * 2}"\nproxy = "http://u:{SECRET}@proxy:1"')
    )
    for shown in (repr(settings), str(settings), str(settings.describe()), settings.model_dump_json()):
        assert SECRET not in shown.replace(settings.sources["snow"].proxy or "", "")
    described = settings.describe()
    assert described["database"]["dsn"] == "postgresql://u:**********@h:1/d?sslpassword=**********"
    assert described["sources"]["snow"]["proxy"] == "http://u:**********@proxy:1"
    assert described["sources"]["snow"]["token"] == "**********"
    assert described["sources"]["snow"]["password"] == ""
    assert set(settings.secrets()) == {SECRET, SECRET * 2}


def test_sections_can_be_built_without_a_file() -> None:
    one = Tmf656Settings(url=f"{URL}/", token=SecretStr("x"))
    assert one.url == URL
    assert Settings().data_dir.is_absolute()


def test_values_of_headers_are_shown_nowhere(configured: Load) -> None:
    settings = configured(source(HEADERS))
    assert SECRET not in f"{settings!r}{settings.describe()}"
    assert {SECRET, "seven-of-nine"} <= set(settings.secrets())
