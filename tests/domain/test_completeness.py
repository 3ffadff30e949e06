"""A pass says whether it saw everything, in words that a person understands."""

import pytest

from bridge.domain.completeness import Completeness, Gap


def test_a_pass_without_a_gap_is_complete() -> None:
    assert Completeness(None, got=57, expected=57).complete
    assert str(Completeness(None, got=57, expected=57)) == "complete"


@pytest.mark.parametrize("gap", list(Gap))
def test_every_gap_is_incomplete_and_has_a_sentence(gap: Gap) -> None:
    found = Completeness(gap, got=20, expected=57)
    assert not found.complete
    assert str(found).startswith("incomplete: 20 of 57 problems: ")
    assert "None" not in str(Completeness(gap, got=1234))
    assert "1,234 problems" in str(Completeness(gap, got=1234))
