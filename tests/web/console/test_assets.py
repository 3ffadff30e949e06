"""Style and scripts of the console."""

import gzip
import re
from pathlib import Path

import pytest

import bridge.web.console.assets as module
from bridge.web.console.assets import Assets
from tests.web.console.conftest import Browser

pytestmark = pytest.mark.anyio

FOLDER = Path(module.__file__).with_name("static")
FIRST_LOAD_BYTES = 60_000


def test_another_content_has_another_address(tmp_path: Path) -> None:
    (tmp_path / "a.css").write_text("a { color: red }")
    one = Assets(tmp_path).address("a.css")
    (tmp_path / "a.css").write_text("a { color: blue }")
    assert Assets(tmp_path).address("a.css") != one
    assert re.fullmatch(r"/static/a\.[0-9a-f]{16}\.css", one)


async def test_an_asset_is_kept_for_ever_and_a_wrong_hash_is_not_found(browser: Browser) -> None:
    address = Assets().address("console.css")
    found = await browser.get(address)
    assert (found.status, found.text) == (200, (FOLDER / "console.css").read_text())
    assert "immutable" in found.headers["cache-control"]
    assert found.headers["content-type"] == "text/css; charset=utf-8"
    assert (await browser.get(re.sub(r"\.[0-9a-f]{16}\.", ".0123456789abcdef.", address))).status == 404
    assert (await browser.get("/static/../site.py")).status == 404


async def test_every_file_a_page_names_is_ours_and_all_are_small(browser: Browser) -> None:
    page = (await browser.get("/about")).text
    named = re.findall(r'(?:href|src)="([^"]*static[^"]*)"', page)
    assert len(named) >= 4
    sizes = 0
    for address in dict.fromkeys(named):
        assert address.startswith("/static/")
        sizes += len(gzip.compress((await browser.get(address)).text.encode()))
    assert sizes + len(gzip.compress(page.encode())) < FIRST_LOAD_BYTES
    assert not re.search(r"https?://(?!www\.w3\.org)", page)


def test_nothing_is_inline_and_no_template_switches_escaping_off() -> None:
    for path in FOLDER.with_name("templates").glob("*.html"):
        text = path.read_text()
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|javascript:", text), path.name
        assert not re.search(r"\|\s*safe\b|autoescape", text), path.name
