-- Two-way synchronisation: which tickets of two sources belong together (link), what is to be written to a source (outbox), which values
-- need a person or were overruled (conflict), and which notes were copied (link_note). A rule of the configuration is a row of link_rule.
--
-- A ticket is a service problem of its source; there is no foreign key to bridge.service_problem, because retention deletes rows there.

create table bridge.link_rule (
    id smallint generated always as identity primary key,
    left_source_id smallint not null constraint link_rule_left_source_id_fkey references bridge.source (id) on delete cascade,
    right_source_id smallint not null constraint link_rule_right_source_id_fkey references bridge.source (id) on delete cascade,
    walked_source_id smallint not null default 0,
    state text not null constraint link_rule_state_check check (state in ('on', 'plan', 'off', 'paused', 'held', 'gone')),
    committed xid8 not null default '0',
    change_id bigint not null default 0,
    created_at timestamptz not null default now(),
    state_since timestamptz not null default now(),
    walked_at timestamptz,
    name text not null constraint link_rule_name_key unique,
    state_reason text,
    settings_hash text not null,
    walked_id text not null default '',
    settings jsonb not null
);
comment on table bridge.link_rule is 'A rule of the configuration, [links.NAME], and how far its decisions have come';
comment on column bridge.link_rule.id is 'Short key used in the other tables';
comment on column bridge.link_rule.name is 'Name in the configuration';
comment on column bridge.link_rule.left_source_id is 'Source of the tickets on the left';
comment on column bridge.link_rule.right_source_id is 'Source of the tickets on the right';
comment on column bridge.link_rule.state is
'on: decides and writes; plan: mode = "plan", nothing is written; off: enabled = false; paused: by a person; held: by the circuit breaker; '
'gone: no longer configured';
comment on column bridge.link_rule.state_reason is 'Why it is paused or held; null otherwise';
comment on column bridge.link_rule.state_since is 'Since when it is in this state';
comment on column bridge.link_rule.settings is 'The settings as last read, with those of the preset';
comment on column bridge.link_rule.settings_hash is 'Hash of the settings; after a change all tickets are looked at again';
comment on column bridge.link_rule.committed is 'Changes up to here (bridge.change.committed) …';
comment on column bridge.link_rule.change_id is '… and here (bridge.change.id) are decided';
comment on column bridge.link_rule.walked_source_id is 'How far the walk over all tickets has come: source …';
comment on column bridge.link_rule.walked_id is '… and ticket';
comment on column bridge.link_rule.walked_at is 'When the last complete walk ended; null while one runs';
comment on column bridge.link_rule.created_at is 'When the bridge first knew of this rule: counterparts are made after a complete pass since';
create index link_rule_left_source_id_idx on bridge.link_rule (left_source_id);
create index link_rule_right_source_id_idx on bridge.link_rule (right_source_id);

create table bridge.link (
    id bigint generated always as identity primary key,
    rule_id smallint not null constraint link_rule_id_fkey references bridge.link_rule (id) on delete cascade,
    generation integer not null default 0,
    revision integer not null default 1,
    left_revision integer,
    right_revision integer,
    created_at timestamptz not null default now(),
    state_since timestamptz not null default now(),
    linked_at timestamptz,
    checked_at timestamptz,
    behind_since timestamptz,
    unsure_until timestamptz,
    origin text not null constraint link_origin_check check (origin in ('left', 'right', 'match', 'operator')),
    state text not null constraint link_state_check
    check (state in ('wanted', 'creating', 'unsure', 'linked', 'blocked', 'ended', 'orphaned', 'unlinked')),
    key text not null constraint link_key_key unique,
    left_id text,
    right_id text,
    state_reason text,
    base jsonb not null default '{}',
    left_mark jsonb,
    right_mark jsonb,
    intent jsonb,
    constraint link_ticket_check check (left_id is not null or right_id is not null)
) with (fillfactor = 85);
comment on table bridge.link is 'Two tickets that are kept in step, or one that has no counterpart yet';
comment on column bridge.link.id is 'Number used by tmf656-bridge links';
comment on column bridge.link.rule_id is 'Rule';
comment on column bridge.link.generation is 'Counts counterparts that were made on purpose after the first';
comment on column bridge.link.revision is 'Counts writes of this row; a writer that read an older revision starts over';
comment on column bridge.link.left_revision is 'Revision of the ticket on the left that was last decided on';
comment on column bridge.link.right_revision is 'Revision of the ticket on the right that was last decided on';
comment on column bridge.link.origin is
'How it began: a ticket on the left or right wanted a counterpart, both were matched, or a person joined them';
comment on column bridge.link.key is 'Key of the counterpart in its own system: it is looked up by it before it is made again';
comment on column bridge.link.left_id is 'Ticket on the left; null until it is made';
comment on column bridge.link.right_id is 'Ticket on the right; null until it is made';
comment on column bridge.link.state is
'wanted: no counterpart yet; creating: to be made; unsure: sent, outcome not known; linked; blocked: needs a person; ended: both sides ended and quiet; '
'orphaned: a side was deleted; unlinked: separated by a person';
comment on column bridge.link.state_reason is 'Why it is wanted, blocked, orphaned or unlinked, in words';
comment on column bridge.link.state_since is 'Since when it is in this state';
comment on column bridge.link.base is 'What both sides said when a field was last settled: {field: [left, right]}';
comment on column bridge.link.left_mark is
'After a write to the left: {"updated_at", "version", "answered_at"}; what is older is no change';
comment on column bridge.link.right_mark is 'The same of the right';
comment on column bridge.link.intent is
'The write that was sent and of which no outcome is known yet; nothing is decided for this link until it is settled';
comment on column bridge.link.created_at is 'When the bridge began to look for a counterpart';
comment on column bridge.link.linked_at is 'When both tickets were known';
comment on column bridge.link.checked_at is 'When it was last decided';
comment on column bridge.link.behind_since is 'Since when something waits to be written; null when both sides are in step';
comment on column bridge.link.unsure_until is 'Before that the target may still be working on the create that was sent';
create unique index link_left_id_key on bridge.link (rule_id, left_id) where state <> 'unlinked';
create unique index link_right_id_key on bridge.link (rule_id, right_id) where state <> 'unlinked';
create index link_unlinked_left_id_idx on bridge.link (rule_id, left_id) where state = 'unlinked';
create index link_unlinked_right_id_idx on bridge.link (rule_id, right_id) where state = 'unlinked';
create index link_attention_idx on bridge.link (rule_id, state, id) where state in ('wanted', 'creating', 'unsure', 'blocked', 'orphaned');
create index link_behind_since_idx on bridge.link (behind_since) where behind_since is not null;

