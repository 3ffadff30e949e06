-- One row, one commit: what this Postgres on this disk cannot do faster.
insert into inbox (event_id, body) values ('pgbench', :event::jsonb);
