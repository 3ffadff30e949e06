"""*Synchronisation*: are linked tickets in step, how late are changes, what is written, and what needs a person."""

from grafana_foundation_sdk.builders.dashboard import Dashboard, Row

from grafana.panels import (
    Panel,
    board,
    chosen_by_label,
    of_process,
    per_second,
    prom,
    series,
    single,
    with_processes,
)

UID = "tmf656-synchronisation"
_STATES = {"on": "green", "plan": "blue", "off": "text", "paused": "orange", "held": "red", "gone": "text"}


def build() -> Dashboard:
    """Return the dashboard."""
    page = with_processes(
        board(
            UID,
            "TMF656 bridge / Synchronisation",
            "Tickets of two sources that rules keep in step: delay, writes, and what waits for a person.",
            since="now-6h",
        )
    ).with_variable(chosen_by_label("rule", "Rule", 'tmf656_bridge_link_rule_state{job=~"$job"}'))
    for title, panels in (
        ("Are both sides in step?", _now()),
        ("How late are changes?", _delay()),
        ("Writes to the other side", _writes()),
        ("What needs a person", _people()),
        ("Links, notes and echoes", _links()),
    ):
        page = page.with_row(Row(title))
        for panel in panels:
            page = page.with_panel(panel)
    return page


def _now() -> tuple[Panel, ...]:
    held = ((None, "green"), (1, "red"))
    return (
        single(
            "State of the rules",
            "on, plan (decides, writes nothing), off, paused (by a person), held (would change too much at once), gone "
            "(no longer configured).",
            "short",
            prom(
                " + ".join(
                    f"{n} * {_of_rule('link_rule_state', 'rule', state=state)}" for n, state in enumerate(_STATES)
                ),
                "{{rule}}",
            ),
            words={n: (state, colour) for n, (state, colour) in enumerate(_STATES.items())},
            width=6,
        ),
        single(
            "Linked pairs",
            "Pairs of tickets that are kept in step.",
            "short",
            prom(f"{_of_rule('links', 'rule', state='linked')}", "{{rule}}"),
            width=3,
        ),
        single(
            "Waiting writes",
            "Writes that wait or are under way.",
            "short",
            prom(f"sum by (target) ({_most('outbox_waiting', 'target', 'kind')})", "{{target}}"),
            width=3,
        ),
        single(
            "Age of the oldest waiting write",
            "Since when the oldest write that waits, of a rule that is on, has been missing at the other side.",
            "s",
            prom(_oldest(), "{{target}}"),
            width=3,
            steps=((None, "green"), (600, "red")),
        ),
        single(
            "Blocked",
            "Writes that were refused, and links that match several tickets: tmf656-bridge links list --state blocked.",
            "short",
            prom(
                f"sum by (rule) ({_of_rule('outbox_blocked', 'rule', 'kind')}) "
                f"+ {_of_rule('links', 'rule', state='blocked')}",
                "{{rule}}",
            ),
            width=3,
            steps=held,
        ),
        single(
            "Conflicts waiting",
            "Values that wait for a person: tmf656-bridge links conflicts.",
            "short",
            prom(_of_rule("conflicts_waiting", "rule"), "{{rule}}"),
            width=3,
            steps=((None, "green"), (1, "orange")),
        ),
        single(
            "Drift in the last hour",
            "Fields that audits of the last hour found different without a known reason.",
            "short",
            prom(f"sum by (rule) (increase({_rule('link_drift_total')}[1h]))", "{{rule}}"),
            width=3,
            steps=held,
        ),
    )


def _delay() -> tuple[Panel, ...]:
    limit = f"2 * {_of_rule('link_poll_interval_seconds', 'rule', 'to')} + 30"
    return (
        series(
            "From the change to the other side",
            "95 of 100 changes took less, from their time at the source to the answer of the other side; includes what "
            "the source, or a poll interval, took to say so. The limit is that of the alert: two poll intervals and 30 "
            "seconds.",
            "s",
            prom(_quantile(0.95, "sync_age_seconds"), "{{rule}} to {{to}} p95"),
            prom(limit, "{{rule}} to {{to}} limit"),
        ),
        series(
            "From the observation to the other side",
            "What the bridge itself took: from the observation of a change to the answer of the other side.",
            "s",
            *(
                prom(_quantile(which, "sync_seconds"), f"{{{{rule}}}} to {{{{to}}}} p{which * 100:g}")
                for which in (0.5, 0.95)
            ),
        ),
        series(
            "Not decided yet",
            "Age of the oldest change that a rule has not decided.",
            "s",
            prom(_of_rule("decide_lag_seconds", "rule"), "{{rule}}"),
        ),
    )


