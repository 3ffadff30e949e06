-- name: status_words
-- What a source ($1) writes for statuses ($2), in its problems that are not deleted.
select distinct p.status_raw as word
from bridge.service_problem as p
where p.source_id = $1 and p.deleted_at is null and p.status = any($2::text[]) and p.status_raw is not null
limit 100;

-- name: categories
-- The categories of a source ($1), in its problems that are not deleted.
select distinct p.category as word
from bridge.service_problem as p
where p.source_id = $1 and p.deleted_at is null and p.category is not null
limit 10000;

-- name: listed
-- The next 10,000 problems after $5, by id, that have one of the statuses ($3) and categories ($4) as the source writes them (null: any), were not
-- observed since $2, and were not missed by the last complete pass.
select array_agg(k.id) as ids
from (
    select p.id
    from bridge.service_problem as p
    where
        p.source_id = $1
        and p.id > $5
        and p.deleted_at is null
        and p.missed_at is null
        and p.observed_at < $2
        and p.last_seen_at < $2
        and ($3::text[] is null or p.status_raw = any($3::text[]))
        and ($4::text[] is null or p.category = any($4::text[]))
    order by p.id
    limit 10000
) as k;