create table bridge.outbox (
    id bigint generated always as identity primary key,
    link_id bigint not null constraint outbox_link_id_fkey references bridge.link (id) on delete cascade,
    token bigint,
    created_at timestamptz not null default now(),
    due_at timestamptz not null default now(),
    sent_at timestamptz,
    ended_at timestamptz,
    attempts integer not null default 0,
    status integer,
    rule_id smallint not null,
    source_id smallint not null,
    ends_ticket boolean not null default false,
    side text not null constraint outbox_side_check check (side in ('left', 'right')),
    kind text not null constraint outbox_kind_check check (kind in ('create', 'update', 'note', 'end_duplicate')),
    state text not null default 'waiting' constraint outbox_state_check
    check (state in ('waiting', 'sending', 'blocked', 'done', 'dropped')),
    item text not null default '',
    outcome text,
    error text,
    fields jsonb not null default '{}',
    cause jsonb
);
comment on table bridge.outbox is 'What is to be written to a source, and what was written; the row of an update says what was last missing, for people: '
'what is sent is decided again right before';
comment on column bridge.outbox.id is 'Key; older rows of a kind go first';
comment on column bridge.outbox.link_id is 'Link';
comment on column bridge.outbox.rule_id is 'Rule of the link';
comment on column bridge.outbox.source_id is 'Source that is written to';
comment on column bridge.outbox.side is 'Side of the link that is written to';
comment on column bridge.outbox.kind is 'create: make the counterpart; update: change fields; note: copy a note; end_duplicate: end a second counterpart';
comment on column bridge.outbox.item is 'Code of the note, or id of the duplicate; empty for other kinds';
comment on column bridge.outbox.state is
'waiting; sending: an intent is stored and the request may have been sent; blocked: needs a person; done; dropped: nothing was missing any more';
comment on column bridge.outbox.attempts is 'Tries that failed and count; a target that is away or asks for a pause does not';
comment on column bridge.outbox.due_at is 'Not before';
comment on column bridge.outbox.token is 'Token of the lease under which it is being sent; under an older one its outcome has to be found out';
comment on column bridge.outbox.created_at is 'When it was first missing';
comment on column bridge.outbox.sent_at is 'When the request was last about to be sent';
comment on column bridge.outbox.ended_at is 'When it was done or dropped';
comment on column bridge.outbox.ends_ticket is 'It ends the ticket there: waiting notes go first, because ended tickets often take none';
comment on column bridge.outbox.fields is 'What was last missing: {field: {"from", "to"}}';
comment on column bridge.outbox.cause is 'The observation that it follows from: {"source", "id", "revision", "via", "changed_at", "observed_at"}';
comment on column bridge.outbox.status is 'HTTP status of the last answer';
comment on column bridge.outbox.outcome is 'How it ended: done, unchanged (the target said so already), refused, dropped; null while it is open';
comment on column bridge.outbox.error is 'Why it is blocked or was last put off, in words of the target where there are any';
create unique index outbox_open_key on bridge.outbox (link_id, side, kind, item) where state in ('waiting', 'sending', 'blocked');
create index outbox_due_at_idx on bridge.outbox (source_id, due_at, id) where state = 'waiting';
create index outbox_sending_idx on bridge.outbox (source_id, id) where state = 'sending';
create index outbox_blocked_idx on bridge.outbox (rule_id, id) where state = 'blocked';
create index outbox_link_id_idx on bridge.outbox (link_id, id);
create index outbox_ended_at_idx on bridge.outbox using brin (ended_at);

