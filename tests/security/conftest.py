"""What attackers, and those who look after them, need: the fixtures of tests/web, and a simulator that talks to us."""

from tests.web.conftest import (
    eventually,
    get,
    keep_logging,
    open_bridge,
    open_upstream,
    open_wire,
    post,
    request_head,
    shared_dsn,
    upstream,
)

__all__ = [
    "eventually",
    "get",
    "keep_logging",
    "open_bridge",
    "open_upstream",
    "open_wire",
    "post",
    "request_head",
    "shared_dsn",
    "upstream",
]
