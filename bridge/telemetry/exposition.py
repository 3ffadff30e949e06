"""In which format a scrape is answered."""

from collections.abc import Callable

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, choose_encoder, generate_latest
from prometheus_client.registry import Collector

Encoder = Callable[[Collector], bytes]


def encoder(accept: str) -> tuple[Encoder, str]:
    """Return what makes the page, and its content type: OpenMetrics where the Accept header asks for it, else
    Prometheus' text format, also where the header makes no sense.
    """
    try:
        return choose_encoder(accept)
    except (TypeError, ValueError):  # the library compares versions that are no numbers
        return generate_latest, CONTENT_TYPE_PLAIN_0_0_4
