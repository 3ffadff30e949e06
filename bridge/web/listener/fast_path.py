"""Requests whose head was read before, byte for byte: of those only the body is taken.

A sender that keeps its connection sends the same head with every notification, but for the length of the body, and what
HTTP makes of the same bytes is the same each time. So when aiohttp has read a request to a callback and it was stored,
the connection remembers the bytes of its head; when a request comes that begins with them and ends where they say that
it ends, its body goes to the listener without a parser, a request, a task and the coroutines between them. Nothing is
read here that aiohttp has not read before, there is no second idea of what HTTP is: anything else, and anything that
is refused, goes through aiohttp as if this were not here. Whose callback it is, is asked each time.

Where that leads past aiohttp, `bridge.web.connections` stands in for it: one request at a time on a connection, the
time an idle one is kept, and a stop that waits for the answer.

What it earns: 0.69 to 0.72 of our CPU for a notification, and 1.21 to 1.24 times as many a second (64 senders in a
closed loop; one bridge that was told to do it and not to, in turns of two seconds; medians of seven to nine pairs,
three series).
"""

from collections import OrderedDict
from collections.abc import Callable

from bridge.web.listener.endpoint import Callback, SendAnswer

_HEADS = 1024
"""As many as there may be: a head for each callback, sender, and length of a body."""
_END = b"\r\n\r\n"
LONGEST_BYTES = 16 * 1024
"""What is longer is not remembered: a connection keeps what may be learned until it is answered."""

Take = Callable[[Callback, bytes, SendAnswer], bool]
"""Takes the body of a request, to be answered later; or does not."""


class FastPath:
    """Knows heads of requests, and hands over the bodies behind them."""

    __slots__ = ("_heads", "_take")

    def __init__(self, take: Take) -> None:
        """Know nothing yet."""
        self._take = take
        self._heads: OrderedDict[bytes, tuple[Callback, int]] = OrderedDict()

    def take(self, data: bytes, answer: SendAnswer) -> bool:
        """Have the request taken that `data` is, no more and no less; False when it is none that is known, or is not
        taken: nothing has been done with it then.
        """
        end = data.find(_END) + len(_END)
        known = self._heads.get(data[:end])
        if known is None:
            return False
        callback, body_bytes = known
        return len(data) == end + body_bytes and self._take(callback, data[end:], answer)

    def learn(self, data: bytes, callback: Callback, body_bytes: int) -> bool:
        """Remember the head of what has just come, and was a plain request with so long a body; return whether it was
        that and nothing else.
        """
        end = data.find(_END) + len(_END)
        if len(data) > LONGEST_BYTES or len(data) != end + body_bytes:
            return False
        self._heads[data[:end]] = callback, body_bytes
        if len(self._heads) > _HEADS:
            self._heads.popitem(last=False)
        return True
