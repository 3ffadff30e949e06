"""Since when a problem had which status, where dates of the source are right, stand still, or are contradicted."""

from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from bridge.domain.fact import Fact, fact_of, hash_of
from bridge.domain.observation import Kind, Observation, Via
from bridge.domain.status import Status
from bridge.domain.status_timeline import StatusTimeline

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


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
