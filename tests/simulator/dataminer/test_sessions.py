"""Sessions end after five idle minutes, at log out, and all at once."""

import random
from datetime import UTC, datetime, timedelta

from bridge.simulator.dataminer.sessions import WebSessions


def test_a_session_lives_as_long_as_it_is_used() -> None:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    sessions = WebSessions(lambda: at, random.Random(1))
    connection = sessions.open()
    for _ in range(3):
        at += timedelta(minutes=4)
        assert sessions.touch(connection)
    at += timedelta(minutes=5, seconds=1)
    assert not sessions.touch(connection)
    assert len(sessions) == 0


def test_sessions_end() -> None:
    sessions = WebSessions(lambda: datetime(2026, 3, 1, tzinfo=UTC), random.Random(1))
    one, other = sessions.open(), sessions.open()
    sessions.close(one)
    assert (sessions.touch(one), sessions.touch(other)) == (False, True)
    assert not sessions.touch(None)
    sessions.close_all()
    assert not sessions.touch(other)
    assert sessions.opened == 2
