"""Logging: what may be relied on of a line, and what never stands in one.

Every test has a process of its own, because logging is set up once for a whole process.
"""

import json
import os
import pty
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.telemetry.redaction import MASK, mask

CANARY = "s3cret-C4nary/+="

Run = Callable[..., str]

PREAMBLE = f"""
import logging, structlog
from bridge.telemetry import logs
CANARY = {CANARY!r}
log = structlog.get_logger()
"""


def run(script: str, *, stderr: int = subprocess.PIPE, env: dict[str, str] | None = None) -> str:
    """Run `script` after the preamble; return what it wrote to standard error; standard output has to stay empty."""
    done = subprocess.run(
        [sys.executable, "-c", PREAMBLE + textwrap.dedent(script)],
        stdout=subprocess.PIPE,
        stderr=stderr,
        check=True,
        env={**os.environ, **(env or {})},
        timeout=30,
    )
    assert done.stdout == b""
    return (done.stderr or b"").decode()


def run_json(script: str) -> list[dict[str, Any]]:
    """Run `script` with JSON at level info; return the lines."""
    return [json.loads(line) for line in run('logs.configure("info", "json")\n' + textwrap.dedent(script)).splitlines()]


def run_on_terminal(script: str, **env: str) -> str:
    """Run `script` with standard error on a terminal; return what is seen there."""
    ours, theirs = pty.openpty()
    try:
        run(script, stderr=theirs, env={"NO_COLOR": "", **env})
        return os.read(ours, 65536).decode()
    finally:
        os.close(theirs)
        os.close(ours)


