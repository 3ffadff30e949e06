"""The business rule for ServiceNow says what the listener understands; run by Node with stand-ins for the platform."""

import json
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from bridge.tmf656.wire import read_notification

RULE = Path(__file__).parents[2] / "deploy" / "servicenow" / "business_rule.js"
NODE = shutil.which("node")
PLATFORM = """
const said = [], warned = [];
function GlideDateTime(text) { this.getValue = () => text; }
const gs = { warn: (...parts) => warned.push(parts.map(String).join(" ")) };
const sn_ws = { RESTMessageV2: function (name, method) {
    this.setRequestHeader = () => {};
    this.setRequestBody = (body) => { this.body = body; };
    this.execute = () => {
        if (STATUS === 0) throw new Error("no route to host");
        said.push({ name, method, body: this.body });
        return { getStatusCode: () => STATUS };
    };
} };
const previous = null;
const current = {
    sys_id: "9d385017c611228701d22104cc95c371", number: "INC0010001", sys_mod_count: 4,
    sys_updated_on: "2026-11-30 10:00:00", operation: () => OPERATION,
};
"""

pytestmark = pytest.mark.skipif(NODE is None, reason="node is not installed: it runs the business rule")


def ran(operation: str, status: int = 204) -> tuple[list[dict[str, Any]], list[str]]:
    head = f"const OPERATION = {json.dumps(operation)}, STATUS = {status};"
    text = f"{head}{PLATFORM}{RULE.read_text()}\nconsole.log(JSON.stringify([said, warned]));"
    done = subprocess.run([NODE or "node", "-e", text], capture_output=True, text=True, check=True, timeout=60)
    said, warned = json.loads(done.stdout)
    return said, warned


@pytest.mark.parametrize(
    ("operation", "event_type"),
    [
        ("insert", "ServiceProblemCreateEvent"),
        ("update", "ServiceProblemAttributeValueChangeEvent"),
        ("delete", "ServiceProblemDeleteEvent"),
        ("null", "ServiceProblemAttributeValueChangeEvent"),
    ],
)
def test_a_hint_names_the_ticket_and_has_it_fetched(operation: str, event_type: str) -> None:
    [sent], warned = ran(operation)
    assert (sent["name"], sent["method"], warned) == ("TMF656 bridge", "hint", [])
    heard = read_notification(orjson.loads(json.dumps(sent["body"])).encode(), received_at=datetime.now(UTC))
    assert (heard.event_type, heard.problem_id) == (event_type, "9d385017c611228701d22104cc95c371")
    assert heard.event_time == datetime(2026, 11, 30, 10, tzinfo=UTC)
    assert heard.dedupable


@pytest.mark.parametrize(("status", "words"), [(0, "was not sent"), (403, "was answered")])
def test_a_hint_that_fails_is_a_warning_and_stops_nobody(status: int, words: str) -> None:
    _, [warning] = ran("update", status)
    assert words in warning
