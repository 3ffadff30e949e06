"""Journals are named where there are some, and notes are read where they are copied."""

import pytest

from tests.settings.conftest import Faults, Load

SOURCES = """
[sources.snow]
kind = "servicenow"
url = "https://s.example"
write = true
journals = "display"
[sources.noc]
url = "https://noc.example/v4"
write = true
[sources.dma]
kind = "dataminer"
url = "https://dma.example"
ticket_type = "SES"
write = true
"""
RULE = """
[links.one]
left = "snow"
right = "noc"
fields.title = { left = "short_description", right = "name" }
[links.one.notes]
direction = "both"
"""


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ('left = ["worknotes"]', 'links.one.notes.left = "worknotes": is no journal; known are comments, work_notes'),
        ('write_left = "close_notes"', 'links.one.notes.write_left = "close_notes": is no journal'),
        (
            'write_right = "comments"',
            'links.one.notes.write_right = "comments": has no meaning: a source of kind tmf656',
        ),
    ],
)
def test_a_journal_that_is_none_is_a_fault(faults: Faults, lines: str, fault: str) -> None:
    found = faults(SOURCES + RULE + lines)
    assert [one for one in found if one.startswith(fault)], found


def test_notes_that_are_not_read_cannot_be_copied(faults: Faults) -> None:
    silent = SOURCES.replace('journals = "display"', "")
    [fault] = faults(silent + RULE)
    assert fault.startswith(
        'sources.snow.journals: should be "sys_journal_field" or "display", because links.one copies'
    )
    [fault] = faults(SOURCES + RULE.replace('"snow"', '"dma"').replace('"short_description"', '"Name"'))
    assert fault == 'links.one.notes.direction: should be "none": dma is legacy Ticketing, whose tickets have no notes'


def test_a_rule_without_notes_or_that_only_plans_needs_none_of_it(configured: Load) -> None:
    silent = SOURCES.replace('journals = "display"', "")
    configured(silent + RULE.replace('"both"', '"none"'))
    configured(silent + RULE.replace('left = "snow"', 'left = "snow"\nmode = "plan"'))
