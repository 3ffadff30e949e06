"""How problems of the TMF656 model are read; as a whole, this module is a `bridge.sources.client.ProblemReader`."""

from collections.abc import Iterable

from bridge.domain.vocabulary import SourceVocabulary
from bridge.http.row import Row
from bridge.tmf656.wire import detect_version, first_summary, listed, read_problem, stamp, withheld
from bridge.tmf656.wire_fingerprint import wire_fingerprint

__all__ = ["detect_version", "digests", "first_summary", "read_problem", "stamp", "withheld"]


def digests(rows: Iterable[Row], *, vocabulary: SourceVocabulary, in_any_order: bool = False) -> list[bytes]:
    """Return a digest of each row, good for this release of the code that reads rows (`wire.listed`)."""
    return listed(rows, wire_fingerprint(), vocabulary=vocabulary, in_any_order=in_any_order)
