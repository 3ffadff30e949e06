"""What the parent gives each worker."""

import pytest

from bridge.settings import Settings
from bridge.web.connections import Cap
from bridge.workers.parent import _share


@pytest.mark.parametrize("count", [2, 3, 8, 64])
def test_one_peer_leaves_room_for_others_in_every_worker(count: int) -> None:
    whole = Settings().http
    share = _share(Settings(), count).http
    cap = Cap(share.max_connections, share.max_connections_per_peer)
    taken = sum(cap.enter("192.0.2.1") for _ in range(whole.max_connections))
    assert whole.max_connections_per_peer <= taken * count < whole.max_connections_per_peer + count
    assert cap.enter("192.0.2.2")
