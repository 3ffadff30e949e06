"""The measures: which slices each needs, and what ratio of them must hold."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.bench.bench import Make, Sample
from tests.bench.measures import push, storm

RATE = "/s"


@dataclass(frozen=True, slots=True)
class Slice:
    """How a side is made, and in what it is measured."""

    make: Make
    unit: str = RATE


SLICES: Mapping[str, Slice] = {
    "aiohttp": Slice(push.answer_only),
    "bridge": Slice(push.at_bridge()),
    "pgbench": Slice(push.statements),
    "fastify": Slice(push.fastify),
    "node-red": Slice(push.node_red),
    "half-rate": Slice(push.half_rate, "ms"),
    "commit": Slice(push.single_commits, "ms"),
    "storm": Slice(storm.storm, "s per 1,000"),
    "stored": Slice(storm.stored, "B"),
    "start": Slice(storm.start, "s"),
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
        "11",
        "storm over 200 connections: time ÷ time at the rate of measure 1",
        ("bridge", "storm"),
        lambda samples: samples["storm"].value * samples["bridge"].value / 1000,
        1.3,
        1.1,
        more_is_better=False,
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
)
