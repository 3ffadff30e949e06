"""*Bridge internals*: requests, errors and durations of the listener; use, saturation, errors of what it rests on."""

from grafana_foundation_sdk.builders.dashboard import Dashboard, Row

from grafana.panels import (
    Panel,
    board,
    heat,
    of_process,
    per_second,
    prom,
    quantile,
    rows,
    series,
    single,
    with_processes,
)

UID = "tmf656-bridge-internals"
_ANSWERS = "acknowledge_seconds_count"


def _each(metric: str, **labels: str) -> str:
    return f"max by (instance) ({of_process(metric, **labels)})"


def _grows(metric: str, by: str = "instance", **labels: str) -> str:
    return f"sum by ({by}) ({per_second(of_process(metric, **labels))})"


def build() -> Dashboard:
    """Return the dashboard."""
    page = with_processes(
        board(
            UID,
            "TMF656 bridge / Bridge internals",
            "Requests, errors and durations of the listener; use, saturation and errors of the pool, the writer, the "
            "journal and the process.",
            since="now-1h",
        )
    )
    for title, panels in (
        ("Processes", _processes()),
        ("Listener: rate, errors, duration", _listener()),
        ("Writer and Postgres: use, saturation, errors", _writer()),
        ("Journal and event loop", _rest()),
        ("Stream: who follows the changes over HTTP", _stream()),
        ("Console: rate, errors, duration, people", _console()),
    ):
        page = page.with_row(Row(title))
        for panel in panels:
            page = page.with_panel(panel)
    return page


def _processes() -> tuple[Panel, ...]:
    return (
        rows(
            "Versions",
            "Versions of the running processes.",
            prom(f"max by (instance, version, python) ({of_process('build_info')})", "", instant=True),
            width=6,
            height=4,
        ),
        single(
            "Leads",
            "The leader polls, registers and prunes; every process accepts notifications.",
            "short",
            prom(_each("leads"), "{{instance}}"),
            words={1: ("leads", "green"), 0: ("follows", "text")},
            width=6,
        ),
        single(
            "Postgres",
            "Whether Postgres answers.",
            "short",
            prom(_each("database_up"), "{{instance}}"),
            words={1: ("up", "green"), 0: ("away", "red")},
            width=6,
        ),
        single(
            "Last commit",
            "Time since the writer last committed a notification.",
            "s",
            prom(f"time() - ({_each('last_commit_timestamp_seconds')} > 0)", "{{instance}}"),
            width=6,
        ),
    )


def _listener() -> tuple[Panel, ...]:
    refusals = f"sum by (reason) ({per_second(of_process('listener_refusals_total'))})"
    return (
        series(
            "Rate",
            "Requests to the listener that were answered.",
            "reqps",
            prom(_grows(_ANSWERS), "{{instance}}"),
            width=6,
        ),
        series(
            "Errors",
            "Share of the requests that were refused, by reason.",
            "percentunit",
            prom(f"({refusals} / on () group_left () (sum({per_second(of_process(_ANSWERS))}) > 0)) > 0", "{{reason}}"),
            width=6,
            stacked=True,
        ),
        series(
            "Duration",
            "From the head of a request to its answer, which comes after the commit. Senders give up after 3 to 10 "
            "seconds.",
            "s",
            *(prom(quantile(q, "acknowledge_seconds"), f"p{q * 100:g}") for q in (0.5, 0.95, 0.99)),
            width=6,
        ),
        heat(
            "Distribution of durations",
            "Number of requests by duration.",
            "s",
            prom(
                f"sum by (le) (increase({of_process('acknowledge_seconds_bucket')}[$__rate_interval]))",
                "{{le}}",
                heat=True,
            ),
            width=6,
        ),
        series(
            "In progress",
            "Requests that are not answered yet.",
            "short",
            prom(_each("listener_requests_in_progress"), "{{instance}}"),
            width=12,
        ),
        series(
            "Queue of the writer",
            "Notifications that wait for their commit, at most 8192; the journal takes further ones.",
            "short",
            prom(_each("writer_waiting"), "{{instance}}"),
            width=12,
        ),
    )


def _writer() -> tuple[Panel, ...]:
    rows_a_commit = f"{_grows('commit_rows_sum')} / ({_grows('commit_rows_count')} > 0)"
    used = f"{_each('database_connections', state='used')} / {_each('database_connections_max')}"
    return (
        series(
            "Pool",
            "Connections to Postgres by state, and their limit.",
            "short",
            prom(f"sum by (state) ({of_process('database_connections')})", "{{state}}"),
            prom(f"sum({of_process('database_connections_max')})", "most"),
        ),
        series(
            "Use of the pool",
            "Connections in use as a share of the limit. At 100 % work waits for a connection.",
            "percentunit",
            prom(used, "{{instance}}"),
            steps=((None, "transparent"), (0.9, "red")),
            most=1,
        ),
        series(
            "Commits",
            "Transactions of the writer, committed and failed.",
            "cps",
            prom(f"sum({per_second(of_process('commit_seconds_count'))})", "committed"),
            prom(f"sum({per_second(of_process('commit_failures_total'))})", "failed"),
        ),
        series(
            "Time of a commit",
            "Duration of one transaction of the writer; the larger part of the time to the answer.",
            "s",
            *(prom(quantile(q, "commit_seconds"), f"p{q * 100:g}") for q in (0.5, 0.95, 0.99)),
        ),
        series(
            "Notifications per commit",
            "Average number of notifications in one transaction: 1 at low load, more under load.",
            "short",
            prom(rows_a_commit, "{{instance}}"),
        ),
        heat(
            "Distribution of the sizes of commits",
            "Number of transactions by the notifications they stored.",
            "short",
            prom(f"sum by (le) (increase({of_process('commit_rows_bucket')}[$__rate_interval]))", "{{le}}", heat=True),
        ),
    )


