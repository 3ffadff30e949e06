"""Values that could not be read are counted in bounded memory."""

from bridge.domain.service_problem import Unmapped
from bridge.sources.unmapped_count import UnmappedCount


def test_values_are_counted_until_they_are_taken() -> None:
    count = UnmappedCount()
    count.add([Unmapped("status", "zzz"), Unmapped("status", "zzz")])
    assert count.taken() == {Unmapped("status", "zzz"): 2}
    assert count.taken() == {}


def test_another_value_each_time_does_not_fill_the_memory() -> None:
    count = UnmappedCount()
    count.add(Unmapped("lastUpdate", str(n)) for n in range(5000))
    counts = count.taken()
    assert len(counts) == 201
    assert sum(counts.values()) == 5000
