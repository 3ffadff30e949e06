"""Facts: their identity and order, and since when a problem had which status."""

from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from bridge.domain.fact import Fact, StatusTimeline, canonical, fact_of, hash_of
from bridge.domain.observation import TOMBSTONE_HASH, Kind, Observation, Via
from bridge.domain.status import Status

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
FULL = Fact(
    effective_at=NOON, content_hash=b"b" * 16, kind=Kind.FULL, observed_at=NOON, via=Via.PUSH, body=b"{}", status="held"
)


def seen(kind: Kind, status: Status | None = None) -> Observation:
    return Observation(
        problem_id="SP-1",
        kind=kind,
        via=Via.POLL,
        observed_at=NOON,
        effective_at=NOON,
        stamped=True,
        body=b"{}",
        content_hash=hash_of(b"{}"),
        status=status,
    )


def test_what_is_later_is_higher_whatever_else_it_is() -> None:
    later = replace(FULL, effective_at=NOON + timedelta(microseconds=1), kind=Kind.FULL)
    assert replace(FULL, kind=Kind.TOMBSTONE, confirmed_at=NOON).rank < later.rank


def test_at_one_moment_a_statement_comes_before_its_patches_and_a_deletion_is_last() -> None:
    ranks = [replace(FULL, kind=kind).rank for kind in (Kind.FULL, Kind.PARTIAL, Kind.TOMBSTONE)]
    assert ranks == sorted(ranks)


def test_a_confirmed_statement_is_higher_than_a_pushed_one_and_a_tie_is_the_same_everywhere() -> None:
    confirmed = replace(FULL, confirmed_at=NOON, content_hash=b"a" * 16)
    assert confirmed.rank > FULL.rank
    one, other = replace(FULL, status="closed", content_hash=b"z" * 16), FULL
    assert max([one, other], key=lambda fact: fact.rank) is max([other, one], key=lambda fact: fact.rank)


def test_a_fact_is_what_was_observed_and_a_deletion_has_no_content() -> None:
    fact = fact_of(seen(Kind.FULL, Status.HELD), confirmed_at=NOON)
    assert (fact.status, fact.confirmed_at, fact.via, fact.key) == ("held", NOON, Via.POLL, (NOON, hash_of(b"{}")))
    assert fact_of(seen(Kind.TOMBSTONE)).content_hash == TOMBSTONE_HASH
    assert fact_of(seen(Kind.PARTIAL)).status == "unknown"


def test_equal_content_has_equal_bytes_and_hash() -> None:
    one, other = canonical({"b": 1, "a": {"d": 2, "c": 3}}), canonical({"a": {"c": 3, "d": 2}, "b": 1})
    assert one == other == b'{"a":{"c":3,"d":2},"b":1}'
    assert len(hash_of(one)) == 16
    assert hash_of(one) != hash_of(b"{}")


def at(minute: int) -> datetime:
    return NOON + timedelta(minutes=minute)


def said(minute: int, status: Status | None, since: int | None = None, kind: Kind = Kind.FULL) -> Observation:
    body = b'{"status":"%s"}' % (status.value.encode() if status else b"")
    return Observation(
        problem_id="SP-1",
        kind=kind,
        via=Via.PUSH,
        observed_at=at(minute),
        effective_at=at(minute),
        stamped=True,
        body=body,
        content_hash=hash_of(body),
        status=status,
        status_at=None if since is None else at(since),
    )


def content(seen: Observation) -> tuple[StatusTimeline, Fact]:
    timeline = StatusTimeline()
    timeline.follow(seen)
    return timeline, fact_of(seen)


def test_a_status_holds_since_its_own_date_when_that_is_not_after_the_statement() -> None:
    timeline = StatusTimeline()
    seen, late = said(5, Status.HELD, since=2), said(6, Status.CLOSED, since=9)
    timeline.add(fact_of(seen), seen, None, patched=False)
    timeline.add(fact_of(late), late, None, patched=False)
    assert set(timeline.added) == {(at(2), "held"), (at(6), "closed")}


def test_what_says_nothing_of_the_status_adds_nothing() -> None:
    timeline = StatusTimeline()
    seen = said(5, None)
    timeline.add(fact_of(seen), seen, None, patched=False)
    assert timeline.added == {}


def test_a_date_that_the_source_does_not_move_is_not_believed() -> None:
    timeline, known = content(said(5, Status.HELD, since=2))
    seen = said(9, Status.CLOSED, since=2)
    timeline.add(fact_of(seen), seen, known, patched=False)
    assert set(timeline.added) == {(at(9), "closed")}


def test_an_older_statement_with_another_status_lets_the_content_hold_again() -> None:
    timeline, known = content(said(5, Status.HELD, since=2))
    seen = said(4, Status.CLOSED, since=3)
    timeline.add(fact_of(seen), seen, known, patched=False)
    assert set(timeline.added) == {(at(3), "closed"), (at(5), "held")}


def test_of_one_status_told_twice_the_earlier_statement_and_the_later_confirmation_stay() -> None:
    timeline = StatusTimeline()
    patch, whole = said(5, Status.HELD, since=2, kind=Kind.PARTIAL), said(4, Status.HELD, since=2)
    timeline.add(fact_of(patch), patch, None, patched=False)
    timeline.add(fact_of(whole, confirmed_at=at(8)), whole, None, patched=False)
    [fact] = timeline.added.values()
    assert (fact.stated_at, fact.confirmed_at, fact.partial) == (at(4), at(8), False)


def test_a_contradicted_status_is_named_until_it_is_stated_again() -> None:
    timeline, known = content(said(5, Status.HELD, since=2))
    timeline.contradict(said(5, Status.CLOSED), known)
    assert timeline.contradicted == {(at(5), "held"): at(5), (at(2), "held"): at(5)}
    seen = said(6, Status.HELD, since=5)
    timeline.add(fact_of(seen), seen, None, patched=True)
    assert set(timeline.contradicted) == {(at(2), "held")}


def test_a_status_that_another_patch_states_too_is_not_overtaken() -> None:
    one = fact_of(said(5, Status.HELD, kind=Kind.PARTIAL))
    timeline = StatusTimeline()
    timeline.contradict_patches([one], [replace(one, observed_at=at(7))])
    assert timeline.contradicted == {}
    timeline.contradict_patches([one], [])
    assert timeline.contradicted == {(at(5), "held"): None}
