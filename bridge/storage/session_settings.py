"""How Postgres treats our sessions: limits and planner settings, set by a statement on each new connection.

`BRIDGE`: what `run` and the commands use. `FRONT`: what the process that shows pages uses; it reads and writes only
what role bridge_front may, and no statement of it takes longer than three seconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """`purpose`: a word for the name in pg_stat_activity. `role`: the role to take on where that is allowed."""

    values: Mapping[str, str]
    purpose: str = ""
    role: str = ""

    @property
    def statement(self) -> str:
        """One statement; what this version of Postgres does not know is left out."""
        pairs = ", ".join(f"('{name}', '{value}', '')" for name, value in self.values.items())
        pairs += "".join(f", ('{name}', '{value}', '{lower}')" for name, (lower, value) in _RAISED.items())
        return f"""
select set_config(s.name, s.setting, false)
from (values {pairs}) as s (name, setting, instead_of)
where s.name in (select p.name from pg_catalog.pg_settings as p)
  and s.instead_of in ('', current_setting(s.name, true))
"""  # noqa: S608  # nosec B608 -- made of the constants below


_RAISED = {"synchronous_commit": ("off", "on")}
"""What is set only where it has the first value: notifications are answered because their commit lasts."""

_EVERY = {
    "TimeZone": "UTC",
    # How literals and values are written; a role or a database may have been given other forms for old programs.
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "standard_conforming_strings": "on",
    "array_nulls": "on",
    "transform_null_equals": "off",
    # A search may not leave out what matches.
    "gin_fuzzy_search_limit": "0",
    "client_min_messages": "warning",
    # Limits that a role may have been given for people; ours are set where they are needed.
    "lock_timeout": "0",
    "idle_session_timeout": "0",
    "transaction_timeout": "0",
    "default_transaction_isolation": "read committed",
    "default_transaction_deferrable": "off",
    "jit": "off",
}

BRIDGE = SessionSettings(
    _EVERY
    | {
        # A process that is paused in the middle of a transaction keeps its locks, that on the lease among them.
        "idle_in_transaction_session_timeout": "10s",
        "statement_timeout": "0",
        # Our statements look rows up by key. Plans are cached while tables are still empty, when reading the whole
        # table looks cheaper, and stay so for thousands of batches (2,300 notifications a second fell to 1,300 in a
        # minute).
        "enable_seqscan": "off",
        "enable_hashjoin": "off",
        "enable_mergejoin": "off",
        # What the arrays hold makes no difference to a plan, yet planning was a quarter of the work for a batch of one.
        "plan_cache_mode": "force_generic_plan",
    }
)

FRONT = SessionSettings(
    _EVERY
    | {
        "idle_in_transaction_session_timeout": "5s",
        "statement_timeout": "3s",
        # Other cores are for those who send notifications.
        "max_parallel_workers_per_gather": "0",
        # A filter that is not set is a parameter that is null: planned with the values, its condition disappears.
        "plan_cache_mode": "force_custom_plan",
    },
    purpose="front",
    role="bridge_front",
)
