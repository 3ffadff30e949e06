"""The walk of one notification and of one polled page stays short enough to be read."""

import pytest

from tests import trace

pytestmark = pytest.mark.anyio


async def test_a_notification_walks_through_few_modules_and_folders(dsn: str) -> None:
    walk = await trace.push(dsn if "://" in dsn else dsn.replace(":/", ":///", 1))
    assert "web/listener/endpoint.py" in walk.modules
    assert "storage/observation.py" in walk.modules
    assert len(walk.modules) <= 24, walk.modules
    assert walk.folder_changes <= 30, walk.stops


async def test_a_polled_page_walks_through_few_folders(dsn: str) -> None:
    walk = await trace.poll(dsn)
    assert "pull/poll.py" in walk.modules
    assert walk.folder_changes <= 50, walk.stops
