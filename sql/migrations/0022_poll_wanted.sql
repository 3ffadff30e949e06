-- Several processes listen, one polls: what made another one of them want a poll has to reach it.

alter table bridge.source add column poll_wanted_at timestamptz;
comment on column bridge.source.poll_wanted_at is
'When a process that does not poll itself wished for a poll (an event that could not be attributed to a problem, mostly); null once it is under way';
