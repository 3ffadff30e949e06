-- name: add
insert into bridge.unmapped_value as v (source_id, attribute, example, times, first_seen_at, last_seen_at)
select
    $1::smallint,
    u.attribute,
    u.example,
    sum(u.times),
    now(),
    now()
from unnest($2::text[], $3::text[], $4::bigint[]) as u (attribute, example, times)
group by u.attribute, u.example
order by u.attribute, u.example
on conflict (source_id, attribute, example) do update set
times = v.times + excluded.times,
last_seen_at = excluded.last_seen_at;

-- name: forget_oldest
delete from bridge.unmapped_value as v
using (
    select
        u.attribute,
        u.example,
        row_number() over (order by u.last_seen_at desc, u.times desc) as place
    from bridge.unmapped_value as u
    where u.source_id = $1
) as o
where v.source_id = $1 and v.attribute = o.attribute and v.example = o.example and o.place > $2;

-- name: of_source
select v.attribute, v.example, v.times, v.last_seen_at
from bridge.unmapped_value as v
where v.source_id = $1
order by v.times desc, v.attribute asc, v.example asc;
