"""What ends tickets, or makes others for them, needs a status that it can write and the right to make tickets."""

import pytest

from tests.settings.conftest import Faults, Load

SOURCES = """
[sources.dma]
kind = "dataminer-api"
url = "https://dma.example"
write = true
[sources.noc]
url = "https://noc.example/v4"
write = true
"""
RULE = """
[links.one]
left = "dma"
right = "noc"
preset = "dataminer-tmf656"
"""
TITLE_ONLY = """
[links.one]
left = "dma"
right = "noc"
create = "right"
fields.title = { left = "name", right = "description" }
create_right = { category = "c", priority = 5, reason = "r" }
"""


@pytest.mark.parametrize(
    "line", ['on_delete = "end"', 'on_delete = "recreate"', 'reopen = "follow_up"', 'duplicates = "cancel"']
)
def test_each_works_with_a_preset(configured: Load, line: str) -> None:
    configured(SOURCES + RULE + line)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ('on_delete = "end"', "needs a field with the status of the tickets, and a map of it"),
        ('reopen = "follow_up"', "needs a field with the status of the tickets, and a map of it"),
        ('duplicates = "cancel"', "needs a field with the status of the tickets, and a map of it"),
    ],
)
def test_without_a_status_nothing_can_be_ended(faults: Faults, line: str, fault: str) -> None:
    [found] = faults(SOURCES + TITLE_ONLY + line)
    name, _, value = line.partition(" = ")
    assert found.startswith(f"links.one.{name} = {value}: {fault}")


@pytest.mark.parametrize("line", ['on_delete = "recreate"', 'reopen = "follow_up"', 'duplicates = "cancel"'])
def test_a_rule_that_makes_no_tickets_makes_no_others(faults: Faults, line: str) -> None:
    [found] = faults(SOURCES + RULE + 'create = "none"\n' + line)
    name, _, value = line.partition(" = ")
    assert found == f'links.one.{name} = {value}: needs create = "left", "right" or "both" beside it'


def test_a_status_that_is_written_nowhere_ends_nothing(faults: Faults) -> None:
    one_way = '[links.one.fields]\nstatus = { left = "state", right = "status", map = "status", direction = "none" }\n'
    [found] = faults(SOURCES + RULE + 'on_delete = "end"\n' + one_way)
    assert found.startswith('links.one.on_delete = "end": needs a field with the status')
