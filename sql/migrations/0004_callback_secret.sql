-- Callback secrets change: the new one and the one before are accepted, older ones are answered 410 Gone.

alter table bridge.source add column current_secret text;
alter table bridge.source add column previous_secret text;
alter table bridge.source add column retired_secrets bytea[] not null default '{}';
comment on column bridge.source.current_secret is 'Secret in the callback as last registered: the configured one, else callback_secret';
comment on column bridge.source.previous_secret is 'The one before, still accepted; null when there was none';
comment on column bridge.source.retired_secrets is 'Hashes of older ones, answered 410';
