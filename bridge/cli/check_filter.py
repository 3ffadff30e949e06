"""`check` of a filter: does the server apply it? Asked on one page; `run` tries it against all that it knows."""

from collections.abc import Sequence

from bridge.bootstrap import reader_for
from bridge.cli.finding import Finding
from bridge.domain.list_choice import ListChoice, list_choices
from bridge.domain.observation import Observation, Via
from bridge.domain.problem_filter import problem_filter
from bridge.domain.vocabulary import SourceVocabulary
from bridge.errors import BridgeError, UnreadableError
from bridge.http.row import Row
from bridge.schedule import now
from bridge.settings import SourceSettings
from bridge.sources.client import SourceClient


async def check_filter(name: str, source: SourceSettings, client: SourceClient, rows: list[Row]) -> list[Finding]:
    """Ask the server for what the filter keeps; `rows`: the first page of its whole list."""
    chosen = source.filter
    if not (chosen.ask_server and (chosen.status or chosen.category)):
        return []
    kept = problem_filter(statuses=chosen.status, categories=chosen.category)
    if kept is None:
        return []
    seen = [each for each in _read(source, rows) if kept.keeps(each) is not False]
    statuses = [str(each.status_raw) for each in seen if each.status_raw]
    categories = [each.category for each in seen if each.category]
    choices = list_choices(chosen.status, statuses, chosen.category, categories)
    found = "applied here: the first page has no problem that it keeps, to try the server with"
    for choice in choices:
        found, works = await _ask(source, client, choice, {each.problem_id for each in seen})
        if works:
            return [Finding(name, "filter", True, found)]
    return [Finding(name, "filter", None, found)]


async def _ask(
    source: SourceSettings, client: SourceClient, choice: ListChoice, expected: set[str]
) -> tuple[str, bool]:
    """Ask for one page; return what was seen, and whether the server applies the filter as far as that tells."""
    chosen = source.filter
    kept = problem_filter(statuses=chosen.status, categories=chosen.category)
    pages = client.chosen_pages(choice)
    if pages is None or kept is None:
        return "applied here", False
    try:
        async for page in pages:
            came = _read(source, page.items)
            if any(kept.keeps(each) is False for each in came):
                return f"applied here: the server ignores {choice}", False
            if expected.isdisjoint(each.problem_id for each in came):
                return f"applied here: for {choice} the server does not give what its list has", False
            return f"the server understands {choice}; run asks for it once a trial has missed nothing", True
    except BridgeError as error:
        return f"applied here: {error}", False
    return f"applied here: for {choice} the server gives nothing", False


def _read(source: SourceSettings, rows: Sequence[Row]) -> list[Observation]:
    reader = reader_for(source)
    vocabulary = SourceVocabulary(source.status_map, source.priority_map)
    read = []
    for row in rows:
        try:
            read.append(reader.read_problem(row.read(), asked_at=now(), via=Via.POLL, vocabulary=vocabulary))
        except UnreadableError:
            continue
    return read
