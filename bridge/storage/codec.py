"""How values travel between us and Postgres, and how a dead line is noticed: what every new connection is given."""

import socket
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"

_JSONB_VERSION = b"\x01"
_POSTGRES_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)

_KEEPALIVE_OPTIONS = {
    "keepalives_idle": "TCP_KEEPIDLE",
    "keepalives_interval": "TCP_KEEPINTVL",
    "keepalives_count": "TCP_KEEPCNT",
    "tcp_user_timeout": "TCP_USER_TIMEOUT",
}
"""libpq's word → the kernel's."""

ARRAYS = {
    "bool": (16, 1000),
    "bytea": (17, 1001),
    "float8": (701, 1022),
    "int2": (21, 1005),
    "int4": (23, 1007),
    "int8": (20, 1016),
    "jsonb": (3802, 3807),
    "timestamptz": (1184, 1185),
}
"""Types that are built in, and arrays of them; their numbers are the same in every Postgres."""


def keep_alive(connection: Connection, keepalive: Mapping[str, int] | None) -> None:
    """Have the kernel notice when the other side of a TCP connection is gone and did not say so."""
    transport = connection._transport  # type: ignore[union-attr]  # noqa: SLF001 -- the driver has no option for it
    line = transport.get_extra_info("socket")
    if keepalive is None or line is None or line.family not in (socket.AF_INET, socket.AF_INET6):
        return
    line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for word, value in keepalive.items():
        option = getattr(socket, _KEEPALIVE_OPTIONS[word], None)
        if option is not None:
            line.setsockopt(socket.IPPROTO_TCP, option, value)


async def set_codecs(connection: Connection) -> None:
    """Pass jsonb as bytes both ways (orjson's output goes out as it is), and instants as counts of microseconds."""
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=_JSONB_VERSION.__add__,
        decoder=lambda raw: bytes(raw[1:]),
        format="binary",
    )
    await connection.set_type_codec(
        "timestamptz", schema="pg_catalog", encoder=_microseconds, decoder=_instant, format="tuple"
    )
    _register_arrays(connection)


def _register_arrays(connection: Connection) -> None:
    """Save the driver its queries about array types, 5 ms each and again on every connection.

    After the element codecs are set. The driver forgets this when the schema changes under it, and then asks.
    """
    types = [
        {
            "oid": array,
            "ns": "pg_catalog",
            "name": f"_{name}",
            "kind": b"b",
            "basetype": None,
            "elemtype": element,
            "elemtype_name": name,
            "elemdelim": ",",
            "range_subtype": None,
            "attrtypoids": None,
            "attrnames": None,
        }
        for name, (element, array) in ARRAYS.items()
    ]
    settings = connection._protocol.get_settings()  # type: ignore[union-attr]  # noqa: SLF001 -- as above
    settings.register_data_types(types)


def _microseconds(at: datetime) -> tuple[int]:
    """An aware instant as Postgres counts: half the time of the driver's own codec, which asks each for infinity and
    its zone; a stored problem is sixteen of them.
    """
    since = at - _POSTGRES_EPOCH
    return (since.days * 86_400_000_000 + since.seconds * 1_000_000 + since.microseconds,)


def _instant(microseconds: tuple[int]) -> datetime:
    """Infinity, as anything else beyond the calendar of Python, is its end."""
    try:
        return _POSTGRES_EPOCH + timedelta(0, 0, microseconds[0])
    except OverflowError:
        return _FIRST if microseconds[0] < 0 else _LAST
