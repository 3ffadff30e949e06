"""The words of a source come before the built-in ones; a priority is a number, however the ticket system shows it."""

import pytest

from bridge.domain.status import Status
from bridge.domain.vocabulary import BUILT_IN, SourceVocabulary, priority_of


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


@pytest.mark.parametrize(
    ("number", "written"),
    [
        (
            1,
            [
                1,
                "1",
                1.0,
                "1.0",
                " 1 ",
                "1 - Critical",
                "1-Critical",
                "1. Critical",
                "1 (Critical)",
                "Critical",
                "CRITICAL",
            ],
        ),
        (
            1,
            [
                "P1",
                "p1",
                "P-1",
                "Prio 1",
                "Priority 1",
                "priority_1",
                "Sev 1",
                "SEV1",
                "S1",
                "P1 - Critical",
                "P1: outage",
            ],
        ),
        (1, ["Critical - 1", "Critical (1)", "Urgent", "Highest", "very high", "Blocker", "Emergency", "5 very high"]),
        (2, ["Priority: High", "PRIORITY_HIGH", "priority.high", "2_HIGH", "HIGH_2", "severity = major", "Prio: P2"]),
        (2, ["P2", "sev 2", "High", "high priority", "Major", "2 - High", "High (P2)", "4 high"]),
        (3, ["3 - Moderate", "Medium", "Normal", "3 normal", "3 - Low", "P3"]),
        (4, ["4 - Low", "Low", "minor", "2 low", "Low priority", 4]),
        (5, ["5 - Planning", "Lowest", "1 very low", "Trivial"]),
        (1, ["Kritisch", "Urgente", "Критический", "紧急", "1 - Cr\u00edtica"]),
        (2, ["Hoch", "Haute", "Alta", "High - P2", "高"]),
        (3, ["Mittel", "Moyenne", "M\u00e9dia", "Media", "中"]),
        (4, ["Niedrig", "Basse", "Baixa", "Низкий", "低"]),
        (10, ["P10", "10", 10, "Priority 10"]),
        (0, ["P0", 0]),
    ],
)
def test_c8_what_ticket_systems_show_is_a_number(number: int, written: list[object]) -> None:
    assert {str(value): priority_of(value) for value in written} == dict.fromkeys(map(str, written), number)


@pytest.mark.parametrize(
    "written",
    [None, True, "", "soon", "1.5", "P", "P1.5", 2**31, [1], {}, "x" * 100_000, "1" * 5000, "((((((1", "-", "\ud800"],
)
def test_c8_what_is_no_priority_is_none(written: object) -> None:
    assert priority_of(written) is None
