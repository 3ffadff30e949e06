-- Where a server can be asked for the problems that a source's filter keeps, `status` says so, and else why not.

alter table bridge.last_pass add column filtered text;
comment on column bridge.last_pass.filtered is 'What of the source''s filter the server applies, or why not; null: there is none that a server could apply';
