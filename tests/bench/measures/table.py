"""The measures: which slices each needs, and what ratio of them must hold."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.bench.bench import Make, Sample
from tests.bench.measures import bad_cases, console, grown, links, people, pull, push, storm

RATE = "/s"


@dataclass(frozen=True, slots=True)
class Slice:
    """How a side is made, and in what it is measured."""

    make: Make
    unit: str = RATE
    once: bool = False
    """Measured in the first round only, because it takes long."""


SLICES: Mapping[str, Slice] = {
    "aiohttp": Slice(push.answer_only),
    "bridge": Slice(push.at_bridge()),
    "one-worker": Slice(push.at_bridge(name="one", workers=1)),
    "two-workers": Slice(push.at_bridge(name="two", workers=2)),
    "pgbench": Slice(push.statements),
    "fastify": Slice(push.fastify),
    "node-red": Slice(push.node_red),
    "hot": Slice(push.at_bridge(shape="hot", seconds=2.0)),
    "new": Slice(push.at_bridge(shape="new", seconds=2.0)),
    "duplicates": Slice(push.at_bridge(shape="duplicates", seconds=2.0)),
    "large": Slice(push.at_bridge(body_bytes=100_000, seconds=2.0)),
    "slow": Slice(push.at_bridge(connections=32, slow=500, seconds=2.0)),
    "far": Slice(bad_cases.far_postgres),
    "half-rate": Slice(push.half_rate, "ms"),
    "commit": Slice(push.single_commits, "ms"),
    "download": Slice(pull.download(known=False), "s"),
    "sync": Slice(pull.first_sync, "s"),
    "dlt": Slice(pull.dlt_merge, "s"),
    "merge": Slice(pull.merge, "s"),
    "read": Slice(pull.download(known=True), "s"),
    "reconcile": Slice(pull.reconcile, "s"),
    "memory": Slice(pull.peak_memory, "MB"),
    "filled": Slice(grown.filled),
    "soak": Slice(grown.soak, "of memory", once=True),
    "storm": Slice(storm.storm, "s per 1,000"),
    "stored": Slice(storm.stored, "B"),
    "start": Slice(storm.start, "s"),
    "pairs": Slice(links.pairs("aiohttp")),
    "pysnow": Slice(links.pairs("pysnow")),
    "outbox": Slice(links.edited(push=False, figure="rate")),
    "sync-p50": Slice(links.edited(push=True, slow_seconds=0.02, rate=10, figure="p50"), "s"),
    "sync-p99": Slice(links.of_slice("sync-p50", "p99"), "s"),
    "catch-up": Slice(links.many, "s", once=True),
    "plan": Slice(links.of_slice("catch-up", "plan_seconds"), "s", once=True),
    "links-memory": Slice(links.of_slice("catch-up", "rss_mb"), "MB", once=True),
    "followed": Slice(links.followed),
    "unwatched": Slice(people.rate()),
    "watched": Slice(people.rate(live=10)),
    "impatient": Slice(people.rate(impatient=50)),
    "unwatched-p99": Slice(people.p99(), "ms"),
    "watched-p99": Slice(people.p99(live=10), "ms"),
    "console": Slice(console.pages, "ms"),
    "console-search": Slice(console.of_pages("search_p95_ms"), "ms"),
    "median": Slice(console.of_pages("median_ms"), "ms"),
    "plain": Slice(console.of_pages("plain_ms"), "ms"),
    "search-median": Slice(console.of_pages("search_median_ms"), "ms"),
    "search-plain": Slice(console.of_pages("search_plain_ms"), "ms"),
}
"""In the order in which a round measures them."""

Round = Mapping[str, Sample]


@dataclass(frozen=True, slots=True)
class Goal:
    """A measure. `figure` makes it out of a round's samples; `must` and `aim` bound it, from below or from above."""

    key: str
    title: str
    slices: tuple[str, ...]
    figure: Callable[[Round], float]
    must: float | None = None
    aim: float | None = None
    more_is_better: bool = True
    long_only: bool = False
    in_long: bool = False
    figure_unit: str = ""

    def holds(self, figure: float, bound: float | None) -> bool:
        """Whether a figure is on the right side of a bound."""
        return bound is None or (figure >= bound if self.more_is_better else figure <= bound)


