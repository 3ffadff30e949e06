"""What an error means is decided by SQLSTATE and phase, in whatever language Postgres speaks."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
import pytest

from bridge.errors import DatabaseUnavailableError
from bridge.storage.database import translated
from bridge.storage.errors import (
    ConcurrentUpdateError,
    MissingPartitionError,
    OutdatedConnectionError,
    Phase,
    RefusedError,
    sqlstate_of,
)


def error_of(sqlstate: str, text: str = "Fehler", **fields: str) -> asyncpg.PostgresError:
    """An error as the driver makes it of what the server sent."""
    letters = {"schema_name": "s", "table_name": "t", "constraint_name": "n"}
    sent = {"S": "FEHLER", "V": "ERROR", "C": sqlstate, "M": text} | {letters[name]: v for name, v in fields.items()}
    made: asyncpg.PostgresError = asyncpg.PostgresError.new(sent, query="select 1")
    return made


@contextmanager
def raised(kind: type[Exception], match: str | None = None) -> Iterator[None]:
    with pytest.raises(Exception, match=match) as caught:
        yield
    assert type(caught.value) is kind


ANY_SQLSTATE = sorted(
    {
        kind.sqlstate
        for kind in vars(asyncpg.exceptions).values()
        if isinstance(kind, type) and issubclass(kind, asyncpg.PostgresError) and kind.sqlstate
    }
    | {"ZZ999"}
)


def test_a6_whatever_is_refused_while_connecting_is_waited_for() -> None:
    for sqlstate in ANY_SQLSTATE:
        with raised(DatabaseUnavailableError, f"SQLSTATE {sqlstate}"), translated(Phase.CONNECTING, "Postgres at h"):
            raise error_of(sqlstate)


def test_a7_no_error_of_postgres_is_left_as_it_is() -> None:
    ours = (DatabaseUnavailableError, ConcurrentUpdateError, RefusedError)
    for phase in (Phase.RUNNING, Phase.COMMITTING):
        for sqlstate in ANY_SQLSTATE:
            with pytest.raises(ours), translated(phase):
                raise error_of(sqlstate)


@pytest.mark.parametrize("sqlstate", ["42P01", "42703", "3F000", "42883", "42704", "42501", "0A000", "XX000", "25006"])
def test_a7_a_schema_that_changes_is_waited_for_on_new_connections(sqlstate: str) -> None:
    with raised(OutdatedConnectionError), translated():
        raise error_of(sqlstate)


@pytest.mark.parametrize("sqlstate", ["22021", "22P05", "22P02", "23505", "23514", "54000", "21000", "P0001", "44000"])
def test_data_that_will_never_be_accepted_is_refused(sqlstate: str) -> None:
    with raised(RefusedError), translated():
        raise error_of(sqlstate, constraint_name="some_check", table_name="notification")


@pytest.mark.parametrize("sqlstate", ["40001", "40P01"])
def test_a_race_is_decided_again(sqlstate: str) -> None:
    for phase in (Phase.RUNNING, Phase.COMMITTING):
        with raised(ConcurrentUpdateError), translated(phase):
            raise error_of(sqlstate)


def test_d1_a_missing_partition_is_known_by_what_the_error_names_not_by_its_text() -> None:
    german = "keine Partition von Relation »notification« für die Zeile gefunden"
    with raised(MissingPartitionError), translated():
        raise error_of("23514", german, schema_name="bridge", table_name="notification")
    with raised(RefusedError), translated():
        raise error_of("23514", "no partition of relation", table_name="service_problem", constraint_name="a_check")
    with raised(RefusedError), translated():
        raise error_of("23514", "no partition is made for 9999-12-31")


@pytest.mark.parametrize(
    ("sqlstate", "remedy"),
    [
        ("28P01", "user and password in database.dsn"),
        ("28000", "pg_hba.conf"),
        ("3D000", "create database"),
        ("42501", "grant connect"),
        ("53300", "pool_max_size"),
        ("57P03", "started"),
        ("XX000", "pooler"),
        ("99999", "check database.dsn"),
    ],
)
def test_f7_a_refused_connection_names_the_server_and_what_to_do(sqlstate: str, remedy: str) -> None:
    with pytest.raises(DatabaseUnavailableError) as caught, translated(Phase.CONNECTING, "Postgres at h:5432/d"):
        raise error_of(sqlstate)
    assert "h:5432/d" in str(caught.value)
    assert remedy in str(caught.value)
    assert sqlstate_of(caught.value) == sqlstate


def test_a_commit_whose_answer_was_lost_says_so() -> None:
    with raised(DatabaseUnavailableError, "not known"), translated(Phase.COMMITTING):
        raise error_of("57P01")


@pytest.mark.parametrize("error", [ConnectionRefusedError("no"), TimeoutError(), asyncpg.InterfaceError("closed")])
def test_a_line_that_is_lost_is_waited_for(error: Exception) -> None:
    for phase in Phase:
        with raised(DatabaseUnavailableError), translated(phase):
            raise error
