"""What is counted of the links of a batch."""

from datetime import UTC, datetime

from bridge.domain.link.field import ConflictKind
from bridge.domain.link.life import LinkState
from bridge.domain.link.word_map import Side
from bridge.links.batch_result import BatchResult
from bridge.links.decide_link import LinkOutcome
from bridge.storage.conflict import NewConflict
from bridge.storage.link import LinkRow
from bridge.storage.outbox import Wanted, WriteKind

AT = datetime(2026, 11, 30, tzinfo=UTC)


def test_conflicts_are_counted_by_kind_and_unmapped_fields_are_named() -> None:
    row = LinkRow(1, 1, "k", "left", LinkState.LINKED, AT, AT)
    result = BatchResult()
    result.count(LinkOutcome(row))
    assert not result.wrote
    kept = [NewConflict(1, name, kind) for name, kind in (("a", ConflictKind.UNMAPPED), ("b", ConflictKind.OVERRULED))]
    result.count(LinkOutcome(row, wanted=[Wanted(1, 1, 1, Side.LEFT, WriteKind.UPDATE)], conflicts=[*kept, kept[0]]))
    assert result.wrote
    assert result.conflicts == {ConflictKind.UNMAPPED: 2, ConflictKind.OVERRULED: 1}
    assert result.unmapped == ["a", "a"]
