"""A TOML file: the line of each key, and every line that cannot be read."""

import re
from pathlib import Path

import pytest

from bridge.settings import trace
from tests.settings.conftest import SECRET, URL, Faults, source


def test_a_line_that_is_no_toml_is_named_beside_the_other_faults(faults: Faults) -> None:
    first, second = faults("[http]\nport 1\n", BRIDGE_HTTP__PORT="x")
    assert re.search(r"bridge\.toml, line 2: is not valid TOML: .*column 6.*write \[table\] or key = value", first)
    assert second.startswith('http.port = "x" (from BRIDGE_HTTP__PORT)')


@pytest.mark.parametrize(
    ("toml", "fault"),
    [
        (f"[sources.snow]\nurl = {URL}", rf'sources\.snow\.url \(.*, line 2\): a text stands .*: write url = "{URL}"'),
        (
            f"[sources.snow]\npassword = {SECRET}",
            r'sources\.snow\.password \(.*line 2\): a text .*: write password = "…"',
        ),
        (f"[database]\ndsn = postgresql://u:{SECRET}@h/d", r'database\.dsn \(.*line 2\): a text .*: write dsn = "…"'),
        (source("push = False"), r"sources\.snow\.push \(.*line 3\): write true or false, in lower case"),
        (source("push = yes  # sure"), r"sources\.snow\.push \(.*line 3\): write true or false, in lower case"),
        (source("poll_interval_seconds = 60s"), r"sources\.snow\.poll_interval_seconds \(.*line 3\): a text stands in"),
        (
            source("hub_query = \u201ca=b\u201d"),
            r'sources\.snow\.hub_query \(.*line 3\): has quotes of a word processor; .*: write hub_query = "a=b"',
        ),
        (
            source("password = \u201cx\u201d"),
            r'sources\.snow\.password \(.*line 3\): has quotes .*: write password = "…"',
        ),
        (
            source("filter = {status = [\u00abheld\u00bb]}"),
            r'sources\.snow\.filter \(.*3\): .*: write filter = {status = \["held"\]}',
        ),
        (source("page_size =\u00a05"), r"sources\.snow\.page_size \(.*line 3\): has a no-break space"),
        (source("page_size ="), r"sources\.snow\.page_size \(.*line 3\): has no value"),
        (source('ca_file = "C:\\certs"'), r"sources\.snow\.ca_file \(.*line 3\): its text has no end, or a backslash"),
        (source("callback_allow_from = [10.0.0.1]"), r"sources\.snow\.callback_allow_from \(.*line 3\): its list"),
        (
            source("push = true\npush = false"),
            r"sources\.snow\.push \(.*4\): is given twice, on lines 3 and 4; keep one",
        ),
        (source() + source(), r"sources\.snow \(.*4\): \[sources\.snow\] begins twice, on lines 1 and 4; join the two"),
        (f"[sources.snow\nurl = '{URL}'", r".*bridge\.toml, line 1: is not valid TOML: .*"),
    ],
)
def test_f8_a_line_that_toml_cannot_read_is_named_by_its_key(faults: Faults, toml: str, fault: str) -> None:
    found = faults(toml)[0]
    assert re.match(fault, found), found
    assert SECRET not in found


def test_f8_all_faults_of_a_broken_file_are_listed(faults: Faults) -> None:
    found = faults(f"[http]\nhost = localhost\nport = 70000\n[sources.snow]\nurl = {URL}\npsh = true\n")
    assert [fault.split(" ")[0].rstrip(":") for fault in found] == [
        "http.host",
        "sources.snow.url",
        "http.port",
        "sources.snow.psh",
    ]


def test_the_line_of_a_key_is_found_in_every_way_to_write_toml(tmp_path: Path) -> None:
    text = '# x\n[sources."snow"]\nurl = """\\\n  https://h/v4"""\nfilter.status = [\n  "held",\n]\n\n'
    text += '[http]\r\nhost = "h" # y\r\n'
    (tmp_path / "bridge.toml").write_bytes(text.encode())
    _, origins = trace(None, {}, tmp_path)
    assert {".".join(key): str(origin) for key, origin in origins.items()} == {
        "sources.snow.url": "bridge.toml:3",
        "sources.snow.filter.status": "bridge.toml:5",
        "http.host": "bridge.toml:10",
    }
