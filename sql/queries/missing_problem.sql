-- name: add
-- Problems ($2) that two complete passes did not return. One that is stored already keeps its due time, unless its last fetch failed.
insert into bridge.missing_problem as m (source_id, problem_id, missing_since, due_at)
select $1::smallint, n.problem_id, $3::timestamptz, $3::timestamptz
from unnest($2::text[]) as n (problem_id)
order by n.problem_id
on conflict (source_id, problem_id) do update set
due_at = case when m.answer = 'failed' then least(m.due_at, excluded.due_at) else m.due_at end;

-- name: ids
-- The next $3 ids after $2.
select array_agg(k.problem_id order by k.problem_id) as ids
from (
    select m.problem_id
    from bridge.missing_problem as m
    where m.source_id = $1 and m.problem_id > $2
    order by m.problem_id
    limit $3
) as k;

-- name: remove
delete from bridge.missing_problem as m
where m.source_id = $1 and m.problem_id = any($2::text[]);

-- name: due
-- At most $3 problems due to be fetched at $2. A problem that was observed since is no longer missing.
select m.problem_id, m.attempts, m.answer
from bridge.missing_problem as m
inner join bridge.service_problem as p on m.source_id = p.source_id and m.problem_id = p.id
where m.source_id = $1 and m.due_at <= $2 and p.deleted_at is null and p.missed_at is not null
order by m.due_at, m.problem_id
limit $3;

-- name: next_due_at
select min(m.due_at) as due_at
from bridge.missing_problem as m
inner join bridge.service_problem as p on m.source_id = p.source_id and m.problem_id = p.id
where m.source_id = $1 and p.deleted_at is null and p.missed_at is not null;

-- name: write_answers
update bridge.missing_problem as m set answer = n.answer, due_at = n.due_at, asked_at = $2, attempts = m.attempts + 1
from unnest($3::text[], $4::text[], $5::timestamptz[]) as n (problem_id, answer, due_at)
where m.source_id = $1 and m.problem_id = n.problem_id;

-- name: undecided
-- How many problems are missing without an answer that explains it.
select count(*) as problems
from bridge.missing_problem as m
inner join bridge.service_problem as p on m.source_id = p.source_id and m.problem_id = p.id
where m.source_id = $1 and m.answer is distinct from 'given' and p.deleted_at is null and p.missed_at is not null;

-- name: hidden
-- How many problems GET by id returns although the list does not contain them.
select count(*) as problems from bridge.missing_problem as m
where m.source_id = $1 and m.answer = 'given';
