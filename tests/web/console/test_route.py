"""Finding the route of a path."""

import pytest
from aiohttp import web

from bridge.domain.access import Permission
from bridge.settings import Settings
from bridge.web.console.front import console_routes
from bridge.web.console.live import ChangeSignal
from bridge.web.console.login import Authenticator
from bridge.web.console.route import ConsoleRoute, Found, RouteTable
from bridge.web.console.visit import Visit


async def handler(_: Visit) -> web.StreamResponse:
    return web.Response()


def route(method: str, pattern: str) -> ConsoleRoute:
    return ConsoleRoute(method, pattern, Permission.READ_PROBLEMS, handler)


TABLE = RouteTable([route("GET", "/problems"), route("GET", "/problems/{source}/{id}"), route("POST", "/problems")])


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("/problems", {}),
        ("/problems/snow/SP-4", {"source": "snow", "id": "SP-4"}),
        ("/problems/snow/a%2Fb%20%C3%A4", {"source": "snow", "id": "a/b ä"}),
        ("/problems/snow/", {"source": "snow", "id": ""}),
        ("/problems/snow/..", {"source": "snow", "id": ".."}),
    ],
)
def test_a_path_is_split_before_it_is_decoded(path: str, values: dict[str, str]) -> None:
    found = TABLE.find("GET", path)
    assert isinstance(found, Found)
    assert found.values == values
    assert TABLE.find("HEAD", path) == found


@pytest.mark.parametrize("path", ["", "/", "/problems/", "/problems/snow", "/problems/snow/%ff", "/problems/a/b/c"])
def test_other_paths_lead_nowhere(path: str) -> None:
    assert TABLE.find("GET", path) == frozenset()


def test_another_method_is_answered_with_those_there_are() -> None:
    assert TABLE.find("DELETE", "/problems") == {"GET", "POST"}


def test_a_route_is_there_once() -> None:
    with pytest.raises(ValueError, match="same"):
        RouteTable([route("GET", "/a"), route("GET", "/a")])


def test_every_route_that_changes_something_needs_a_login_but_login_and_theme() -> None:
    """A route cannot be made without a permission; this says which may be public."""
    routes = console_routes(Authenticator(Settings()), ChangeSignal()).routes
    public = {(one.method, one.pattern) for one in routes if one.permission is Permission.PUBLIC}
    assert public <= {("POST", "/theme"), ("GET", "/login"), ("POST", "/login"), ("GET", "/login/oidc")}
