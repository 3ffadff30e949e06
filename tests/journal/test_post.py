"""A post is read from its row as it was written, or is marked as damaged."""

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from bridge.journal.post import Post, instant_of, post_of, row_of

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
POSTS = st.builds(
    Post,
    st.text(min_size=1),
    st.datetimes(timezones=st.just(timezone(timedelta(hours=-3)))),
    st.none() | st.text(),
    st.binary(),
)


@given(POSTS)
def test_a_row_gives_back_its_post(post: Post) -> None:
    assert post_of(*row_of(post)) == post


@given(POSTS, POSTS)
def test_a_row_with_a_column_of_another_post_is_damaged(post: Post, other: Post) -> None:
    row, others = row_of(post), row_of(other)
    for place in range(len(row)):
        mixed = (*row[:place], others[place], *row[place + 1 :])
        assert post_of(*mixed).damaged == (mixed != row)


def test_a_damaged_post_can_be_stored_in_postgres() -> None:
    damaged = post_of("so\0urce", "when\0ever", "hi\0nt", b"", b"{}")
    assert (damaged.source, damaged.event_hint) == ("so\N{REPLACEMENT CHARACTER}urce", "hi\N{REPLACEMENT CHARACTER}nt")
    assert damaged.received_at.tzinfo is UTC


def test_a_time_without_a_zone_is_utc() -> None:
    assert instant_of(NOON.replace(tzinfo=None).isoformat()) == NOON
