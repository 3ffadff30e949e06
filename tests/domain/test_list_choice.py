"""The ways to ask a server for what a filter keeps."""

from bridge.domain.list_choice import ChoiceStyle, list_choices


def asked(*arguments: list[str]) -> list[tuple[str, str]]:
    return [(choice.style.value, str(choice)) for choice in list_choices(*arguments)]


def test_words_of_the_model_and_of_the_source_are_asked_for_then_those_of_the_source_alone() -> None:
    assert asked(["held", "pending"], ["On Hold", "Pending"], [], []) == [
        ("comma", "status=On Hold,Pending,held,pending"),
        ("repeated", "status=On Hold,Pending,held,pending"),
        ("comma", "status=On Hold,Pending"),
        ("repeated", "status=On Hold,Pending"),
    ]


def test_a_single_value_is_written_in_one_way() -> None:
    assert asked(["held"], ["held"], ["net"], ["Net"]) == [("comma", "status=held&category=Net")]


def test_what_cannot_be_asked_for_is_not() -> None:
    assert asked(["unknown"], ["weird"], [], []) == []
    assert asked(["held"], [], [], []) == []
    assert asked([], [], ["net"], []) == []
    assert asked(["held"], ["with\nbreak"], [], []) == []
    assert asked(["held"], [f"word {number}" for number in range(61)], [], []) == []


def test_a_comma_within_a_word_is_no_sign_between_words() -> None:
    styles = {choice.style for choice in list_choices(["held"], ["Held, vendor", "Held"], [], [])}
    assert styles == {ChoiceStyle.REPEATED}