def _rest() -> tuple[Panel, ...]:
    full = f"{_each('journal_bytes')} / ({_each('journal_max_bytes')} > 0)"
    oldest = f"time() - ({_each('journal_oldest_timestamp_seconds')} > 0) or 0 * {_each('journal_waiting')}"
    return (
        series(
            "Journal: waiting",
            "Answered notifications that are not in Postgres yet. Above 0 while Postgres is away or slow, then "
            "replayed. Unwritable: the disk of data_dir refuses the journal.",
            "short",
            prom(_each("journal_waiting"), "{{instance}}"),
            prom(_each("journal_unwritable"), "{{instance}} unwritable"),
        ),
        series(
            "Journal: how full",
            "Bytes of journal.max_bytes; with several workers, of the fullest one's share. At 100 % senders are "
            "answered 503.",
            "percentunit",
            prom(full, "{{instance}}"),
            steps=((None, "transparent"), (0.5, "red")),
            most=1,
        ),
        series(
            "Journal: oldest",
            "Age of the oldest notification in the journal; 0 when it is empty.",
            "s",
            prom(oldest, "{{instance}}"),
        ),
        series(
            "Lag of the event loop",
            "Delay with which the event loop runs a timer; every request is delayed as much.",
            "s",
            *(prom(quantile(q, "event_loop_lag_seconds"), f"p{q * 100:g}") for q in (0.5, 0.99)),
            width=6,
        ),
        series(
            "Processor",
            "Processor seconds per second; the event loop uses one at most.",
            "percentunit",
            prom(_grows("process_cpu_seconds_total"), "{{instance}}"),
            width=6,
        ),
        series(
            "Memory",
            "Resident memory. Bounded: queue, bodies, pages and journal have limits.",
            "bytes",
            prom(_each("process_resident_memory_bytes"), "{{instance}}"),
            width=6,
        ),
        series(
            "Open files",
            "File descriptors as a share of the limit: connections of senders and of the pool, files. With several "
            "workers the highest.",
            "percentunit",
            prom(f"{_each('process_open_fds')} / {_each('process_max_fds')}", "{{instance}}"),
            width=6,
        ),
    )


def _stream() -> tuple[Panel, ...]:
    return (
        series(
            "Changes held back",
            "How long an open or prepared transaction, in any database of this Postgres, has held changes back from "
            "/stream.",
            "s",
            prom(_each("changes_held_back_seconds"), "{{instance}}"),
            width=24,
        ),
        series(
            "Followers",
            "Connections to /stream that are open.",
            "short",
            prom(_each("stream_followers"), "{{instance}}"),
            width=6,
        ),
        series(
            "Events sent",
            "Events on all connections to /stream.",
            "cps",
            prom(_grows("stream_events_total"), "{{instance}}"),
            width=6,
        ),
        series(
            "Overflows",
            "Followers that were too slow and had to read the table instead.",
            "cps",
            prom(_grows("stream_overflows_total"), "{{instance}}"),
            width=6,
        ),
        series(
            "Ends",
            "Connections to /stream that ended: gone (closed by the client), stalled (the client read nothing), "
            "stopping, failed.",
            "cps",
            prom(_grows("stream_ends_total", by="reason"), "{{reason}}"),
            width=6,
        ),
    )


def _console() -> tuple[Panel, ...]:
    return (
        series(
            "Console requests",
            "Requests to the console, by page.",
            "reqps",
            prom(_grows("console_requests_total", by="page"), "{{page}}"),
            width=6,
            stacked=True,
        ),
        series(
            "Console outcomes",
            "refused: no login or a wrong one, no permission, a wrong address or form; busy: no slot, or Postgres away "
            "or too slow; failed: a defect.",
            "reqps",
            prom(_grows("console_requests_total", by="outcome"), "{{outcome}}"),
            width=6,
            stacked=True,
        ),
        heat(
            "Console durations",
            "Number of pages by the time that they took. The first page is to take 50 ms, words and ids 200 ms.",
            "s",
            prom(
                f"sum by (le) (increase({of_process('console_request_seconds_bucket')}[$__rate_interval]))",
                "{{le}}",
                heat=True,
            ),
            width=6,
        ),
        series(
            "People",
            "Sessions that are open, and pages that are being made: further ones than 16 at a time are answered 503.",
            "short",
            prom(_each("console_sessions"), "sessions {{instance}}"),
            prom(_each("console_requests_in_progress"), "in progress {{instance}}"),
            width=6,
        ),
    )
