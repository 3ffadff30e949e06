"""Laws of maps: whatever rows a user writes, a word that is written reads back as what it meant."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.link.word_map import Side, WordMap, WordPair, read_pair, unmapped
from bridge.errors import ConfigurationError

WORDS = st.sampled_from("abcdef")
ROWS = st.lists(st.builds(WordPair, WORDS, WORDS, st.sampled_from([None, None, Side.LEFT, Side.RIGHT])), max_size=9)
WORD_MAPS = ROWS.map(lambda rows: WordMap(tuple(rows)))
SIDES = st.sampled_from(list(Side))


@given(WORD_MAPS, SIDES, WORDS, WORDS)
def test_what_is_written_for_a_mapped_word_means_the_same(
    word_map: WordMap, side: Side, value: str, current: str
) -> None:
    if isinstance(word_map.class_of(side, value), int):
        written = word_map.put(side, value, current)
        assert written is not None
        assert word_map.class_of(side.other, written) == word_map.class_of(side, value)


@given(WORD_MAPS, SIDES, WORDS, WORDS)
def test_a_word_that_means_the_same_is_left_alone(word_map: WordMap, side: Side, value: str, current: str) -> None:
    if word_map.class_of(side, value) == word_map.class_of(side.other, current):
        assert word_map.put(side, value, current) == current


@given(WORD_MAPS, SIDES, WORDS, WORDS, WORDS)
def test_writing_twice_is_writing_the_last(
    word_map: WordMap, side: Side, first: str, second: str, current: str
) -> None:
    if not isinstance(word_map.class_of(side, second), int):
        return
    between = word_map.put(side, first, current)
    twice = word_map.put(side, second, between if between is not None else current)
    once = word_map.put(side, second, current)
    assert twice is not None
    assert once is not None
    assert word_map.class_of(side.other, twice) == word_map.class_of(side.other, once)


@given(ROWS, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_changes_no_class(rows: list[WordPair], random: object) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)
    one, other = WordMap(tuple(rows)), WordMap(tuple(shuffled))
    words = [(side, word) for side in Side for word in "abcdef"]
    for first in words:
        for second in words:
            assert (one.class_of(*first) == one.class_of(*second)) == (
                other.class_of(*first) == other.class_of(*second)
            )


def test_words_that_hang_together_are_one_class_and_its_first_row_is_written() -> None:
    rows = ["In Progress = 2", "On Hold = 3", "Pending = 3", "Resolved = 6", "Closed > 6", "Closed < 7"]
    word_map = WordMap(tuple(map(read_pair, rows)))
    assert word_map.put(Side.LEFT, "Pending", None) == "3"
    assert word_map.put(Side.RIGHT, "3", None) == "On Hold"
    assert word_map.put(Side.RIGHT, "3", "Pending") == "Pending"
    assert word_map.put(Side.LEFT, "Closed", "2") == "6"
    assert word_map.put(Side.RIGHT, "7", None) == "Closed"
    assert word_map.put(Side.RIGHT, "6", "Closed") == "Resolved"
    assert list(word_map.lumped()) == [(Side.LEFT, ["On Hold", "Pending"])]
    assert unmapped(word_map, Side.LEFT, ["Closed", "Rejected", "Pending"]) == ["Rejected"]


def test_a_class_of_open_and_ended_words_is_a_fault() -> None:
    word_map = WordMap((WordPair("open", "1"), WordPair("closed", "1"), WordPair("open", "2")))
    ended = {Side.LEFT: frozenset({"closed"}), Side.RIGHT: frozenset[str]()}
    assert word_map.faults(ended) == [
        "all words mean the same: nothing would ever be carried over",
        "left: open, closed mean the same, but not all of them end a ticket",
    ]
    assert WordMap((WordPair("open", "1"), WordPair("closed", "2"))).faults(ended) == []


@pytest.mark.parametrize("text", ["", "a", "a=b", " = b", "a = ", "a = b > c", "a = b = c"])
def test_a_row_that_is_none_is_named(text: str) -> None:
    with pytest.raises(ConfigurationError, match="a row is"):
        read_pair(text)
