"""Laws of maps: whatever rows a user writes, a word that is written reads back as what it meant."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.link.vocabulary import Row, Side, Vocabulary, read_row, unmapped
from bridge.errors import ConfigurationError

WORDS = st.sampled_from("abcdef")
ROWS = st.lists(st.builds(Row, WORDS, WORDS, st.sampled_from([None, None, Side.LEFT, Side.RIGHT])), max_size=9)
VOCABULARIES = ROWS.map(lambda rows: Vocabulary(tuple(rows)))
SIDES = st.sampled_from(list(Side))


@given(VOCABULARIES, SIDES, WORDS, WORDS)
def test_what_is_written_for_a_mapped_word_means_the_same(
    vocabulary: Vocabulary, side: Side, value: str, current: str
) -> None:
    if isinstance(vocabulary.class_of(side, value), int):
        written = vocabulary.put(side, value, current)
        assert written is not None
        assert vocabulary.class_of(side.other, written) == vocabulary.class_of(side, value)


@given(VOCABULARIES, SIDES, WORDS, WORDS)
def test_a_word_that_means_the_same_is_left_alone(vocabulary: Vocabulary, side: Side, value: str, current: str) -> None:
    if vocabulary.class_of(side, value) == vocabulary.class_of(side.other, current):
        assert vocabulary.put(side, value, current) == current


@given(VOCABULARIES, SIDES, WORDS, WORDS, WORDS)
def test_writing_twice_is_writing_the_last(
    vocabulary: Vocabulary, side: Side, first: str, second: str, current: str
) -> None:
    if not isinstance(vocabulary.class_of(side, second), int):
        return
    between = vocabulary.put(side, first, current)
    twice = vocabulary.put(side, second, between if between is not None else current)
    once = vocabulary.put(side, second, current)
    assert twice is not None
    assert once is not None
    assert vocabulary.class_of(side.other, twice) == vocabulary.class_of(side.other, once)


@given(ROWS, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_changes_no_class(rows: list[Row], random: object) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined] -- hypothesis gives a random.Random
    one, other = Vocabulary(tuple(rows)), Vocabulary(tuple(shuffled))
    words = [(side, word) for side in Side for word in "abcdef"]
    for first in words:
        for second in words:
            assert (one.class_of(*first) == one.class_of(*second)) == (
                other.class_of(*first) == other.class_of(*second)
            )


def test_words_that_hang_together_are_one_class_and_its_first_row_is_written() -> None:
    rows = ["In Progress = 2", "On Hold = 3", "Pending = 3", "Resolved = 6", "Closed > 6", "Closed < 7"]
    vocabulary = Vocabulary(tuple(map(read_row, rows)))
    assert vocabulary.put(Side.LEFT, "Pending", None) == "3"
    assert vocabulary.put(Side.RIGHT, "3", None) == "On Hold"
    assert vocabulary.put(Side.RIGHT, "3", "Pending") == "Pending"
    assert vocabulary.put(Side.LEFT, "Closed", "2") == "6"
    assert vocabulary.put(Side.RIGHT, "7", None) == "Closed"
    assert vocabulary.put(Side.RIGHT, "6", "Closed") == "Resolved"
    assert list(vocabulary.lumped()) == [(Side.LEFT, ["On Hold", "Pending"])]
    assert unmapped(vocabulary, Side.LEFT, ["Closed", "Rejected", "Pending"]) == ["Rejected"]


def test_a_class_of_open_and_ended_words_is_a_fault() -> None:
    vocabulary = Vocabulary((Row("open", "1"), Row("closed", "1"), Row("open", "2")))
    ended = {Side.LEFT: frozenset({"closed"}), Side.RIGHT: frozenset[str]()}
    assert vocabulary.faults(ended) == [
        "all words mean the same: nothing would ever be carried over",
        "left: open, closed mean the same, but not all of them end a ticket",
    ]
    assert Vocabulary((Row("open", "1"), Row("closed", "2"))).faults(ended) == []


@pytest.mark.parametrize("text", ["", "a", "a=b", " = b", "a = ", "a = b > c", "a = b = c"])
def test_a_row_that_is_none_is_named(text: str) -> None:
    with pytest.raises(ConfigurationError, match="a row is"):
        read_row(text)
