"""What a current row tells without its body."""

from datetime import UTC, datetime, timedelta
from typing import Any

from bridge.domain.current_row import CurrentRow
from bridge.domain.observation import Kind, Via

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
BEFORE, AFTER = NOON - timedelta(hours=1), NOON + timedelta(hours=1)


def row(**known: Any) -> CurrentRow:
    nothing: dict[str, Any] = dict.fromkeys(CurrentRow.__struct_fields__)
    certain = {
        "revision": 1,
        "effective_at": NOON,
        "observed_at": AFTER,
        "patched": False,
        "has_partials": False,
        "status": "held",
        "via": Via.POLL,
    }
    return CurrentRow(**(nothing | certain | known))


def test_without_a_whole_statement_there_is_no_content() -> None:
    assert row().content() is None
    assert row(content_at=NOON).content() is None


def test_the_content_is_the_newest_whole_statement() -> None:
    fact = row(content_at=BEFORE, content_hash=b"x" * 16, confirmed_at=AFTER).content()
    assert fact is not None
    assert (fact.kind, fact.effective_at, fact.confirmed_at, fact.status) == (Kind.FULL, BEFORE, AFTER, "held")
    assert (fact.observed_at, fact.via) == (AFTER, Via.PUSH), "what is not known of the content is that of the row"


def test_the_stamp_is_the_time_that_the_content_states() -> None:
    assert row(content_at=NOON, updated_at=BEFORE).content_stamp() == BEFORE
    assert row(content_at=NOON, updated_at=AFTER).content_stamp() == NOON
    assert row(content_at=NOON, updated_at=BEFORE, patched=True).content_stamp() == NOON, "the patch stated that time"
    assert row(updated_at=BEFORE).content_stamp() is None


def test_where_the_time_of_the_content_is_ours_no_status_held_before_it() -> None:
    assert row(content_at=NOON, updated_at=NOON, status_at=BEFORE).status_since() == BEFORE
    assert row(content_at=NOON, status_at=BEFORE).status_since() == NOON
    assert row(content_at=NOON, status_at=AFTER).status_since() == AFTER
    assert row(status_at=BEFORE).status_since() == BEFORE
