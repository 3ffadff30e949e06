"""Commands as real processes: the fixtures of the whole program."""

from tests.program.conftest import (  # noqa: F401 - fixtures
    call,
    configured,
    dsn,
    empty_dsn,
    eventually,
    family_of,
    fork_server,
    get,
    held_port,
    living,
    processes_naming,
    start,
)
