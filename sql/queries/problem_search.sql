-- name: lock
-- Other writers wait until the end of the transaction.
select from bridge.search_state as s
for update of s;

-- name: state
-- How far the words have come. lost: the position counts transactions of another server, from whose dump this
-- database was restored, or changes after it were pruned.
select
    s.kept,
    s.complete,
    s.committed > pg_snapshot_xmax(pg_current_snapshot())
    or coalesce(
        (
            select c.id <> 1 and (s.committed, s.change_id) < (c.committed, c.id)
            from bridge.change as c
            order by c.committed, c.id
            limit 1
        ), false
    ) as lost,
    s.committed::text as committed,
    s.change_id,
    s.scanned_source_id,
    s.scanned_id,
    s.scanned_problems,
    s.scanned_at,
    exists(select from bridge.problem_search) as any_words
from bridge.search_state as s;

-- name: begin_scan
-- Start at the first problem, for problems of this kind ($1). With $2 what there is can be searched meanwhile, and changes are followed from where
-- they were; else from now on.
update bridge.search_state as s set
    kept = $1,
    complete = $2,
    committed = case when $2 then s.committed else pg_snapshot_xmin(pg_current_snapshot()) end,
    change_id = case when $2 then s.change_id else 0 end,
    scanned_source_id = 0,
    scanned_id = '',
    scanned_problems = 0,
    scanned_at = null;

-- name: clear
-- Delete at most $1 rows.
delete from bridge.problem_search as w
where
    w.ctid = any(
        array(
            select o.ctid from bridge.problem_search as o
            limit $1
        )
    );

-- name: scan
-- The next $3 problems after ($1, $2).
select
    p.source_id,
    p.id
from bridge.service_problem as p
where (p.source_id, p.id) > ($1::smallint, $2::text)
order by p.source_id, p.id
limit $3;

-- name: orphans
-- Rows of problems that were deleted from the tables.
select
    w.source_id,
    w.id
from bridge.problem_search as w
left join bridge.service_problem as p on w.source_id = p.source_id and w.id = p.id
where (w.source_id, w.id) > ($1::smallint, $2::text) and (w.source_id, w.id) <= ($3::smallint, $4::text) and p.id is null;

-- name: write
-- Compute the words of these problems again where what they are made of has changed; of those that are to have none ($3), or are gone, delete them.
with wanted as (
    select distinct
        k.source_id,
        k.id
    from unnest($1::smallint[], $2::text[]) as k (source_id, id)
),

read as materialized (
    select
        p.source_id,
        p.id,
        p.body,
        bridge.search_text(p.id, p.body) as content
    from wanted as w
    inner join bridge.console_problem as p on w.source_id = p.source_id and w.id = p.id
    where $3 = 'all' or p.open
),

found as materialized (
    select
        r.source_id,
        r.id,
        r.body,
        r.content,
        hashtextextended(
            concat_ws(E'\n', r.content, r.body -> 'affectedService', r.body -> 'relatedParty', r.body -> 'affectedLocation'), 0
        ) as digest
    from read as r
),

changed as materialized (
    select
        f.source_id,
        f.id,
        f.digest,
        t.words || e.words as words
    from found as f
    left join bridge.problem_search as o on f.source_id = o.source_id and f.id = o.id
    -- bridge.search_words and bridge.search_references, written in place: to call them costs twice as much
    cross join lateral (
        select coalesce(array_agg(distinct left(w.word, 40) collate "C"), '{}') as words
        from (
            select array_to_string(c.parts[g.place:g.place + 40], '') as word
            from (
                select string_to_array(u.chunk, chr(1)) as parts
                from unnest(
                    string_to_array(
                        regexp_replace(
                            regexp_replace(f.content, '[[:alpha:]]+|[[:digit:]]+', chr(1) || '\&', 'g'),
                            chr(1) || '0+(?=[1-9])',
                            '\&' || chr(1),
                            'g'
                        ),
                        ' '
                    )
                ) as u (chunk)
            ) as c
            cross join lateral generate_series(1, cardinality(c.parts)) as g (place)
        ) as w
        where w.word <> ''
    ) as t
    cross join lateral (
        select coalesce(array_agg(distinct m.word collate "C"), '{}') as words
        from (
            select i.kind || n.name as word
            from (
                select 'service ' as kind, l.item ->> 'id' as a, l.item ->> 'name' as b, null as c, null as d
                from bridge.list_element(f.body -> 'affectedService', 'id') as l
                union all
                select 'party ' as kind, l.item ->> 'partyId' as a, l.item ->> 'id' as b, l.item ->> 'partyName' as c, l.item ->> 'name' as d
                from bridge.list_element(f.body -> 'relatedParty', 'name') as l
                union all
                select 'place ' as kind, l.item ->> 'id' as a, l.item ->> 'name' as b, null as c, null as d
                from bridge.list_element(f.body -> 'affectedLocation', 'name') as l
            ) as i
            cross join lateral (values (i.a), (i.b), (i.c), (i.d)) as n (name)
            where length(n.name) <= 200
        ) as m
    ) as e
    where o.digest is distinct from f.digest
),

gone as (
    delete from bridge.problem_search as o
    using wanted as w
    where
        w.source_id = o.source_id and w.id = o.id
        and not exists (
            select from bridge.service_problem as p
            where
                p.source_id = w.source_id and p.id = w.id
                and ($3 = 'all' or (p.deleted_at is null and p.status not in ('resolved', 'closed', 'cancelled', 'rejected')))
        )
)

insert into bridge.problem_search as o (source_id, id, digest, complete, words)
select
    c.source_id,
    c.id,
    c.digest,
    octet_length(array_to_string(c.words, '')) <= $4,
    case when octet_length(array_to_string(c.words, '')) <= $4 then array_to_tsvector(c.words) else '' end
from changed as c
on conflict (source_id, id) do update set
digest = excluded.digest,
complete = excluded.complete,
words = excluded.words;

-- name: write_without_flush
-- What this transaction writes may be lost when the server crashes, all of it or nothing.
set local synchronous_commit = off;

-- name: others_active
-- Does another session of this database run a statement at this moment? Those of other roles count where they can be seen.
select exists(
    select from pg_stat_activity as a
    where a.datname = current_database() and a.state = 'active' and a.backend_type = 'client backend' and a.pid <> pg_backend_pid()
) as found;

-- name: write_position
-- Changes up to here are in the words.
update bridge.search_state as s set committed = $1::text::xid8, change_id = $2;

-- name: write_scan_position
update bridge.search_state as s set scanned_source_id = $1, scanned_id = $2, scanned_problems = s.scanned_problems + $3;

-- name: end_scan
update bridge.search_state as s set complete = true, scanned_at = $1;
