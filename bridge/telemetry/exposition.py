"""The format in which a scrape is answered."""

from collections.abc import Callable

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, choose_encoder, generate_latest
from prometheus_client.registry import Collector

Encoder = Callable[[Collector], bytes]


def encoder(accept: str) -> tuple[Encoder, str]:
    """Return the encoder and its content type: OpenMetrics when the Accept header asks for it, else Prometheus' text
    format, also for an Accept header that cannot be parsed.
    """
    try:
        return choose_encoder(accept)
    except (TypeError, ValueError):  # the library fails on a version that is not a number
        return generate_latest, CONTENT_TYPE_PLAIN_0_0_4
