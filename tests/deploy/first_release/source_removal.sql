-- name: statements
-- A statement for each table with rows of sources, the parts of a partitioned one singly; it deletes at most $2 rows of source $1.
select
    format(
        'delete from %1$I.%2$I as t where t.source_id = $1 and t.ctid = any(array('
        || 'select o.ctid from %1$I.%2$I as o where o.source_id = $1 limit $2))',
        n.nspname,
        c.relname
    ) as statement
from pg_class as c
inner join pg_namespace as n on c.relnamespace = n.oid
inner join pg_attribute as a on c.oid = a.attrelid
where n.nspname = 'bridge' and c.relkind = 'r' and a.attname = 'source_id' and not a.attisdropped
order by c.relname;

-- name: source
delete from bridge.source as s
where s.id = $1;

-- name: counts
select
    (
        select count(*) from bridge.service_problem as p
        where p.source_id = $1
    ) as problems,
    (
        select count(*) from bridge.dead_letter as d
        where d.source_id = $1
    ) as dead_letters;
