"""A population lives by its own rules, the same for the same seed."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bridge.simulator.tmf656.dialect import VERSIONS
from bridge.simulator.tmf656.patch import merge
from bridge.simulator.tmf656.population import FINAL, ChangeStep, CreateStep, DeleteStep, Population, Step

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def lived(seed: int, *, steps: int, version: str = "4", open_target: int = 20, max_problems: int | None = None) -> Any:
    """The problems after so many steps, and every step."""
    population = Population(random.Random(seed), version=version, open_target=open_target, max_problems=max_problems)
    problems: dict[str, dict[str, Any]] = {}
    taken: list[Step] = []
    for number in range(steps):
        step = population.step(problems, NOON + timedelta(seconds=number))
        taken.append(step)
        match step:
            case CreateStep(attributes):
                problems[f"SP{number}"] = attributes
                population.adopt(f"SP{number}", attributes["status"])
            case ChangeStep(problem_id, patch):
                problems[problem_id] = merge(problems[problem_id], patch)
            case DeleteStep(problem_id):
                del problems[problem_id]
    return problems, taken


@pytest.mark.parametrize("version", VERSIONS)
def test_the_same_seed_gives_the_same_lives_and_another_one_others(version: str) -> None:
    assert lived(1, steps=300, version=version) == lived(1, steps=300, version=version)
    assert lived(1, steps=300, version=version) != lived(2, steps=300, version=version)


@pytest.mark.parametrize("version", ["2", "3", "4", "5"])
def test_the_number_of_open_problems_stays_about_what_it_is_to_be(version: str) -> None:
    problems, _ = lived(3, steps=3_000, version=version)
    still_open = [one for one in problems.values() if one["status"] not in FINAL]
    assert 10 <= len(still_open) <= 40


def test_a_change_is_of_a_problem_that_is_there_and_changes_something() -> None:
    _, steps = lived(4, steps=1_000)
    changes = [step for step in steps if isinstance(step, ChangeStep)]
    assert len(changes) > 500
    assert [step for step in changes if not step.patch] == []


def test_what_ended_long_ago_goes_when_there_are_too_many() -> None:
    problems, steps = lived(5, steps=3_000, open_target=10, max_problems=50)
    assert len(problems) <= 51
    assert any(isinstance(step, DeleteStep) for step in steps)


def test_a_problem_with_a_past_has_its_times_in_order() -> None:
    population = Population(random.Random(6), version="4", open_target=5, max_problems=None)
    for number in range(200):
        problem = population.history(f"SP{number}", NOON)
        assert problem["creationDate"] <= problem["statusChangeDate"] <= problem["lastUpdate"] <= "2026-06-01T12:00"
