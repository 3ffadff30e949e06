"""The words of a source come before the built-in ones."""

import pytest

from bridge.domain.status import Status
from bridge.domain.vocabulary import BUILT_IN, SourceVocabulary


def test_c8_the_words_of_a_source_come_first() -> None:
    words = SourceVocabulary({"Wartet auf Kunde": "pending", "Open": "inProgress"}, {"hoch": 2, "1": 5})
    assert words.status("WARTET AUF KUNDE") is Status.PENDING
    assert words.status("open") is Status.IN_PROGRESS
    assert words.status("Closed Complete") is Status.CLOSED
    assert words.status(None) is Status.UNKNOWN
    assert (words.priority("Hoch"), words.priority(1), words.priority("P3"), words.priority(True)) == (2, 5, 3, None)


def test_c8_other_words_have_another_digest() -> None:
    digests = {
        BUILT_IN.digest,
        SourceVocabulary({"x": "held"}).digest,
        SourceVocabulary({"x": "pending"}).digest,
        SourceVocabulary(priority_map={"x": 1}).digest,
    }
    assert len(digests) == 4
    assert SourceVocabulary({"X": "held"}).digest == SourceVocabulary({"x": "held"}).digest


def test_a_status_that_is_none_of_ours_is_refused() -> None:
    with pytest.raises(ValueError, match="asleep"):
        SourceVocabulary({"x": "asleep"})
