"""*Feed health*: do data arrive, by push or poll, how late, and which errors occur."""

from grafana_foundation_sdk.builders.dashboard import Dashboard, Row

from grafana.panels import (
    Panel,
    board,
    chosen_by_label,
    heat,
    of_process,
    of_source,
    per_second,
    prom,
    quantile,
    series,
    single,
    with_processes,
)

UID = "tmf656-feed-health"
_MODES = {3: ("push", "green"), 2: ("fallback", "orange"), 1: ("poll", "blue"), 0: ("disabled", "text")}


def _best(metric: str, by: str = "source", **labels: str) -> str:
    """Several processes share a source; what any of them knows is so."""
    return f"max by ({by}) ({of_source(metric, **labels)})"


def _grows(metric: str, *by: str, **labels: str) -> str:
    return f"sum by ({', '.join(by)}) ({per_second(of_source(metric, **labels))})"


def build() -> Dashboard:
    """Return the dashboard."""
    page = board(
        UID,
        "TMF656 bridge / Feed health",
        "Do data arrive from every source, by push or poll, how late, and which errors occur.",
        since="now-6h",
    )
    page = with_processes(page).with_variable(
        chosen_by_label("source", "Source", 'tmf656_bridge_mode{job=~"$job", instance=~"$instance"}')
    )
    for title, panels in (
        ("Is data flowing?", _flowing()),
        ("By which way?", _ways()),
        ("How late?", _late()),
        ("Errors", _troubles()),
    ):
        page = page.with_row(Row(title))
        for panel in panels:
            page = page.with_panel(panel)
    return page


def _flowing() -> tuple[Panel, ...]:
    mode = " or ".join(
        f"{value} * (max by (source) ({of_source('mode', mode=word)}) == 1)" for value, (word, _) in _MODES.items()
    )
    heard = (
        f"time() - max by (source) ({of_source('last_push_timestamp_seconds')}"
        f" or {of_source('last_poll_success_timestamp_seconds', kind='poll')})"
    )
    passes = (
        f"(time() - ({_best('last_poll_success_timestamp_seconds', 'source, kind')} > 0))"
        f" / {_best('poll_interval_seconds', 'source, kind')}"
    )
    return (
        single(
            "Mode",
            "The mode of each source: push (registered, no notification known to be missing), fallback (push is "
            "configured but does not work reliably), poll (push is not configured, or no hub), disabled.",
            "short",
            prom(mode, "{{source}}"),
            words=_MODES,
        ),
        single(
            "Last contact",
            "Time since the last notification or poll of a source. The tables are at least as old.",
            "s",
            prom(heard, "{{source}}"),
            steps=((None, "green"), (180, "orange"), (300, "red")),
        ),
        single(
            "Last notification",
            "Time since the last accepted notification, and how long a silence may last before the source is polled: "
            "a multiple of its usual pauses.",
            "s",
            prom(f"time() - ({_best('last_push_timestamp_seconds')} > 0)", "{{source}}"),
            prom(f"{_best('silence_limit_seconds')} > 0", "{{source}} limit"),
        ),
        single(
            "Registered",
            "Whether the source is believed to hold our registration.",
            "short",
            prom(_best("subscription_registered"), "{{source}}"),
            words={1: ("yes", "green"), 0: ("no", "orange")},
        ),
        single(
            "Dead letters",
            "Notifications and rows that could not be understood and wait for `tmf656-bridge dead-letters`.",
            "short",
            prom(_best("dead_letters"), "{{source}}"),
            steps=((None, "green"), (1, "orange")),
        ),
        single(
            "Notifications lost",
            "Share of the changes of the last hour that a poll found and no notification brought.",
            "percentunit",
            prom(_missed("1h"), "{{source}}"),
            steps=((None, "green"), (0.01, "orange"), (0.05, "red")),
        ),
        series(
            "Age of the last pass, in intervals",
            "Time since the last successful poll or reconcile, in its intervals: 1 is due, above 3 the alert "
            "PollFailing fires.",
            "short",
            prom(passes, "{{source}} {{kind}}"),
            steps=((None, "transparent"), (3, "red")),
        ),
        series(
            "Problems by status",
            "Problems that exist at the source, by status; ten statuses, whatever the source calls them.",
            "short",
            prom(f"sum by (status) ({_best('service_problems', 'source, status')})", "{{status}}"),
            stacked=True,
        ),
        series(
            "Passes",
            "Polls, reconciles and fetches by id, by outcome. Incomplete: the pass may have missed problems.",
            "cps",
            prom(_grows("polls_total", "kind", "outcome"), "{{kind}} {{outcome}}"),
        ),
        series(
            "Complete passes",
            "1: the last poll or reconcile is known to have read all. 0: it may have missed problems, and it deletes "
            "nothing; `status` says why.",
            "short",
            prom(_best("pass_complete", "source, kind"), "{{source}} {{kind}}"),
            width=12,
        ),
        series(
            "Deletions held back",
            "Problems missing from a source's list that GET by id has not confirmed as deleted.",
            "short",
            prom(_best("deletions_held_back"), "{{source}}"),
            width=12,
        ),
    )


