"""The client: a process of its own that posts notifications and says what became of them.

    python -m tests.bench.load < plan.json > report.json

It must never be what is measured. So it is one loop over epoll and plain sockets, requests are made before the clock
starts, and the head of an answer is looked up rather than read: about 15 microseconds of processor a request, below
what the leanest server here takes. Its own CPU seconds are part of the report.

Three ways to send, all on keep-alive connections with one request under way on each:
    closed    each connection sends its next request when the last is answered, for `seconds`
    counted   the same until `count` are answered; one that is refused is sent again when Retry-After has passed, as
              a sender would that must not lose anything
    open      `rate` a second for `seconds`, whether answered or not; the latency of a request counts from when it was
              due, so a stall is felt by all that were due in it

`slow` connections beside them, from other addresses of this machine, send a request byte by byte and are never done.
"""

import heapq
import select
import socket
import sys
from array import array
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import perf_counter, process_time

import orjson

from tests.bench.notification import DUPLICATES, event_id, maker, number_of

_RECEIVE_BYTES = 65536
_GRACE_SECONDS = 10.0
"""For answers that are still under way when the time is over."""
_SLOW_SECONDS = 0.5
_READY_BUDGET = 60_000


@dataclass(frozen=True, slots=True)
class Plan:
    """What to send where. Without `count` and `rate` the loop is closed for `seconds`."""

    host: str
    port: int
    path: str
    prefix: str
    connections: int = 64
    seconds: float = 3.0
    count: int = 0
    rate: float = 0.0
    shape: str = "lives"
    body_bytes: int = 0
    slow: int = 0
    answered_path: str = ""


