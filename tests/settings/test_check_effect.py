"""A key that would do nothing is refused, with the reason."""

import pytest

from tests.settings.conftest import Faults, Load, source

API = "[sources.dma]\nkind = 'dataminer-api'\nurl = 'https://dma.example'\n"
TABLE = "[sources.snow]\nkind = 'servicenow'\nurl = 'https://acme.service-now.com'\n"


@pytest.mark.parametrize(
    ("toml", "fault"),
    [
        (
            source("key_field = 'u_key'"),
            'sources.snow.key_field = "u_key": has no meaning here: keys stand in externalId',
        ),
        (API + "key_field = 'Key'", 'sources.dma.key_field = "Key": has no meaning here: the script behind the routes'),
        (
            source("profile = 'servicenow-facade'\nstatus_steps = true"),
            'sources.snow.status_steps: has no meaning beside profile = "servicenow-facade"',
        ),
        (
            source("profile = 'servicenow-facade'\nsilence_max_seconds = 60"),
            'sources.snow.silence_max_seconds: has no meaning beside profile = "servicenow-facade", which has no hub',
        ),
        (source("version = 4\npropose_id = true"), "sources.snow.propose_id: needs version 5, and version is 4"),
        (
            TABLE + "write_by = 'trouble_ticket'\nimport_set = 'u_staging'",
            'sources.snow.import_set: has no meaning beside write_by = "trouble_ticket"',
        ),
        (
            TABLE + "state_path = '/api/x/{sys_id}/{state}'",
            'sources.snow.state_path: needs table = "problem" beside it',
        ),
    ],
)
def test_a_key_that_would_do_nothing_is_refused(faults: Faults, toml: str, fault: str) -> None:
    [found] = faults(toml)
    assert found.startswith(fault)


@pytest.mark.parametrize(
    "toml",
    [
        source("profile = 'servicenow-facade'\nkey_field = 'u_key'"),
        source("version = 5\npropose_id = true\nstatus_steps = true"),
        source("propose_id = true"),
        TABLE + "key_field = 'u_key'\nimport_set = 'u_staging'",
        TABLE + "table = 'problem'\nstate_path = '/api/x/{sys_id}/{state}'",
    ],
)
def test_where_it_does_something_it_is_taken(configured: Load, toml: str) -> None:
    configured(toml)