def _missed(window: str) -> str:
    missed = f"sum by (source) (increase({of_source('missed_changes_total')}[{window}]))"
    pushed = f"sum by (source) (increase({of_source('changes_total', via='push')}[{window}]))"
    late = f"sum by (source) (increase({of_source('late_changes_total')}[{window}]))"
    return f"{missed} / ({missed} + {late} + {pushed} > 0)"


def _ways() -> tuple[Panel, ...]:
    return (
        series(
            "Changes by how they were found",
            "Changes of current problems. With push nearly all come by push; refetch completes the problems of "
            "partial notifications.",
            "cps",
            prom(_grows("changes_total", "via"), "{{via}}"),
            stacked=True,
        ),
        series(
            "Changes that push missed",
            "Changes that a poll or reconcile found, of which no notification arrived within ten "
            "seconds. Late: it arrived after the poll. Silent: polled at once, because no "
            "notification had arrived for longer than usual.",
            "cps",
            prom(_grows("missed_changes_total", "source"), "{{source}}"),
            prom(_grows("late_changes_total", "source"), "{{source}} late"),
            prom(_grows("silences_total", "source"), "{{source}} silent"),
        ),
        series(
            "Notifications by outcome",
            "Notifications: applied, unchanged (nothing new), duplicate, stale (an older state, kept "
            "in the timeline), dead_letter.",
            "cps",
            prom(_grows("notifications_total", "outcome"), "{{outcome}}"),
            stacked=True,
        ),
        series(
            "Notifications by event type",
            "Names of the standard; anything else is `other`.",
            "cps",
            prom(f"{_grows('notifications_total', 'event_type')} > 0", "{{event_type}}"),
            width=12,
            stacked=True,
        ),
        series(
            "Drift repaired",
            "Differences that only a full pass found: missing, stale, deleted (most servers send no notification of "
            "that), regression (an older state that was seen twice).",
            "cps",
            prom(_grows("drift_total", "kind"), "{{kind}}"),
            width=12,
        ),
    )


def _late() -> tuple[Panel, ...]:
    return (
        series(
            "Age of notifications",
            "From the event time in the notification to the commit. Includes the sender's delay, and the difference "
            "of two clocks. Dots are single notifications, where exemplars are on.",
            "s",
            *(
                prom(quantile(q, "event_age_seconds", "source"), f"{{{{source}}}} p{q * 100:g}", exemplars=q == 0.5)
                for q in (0.5, 0.95, 0.99)
            ),
            width=12,
        ),
        heat(
            "Distribution of the age of notifications",
            "Number of stored notifications by their age.",
            "s",
            prom(
                f"sum by (le) (increase({of_source('event_age_seconds_bucket')}[$__rate_interval]))",
                "{{le}}",
                heat=True,
            ),
            width=12,
        ),
    )


def _troubles() -> tuple[Panel, ...]:
    refused = f"sum by (reason) ({per_second(of_process('listener_refusals_total'))}) > 0"
    failed = _grows("job_failures_total", "source")
    return (
        series(
            "Failures of jobs",
            "Jobs that failed and are tried again, by source; those without a source work on the whole database. "
            "`status` and the log name the job.",
            "cps",
            prom(failed, "{{source}}"),
        ),
        series(
            "Refusals",
            "Requests to the listener that were not accepted, by reason. unknown_callback and retired: the sender "
            "posts to an old address.",
            "cps",
            prom(refused, "{{reason}}"),
        ),
        series(
            "Requests to sources",
            "By outcome; check any outcome other than ok.",
            "reqps",
            prom(
                f"{_grows('upstream_requests_total', 'source', 'operation', 'outcome')} > 0",
                "{{source}} {{operation}} {{outcome}}",
            ),
        ),
        series(
            "Registrations",
            "Attempts to register at a hub, by reason and outcome. Many attempts: the hub loses or "
            "refuses registrations.",
            "cps",
            prom(
                _grows("subscription_registrations_total", "source", "reason", "outcome"),
                "{{source}} {{reason}} {{outcome}}",
            ),
        ),
        series(
            "Waiting to be fetched by id",
            "Problems with a partial notification, or with two different states of the same time.",
            "short",
            prom(_best("refetch_waiting"), "{{source}}"),
        ),
        series(
            "Values that could not be read",
            "Times in unknown forms, and words for a status or priority that mean none; `status_map` and "
            "`priority_map` translate them.",
            "cps",
            prom(_grows("unmapped_values_total", "source", "attribute"), "{{source}} {{attribute}}"),
        ),
        series(
            "Answered from the journal",
            "Notifications that Postgres did not store in time; the journal keeps and replays them.",
            "cps",
            prom(_grows("journalled_total", "source"), "{{source}}"),
        ),
    )
