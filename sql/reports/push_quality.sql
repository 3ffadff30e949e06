-- How well push does
-- How many changes did notifications bring, and how many had to be found by asking?
-- parameter: days = 7: how far to look back
select
    q.source,
    sum(q.by_push)::bigint as by_push,
    sum(q.by_poll)::bigint as by_poll,
    sum(q.by_reconcile)::bigint as by_reconcile,
    round((sum(q.by_poll + q.by_reconcile) / nullif(sum(q.by_push + q.by_poll + q.by_reconcile), 0))::numeric, 3) as miss_ratio,
    round(max(q.p95_delay_seconds)::numeric, 1) as worst_hour_p95_delay_seconds
from report.push_quality as q
where q.hour > now() - make_interval(days => report.parameter('days', '7')::integer)
group by q.source
order by q.source;
