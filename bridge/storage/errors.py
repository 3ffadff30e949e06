"""What an error of Postgres, or of the connection to it, means to the caller. The one place that decides it.

Decided by SQLSTATE and by phase, never by the text, which is in the language of the server:

* connecting: every refusal is `DatabaseUnavailableError` (wait, try again), with the remedy where the code implies one;
* running, committing: another writer was faster → `ConcurrentUpdateError` (read again, decide again); the day has no
  partition → `MissingPartitionError`; this data will never be accepted → `RefusedError`; everything else, missing
  tables and rights included, is `DatabaseUnavailableError`: someone may be restoring the database just now.

A commit whose answer was lost may have happened. What is stored twice changes nothing, so it is tried again.
"""

import ssl
from enum import StrEnum

import asyncpg

from bridge.errors import ConfigurationError, DatabaseUnavailableError, PermanentError, TransientError


class Phase(StrEnum):
    """What we were doing when the error came."""

    CONNECTING = "connecting"
    RUNNING = "running"
    COMMITTING = "committing"


class ConcurrentUpdateError(TransientError):
    """Another writer changed the same rows first; read again and decide again, at once."""


class MissingPartitionError(ConcurrentUpdateError):
    """A row belongs to a day that has no partition yet: make it, then try again."""


class TooSlowError(DatabaseUnavailableError):
    """It was not done within the limit its caller set, on a connection that was not lost."""


class OutdatedConnectionError(DatabaseUnavailableError):
    """Connections made before this may never work again (failover, restored schema): they are to be replaced."""


class RefusedError(PermanentError):
    """Postgres will never accept this data."""


_CONCURRENT = frozenset({"40001", "40P01"})
_REFUSED_CLASSES = frozenset({"21", "22", "23", "38", "39", "44", "54", "P0"})
"""Cardinality, data, constraints, functions and triggers of the database's owner, check options, limits of a row."""
_CHECK_VIOLATION = "23514"
_PARTITIONED_TABLE = "notification"
_READ_ONLY = "25006"
_OUTDATED = frozenset({_READ_ONLY, "0A000", "26000", "42P05", "3F000", "XX000"})
_SCHEMA_CLASS = "42"

_REMEDY_CONNECTING = {
    "08P01": "behind pgbouncer: let it ignore what it names (ignore_startup_parameters)",
    "28000": "check user and sslmode in database.dsn, and pg_hba.conf",
    "28P01": "check user and password in database.dsn",
    "3D000": "create it (`create database …`), or name another one in database.dsn",
    "42501": "`grant connect on database … to …` the user of database.dsn",
    "53300": "lower database.pool_max_size, or raise max_connections (behind a pooler: its own limits)",
    "57P03": "wait until it has started",
    "XX000": "behind a pooler: look at its log and limits",
}
_REMEDY_DEFAULT = "check database.dsn, and that Postgres runs and lets this machine in"
_REMEDY_RUNNING = {
    _READ_ONLY: "name the primary in database.dsn, or several hosts with target_session_attrs=read-write",
    "26000": "behind pgbouncer: set pool_mode = session",
    "42501": "let the owner of the database run `tmf656-bridge migrate`, which grants role bridge_writer its rights",
    "42P05": "behind pgbouncer: set pool_mode = session",
    "53100": "free space on the disk of Postgres",
    "55P03": "something else holds a lock on it",
    "57014": "`alter role … reset statement_timeout` for the user of database.dsn",
}
_REMEDY_SCHEMA = "if nobody is restoring or migrating this database now: `tmf656-bridge migrate --check`"


def meaning_of(error: Exception, phase: Phase, address: str) -> Exception:
    """Return our error for one of the driver or of the operating system; `address` is what a person knows the server
    by.
    """
    if isinstance(error, asyncpg.PostgresError):
        return _of_postgres(error, phase, address)
    if isinstance(error, asyncpg.InterfaceError):
        return _of_driver(error, phase, address)
    return _unreachable(error, phase, address)


def sqlstate_of(error: BaseException) -> str:
    """Return the SQLSTATE behind an error of ours or of the driver, "" when there is none."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, asyncpg.PostgresError):
            return str(cause.sqlstate or "")
        cause = cause.__cause__
    return ""


def _of_postgres(error: asyncpg.PostgresError, phase: Phase, address: str) -> Exception:
    sqlstate = str(error.sqlstate or "")
    said = f"{error} (SQLSTATE {sqlstate})"
    if phase is Phase.CONNECTING:
        remedy = _REMEDY_CONNECTING.get(sqlstate, _REMEDY_DEFAULT)
        return DatabaseUnavailableError(f"{address} refuses the connection: {said}; {remedy}")
    if sqlstate in _CONCURRENT:
        return ConcurrentUpdateError(f"{address}: {said}")
    if _is_missing_partition(error, sqlstate):
        return MissingPartitionError(f"{address}: {said}")
    if sqlstate[:2] in _REFUSED_CLASSES:
        return RefusedError(said)
    in_schema = sqlstate[:2] == _SCHEMA_CLASS or sqlstate == "3F000"
    remedy = _REMEDY_RUNNING.get(sqlstate, _REMEDY_SCHEMA if in_schema else "")
    outdated = in_schema or sqlstate in _OUTDATED
    kind = OutdatedConnectionError if outdated else DatabaseUnavailableError
    doubt = ", and whether it was committed is not known" if phase is Phase.COMMITTING else ""
    return kind(f"{address} does not work: {said}{doubt}" + (f"; {remedy}" if remedy else ""))


def _is_missing_partition(error: asyncpg.PostgresError, sqlstate: str) -> bool:
    """A row without a partition is reported as a check violation of the table, without a constraint."""
    return (
        sqlstate == _CHECK_VIOLATION
        and getattr(error, "constraint_name", None) is None
        and getattr(error, "table_name", None) == _PARTITIONED_TABLE
    )


def _of_driver(error: Exception, phase: Phase, address: str) -> Exception:
    if isinstance(error, ValueError):  # a value that cannot be encoded, or a setting that cannot be used
        if phase is Phase.CONNECTING:
            return ConfigurationError([f"database.dsn: {error}"])
        return RefusedError(str(error))
    return DatabaseUnavailableError(f"{address}: connection lost: {error}")


def _unreachable(error: Exception, phase: Phase, address: str) -> Exception:
    what = str(error) or type(error).__name__
    if phase is not Phase.CONNECTING:
        return DatabaseUnavailableError(f"{address}: connection lost: {what}")
    if isinstance(error, TimeoutError) and not str(error):
        return DatabaseUnavailableError(f"{address}: no connection within the time; {_REMEDY_DEFAULT}")
    if isinstance(error, ssl.SSLError):
        return DatabaseUnavailableError(f"{address}: TLS failed: {what}; check sslmode and sslrootcert in database.dsn")
    return DatabaseUnavailableError(f"{address} cannot be reached: {what}; {_REMEDY_DEFAULT}")
