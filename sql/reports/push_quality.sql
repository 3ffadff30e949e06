-- How well push does
-- How many changes did notifications bring, and how many came late or never?
-- parameter: days = 7: how far to look back
select
    q.source,
    sum(q.by_push)::bigint as by_push,
    sum(q.late)::bigint as late,
    sum(q.missed)::bigint as missed,
    round(sum(q.missed) / nullif(sum(q.by_push + q.late + q.missed), 0), 3) as miss_ratio,
    sum(q.by_poll)::bigint as by_poll,
    sum(q.by_reconcile)::bigint as by_reconcile,
    round(max(q.p95_delay_seconds)::numeric, 1) as worst_hour_p95_delay_seconds
from report.push_quality as q
where q.hour > now() - make_interval(days => report.parameter('days', '7')::integer)
group by q.source
order by q.source;
