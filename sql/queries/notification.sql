-- name: days
-- The partitions by day, and those whose removal was interrupted during the detach (detaching) or before the drop (neither).
select
    c.relname,
    i.inhrelid is not null and not i.inhdetachpending as attached,
    i.inhrelid is not null and i.inhdetachpending as detaching
from pg_class as c
left join pg_inherits as i on c.oid = i.inhrelid and i.inhparent = 'bridge.notification'::regclass
where c.relnamespace = 'bridge'::regnamespace and c.relkind = 'r' and c.relname ~ '^notification_[0-9]{8}$'
order by c.relname;

-- name: make_day
select bridge.make_notification_day($1);

-- name: drop_day
select bridge.drop_notification_day($1);

-- name: owned
-- May we detach a partition concurrently?
select pg_has_role(c.relowner, 'usage') as owned from pg_class as c
where c.oid = 'bridge.notification'::regclass;
