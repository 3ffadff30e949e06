"""tmf656-bridge: service problems from any TM Forum TMF656 server into Postgres, live, complete and ready for SQL.

    push    server → `web.listener.endpoint` → `ingest.receiver` (reads) → `ingest.writer` (group commit) →
            `storage.observation` → commit → answer; else `journal.journal`, and later `ingest.journal_replay`
    pull    `pull.poll`, `pull.reconcile` → `tmf656.client` (pages) → `pull.page_import` → `storage.observation`;
            `pull.refetch` asks by id for what was partial or unclear
    hub     `sources.subscription` keeps one registration a source; `sources.runner` starts and stops each source alone
    links   a change of a linked ticket → `links.decide` (three-way merge) → outbox → `links.send` → the other system
    out     `stream.broadcaster`, `report.*` in SQL, `web.ops.health`, `telemetry.metrics`; `web.console` is for people
    ask     `requests.worker` does, in the process that leads, what operators asked for in `bridge.request`
    state   `maintenance.source_report` writes how each source is; `maintenance.leader_election` lets one process ask

What is true is decided in `domain.decision`, without I/O: every statement is a fact with the time since when it holds,
facts are a set, and the current row follows from them. `app` composes a process, `leader_jobs` what only the leader
runs. The glossary is in docs/architecture.md, the promises with their tests in docs/guarantees.md.
"""

from importlib.util import find_spec

__version__ = "0.1.0"


def is_compiled() -> bool:
    """Were the modules that read and decide compiled to C when this package was built?"""
    spec = find_spec("bridge.domain.merge_patch")
    return spec is not None and not str(spec.origin).endswith(".py")
