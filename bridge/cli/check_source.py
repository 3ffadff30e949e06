"""`check` of one source: reach, list, get by id, hub."""

import secrets
from collections import Counter
from collections.abc import Iterator
from time import perf_counter
from urllib.parse import urlsplit

from bridge.bootstrap import client_for, notices_of, reader_for
from bridge.cli.check_filter import check_filter
from bridge.cli.finding import Finding, tried
from bridge.domain.completeness import Gap
from bridge.domain.hub import HubAbsentError, HubConflictError
from bridge.domain.observation import Via
from bridge.domain.vocabulary import SourceVocabulary
from bridge.errors import BridgeError, PermanentError, UnreadableError
from bridge.http.errors import MalformedAnswerError
from bridge.http.row import Row
from bridge.schedule import now
from bridge.settings import SourceSettings
from bridge.sources.client import HubClient, SourceClient
from bridge.telemetry.metrics import Metrics

_EXAMPLES = 5
_LONGEST_EXAMPLE = 60


async def check_source(name: str, source: SourceSettings, base: str, *, hub: bool) -> list[Finding]:
    """Ask for a page and a problem; `hub`: register and deregister a callback below `base`, too."""
    if not source.enabled:
        return [Finding(name, "enabled", None, "no", f"set sources.{name}.enabled = true")]
    async with client_for(name, source, Metrics()) as client:
        findings, problem_id = await _list(name, source, client)
        if any(finding.works is False for finding in findings):
            return findings
        if problem_id is not None:
            remedy = f"without it deletions cannot be confirmed: look at {path_key(name, source)}"
            findings.append(await tried(name, "get by id", lambda: _get(client, problem_id), remedy))
        findings += [
            Finding(name, each.aspect, each.works, each.found, each.remedy) for each in await notices_of(client, source)
        ]
        if client.hub is None:
            findings.append(Finding(name, "hub", None, f"kind = {source.kind!r} has none", "the source is polled"))
        elif not source.hub.push:
            findings.append(Finding(name, "hub", None, "not wanted (push = false)"))
        elif hub:
            findings.append(await _hub(name, source, client.hub, base))
    return findings


async def _list(name: str, source: SourceSettings, client: SourceClient) -> tuple[list[Finding], str | None]:
    """Ask for the first page; say what came and which version the rows look like."""
    started = perf_counter()
    reader = reader_for(source)
    listed = client.pages()
    try:
        async for page in listed:
            milliseconds = 1000 * (perf_counter() - started)
            total = "" if page.total is None else f" of {page.total:,}"
            reach = Finding(name, "reach", True, f"answers in {milliseconds:.0f} ms")
            if not page.items:
                continue
            try:
                item = page.items[0].read()
                first = reader.read_problem(item, asked_at=now(), via=Via.POLL)
            except UnreadableError as error:
                return [reach, Finding(name, "list", False, f"a row cannot be read: {error}", error.hint)], None
            version = reader.detect_version(item) or "unknown"
            found = f"{len(page.items):,}{total} problems on the first page, looks like version {version}"
            findings = [reach, Finding(name, "list", True, found), *_unmapped(name, source, page.items)]
            return [*findings, *await check_filter(name, source, client, page.items)], first.problem_id
    except BridgeError as error:
        failed = Finding(name, "reach", False, str(error), _keys(name, source))
        wrong_path = isinstance(error, PermanentError | MalformedAnswerError)
        return [failed, *(await _elsewhere(name, source, client) if wrong_path else [])], None
    if listed.completeness.gap is Gap.NOT_FOUND:
        return await _not_found(name, source, client), None
    return [Finding(name, "list", True, "no problems")], None


def _unmapped(name: str, source: SourceSettings, rows: list[Row]) -> Iterator[Finding]:
    """The words and times on a page that are not understood, by attribute, with the most frequent as examples."""
    reader = reader_for(source)
    vocabulary = SourceVocabulary(source.status_map, source.priority_map)
    found: dict[str, Counter[str]] = {}
    for row in rows:
        try:
            read = reader.read_problem(row.read(), asked_at=now(), via=Via.POLL, vocabulary=vocabulary)
        except UnreadableError:
            continue
        for each in read.unmapped:
            found.setdefault(each.attribute, Counter())[each.example[:_LONGEST_EXAMPLE]] += 1
    for attribute, values in sorted(found.items()):
        words = ", ".join(f'"{value}" ({number})' for value, number in values.most_common(_EXAMPLES))
        table = {"status": "status_map", "priority": "priority_map"}.get(attribute)
        remedy = f"map them in sources.{name}.{table}" if table else ""
        yield Finding(name, attribute, None, f"not understood on the first page: {words}", remedy)


async def _not_found(name: str, source: SourceSettings, client: SourceClient) -> list[Finding]:
    """The server answers, and knows no such list: is it elsewhere?"""
    elsewhere = await _elsewhere(name, source, client)
    remedy = (
        "" if elsewhere else f"look at sources.{name}.url and {path_key(name, source)}, unless it has no problems yet"
    )
    return [Finding(name, "list", False if elsewhere else None, f"404 for {client.list_address}", remedy), *elsewhere]


async def _elsewhere(name: str, source: SourceSettings, client: SourceClient) -> list[Finding]:
    """Other settings with which the same server gives problems."""
    found = await client.elsewhere()
    if not found:
        return []
    changes = {key: value for key, value in found.items() if value != getattr(source, key)}
    change = ", ".join(f'{key} = "{value}"' for key, value in changes.items())
    return [
        Finding(name, "base path", False, f"{''.join(found.values())} gives problems", f"set sources.{name}.{change}")
    ]


def path_key(name: str, source: SourceSettings) -> str:
    """Return the key that says where the tickets of a source are, or which, by its kind."""
    key = {"tmf656": "resource_path", "servicenow": "table", "dataminer": "ticket_type"}.get(source.kind, "url")
    return f"sources.{name}.{key}"


def _keys(name: str, source: SourceSettings) -> str:
    """The keys that reaching a source depends on."""
    login = next((key for key in ("username", "token", "oauth2_token_url", "headers") if getattr(source, key)), "token")
    server = urlsplit(source.url).netloc.rpartition("@")[2]
    return f"look at sources.{name}.url (now {server}), {login} and proxy"


async def _get(client: SourceClient, problem_id: str) -> str:
    await client.get(problem_id)
    return "works"


async def _hub(name: str, source: SourceSettings, hub: HubClient, base: str) -> Finding:
    callback = f"{base}/listener/{name}/check-{secrets.token_urlsafe(8)}"
    try:
        registration = await hub.register(callback, source.hub.hub_query, version=source.model_version)
    except HubAbsentError as error:
        return Finding(name, "hub", None, f"not offered ({error})", "the source is polled")
    except HubConflictError:
        return Finding(name, "hub", True, "takes one registration only, and has one")
    except BridgeError as error:
        remedy = f"look at sources.{name}.version and http.public_url; set sources.{name}.push = false to do without"
        return Finding(name, "hub", False, str(error), remedy)
    if registration.hub_id is None:
        found = "registered, but it gave no id to deregister with"
        return Finding(name, "hub", None, found, f"delete the test registration {callback} at the server")
    return await tried(name, "hub", lambda: _deregister(hub, registration.hub_id or ""))


async def _deregister(hub: HubClient, hub_id: str) -> str:
    await hub.deregister(hub_id)
    return "registers and deregisters"