def _ratio(upper: str, lower: str) -> Callable[[Round], float]:
    return lambda samples: samples[upper].value / samples[lower].value


def _only(name: str) -> Callable[[Round], float]:
    return lambda samples: samples[name].value


def _seconds(name: str, title: str, must: float, *others: str, many: bool = False) -> Goal:
    return Goal(
        name,
        title,
        (*others, name),
        _only(name),
        must,
        must / 2,
        more_is_better=False,
        long_only=many,
        in_long=many,
        figure_unit="s",
    )


def _bad(name: str, title: str) -> Goal:
    return Goal(name, f"bad case: {title}; ÷ measure 1", (name, "bridge"), _ratio(name, "bridge"))


GOALS = (
    Goal("1", "push: bridge ÷ bare aiohttp app", ("bridge", "aiohttp"), _ratio("bridge", "aiohttp"), 0.45, 0.65),
    Goal("2", "push: bridge ÷ pgbench, 8 clients", ("bridge", "pgbench"), _ratio("bridge", "pgbench"), 1.5, 2),
    Goal("3", "push: bridge ÷ Fastify + pg", ("bridge", "fastify"), _ratio("bridge", "fastify"), 1.5, 2.5),
    Goal("4", "push: bridge ÷ Node-RED", ("bridge", "node-red"), _ratio("bridge", "node-red"), 3, 5),
    Goal(
        "5",
        "p99 of the answer at half rate ÷ p99 of a single-row commit",
        ("bridge", "half-rate", "commit"),
        _ratio("half-rate", "commit"),
        4,
        2,
        more_is_better=False,
    ),
    Goal(
        "6",
        "first full sync of 100,000 problems (20,000 in the short form) ÷ download and parse alone",
        ("sync", "download"),
        _ratio("sync", "download"),
        1.5,
        1.15,
        more_is_better=False,
        in_long=True,
    ),
    Goal(
        "7",
        "merge of 10,000 problems, whole process: dlt ÷ bridge",
        ("dlt", "merge"),
        _ratio("dlt", "merge"),
        4,
        8,
        in_long=True,
    ),
    Goal(
        "8",
        "reconcile of 1,000,000 unchanged problems: problems/s ÷ those of download and parse alone",
        ("reconcile", "read"),
        _ratio("read", "reconcile"),
        0.7,
        0.9,
        in_long=True,
        long_only=True,
    ),
    Goal(
        "8-memory",
        "peak memory of that reconcile",
        ("reconcile", "memory"),
        _only("memory"),
        200,
        120,
        more_is_better=False,
        in_long=True,
        long_only=True,
        figure_unit="MB",
    ),
    Goal(
        "9",
        "push with 1,000,000 problems and 5,000,000 versions stored ÷ on an empty database",
        ("filled", "bridge"),
        _ratio("filled", "bridge"),
        0.8,
        0.95,
        in_long=True,
        long_only=True,
    ),
    Goal(
        "10",
        "memory after 10 minutes at 1,000/s ÷ after 1 minute",
        ("soak",),
        _only("soak"),
        1.1,
        1.02,
        more_is_better=False,
        in_long=True,
        long_only=True,
    ),
    Goal(
        "11",
        "storm of 50,000 (20,000 in the short form) over 200 connections: time ÷ time at the rate of measure 1",
        ("bridge", "storm"),
        lambda samples: samples["storm"].value * samples["bridge"].value / 1000,
        1.3,
        1.1,
        more_is_better=False,
        in_long=True,
    ),
    Goal(
        "12",
        "bytes in Postgres per stored change",
        ("storm", "stored"),
        _only("stored"),
        2500,
        1500,
        more_is_better=False,
        figure_unit="B",
    ),
    Goal(
        "13",
        "start of `run` on a ready database until ready",
        ("start",),
        _only("start"),
        1.5,
        0.7,
        more_is_better=False,
        figure_unit="s",
    ),
    Goal("outbox", "links: confirmed writes a second, 8 connections", ("outbox",), _only("outbox"), 150, 300),
    Goal(
        "outbox-pairs",
        "links: confirmed writes ÷ GET and PATCH by bare aiohttp, 8 connections",
        ("outbox", "pairs"),
        _ratio("outbox", "pairs"),
        0.25,
        0.4,
    ),
    Goal(
        "outbox-pysnow",
        "links: confirmed writes ÷ GET and PATCH by pysnow in sequence",
        ("outbox", "pysnow"),
        _ratio("outbox", "pysnow"),
        2,
        4,
    ),
    _seconds("sync-p50", "links: from an edit to its PATCH on the other side, both 20 ms away, median", 0.3),
    _seconds("sync-p99", "the same, 99th percentile", 2, "sync-p50"),
    _seconds("catch-up", "100,000 links: from a restart to the last of 1,000 edits", 60, many=True),
    _seconds("plan", "100,000 links: `links plan`", 30, "catch-up", many=True),
    Goal(
        "links-memory",
        "100,000 links: peak memory of `run`",
        ("catch-up", "links-memory"),
        _only("links-memory"),
        200,
        150,
        more_is_better=False,
        long_only=True,
        in_long=True,
        figure_unit="MB",
    ),
    Goal(
        "followed",
        "push: with three rules following ÷ without",
        ("bridge", "followed"),
        _ratio("followed", "bridge"),
        0.97,
        1,
    ),
    Goal(
        "live-users",
        "push while 10 people look at a live list ÷ while nobody does",
        ("unwatched", "watched"),
        _ratio("watched", "unwatched"),
        0.95,
        0.98,
        long_only=True,
        in_long=True,
    ),
    Goal(
        "live-users-p99",
        "p99 of the answer at half rate while 10 people look at a live list ÷ while nobody does",
        ("unwatched", "unwatched-p99", "watched-p99"),
        _ratio("watched-p99", "unwatched-p99"),
        1.05,
        1.02,
        more_is_better=False,
        long_only=True,
        in_long=True,
    ),
    Goal(
        "impatient-users",
        "push while 50 people load the list without a pause ÷ while nobody does",
        ("unwatched", "impatient"),
        _ratio("impatient", "unwatched"),
        0.95,
        0.98,
        long_only=True,
        in_long=True,
    ),
    Goal(
        "console",
        "console at 1,000,000 problems: p95 of the slowest list by status, source, priority, order or page",
        ("console", "median", "plain"),
        _only("console"),
        50,
        30,
        more_is_better=False,
        in_long=True,
        long_only=True,
        figure_unit="ms",
    ),
    Goal(
        "console-search",
        "console at 1,000,000 problems: p95 of the slowest list by words, id, service, party or place",
        ("console", "console-search", "search-median", "search-plain"),
        _only("console-search"),
        200,
        100,
        more_is_better=False,
        in_long=True,
        long_only=True,
        figure_unit="ms",
    ),
    Goal(
        "workers",
        "push: two workers ÷ one worker",
        ("one-worker", "two-workers"),
        _ratio("two-workers", "one-worker"),
    ),
    _bad("hot", "one problem receives every event"),
    _bad("new", "every event is for a new problem"),
    _bad("duplicates", "only repeats of a hundred events"),
    _bad("large", "bodies of 100 kB"),
    _bad("slow", "500 slow connections beside 32 fast ones"),
    _bad("far", "Postgres 50 ms away, there and back"),
)