def _writes() -> tuple[Panel, ...]:
    return (
        series(
            "Writes by outcome",
            "done, unchanged (said so already), refused (taken, not kept), dropped (not missing any more), blocked "
            "(needs a person), retried, unsure (not answered).",
            "cps",
            prom(_grows("writes_total", "target, outcome"), "{{target}} {{outcome}}"),
            width=6,
            stacked=True,
        ),
        series(
            "Time of a write",
            "From the request of a write to its answer.",
            "s",
            prom(
                f"histogram_quantile(0.95, sum by (target, le) ({per_second(of_process('write_seconds_bucket'))}))",
                "{{target}} p95",
            ),
            width=6,
        ),
        series(
            "Waiting by kind",
            "Writes that wait or are under way.",
            "short",
            prom(_most("outbox_waiting", "target", "kind"), "{{target}} {{kind}}"),
            width=6,
            stacked=True,
        ),
        series(
            "Oldest waiting write",
            "Since when the oldest write that waits, of a rule that is on, has been missing at the other side.",
            "s",
            prom(_oldest(), "{{target}}"),
            width=6,
            steps=((None, "transparent"), (600, "red")),
        ),
        series(
            "Settled writes",
            "Writes without an answer, by what reading the target showed: ours (done), not_done, uncertain.",
            "cps",
            prom(_grows("intents_settled_total", "target, outcome"), "{{target}} {{outcome}}"),
            width=6,
        ),
        series(
            "Put off",
            "Writes put off because their rule has written as much as its limits allow.",
            "cps",
            prom(_grows("write_budget_exhausted_total", "rule", of_rule=True), "{{rule}}"),
            width=6,
        ),
        series(
            "Blocked by kind",
            "Writes that need a person.",
            "short",
            prom(_of_rule("outbox_blocked", "rule", "kind"), "{{rule}} {{kind}}"),
            width=6,
        ),
        series(
            "Written to and fro",
            "Links with a field that was written six times or more within an hour, to both sides.",
            "short",
            prom(_of_rule("links_oscillating", "rule"), "{{rule}}"),
            width=6,
        ),
    )


def _people() -> tuple[Panel, ...]:
    return (
        series(
            "Conflicts by kind",
            "Values that were kept for people to see; overruled ones were decided by a policy.",
            "cps",
            prom(_grows("conflicts_total", "rule, kind", of_rule=True), "{{rule}} {{kind}}"),
            width=6,
        ),
        series(
            "Conflicts that wait",
            "Values that wait for a person.",
            "short",
            prom(_of_rule("conflicts_waiting", "rule"), "{{rule}}"),
            width=6,
        ),
        series(
            "Words without a row",
            "Values for which no row of a map says what to write.",
            "cps",
            prom(_grows("unmapped_link_values_total", "rule, field", of_rule=True), "{{rule}} {{field}}"),
            width=6,
        ),
        series(
            "Duplicates and drift",
            "Tickets that carry the key of another; fields that an audit found different without a known reason.",
            "cps",
            prom(_grows("duplicates_total", "rule", of_rule=True), "{{rule}} duplicates"),
            prom(_grows("link_drift_total", "rule", of_rule=True), "{{rule}} drift"),
            width=6,
        ),
    )


def _links() -> tuple[Panel, ...]:
    return (
        series(
            "Links by state",
            "wanted and creating: no counterpart yet; unsure: sent, outcome not known; blocked: needs a person; ended; "
            "orphaned: a side was deleted; unlinked: separated by a person.",
            "short",
            prom(_of_rule("links", "rule", "state"), "{{rule}} {{state}}"),
            stacked=True,
        ),
        series(
            "Notes",
            "Copies of notes by outcome.",
            "cps",
            prom(_grows("notes_total", "rule, to, outcome", of_rule=True), "{{rule}} to {{to}} {{outcome}}"),
        ),
        series(
            "Echoes",
            "Changes that were answers to our own writes, so that nothing followed from them.",
            "cps",
            prom(_grows("echoes_total", "rule", of_rule=True), "{{rule}}"),
        ),
    )


def _rule(metric: str, **labels: str) -> str:
    """Select a metric of the chosen rules."""
    return of_process(metric, **labels).replace('instance=~"$instance"', 'instance=~"$instance", rule=~"$rule"')


def _of_rule(metric: str, *by: str, **labels: str) -> str:
    return f"max by ({', '.join(by)}) ({_rule(metric, **labels)})"


def _most(metric: str, *by: str) -> str:
    return f"max by ({', '.join(by)}) ({of_process(metric)})"


def _grows(metric: str, by: str, *, of_rule: bool = False) -> str:
    selected = _rule(metric) if of_rule else of_process(metric)
    return f"sum by ({by}) ({per_second(selected)})"


def _quantile(which: float, metric: str) -> str:
    return f"histogram_quantile({which}, sum by (rule, to, le) ({per_second(_rule(f'{metric}_bucket'))}))"


def _oldest() -> str:
    oldest = _most("outbox_oldest_timestamp_seconds", "target")
    return f"time() - ({oldest} > 0) or 0 * {oldest}"
