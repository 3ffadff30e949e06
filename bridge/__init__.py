"""tmf656-bridge: service problems from any TM Forum TMF656 server into Postgres, live, complete and ready for SQL.

What flows where
    push    server → `web.listener.endpoint` (admit, bound) → `ingest.receiver` (what arrives together in one go,
    `ingest.turn_batch`;
            `tmf656.wire`: bytes → Notification, Observation) → `ingest.writer` (group commit) → `storage.observation`
            (the one door) → commit → answer. What Postgres does not commit in time goes to `journal.journal`, is
            answered, and comes back through `ingest.journal_replay`.
    pull    `pull.poll`, `pull.reconcile` → `tmf656.client` (pages) → `pull.page_pipeline` (stretches, a few at once) →
            `pull.page_import` → the same door; watermarks after the last page. `pull.refetch` asks by id for what the
            door found partial, tied or unclear.
    hub     `sources.subscription` keeps one registration a source, make before break.
    reports `maintenance.report_summary` keeps what reports over everything need beside the facts (`storage.summary`).
    state   `maintenance.source_report` writes what each source does; `web.ops.health` and `metrics` say it.
    `app` builds all of it, `place` what a command alone needs. `maintenance.leader_election` lets one of several
    processes do the asking; every process listens.

How it is decided what is true: `domain.problem_history`, without I/O. Everything that was ever said is a fact with the
time since when it holds; facts are a set; the current row follows from them, and from when we asked.

Promises, where each is kept, and the test that shows it
    an answered notification is in Postgres or fsynced in the journal
        `ingest.receiver`, `journal.journal`: tests/program/test_kill.py, tests/faults/test_postgres_away.py
    duplicates, order and batching change nothing
        `domain.problem_history`: tests/storage/test_observation.py
    whatever happened, two reconciles bring the tables home
        `domain.problem_history`: tests/faults/test_convergence_model.py
    a deletion without an event needs two complete passes, and that the problem is not to be had by id
        `pull.reconcile`: tests/jobs/test_reconcile.py
    one bad row never blocks its neighbours; what is not understood is kept with its bytes
        `ingest.writer`, `storage.dead_letter`: tests/jobs/test_writer.py, tests/web/test_bad_input.py
    a silent push is noticed, counted and polled around
        `domain.push_health`, `sources.silence_watch`, `sources.missed_push`: tests/domain/test_silence.py,
    tests/faults/test_lost_push.py our clock may be set: what comes later is later
        `maintenance.clock_watch`, `storage.clock`: tests/jobs/test_clock.py, tests/program/test_clock.py
    who lost the lease writes nothing that only the leader may write
        `maintenance.leader_election`: tests/jobs/test_fence.py
    a callback may demand more than its secret, and nothing a sender does holds up another
        `web.listener.admission`, `web.connections`: tests/web/test_admission.py, tests/security/test_attacks.py
    memory is bounded: queue, body, page, answer, journal
        `ingest.group_commit`, `web.listener.body_budget`, `web.connections`, `tmf656.client`: tests/jobs/test_batch.py,
        tests/web/test_room.py

Glossary
    service problem   what TMF656 calls a trouble ticket; *service* is a telecom service, nothing of ours is called so
    source            a TMF656 server we take problems from
    hub, subscription where a source takes registrations; our registration there
    callback, listener  the address we register; what serves it
    notification, event type   what a source posts; which kind
    observation       at this moment this source said that about this problem
    fact, version, status change   an observation as stored: since when it holds, and what
    content, patch    the newest whole statement; a partial one that holds on top of it
    tombstone         a fact that says: deleted
    watermark, pass   how far a poll has read; one walk over a source's list
    poll, reconcile, refetch   what changed; everything; one by id
    doubt, drift      an answer that looks older than what is known; what had to be repaired
    dead letter, journal, replay   kept because not understood; kept because Postgres was away; tried again
    lease, fence      the right to ask; what keeps writes under a lost one out
    lag, drain        time since a source was last heard; answering what was received before stopping
"""

from importlib.util import find_spec

__version__ = "0.1.0"


def is_compiled() -> bool:
    """Were the modules that read and decide compiled to C when this package was built?"""
    spec = find_spec("bridge.domain.merge_patch")
    return spec is not None and not str(spec.origin).endswith(".py")
