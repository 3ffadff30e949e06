"""What is put has the class of the value that it stands for, and what means the same already stays."""

from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.link.comparison import InstantComparison, TextComparison
from bridge.domain.link.word_map import Side

SIDES = list(Side)
TEXTS = st.text("aB \t\n.", max_size=12)


@given(st.sampled_from(SIDES), TEXTS, TEXTS | st.none(), st.integers(1, 8) | st.none(), st.booleans())
def test_what_is_put_means_what_was_said(
    side: Side, value: str, current: str | None, most: int | None, fold: bool
) -> None:
    texts = TextComparison(most, casefold=fold)
    written = texts.put(side, value, current)
    assert written is not None
    assert texts.class_of(side.other, written) == texts.class_of(side, value)


def test_a_text_that_means_the_same_is_left_as_it_is_written() -> None:
    assert TextComparison().put(SIDES[0], "no  light\n", "no light") == "no light"
    assert TextComparison(casefold=True).put(SIDES[0], "NO LIGHT", "no light") == "no light"
    assert TextComparison().put(SIDES[0], "NO LIGHT", "no light") == "NO LIGHT"


def test_a_text_is_cut_to_what_fits() -> None:
    assert TextComparison(6).put(SIDES[0], "no   light", None) == "no lig"
    assert TextComparison(6).put(SIDES[0], "dark", None) == "dark"


def test_instants_are_equal_within_a_second_in_any_zone() -> None:
    instants = InstantComparison()
    assert instants.put(SIDES[0], "2026-06-01T12:00:00.9Z", "2026-06-01T14:00:00+02:00") == "2026-06-01T14:00:00+02:00"
    assert instants.put(SIDES[0], "2026-06-01T12:00:01Z", "2026-06-01T12:00:00") == "2026-06-01T12:00:01Z"
    assert instants.class_of(SIDES[0], " soon ") == "soon"
