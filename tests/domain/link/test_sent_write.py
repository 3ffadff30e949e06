"""What a sent write comes to, once the target says something."""

from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.link.comparison import TextComparison
from bridge.domain.link.field import ConflictKind, FieldRule, Value, decide
from bridge.domain.link.intent import Settlement
from bridge.domain.link.sent_write import SentField, SentWrite, answer_of, restored, settlement_of
from bridge.domain.link.word_map import Side

RULES = {name: FieldRule(name, TextComparison()) for name in ("title", "status")}
SENT = SentWrite(
    "update", Side.RIGHT, {"title": SentField("new", "new", "old"), "status": SentField("6", "resolved", "2")}, "7"
)
TEXTS = st.sampled_from(["a", "b", "c", ""])


@given(
    st.builds(
        SentWrite,
        st.sampled_from(["create", "update", "note"]),
        st.sampled_from(list(Side)),
        st.dictionaries(TEXTS, st.builds(SentField, TEXTS, TEXTS, st.none() | TEXTS)),
        st.none() | TEXTS,
        TEXTS,
    )
)
def test_what_is_stored_is_restored(sent: SentWrite) -> None:
    assert restored(sent.stored()) == sent


def test_an_answer_gives_the_base_of_each_field_and_says_what_was_not_kept() -> None:
    result = answer_of(RULES, SENT, {"title": "new", "status": "2", "other": "x"})
    assert result.base == {
        "title": {Side.LEFT: "new", Side.RIGHT: "new"},
        "status": {Side.LEFT: "resolved", Side.RIGHT: "2"},
    }
    assert result.refused
    assert {name: found.kind for name, found in result.conflicts.items()} == {"status": ConflictKind.REFUSED}


def test_a_field_that_was_not_done_is_open_and_one_that_was_has_its_base() -> None:
    result = settlement_of(RULES, SENT, {"title": "new", "status": "2"}, "7")
    assert result.settlements == {"title": Settlement.DONE, "status": Settlement.NOT_DONE}
    assert (result.open, list(result.base)) == (True, ["title"])


def test_what_cannot_be_known_is_kept_and_ends() -> None:
    result = settlement_of(RULES, SENT, {"title": "new", "status": "4"}, "8")
    assert not result.open
    assert result.conflicts["status"].kind is ConflictKind.UNCERTAIN
    assert result.base["status"] == {Side.LEFT: "resolved", Side.RIGHT: "4"}


def test_what_was_moved_a_part_of_the_way_is_open_and_no_change_by_a_person() -> None:
    sent, says = SENT.fields["status"], {"title": "new", "status": "4"}
    result = settlement_of(
        RULES, SENT, says, "8", lambda start, goal: ("4",) if (start, goal) == (sent.before, sent.text) else ()
    )
    assert (result.open, result.reached, list(result.base), result.conflicts) == (True, {"status": "4"}, ["title"], {})


def test_a_field_whose_rule_was_removed_counts_no_more() -> None:
    assert answer_of({}, SENT, {"title": "new"}).base == {}
    assert not settlement_of({}, SENT, {"title": "new"}, "7").open


@given(before=TEXTS, text=TEXTS, derived=TEXTS, says=TEXTS)
def test_what_is_settled_is_not_written_again_unless_somebody_changes_it(
    before: str, text: str, derived: str, says: str
) -> None:
    sent = SentWrite("update", Side.RIGHT, {"title": SentField(text, derived, before)})
    result = settlement_of(RULES, sent, {"title": says}, None)
    if result.open:
        return
    values = {Side.LEFT: Value(derived), Side.RIGHT: Value(says)}
    assert decide(RULES["title"], values, result.base["title"]).write is None