create table bridge.conflict (
    id bigint generated always as identity primary key,
    link_id bigint not null constraint conflict_link_id_fkey references bridge.link (id) on delete cascade,
    opened_at timestamptz not null default now(),
    left_at timestamptz,
    right_at timestamptz,
    decided_at timestamptz,
    settled_at timestamptz,
    field text not null,
    kind text not null constraint conflict_kind_check check (
        kind in (
            'both_changed', 'overruled', 'overwritten', 'refused', 'unmapped', 'uncertain', 'oscillating', 'duplicate', 'ambiguous'
        )
    ),
    outcome text not null default 'waiting' constraint conflict_outcome_check
    check (outcome in ('waiting', 'left', 'right', 'dismissed', 'agreed')),
    decided_by text,
    left_value text,
    right_value text,
    left_base text,
    right_base text
);
comment on table bridge.conflict is 'Values that need a person, and values that were overruled: nothing that a person wrote is lost';
comment on column bridge.conflict.id is 'Key';
comment on column bridge.conflict.link_id is 'Link';
comment on column bridge.conflict.field is 'Field of the rule; empty when it is about the link itself';
comment on column bridge.conflict.kind is
'both_changed: a person is to choose; overruled: one side lost; overwritten: changed between our read and our write; refused: the target did not keep what '
'was written; unmapped: no row of the map says what to write; uncertain: a write without an answer; oscillating, duplicate, ambiguous';
comment on column bridge.conflict.outcome is
'waiting: for a person; left, right: whose value won; dismissed: a person left it so; agreed: both sides mean the same now';
comment on column bridge.conflict.decided_by is 'Who chose: a person, or policy';
comment on column bridge.conflict.left_value is 'What the left said';
comment on column bridge.conflict.right_value is 'What the right said';
comment on column bridge.conflict.left_base is 'What the left said when the field was last settled';
comment on column bridge.conflict.right_base is 'The same of the right';
comment on column bridge.conflict.left_at is 'Since when the left said so, where it is known';
comment on column bridge.conflict.right_at is 'The same of the right';
comment on column bridge.conflict.opened_at is 'When it was found';
comment on column bridge.conflict.decided_at is 'When it was decided';
comment on column bridge.conflict.settled_at is 'When the decision was carried out, or both sides agreed; null: it is open';
create unique index conflict_waiting_key on bridge.conflict (link_id, field) where outcome = 'waiting';
create index conflict_open_idx on bridge.conflict (link_id) where settled_at is null;
create index conflict_link_id_idx on bridge.conflict (link_id, id);
create index conflict_settled_at_idx on bridge.conflict using brin (settled_at);

create table bridge.link_note (
    link_id bigint not null constraint link_note_link_id_fkey references bridge.link (id) on delete cascade,
    noted_at timestamptz,
    copied_at timestamptz,
    side text not null constraint link_note_side_check check (side in ('left', 'right')),
    state text not null constraint link_note_state_check check (state in ('origin', 'copy', 'skipped')),
    note text not null,
    code text not null,
    copy_of text,
    author text,
    text_hash bytea,
    primary key (link_id, side, note)
);
comment on table bridge.link_note is 'Notes of linked tickets, so that each stands once on the other side';
comment on column bridge.link_note.link_id is 'Link';
comment on column bridge.link_note.side is 'Side on which the note stands';
comment on column bridge.link_note.note is 'Id of the note in its system, else a hash of author, time and text';
comment on column bridge.link_note.code is 'Code in the first line of the copy; of a copy, that of its original';
comment on column bridge.link_note.copy_of is 'Of a copy: the original note on the other side, where it is known';
comment on column bridge.link_note.state is 'origin: written there; copy: written by us; skipped: not to be copied';
comment on column bridge.link_note.author is 'Who wrote it';
comment on column bridge.link_note.text_hash is 'Hash of the text; another one: it was edited';
comment on column bridge.link_note.noted_at is 'When it was written, where its system says so';
comment on column bridge.link_note.copied_at is 'Of an original: when its copy was confirmed on the other side';
create index link_note_code_idx on bridge.link_note (link_id, code);
