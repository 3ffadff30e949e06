"""What belongs to no page in particular."""

import pytest

from tests.web.console.conftest import Browser

pytestmark = pytest.mark.anyio


async def test_the_theme_is_kept_and_the_browser_stays_where_it_was(browser: Browser) -> None:
    page = await browser.get("/about")
    assert 'data-theme="auto"' in page.text
    answer = await browser.post("/theme", page.hidden | {"theme": "dark", "next": "/about?x=1"})
    assert (answer.status, answer.headers["location"]) == (303, "/about?x=1")
    assert 'data-theme="dark"' in (await browser.get("/about")).text
    assert (await browser.post("/theme", {"theme": "pink"})).status == 400


@pytest.mark.parametrize("there", ["//evil.example/", "https://evil.example/", "/\\evil.example", "/a\r\nX: y", ""])
async def test_no_form_sends_a_browser_to_another_site(browser: Browser, there: str) -> None:
    answer = await browser.post("/theme", {"theme": "dark", "next": there})
    assert (answer.status, answer.headers["location"]) == (303, "/")
