"""Who may do what in the console."""

from itertools import pairwise

import pytest

from bridge.domain.access import PERMISSIONS, Login, Permission, Principal, Role, allows


def principal(role: Role) -> Principal:
    return Principal("anna", role, Login.PASSWORD, b"key")


def test_each_role_may_do_what_the_one_before_may_and_more() -> None:
    for less, more in pairwise(Role):
        assert PERMISSIONS[less] < PERMISSIONS[more]
    assert PERMISSIONS[Role.ADMIN] == frozenset(Permission) - {Permission.PUBLIC}


@pytest.mark.parametrize("permission", Permission)
def test_nobody_in_particular_may_only_what_is_public(permission: Permission) -> None:
    assert allows(None, permission) is (permission is Permission.PUBLIC)


def test_a_viewer_reads_and_changes_nothing_but_views_of_their_own() -> None:
    allowed = {one for one in Permission if allows(principal(Role.VIEWER), one)}
    reading = ("read_", "export_", "public", "end_session")
    assert {one for one in allowed if not one.value.startswith(reading)} == {Permission.SAVE_VIEWS}
    assert not {Permission.READ_AUDIT, Permission.READ_CONFIGURATION} & allowed
