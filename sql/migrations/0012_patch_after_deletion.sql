-- A patch brings no deleted problem back, in the timeline as little as in report.service_problem_at: told after a deletion and before the next
-- whole statement, it was of no life. (Before, a patch that was heard first and the older deletion that was heard after it left a version open.)

create or replace view report.service_problem_version as
with said as (
    select
        s.name as source,
        v.problem_id as id,
        v.effective_at,
        v.kind,
        v.via,
        v.event_type,
        v.status,
        v.body,
        coalesce(v.body_hash, v.content_hash) as body_hash,
        row_number() over life as place,
        lead(v.effective_at) over life as next_at,
        max(v.effective_at) filter (where v.kind = 'full') over life as whole_at,
        max(v.effective_at) filter (where v.kind = 'tombstone') over life as gone_at
    from bridge.service_problem_version as v
    inner join bridge.source as s on v.source_id = s.id
    where not v.superseded
    window life as (
        partition by s.name, v.problem_id
        order by
            v.effective_at,
            v.kind collate "C",
            v.confirmed_at nulls first,
            case when v.kind = 'full' then v.status end collate "C",
            v.content_hash
    )
),

-- of several statements about one moment only the last one holds
held as (
    select
        d.*,
        lag(d.body_hash) over (partition by d.source, d.id order by d.place) as body_hash_before
    from said as d
    where
        d.next_at is distinct from d.effective_at
        and (d.kind <> 'partial' or d.gone_at is null or d.whole_at > d.gone_at)
),

-- a statement that repeats the one before is no new version
lived as (
    select
        h.*,
        lead(h.effective_at) over life as valid_to,
        lag(case when h.kind <> 'tombstone' then h.body end) over life as body_before
    from held as h
    where h.body_hash is distinct from h.body_hash_before
    window life as (partition by h.source, h.id order by h.place)
)

select
    l.source,
    l.id,
    l.effective_at as valid_from,
    l.valid_to,
    l.via,
    l.event_type,
    l.status,
    bridge.changed_keys(l.body_before, l.body) as changed,
    l.body
from lived as l
where l.kind <> 'tombstone';
