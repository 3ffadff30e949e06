"""Rows of the same text are read once; another release, or other words, read them again."""

from bridge.domain.vocabulary import BUILT_IN, SourceVocabulary
from bridge.http.row import rows_of
from bridge.tmf656 import reader
from bridge.tmf656.wire import listed
from bridge.tmf656.wire_fingerprint import wire_fingerprint

ROWS = rows_of([{"id": "1", "status": "held"}, {"id": "1", "status": "pending"}])


def test_a_digest_belongs_to_the_code_and_the_words_that_read_the_row() -> None:
    found = reader.digests(ROWS, vocabulary=BUILT_IN)
    assert found == listed(ROWS, wire_fingerprint())
    assert found != listed(ROWS)
    assert len({*found, *reader.digests(ROWS, vocabulary=SourceVocabulary({"held": "pending"}))}) == 4
