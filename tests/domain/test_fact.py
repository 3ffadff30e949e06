"""Facts: their identity, and the order that decides which of them holds."""

from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from bridge.domain.fact import Fact, canonical, fact_of, hash_of
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