@dataclass(slots=True)
class Report:
    """What came of it. `seconds` from the first request to the last answer; latencies in milliseconds."""

    sent: int = 0
    answered: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    refused_without_retry_after: int = 0
    unanswered: int = 0
    broken: int = 0
    seconds: float = 0.0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    max_ms: float = 0.0
    client_cpu_seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Notifications answered a second."""
        return self.answered / self.seconds if self.seconds else 0.0


class _Connection:
    __slots__ = ("buffer", "due", "number", "socket")

    def __init__(self, plan: Plan, source: str = "") -> None:
        self.socket = socket.create_connection((plan.host, plan.port), timeout=10, source_address=(source, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not plan.body_bytes:
            self.socket.setblocking(False)  # a small request always fits, and waiting with a limit is a call more
        self.buffer = b""
        self.due = 0.0
        self.number = -1


class _Client:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.report = Report()
        self.answered = array("q")
        self._latencies = array("d")
        self._make = _requests(plan)
        self._ready = [self._make(n) for n in range(_prepared(plan))]
        self._next = 0
        self._poll = select.epoll()
        self._under_way = 0
        self._heads: dict[bytes, _Head] = {}
        self._again: list[tuple[float, int]] = []
        self._idle: deque[_Connection] = deque()
        self._by_descriptor: dict[int, _Connection] = {}
        self._slow = [_Connection(plan, _slow_source(place)) for place in range(plan.slow)]
        for _ in range(plan.connections):
            self._open()

    def run(self) -> Report:
        cpu, started = process_time(), perf_counter()
        try:
            last = self._paced(started) if self.plan.rate else self._looped(started)
        finally:
            for connection in [*self._by_descriptor.values(), *self._slow]:
                connection.socket.close()
            self._poll.close()
        self._sum_up(last - started, process_time() - cpu)
        return self.report

    def _looped(self, started: float) -> float:
        """Closed or counted: a free connection sends at once."""
        plan, last, drip_at = self.plan, started, started
        ends = started + (600 if plan.count else plan.seconds)
        while True:
            now = perf_counter()
            over = now >= ends or (plan.count and self.report.answered >= plan.count)
            while self._idle and not over and (number := self._number(now)) is not None:
                self._send(self._idle.popleft(), number, now)
            if over and (not self._under_way or now > ends + _GRACE_SECONDS or plan.count):
                return last
            if self._slow and now >= drip_at:
                self._drip()
                drip_at = now + _SLOW_SECONDS
            last = self._take(0.05) or last

    def _number(self, now: float) -> int | None:
        """The next event to send; None when all are under way or have to wait."""
        if self._again and self._again[0][0] <= now:
            return heapq.heappop(self._again)[1]
        if self.plan.count and self._next >= self.plan.count:
            return None
        self._next += 1
        return self._next - 1

    def _paced(self, started: float) -> float:
        """Open: whatever is due is sent on a free connection, or waits for one with its clock running."""
        plan, last = self.plan, started
        total = int(plan.rate * plan.seconds)
        while self._next < total or self._under_way:
            now = perf_counter()
            while self._next < total and self._idle and (due := started + self._next / plan.rate) <= now:
                self._next += 1
                self._send(self._idle.popleft(), self._next - 1, due)
            if now > started + plan.seconds + _GRACE_SECONDS:
                break
            ahead = started + self._next / plan.rate - now if self._next < total and self._idle else 0.05
            last = self._take(min(max(ahead, 0.0), 0.05)) or last
        return last

    def _send(self, connection: _Connection, number: int, due: float) -> None:
        connection.number, connection.due = number, due
        self._under_way += 1
        self.report.sent += 1
        request = self._ready[number] if number < len(self._ready) else self._make(number)
        try:
            connection.socket.sendall(request)
        except OSError:
            self._lost(connection)

    def _take(self, patience_seconds: float) -> float | None:
        """Receive what there is; return when the last answer came."""
        last = None
        for descriptor, _ in self._poll.poll(patience_seconds):
            connection = self._by_descriptor[descriptor]
            try:
                data = connection.socket.recv(_RECEIVE_BYTES)
            except OSError:
                data = b""
            if not data:
                self._lost(connection)
                continue
            connection.buffer += data
            head = self._answer(connection)
            if head is not None:
                last = perf_counter()
                self._note(connection, head, last)
        return last

    def _answer(self, connection: _Connection) -> "_Head | None":
        """The head of an answer that is there to its end."""
        buffer = connection.buffer
        end = buffer.find(b"\r\n\r\n")
        if end < 0:
            return None
        raw = buffer[:end]
        head = self._heads.get(raw)
        if head is None:
            head = self._heads[raw] = _Head(raw)
        if len(buffer) < end + 4 + head.length:
            return None
        connection.buffer = b""
        return head

    def _note(self, connection: _Connection, head: "_Head", now: float) -> None:
        number = connection.number
        if number < 0:  # turned away at the door, before anything was sent
            self._refused(head)
            self._replace(connection)
            return
        self._under_way -= 1
        connection.number = -1
        if 200 <= head.status < 300:
            self.report.answered += 1
            self.answered.append(number)
            self._latencies.append(now - connection.due)
        else:
            self._refused(head)
            if self.plan.count:
                heapq.heappush(self._again, (now + (head.retry_after_seconds or 1), number))
        if head.closes:
            self._replace(connection)
        else:
            self._idle.append(connection)

    def _refused(self, head: "_Head") -> None:
        self.report.refused[str(head.status)] = self.report.refused.get(str(head.status), 0) + 1
        self.report.refused_without_retry_after += head.retry_after_seconds is None

    def _lost(self, connection: _Connection) -> None:
        """The server closed it. What was under way may have been stored or not: a counted run sends it again."""
        if connection.number >= 0:
            self._under_way -= 1
            self.report.broken += 1
            if self.plan.count:
                heapq.heappush(self._again, (perf_counter() + 1, connection.number))
        self._replace(connection)

    def _replace(self, connection: _Connection) -> None:
        if connection in self._idle:
            self._idle.remove(connection)
        self._by_descriptor.pop(connection.socket.fileno())
        connection.socket.close()
        self._open()

    def _open(self) -> None:
        connection = _Connection(self.plan)
        self._by_descriptor[connection.socket.fileno()] = connection
        self._poll.register(connection.socket, select.EPOLLIN)
        self._idle.append(connection)

    def _drip(self) -> None:
        """One more byte on each slow connection; one that the server has closed is opened again."""
        for place, connection in enumerate(self._slow):
            connection.number += 1
            try:
                connection.socket.send(self._ready[place % len(self._ready)][connection.number : connection.number + 1])
            except OSError:
                connection.socket.close()
                self._slow[place] = _Connection(self.plan, _slow_source(place))

    def _sum_up(self, seconds: float, cpu_seconds: float) -> None:
        report = self.report
        report.seconds, report.client_cpu_seconds = seconds, cpu_seconds
        report.unanswered = self._under_way
        latencies = sorted(self._latencies)
        if latencies:
            report.p50_ms = 1000 * quantile(latencies, 0.5)
            report.p99_ms = 1000 * quantile(latencies, 0.99)
            report.max_ms = 1000 * latencies[-1]


class _Head:
    """Status line and headers of an answer, as far as they matter."""

    __slots__ = ("closes", "length", "retry_after_seconds", "status")

    def __init__(self, raw: bytes) -> None:
        first, *lines = raw.split(b"\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
        self.status = int(first.split(b" ")[1])
        if b"transfer-encoding" in headers:
            raise ValueError(f"an answer without a length: {raw!r}")
        self.length = 0 if self.status in {204, 304} else int(headers[b"content-length"])
        self.closes = headers.get(b"connection", b"").lower() == b"close"
        retry_after = headers.get(b"retry-after")
        self.retry_after_seconds = None if retry_after is None else float(retry_after)


def _slow_source(place: int) -> str:
    """Slow connections come from four other addresses of this machine: a server may bound what one peer takes."""
    return f"127.0.0.{2 + place % 4}"


def quantile(ordered: "list[float]", share: float) -> float:
    """The value below which this share of the ordered values lies (nearest rank)."""
    return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered)) - 1))]


def _requests(plan: Plan) -> Callable[[int], bytes]:
    make = maker(plan.shape, plan.prefix, plan.body_bytes)
    head = (
        f"POST {plan.path} HTTP/1.1\r\nHost: {plan.host}:{plan.port}\r\nContent-Type: application/json\r\n"
        "User-Agent: tmf656\r\nAccept: */*\r\nContent-Length: "
    ).encode()

    def request(number: int) -> bytes:
        body = make(number)
        return b"%b%d\r\n\r\n%b" % (head, len(body), body)

    if plan.shape != "duplicates":
        return request
    same = [request(number) for number in range(DUPLICATES)]
    return lambda number: same[number % DUPLICATES]


def _prepared(plan: Plan) -> int:
    """How many requests are made before the clock starts; the rest is made on the way."""
    if plan.shape == "duplicates":
        return 0
    wanted = plan.count or int((plan.rate or 20_000) * plan.seconds)
    return max(1, min(wanted, _READY_BUDGET, 100_000_000 // max(plan.body_bytes, 1200)))


def main() -> None:
    """Carry out the plan on standard input."""
    plan = Plan(**orjson.loads(sys.stdin.buffer.read()))
    client = _Client(plan)
    report = client.run()
    if plan.answered_path:
        numbers = {number_of(plan.shape, number) for number in client.answered}
        Path(plan.answered_path).write_text("\n".join(event_id(plan.prefix, number) for number in sorted(numbers)))
    sys.stdout.buffer.write(orjson.dumps(asdict(report)))


if __name__ == "__main__":
    main()
