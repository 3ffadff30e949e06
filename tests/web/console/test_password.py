"""Passwords of the console."""

import pytest
from argon2 import PasswordHasher

from bridge.web.console.password import _NOBODY, LONGEST, SHORTEST, PasswordCheck, fault_of, hashed

pytestmark = pytest.mark.anyio

PASSWORD = "correct horse battery"


async def test_only_the_password_of_a_hash_matches_it() -> None:
    check, stored = PasswordCheck(), hashed(PASSWORD)
    assert stored != hashed(PASSWORD)
    assert await check.matches(stored, PASSWORD)
    for wrong in ("", PASSWORD + " ", PASSWORD.upper(), "x" * 100_000):
        assert not await check.matches(stored, wrong)
    for broken in ("", "plain", "$argon2id$v=19$"):
        assert not await check.matches(broken, broken)


async def test_nobody_has_a_password() -> None:
    assert not await PasswordCheck().matches(None, "")
    assert not await PasswordCheck().matches(None, PASSWORD)


def test_a_name_that_does_not_exist_costs_what_a_wrong_password_does() -> None:
    """The same parameters, so the same work; a measured time would depend on the machine."""
    assert _NOBODY.split("$")[1:4] == hashed(PASSWORD).split("$")[1:4]


async def test_a_hash_of_other_parameters_is_renewed_and_ours_is_not() -> None:
    check, weak = PasswordCheck(), PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    renewed = await check.renewed(weak, PASSWORD)
    assert renewed is not None
    assert await check.matches(renewed, PASSWORD)
    assert await check.renewed(renewed, PASSWORD) is None


def test_a_new_password_has_a_length() -> None:
    assert fault_of("x" * (SHORTEST - 1)) is not None
    assert fault_of("x" * SHORTEST) is None
    assert fault_of("x" * (LONGEST + 1)) is not None
