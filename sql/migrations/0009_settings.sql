-- Settings made in the console: an append-only list of revisions, and what follows from it.

create table bridge.setting_revision (
    id bigint primary key constraint setting_revision_id_check check (id > 0),
    made_at timestamptz not null default now(),
    via text not null constraint setting_revision_via_check check (via in ('console', 'cli', 'api')),
    made_by text not null,
    reason text not null,
    changes jsonb not null,
    sealed jsonb not null default '{}'
);
comment on table bridge.setting_revision is
'What was changed in the console, one row a save; rows are only added. Of two who save at the same time one gets the number, the other a conflict';
comment on column bridge.setting_revision.id is 'Number of the revision, one more than that it was made from';
comment on column bridge.setting_revision.made_at is 'When';
comment on column bridge.setting_revision.via is 'console, cli or api';
comment on column bridge.setting_revision.made_by is 'Who';
comment on column bridge.setting_revision.reason is 'Why, in their words';
comment on column bridge.setting_revision.changes is
'Key of the configuration → before (what was in force; of a secret whether it was set), and value, or secret, or reset (no longer set here)';
comment on column bridge.setting_revision.sealed is 'Key → secret, encrypted with a key that is not in the database';

create view bridge.setting as
with latest as (
    select distinct on (c.key)
        c.key,
        c.value as change,
        r.sealed ->> c.key as sealed,
        r.id as revision,
        r.made_by,
        r.made_at
    from bridge.setting_revision as r
    cross join lateral jsonb_each(r.changes) as c (key, value)
    order by c.key asc, r.id desc
)

select
    l.key,
    l.change -> 'value' as value,
    l.sealed,
    l.revision,
    l.made_by,
    l.made_at
from latest as l
where not l.change ? 'reset';
comment on view bridge.setting is 'What is set in the console now: the newest change of each key';
comment on column bridge.setting.key is 'Key of the configuration, with dots';
comment on column bridge.setting.value is 'Value; null for a secret';
comment on column bridge.setting.sealed is 'Secret, encrypted; null for anything else';
comment on column bridge.setting.revision is 'Revision that set it';
comment on column bridge.setting.made_by is 'Who set it';
comment on column bridge.setting.made_at is 'When it was set';