def test_a_line_is_json_with_utc_time_level_message_and_facts() -> None:
    [line] = run_json('log.info("polled", source="snow", rows=3, took_seconds=0.5, full=False, since=None)')
    assert list(line)[:3] == ["timestamp", "level", "event"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", line.pop("timestamp"))
    line.pop("logger")
    assert line == {
        "level": "info",
        "event": "polled",
        "source": "snow",
        "rows": 3,
        "took_seconds": 0.5,
        "full": False,
        "since": None,
    }


def test_off_a_terminal_auto_is_json() -> None:
    assert json.loads(run('logs.configure("info", "auto"); log.info("x")'))["event"] == "x"


def test_on_a_terminal_auto_is_for_people_and_no_color_is_honoured() -> None:
    script = 'logs.configure("info", "auto"); log.warning("subscription lost", source="snow")'
    assert "\x1b[" in run_on_terminal(script)
    plain = run_on_terminal(script, NO_COLOR="1")
    assert "\x1b" not in plain
    assert "subscription lost" in plain
    assert "source=snow" in plain


def test_lines_below_the_level_are_not_written() -> None:
    script = """
    logs.configure("warning", "json")
    log.info("a"); log.warning("b")
    logging.getLogger("asyncpg").info("c"); logging.getLogger("asyncpg").error("d")
    """
    assert [json.loads(line)["event"] for line in run(script).splitlines()] == ["b", "d"]


def test_libraries_take_the_same_way_and_requests_are_heard_at_debug_only() -> None:
    script = """
    logging.getLogger("aiohttp.server").error("bad %s", "request")
    logging.getLogger("aiohttp.access").info("GET /")
    """
    [line] = run_json(script)
    assert (line["event"], line["logger"], line["level"]) == ("bad request", "aiohttp.server", "error")
    lines = run('logs.configure("debug", "json")\n' + textwrap.dedent(script)).splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["bad request", "GET /"]


def test_context_bound_for_a_task_is_on_its_lines() -> None:
    [line] = run_json('structlog.contextvars.bind_contextvars(source="snow"); log.info("x")')
    assert line["source"] == "snow"


def test_an_exception_is_one_line_of_json_without_local_variables() -> None:
    [line] = run_json("""
    try:
        hidden_local = CANARY
        raise ValueError("what went wrong")
    except ValueError:
        log.exception("failed")
    """)
    assert line["level"] == "error"
    assert "ValueError: what went wrong" in line["exception"]
    assert CANARY not in str(line)


@pytest.mark.parametrize("style", ["json", "console"])
def test_no_secret_is_ever_written(style: str) -> None:
    shown = run(f"""
    logs.configure("debug", {style!r})
    from urllib.parse import quote
    from pydantic import SecretStr
    for key in ("password", "token", "client_secret", "Authorization", "callback", "callback_url", "api_key", "Cookie"):
        log.info("by key", **{{key: CANARY}})
        log.info("nested", headers={{key: CANARY}}, many=[{{key: [CANARY]}}])
    log.info("type", value=SecretStr(CANARY))
    log.info("dsn", dsn="postgresql://me:" + CANARY + "@db/x", other="host=h password=" + CANARY)
    log.info("POST /listener/snow/" + quote(CANARY, safe="") + "/listener/serviceProblemCreateEvent")
    logging.getLogger("asyncpg").error("cannot connect to postgresql://me:%s@db/x", CANARY)
    logs.hide(CANARY)
    log.info("said " + CANARY, x=CANARY, y=[CANARY], z={{"a": CANARY, CANARY: 1}}, b=CANARY.encode())
    log.info("encoded", path=quote(CANARY), value=quote(CANARY, safe=""))
    try:
        raise ValueError(CANARY)
    except ValueError:
        log.exception("failed")
        logging.getLogger("aiohttp.server").exception("failed too")
    """)
    assert "failed too" in shown
    for form in (CANARY, "C4nary"):
        assert form not in shown


def test_numbers_are_no_secrets() -> None:
    [line] = run_json('log.info("x", token_age_seconds=5, secrets_found=True, callback=None, password="")')
    assert (line["token_age_seconds"], line["secrets_found"], line["callback"], line["password"]) == (5, True, None, "")


def test_what_a_source_sends_can_forge_no_line_and_steer_no_terminal() -> None:
    evil = "a\nb\r\n2026 [info] forged\t\x1b[2J\x07\x9b1m\u2028\u202e\ud800\x00\x7f"
    shown = run(f"""
    evil = {evil!r}
    logs.configure("info", "console")
    log.info(evil, value=evil, many=[evil], **{{evil: evil}})
    logging.getLogger("aiohttp").warning(evil)
    """)
    assert len(shown.splitlines()) == 2
    assert all(line.isprintable() for line in shown.split("\n"))
    assert "\\x1b[2J" in shown

    [line] = run_json(f"log.info({evil!r}, value={evil!r})")
    assert line["event"] == line["value"]
    assert all(part.isprintable() for part in re.split(r"[\n\t]", line["value"]))


def test_no_line_of_a_traceback_looks_like_a_log_line() -> None:
    shown = run("""
    logs.configure("info", "console")
    try:
        raise ValueError("x\\n2026-01-01T00:00:00Z [info] forged\\x1b[2J")
    except ValueError:
        log.exception("failed")
    """)
    first, *rest = shown.splitlines()
    assert "failed" in first
    assert all(line.startswith("    ") for line in rest)
    assert "\x1b" not in shown


def test_values_that_json_does_not_know_are_written_as_text() -> None:
    [line] = run_json("""
    import datetime, decimal, enum, pathlib
    class Colour(enum.StrEnum):
        RED = "red"
    circle = []
    circle.append(circle)
    at = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)
    log.info("x", at=at, path=pathlib.Path("/a"), big=10**30, some={3}, colour=Colour.RED, nan=float("nan"),
             amount=decimal.Decimal("1.5"), circle=circle, data=b"\\x00", keys={1: 2})
    """)
    assert line["at"] == "2026-01-02T00:00:00+00:00"
    assert (line["path"], line["big"], line["colour"], line["amount"]) == ("/a", str(10**30), "red", "1.5")
    assert (line["some"], line["keys"], line["nan"]) == ([3], {"1": 2}, None)


@given(st.text(alphabet="ab:/@?&=. \n"))
def test_text_without_a_secret_stays_as_it_is(text: str) -> None:
    if "://" not in text:
        assert mask(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://me:a/b@c@host:1/d", f"postgresql://me:{MASK}@host:1/d"),
        ("postgresql:///d?host=/run&password=x&user=y", f"postgresql:///d?host=/run&password={MASK}&user=y"),
        ("https://host:80/path", "https://host:80/path"),
        ("/listener/snow/abc", f"/listener/snow/{MASK}"),
        ("/listener/snow/abc//listener/xEvent", f"/listener/snow/{MASK}//listener/xEvent"),
        ("/listener/snow", "/listener/snow"),
    ],
)
def test_passwords_in_addresses_and_callback_secrets_are_found_by_their_place(text: str, shown: str) -> None:
    assert mask(text) == shown
