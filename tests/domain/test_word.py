"""One spelling of a word."""

import pytest

from bridge.domain.status import fold


@pytest.mark.parametrize(
    "word", ["Work In Progress", "work-in-progress", "WORK_IN_PROGRESS", "workInProgress", " (work) in/progress"]
)
def test_case_blanks_and_signs_do_not_matter(word: str) -> None:
    assert fold(word) == "workinprogress"


def test_a_text_of_any_length_gives_a_short_word() -> None:
    assert len(fold("\u0130" * 1_000_000)) <= 200
