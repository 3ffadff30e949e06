"""When a decider decides next: at once after a change where little happens, and seldom where nothing comes of it.

Changes are announced at each commit. What changes while a decider rests is decided together, so it rests in proportion
to how long the last step took. Where very many tickets change that no link has (a storm of notifications), deciding
them would cost the notifications their time: then it gives way while the storm lasts, but never falls far behind.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import Final

import anyio

from bridge.schedule import Wake, now

EVERY_SECONDS: Final = 1.0
"""Without a call: behind a pooler nothing is announced."""
LOOK_AGAIN_SECONDS: Final = 0.05
"""Something was announced and cannot be seen yet: a transaction that began earlier is still open."""
_LOOKS: Final = 20
_LEAST_SECONDS: Final = 0.05
_REST: Final = 5
"""So many times as long as the last step took; where nothing came of it …"""
_LONG_REST: Final = 30
MANY: Final = 200
"""Changed tickets in one step that are many."""
GIVE_WAY_SECONDS: Final = 5.0
"""The longest that it gives way at a time; it goes on when nothing was committed for …"""
CALM_SECONDS: Final = 0.25
_FURTHEST_BEHIND: Final = timedelta(minutes=1)


@dataclass(slots=True)
class DecisionPace:
    """The pace of one decider. `gives_way`: others should go first now."""

    gives_way: bool = False
    _began: float = 0.0
    _rests_until: float = 0.0
    _looks: int = 0
    _called: bool = False

    def begin(self) -> None:
        """A step begins."""
        self._began = monotonic()

    def end(self, tickets: int, *, useful: bool, left: bool, changed_at: datetime | None) -> None:
        """A step has decided so many changed tickets. `left`: there are more; `changed_at`: of the last change that it
        saw, None: it saw none.
        """
        at = monotonic()
        behind = changed_at is not None and changed_at + _FURTHEST_BEHIND < now()
        self.gives_way = left and tickets >= MANY and not useful and not behind
        times = _REST if useful else _LONG_REST
        self._rests_until = at + min(max(times * (at - self._began), _LEAST_SECONDS), EVERY_SECONDS)
        self._looks = 0 if changed_at is not None or not self._called else self._looks + 1

    async def wait(self, wake: Wake) -> None:
        """Wait until the next step is due: for a call, where nothing is known to be left."""
        if self.gives_way:
            self.gives_way = False
            await self._give_way(wake)
            return
        if 0 < self._looks <= _LOOKS:
            await wake.wait(LOOK_AGAIN_SECONDS)
            return
        self._called = await wake.wait(EVERY_SECONDS) is not None
        await anyio.sleep(max(self._rests_until - monotonic(), 0))

    async def _give_way(self, wake: Wake) -> None:
        """Wait while commits are announced."""
        ends_at = monotonic() + GIVE_WAY_SECONDS
        while monotonic() < ends_at and await wake.wait(CALM_SECONDS) is not None:  # noqa: ASYNC110 -- a pace
            await anyio.sleep(CALM_SECONDS)
